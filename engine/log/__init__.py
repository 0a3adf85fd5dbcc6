"""JSON lines on standard error, without identities: one event name, and fields that are numbers or ids made
here.
"""

from __future__ import annotations

from engine.log.logger import Logger, configure, get

__all__ = ["Logger", "configure", "get"]
