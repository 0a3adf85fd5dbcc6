"""Every table of the platform. A new room's module of tables is imported here, and METADATA knows it."""

from __future__ import annotations

from engine.platform.database import audit, calculators, gateways, institutions, objects, people, vault
from engine.platform.database.metadata import METADATA

ROOMS = (audit, calculators, gateways, institutions, objects, people, vault)

__all__ = ["METADATA", "ROOMS"]
