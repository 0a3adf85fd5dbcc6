"""kill -9 of a random process at random times while studies travel: nothing acknowledged is lost, doubled or
split.

The full count is for a person with time: PENSTOCK_KILLS=1000 pytest tests/recovery/test_kill_loop.py
--timeout 0"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from engine.demo import stage
from engine.dicom import sample
from engine.spool.budget import Budget
from engine.spool.layout import Spool
from engine.spool.states import observe, passes
from tests.support import travel
from tests.support.killing import Killer, processes, send_until

KILLS = int(os.environ.get("PENSTOCK_KILLS", "12"))
SEED = int(os.environ.get("PENSTOCK_SEED", "20261122"))
SHAPE = sample.Shape(slices=39, size=64)
PATIENCE = 60.0 + KILLS * 3.0


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE * 3)
def test_kills_at_random_lose_double_and_split_nothing(tmp_path: Path) -> None:
    # Passes stay open while a sender finds its way back, as the default of a minute gives it time to.
    laid = stage.build(tmp_path / "stage", gateway={"passes": {"quiet_seconds": 8.0}})
    killer = Killer(laid, SEED, KILLS)
    with stage.running(laid):
        killing = threading.Thread(target=killer.run)
        killing.start()
        studies = send_until(
            laid,
            lambda number: travel.study(tmp_path, number, SHAPE),
            lambda: not killing.is_alive(),
            senders=2,
            seconds=PATIENCE,
        )
        assert sum(killer.killed.values()) == KILLS
        for sent in studies:
            uids = travel.arrived(laid, travel.patient_id(sent[0]), len(sent))
            assert len(uids) == 1, "a study was split, or doubled"
            travel.assert_pseudonymized(laid, sent, uids[0])
        spool = Spool.open(laid.spool)
        travel.wait("an empty spool", lambda: not [*observe(spool), *passes(spool)])
        budget = Budget.attach(spool.run, "test", 1)
        travel.wait("a budget that counts nothing", lambda: budget.used() == 0)
        assert all(processes(laid).values()), "everybody is up again"
    assert laid.gateway.wait() == 0
