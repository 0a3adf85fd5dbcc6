"""Profiles: what happens to each attribute, as people write it, and as the native rewriter runs it."""

from __future__ import annotations

from engine.profile.compiler import CompiledProfile, compile_profile
from engine.profile.loader import load, shipped
from engine.profile.model import Profile

__all__ = ["CompiledProfile", "Profile", "compile_profile", "compiled", "load", "shipped"]


def compiled(name_or_path: str) -> CompiledProfile:
    """Load and compile. Raises ConfigError, naming file, line and key."""
    return compile_profile(load(name_or_path))
