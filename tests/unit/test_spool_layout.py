"""The folders of a spool: who may have it, and what a wrong path says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import SpoolError
from engine.spool import associations
from engine.spool.layout import (
    OBJECT_ID,
    Spool,
    association_of,
    new_association_id,
    object_id,
    write_durably,
    write_synced,
)


def test_a_new_spool_is_for_its_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        spool = Spool.open(tmp_path / "a" / "spool")
    finally:
        os.umask(old)
    for folder in (spool.root, spool.incoming, spool.received, spool.passes, spool.quarantine, spool.run):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_opening_twice_keeps_what_is_there(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    (spool.received / "x").write_bytes(b"1")
    assert (Spool.open(tmp_path).received / "x").read_bytes() == b"1"


def test_a_spool_that_others_can_read_is_refused_with_the_way_out(tmp_path: Path) -> None:
    Spool.open(tmp_path)
    tmp_path.chmod(0o750)
    with pytest.raises(SpoolError, match="chmod 700") as caught:
        Spool.open(tmp_path)
    assert caught.value.code == "spool-open-to-others"


def test_a_spool_that_is_a_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    with pytest.raises(SpoolError, match=re.escape(str(path))):
        Spool.open(path)


def test_a_spool_that_must_exist_and_does_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match=r"\[spool\] path"):
        Spool.open(tmp_path / "nothing", create=False)


def test_ids_keep_their_association_and_their_order(tmp_path: Path) -> None:
    association = new_association_id()
    ids = [object_id(association, n) for n in (0, 9, 10, 2**32 - 1)]
    assert ids == sorted(ids)
    assert all(OBJECT_ID.fullmatch(one) and association_of(one) == association for one in ids)


def test_a_second_gateway_is_told_that_the_spool_is_in_use(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    held = spool.lock()
    with pytest.raises(SpoolError, match="another gateway"):
        spool.lock()
    os.close(held)
    os.close(spool.lock())


def test_a_child_that_inherited_the_lock_keeps_the_spool(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    held = spool.lock()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[held])
    os.close(held)
    with pytest.raises(SpoolError):
        spool.lock()
    child.communicate(b"\n")
    os.close(spool.lock(wait=5.0))


def test_waiting_for_the_lock_ends_when_it_is_let_go(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    held = spool.lock()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[held])
    os.close(held)
    before = time.monotonic()
    assert child.stdin is not None
    child.stdin.close()
    os.close(spool.lock(wait=30.0))
    assert time.monotonic() - before < 30.0
    child.wait()


@pytest.mark.parametrize("write", [write_synced, write_durably])
def test_a_synced_file_is_whole_private_and_never_overwritten(
    tmp_path: Path, write: Callable[[Path, bytes], None]
) -> None:
    path = tmp_path / "key"
    write(path, b"k" * 100_000)
    assert path.read_bytes() == b"k" * 100_000
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        write(path, b"other")


def test_an_association_is_open_then_released_or_aborted(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    for name in ("a" * 16, "b" * 16, "c" * 16):
        associations.hold(spool, name)
    associations.released(spool, "a" * 16)
    associations.aborted(spool, "b" * 16)
    assert associations.scan(spool) == ({"c" * 16}, {"b" * 16})
    associations.forget(spool, "b" * 16)
    assert associations.scan(spool) == ({"c" * 16}, set())


def test_a_dead_receivers_associations_count_as_aborted(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    associations.hold(spool, "a" * 16)
    associations.hold(spool, "b" * 16)
    assert associations.abort_all(spool) == 2
    associations.aborted(spool, "a" * 16)  # the end that was under way
    assert associations.scan(spool) == (set(), {"a" * 16, "b" * 16})


def test_remaking_run_drops_what_dead_processes_left_but_their_aborted_associations(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    associations.hold(spool, "a" * 16)
    (spool.run / "x.sock").write_bytes(b"")
    spool.remake_run()
    (spool.run / "metrics").mkdir()
    (spool.run / "metrics" / "receiver").write_bytes(b"")
    spool.remake_run()
    assert [path.name for path in spool.run.iterdir()] == ["associations"]
    assert associations.scan(spool) == (set(), {"a" * 16})
