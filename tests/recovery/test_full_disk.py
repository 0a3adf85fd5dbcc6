"""A spool whose disk is full: nothing is lost, nothing is given up, and it heals by itself."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.spool.states import State
from tests.support.rig import CoordinatorRig, study, wait_until

MEGABYTES = 8


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[CoordinatorRig]:
    """A coordinator whose spool is a small file system of its own."""
    spool = tmp_path / "gateway" / "spool"
    spool.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=700", "penstock-test", str(spool)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small file system cannot be mounted here: that needs root")
    rig = CoordinatorRig(tmp_path / "gateway")
    yield rig
    rig.kill()
    subprocess.run(["umount", "-l", str(spool)], check=True)


def fill(rig: CoordinatorRig) -> Path:
    """Leaves no byte free, whatever the coordinator gives back meanwhile."""
    filler = rig.spool.root / "filler"
    with filler.open("wb", buffering=0) as file:

        def is_full() -> bool:
            for size in (1 << 16, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"x" * size)
            return rig.spool.free_bytes() == 0

        wait_until(is_full, "full")
    return filler


def log(rig: CoordinatorRig) -> bytes:
    return (rig.folder / "log").read_bytes()


def test_what_was_received_waits_for_room_and_is_planned_then(rig: CoordinatorRig, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(b"no object")
    ids = rig.put([*study(tmp_path / "files"), bad])
    filler = fill(rig)
    rig.start()
    wait_until(
        lambda: b"disk-refuses" in log(rig) and b"quarantine-failed" in log(rig), "refused by the disk"
    )
    assert not rig.dead
    assert set(rig.states().values()) == {State.RECEIVED}
    filler.unlink()
    wait_until(lambda: all(rig.states().get(one) is State.READY for one in ids[:-1]), "planned")
    wait_until(lambda: rig.states().get(ids[-1]) is State.QUARANTINED, "quarantined")
    wait_until(lambda: not rig.open_passes(), "sealed")
    assert len(set(rig.pass_of().values())) == 1
    assert rig.stop() == 0


def test_a_disk_that_fills_amid_a_study_splits_nothing(rig: CoordinatorRig, tmp_path: Path) -> None:
    files = study(tmp_path / "files")
    rig.quiet = 3600.0
    rig.configure()
    rig.start()
    first = rig.put(files[:2])
    wait_until(lambda: all(rig.states().get(one) is State.READY for one in first), "planned")
    second = rig.put(files[2:])
    filler = fill(rig)
    wait_until(
        lambda: b"disk-refuses" in log(rig) or all(rig.states().get(one) is State.READY for one in second),
        "seen",
    )
    rig.kill()
    rig.start()
    filler.unlink()
    wait_until(lambda: all(rig.states().get(one) is State.READY for one in first + second), "planned")
    assert len(set(rig.pass_of().values())) == 1
    assert rig.stop() == 0
