"""What every test may ask for, and their order: fast and local first, whole processes last."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
CORPUS = (ROOT.parent / "shared" / "corpus").resolve()  # its folder may be a link

# The same examples in every run, and no limit that a busy machine could break: what a run says depends on the code alone.
# Other examples each time: scripts/test --hypothesis-profile=exploring.
for name, same in (("steady", True), ("exploring", False)):
    settings.register_profile(
        name, derandomize=same, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
settings.load_profile("steady")

# A folder that is not named here runs with the fast ones.
LATE = {"corpus": 1, "interop": 2, "recovery": 3, "e2e": 4}


def _lateness(item: pytest.Item) -> int:
    try:
        folder = item.path.relative_to(ROOT / "tests").parts[0]
    except ValueError:
        return 0
    return LATE.get(folder, 0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts by folder; the order inside a folder stays."""
    items.sort(key=_lateness)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real DICOM files beside the repository; where there is none the test is left out."""
    if not (CORPUS / "INDEX.csv").is_file():
        pytest.skip("no corpus of real DICOM files beside the repository")
    return CORPUS
