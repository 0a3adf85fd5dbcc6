"""The power fails under the platform: what it kept is whole in its storage, byte by byte, on ext4 with a journal and on XFS."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from blake3 import blake3

from engine.spool.writeback import keeps_order
from tests.support.smalldisk import MKFS, CannotMountError, LoopDisk

CUTS = 3

# Groups of objects that are kept together. Between its name and its data each waits for a commit of the journal that others want,
# so that the two are in different transactions. What was kept is written to standard output.
CHILD = """
import os, random, sys, time
from pathlib import Path
from blake3 import blake3
from engine.platform.keys import MasterKey
from engine.platform.storage import ArrivingObject, Storage
from engine.spool.writeback import Writeback
from tests.support.platform_process import pseudonymized

root, way, seed = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
chance = random.Random(seed)
if way == "careless":
    Writeback.finish = lambda self, descriptor: None
    os.posix_fadvise = lambda *_: None  # nor does the write-back begin before its time, which may be soon enough
storage = Storage.open(root / "storage")
if not (root / "key").exists():
    MasterKey.write_new(root / "key")
master = MasterKey.load(root / "key")
other = os.open(root / "other", os.O_WRONLY | os.O_CREAT, 0o600)
number = 0
while True:
    group = [ArrivingObject(storage, master, "t", "s") for _ in range(chance.randrange(1, 6))]
    os.write(other, b"x")
    os.fsync(other)
    for one in group:
        number += 1
        one.write(pseudonymized(number, size=chance.randrange(1, 600_000)))
        one.finish(received=1)
    storage.keep(group)
    for one in group:
        print(one.object_id, blake3(one.path.read_bytes()).hexdigest(), flush=True)
    time.sleep(0.05)  # the power fails most likely here, before anybody else wants a commit
"""


@pytest.fixture(scope="module", params=MKFS)
def disk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoopDisk:
    folder = tmp_path_factory.mktemp("power")
    try:
        made = LoopDisk.make(folder / "image", folder / "mount", 320, kind=str(request.param))
    except CannotMountError as error:
        pytest.skip(f"no loop device here: {error}")
    return made


@pytest.fixture(scope="module", autouse=True)
def unmounted(disk: LoopDisk) -> object:
    yield
    subprocess.run(["umount", "-l", str(disk.mount)], check=False, capture_output=True)


def lost(disk: LoopDisk, way: str, chance: random.Random) -> tuple[int, list[str]]:
    """How many objects were kept before a cut, and which of them are not there as they were."""
    lines = disk.told_before_a_cut(CHILD, way, str(chance.random()), enough=5, chance=chance, longest=0.3)
    incoming = disk.mount / "storage" / "incoming"
    whole = [pair for pair in map(str.split, lines) if len(pair) == 2]
    found = [name for name, digest in whole if _digest(incoming / name) != digest]
    for path in incoming.iterdir():
        path.unlink()
    return len(whole), found


def _digest(path: Path) -> str:
    return blake3(path.read_bytes()).hexdigest() if path.exists() else ""


def test_what_the_platform_kept_outlives_a_power_cut(disk: LoopDisk) -> None:
    assert keeps_order(disk.mount)
    chance = random.Random(11)
    for _ in range(CUTS):
        kept, gone = lost(disk, "kept", chance)
        assert kept >= 5
        assert gone == []


def test_data_that_nobody_waited_for_would_be_missed(disk: LoopDisk) -> None:
    chance = random.Random(12)
    assert any(lost(disk, "careless", chance)[1] for _ in range(10)), "the cuts do not cut"
