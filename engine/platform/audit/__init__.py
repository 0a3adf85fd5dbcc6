"""The audit trail: append-only, chained by a key for each institution, exportable as DICOM audit messages."""

from __future__ import annotations

from engine.platform.audit.actor import SYSTEM, Actor
from engine.platform.audit.chain import AuditKey, Entry
from engine.platform.audit.trail import Audit

__all__ = ["SYSTEM", "Actor", "Audit", "AuditKey", "Entry"]
