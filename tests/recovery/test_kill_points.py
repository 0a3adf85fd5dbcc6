"""A whole gateway whose process dies at a named point: everything acknowledged arrives, once, as one study."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.demo import stage
from engine.spool import killpoint
from engine.spool.budget import Budget
from engine.spool.layout import Spool
from engine.spool.states import observe, passes
from tests.support import travel
from tests.support.killing import send_until_acknowledged

# The coordinator's and its workers' own points are in test_coordinator.py; one of them is here for the whole way.
ALONE = {
    "pass-made-before-name",
    "pass-named",
    "plan-written-before-name",
    "plan-named-before-result",
    "refused-before-move",
    "persisted-before-seal",
    "key-destroyed",
}

pytestmark = pytest.mark.timeout(300)
QUIET = 12.0  # seconds: longer than a role and a sender need to come again on a machine that does much else


@pytest.mark.parametrize("point", sorted(killpoint.POINTS - ALONE))
def test_a_death_at_a_named_point_loses_doubles_and_splits_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    mark = tmp_path / "mark"
    laid = stage.build(tmp_path / "stage", gateway={"passes": {"quiet_seconds": QUIET}})
    monkeypatch.setenv("PENSTOCK_KILL_POINT", f"{point}:{mark}")
    sent = travel.study(tmp_path, seed=1)
    with stage.running(laid):
        send_until_acknowledged(laid, sent, seconds=90.0)
        travel.wait(f"a death at {point}", mark.exists)
        uids = travel.arrived(laid, travel.patient_id(sent[0]), len(sent))
        assert len(uids) == 1, "split or doubled"
        travel.assert_pseudonymized(laid, sent, uids[0])
        spool = Spool.open(laid.spool)
        travel.wait("an empty spool", lambda: not [*observe(spool), *passes(spool)])
        budget = Budget.attach(spool.run, "test", 1)
        travel.wait("a budget that counts nothing", lambda: budget.used() == 0)
        budget.close()
    assert laid.gateway.wait() == 0
