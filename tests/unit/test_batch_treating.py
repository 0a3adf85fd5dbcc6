"""A cluster's worker before its first file: it does the order that was given, or none."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from engine.batch.order import Order
from engine.batch.runfolder import RunFolder, Terms
from engine.batch.treating import StopFile, _claimed, build
from engine.batch.worker import Job
from engine.dicom.sample import Shape, write
from engine.errors import ConfigError
from engine.profile import compiled
from engine.pseudonymize.identity import HashSecret

SECRET = HashSecret(bytes(range(32)))


@pytest.fixture
def order(tmp_path: Path) -> Order:
    write(tmp_path / "in", 1, Shape(slices=2, size=16))
    SECRET.write(tmp_path / "secret")
    profile = compiled("default")
    terms = Terms(tmp_path / "in", profile.name, profile.digest, SECRET.key_id)
    folder = RunFolder.open(tmp_path / "out", terms)
    folder.close()
    return Order(
        name="penstock-test",
        source=tmp_path / "in",
        out=tmp_path / "out",
        run_folder=folder.path,
        secret_file=tmp_path / "secret",
        key_id=SECRET.key_id,
        profile=profile.profile,
        profile_digest=profile.digest,
        keep_same_uid=False,
        page_aligned=False,
        rebooted=False,
        count_present=False,
    )


def names(order: Order) -> tuple[bytes, ...]:
    return tuple(str(path.relative_to(order.source)).encode() for path in sorted(order.source.rglob("*.dcm")))


def test_a_worker_does_the_order_until_it_is_stopped(order: Order) -> None:
    first, *others = names(order)
    worker = build(order)
    try:
        assert worker.do(Job((first,))).written == 1
        order.say_stop()
        stopped = build(order)
        assert stopped.do(Job(tuple(others))).left == tuple(others)
        stopped.close()
    finally:
        worker.close()


def test_what_the_journal_says_is_done_is_not_done_again(order: Order) -> None:
    worker = build(order)
    tags = worker.do(Job(names(order))).tags
    (order.run_folder / "journal").write_bytes(bytes(tags))
    again = build(order)
    assert again.do(Job(names(order))).already_done == len(names(order))
    worker.close()
    again.close()


def test_another_secret_or_profile_is_no_order_to_be_done(order: Order) -> None:
    with pytest.raises(ConfigError, match="another hash secret"):
        build(replace(order, key_id="00000000"))
    with pytest.raises(ConfigError, match="another profile"):
        build(replace(order, profile_digest="0" * 64))


def test_folders_that_are_not_shared_are_told(order: Order, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot use the folders") as caught:
        build(replace(order, source=tmp_path / "elsewhere"))
    assert caught.value.code == "cluster-folder"
    assert str(errno.ENOENT) not in caught.value.message


def test_a_job_is_claimed_once(tmp_path: Path) -> None:
    claim = tmp_path / "claims" / "7"
    assert [_claimed(claim), _claimed(claim)] == [False, True]


def test_a_stop_is_never_taken_back(tmp_path: Path) -> None:
    stop = StopFile(tmp_path / "stop")
    assert stop[0] == 0
    (tmp_path / "stop").touch()
    stop = StopFile(tmp_path / "stop")
    assert stop[0] == 1
    (tmp_path / "stop").unlink()
    assert stop[0] == 1
