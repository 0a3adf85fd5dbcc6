"""The promises of docs/reliability.md with the small counts, but for times; `scripts/reliability` has the full ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.reliability.book import Measure, Run
from tests.reliability.measures import MEASURES
from tests.support.smalldisk import CannotMountError
from tests.support.tracing import CannotTraceError

SEED = int(os.environ.get("PENSTOCK_SEED", "20261122"))
SMALL = [measure for measure in MEASURES if measure.few]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("measure", SMALL, ids=[measure.name for measure in SMALL])
def test_a_promise_holds(tmp_path: Path, measure: Measure) -> None:
    run = Run(tmp_path, measure.few, SEED, timed=False)
    try:
        measure.do(run)
    except (CannotMountError, CannotTraceError) as error:
        pytest.skip(f"this machine does not allow it: {error}")
    assert run.failures == []
    assert run.done >= measure.few
