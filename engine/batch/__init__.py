"""Folder to folder: `penstock batch`."""

from __future__ import annotations

from engine.batch.report import Progress, Report
from engine.batch.runner import Request, run

__all__ = ["Progress", "Report", "Request", "run"]
