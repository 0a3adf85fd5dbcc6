"""`penstock tune`: tries settings on this machine with real objects and real processes, and proposes one."""

from __future__ import annotations
