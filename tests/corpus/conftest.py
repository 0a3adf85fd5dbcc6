"""The corpus rewritten once for all tests: by `default` and by `research`, pixels unseen, so that every header is looked at."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from tests.support.recorded import Recorded, recorded

UNSEEN = "\n[pixels]\npolicy = 'keep'\n"


def _run(name: str, corpus: Path, folder: Path) -> Recorded:
    """A run by a shipped profile that has only its pixel policy changed."""
    shipped = (files("engine.profile") / "profiles" / f"{name}.toml").read_text(encoding="utf-8")
    profile = folder / "unseen.toml"
    profile.write_text(shipped.replace(f'"{name}"', f'"{name}-pixels-unseen"', 1) + UNSEEN, encoding="utf-8")
    return recorded(corpus, folder, str(profile))


@pytest.fixture(scope="session")
def by_default(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return _run("default", corpus, tmp_path_factory.mktemp("by-default"))


@pytest.fixture(scope="session")
def by_research(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return _run("research", corpus, tmp_path_factory.mktemp("by-research"))
