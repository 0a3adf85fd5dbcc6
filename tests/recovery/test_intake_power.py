"""The power fails under the intake: what it acknowledged is there, and no name in received/ is of half an object.

PENSTOCK_CUTS says how many cuts each way of committing gets."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest
from blake3 import blake3

from engine.spool.layout import Spool
from engine.spool.writeback import keeps_order
from tests.support.smalldisk import MKFS, CannotMountError, LoopDisk, loop_disk

CUTS = int(os.environ.get("PENSTOCK_CUTS", "2"))
MEGABYTES = 320

# Objects of random sizes that begin with the digest of their rest; each name is written to standard output when it is acknowledged.
CHILD = """
import os, queue, random, sys
from blake3 import blake3
from engine.spool.budget import Budget
from engine.spool.intake import Intake
from engine.spool.layout import Spool, object_id, new_association_id
from engine.spool.nursery import Nursery
from engine.spool.writeback import Writeback

root, way, seed = sys.argv[1:]
chance = random.Random(seed)
if way == "careless":
    Writeback.finish = lambda self, descriptor: None
spool, most = Spool.open(root), 10**12
told = queue.SimpleQueue()
budget = Budget.attach(spool.run, "receiver", most)
intake = Intake(spool, Nursery(spool.run, "receiver"), budget, "fsync", told.put, lambda _: None)
if way == "plain":
    intake._writeback.in_order = False
intake.alone = way in ("alone", "careless")
association, number, due = new_association_id(), 0, 0

def acknowledged(name):
    def tell(error):
        global due
        due -= 1
        if error is None:
            os.write(1, (name + "\\n").encode())
        elif intake.broken:
            os._exit(0)
    return tell

while True:
    name = object_id(association, number)
    number += 1
    body = chance.randbytes(chance.randrange(1, 600_000))
    data = blake3(body).digest() + body
    try:
        incoming = intake.begin(name)
        incoming.done = acknowledged(name)
        for at in range(0, len(data), 131_072):
            part = data[at : at + 131_072]
            intake.write(incoming, [part], len(part))
    except Exception:
        os._exit(0)
    due += 1
    intake.commit(incoming)
    while due > (0 if intake.alone else 5):
        intake.settle(told.get())
"""


def cut(disk: LoopDisk, way: str, chance: random.Random) -> list[str]:
    """Writes, cuts the power at a random moment, brings it back; the names that were acknowledged."""
    return disk.told_before_a_cut(CHILD, way, str(chance.random()), enough=3, chance=chance, longest=0.5)


def is_whole(path: Path) -> bool:
    data = path.read_bytes()
    return len(data) > 32 and blake3(data[32:]).digest() == data[:32]


def damages(disk: LoopDisk, names: list[str]) -> list[str]:
    """Acknowledged objects that are not there, and names of objects that are not whole; then all is removed."""
    spool = Spool.open(disk.mount)
    there = {path.stem: is_whole(path) for path in spool.received.iterdir()}
    found = [f"{name} was acknowledged and is gone" for name in names if name not in there]
    found += [f"{name} is not whole" for name, whole in there.items() if not whole]
    for path in (*spool.received.iterdir(), *spool.incoming.iterdir()):
        path.unlink()
    return found


@pytest.fixture(scope="module", params=MKFS)
def disk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoopDisk:
    folder = tmp_path_factory.mktemp("power")
    try:
        with loop_disk(folder / "probe", folder / "probe-mount", 20):
            pass
        made = LoopDisk.make(folder / "image", folder / "mount", MEGABYTES, kind=str(request.param))
    except CannotMountError as error:
        pytest.skip(f"no loop device here: {error}")
    return made


@pytest.fixture(scope="module", autouse=True)
def unmounted(disk: LoopDisk) -> object:
    yield
    subprocess.run(["umount", "-l", str(disk.mount)], check=False, capture_output=True)


@pytest.mark.parametrize("way", ["alone", "grouped", "plain"])
def test_what_was_acknowledged_outlives_a_power_cut_and_nothing_is_half_there(
    disk: LoopDisk, way: str
) -> None:
    assert keeps_order(disk.mount)
    chance = random.Random(way)
    acknowledged = 0
    for _ in range(CUTS):
        names = cut(disk, way, chance)
        acknowledged += len(names)
        assert damages(disk, names) == []
    assert acknowledged >= 3 * CUTS


def test_names_before_their_data_would_be_found(disk: LoopDisk) -> None:
    """The same without waiting for the data: then a name comes before what it names."""
    chance = random.Random(7)
    found: list[str] = []
    for _ in range(20):
        found += damages(disk, cut(disk, "careless", chance))
        if found:
            return
    raise AssertionError("the cuts do not cut")
