"""`penstock batch --cluster`: the same outputs from a Dask cluster's workers, also when workers die."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pydicom
import pytest

from engine.dicom.sample import Shape, identities, write
from engine.pseudonymize.identity import HashSecret
from tests.support.batch import Place, noticed, wait_for, written
from tests.support.cluster import Cluster, cluster

SMALL = Shape(slices=12, size=32)
MANY = Shape(slices=150, size=16)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    secret = tmp_path / "secret"
    HashSecret(bytes(range(32))).write(secret)
    source = tmp_path / "in"
    source.mkdir()
    return Place(source, tmp_path / "out", secret)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("dask") / "cluster", 2) as made:
        yield made


def begin(place: Place, address: str, *more: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "engine.cli", "batch", place.source, place.out, "--json"]
    command += ["--secret-file", place.secret, "--cluster", address, *more]
    return subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(place: Place, address: str, *more: object) -> tuple[int, dict[str, Any], str]:
    process = begin(place, address, *more)
    out, err = process.communicate(timeout=110)
    return process.returncode, orjson.loads(out) if out else {}, err


def test_a_cluster_writes_what_a_pool_here_writes(place: Place, two: Cluster) -> None:
    for seed in (1, 2):
        write(place.source / f"study{seed}", seed, SMALL)
    (place.source / "notes.txt").write_text("no object")
    code, report, said = run(place, two.address)
    assert (code, said) == (1, "")
    assert (report["written"], report["refused_by_code"], report["finished"]) == (26, {"not-dicom": 1}, True)
    assert (report["workers"], report["studies"]) == (2, 2)
    here = Place(place.source, place.out.parent / "here", place.secret)
    assert here.run() == 1
    assert len(written(place.out)) == len(written(here.out)) == 26
    assert {p.parts[-4] for p in written(place.out)} == {p.parts[-4] for p in written(here.out)}
    known = {
        word.encode() for path in place.source.rglob("*.dcm") for word in identities(pydicom.dcmread(path))
    }
    for path in written(place.out):
        assert not [word for word in known if len(word) > 5 and word in path.read_bytes()]
    assert not (place.out / ".penstock").exists()
    receipt = orjson.loads((place.out / "receipts" / "batch.json").read_bytes())
    assert receipt["objects"] == 26


HELD = """
import os, time
real, seen = os.open, []
def opened(path, *arguments, **more):
    if os.fsencode(path).endswith(b".dcm") and "dir_fd" in more:
        seen.append(path)
        while len(seen) > 30 and not os.path.exists(os.environ["PENSTOCK_TEST_GATE"]):
            time.sleep(0.01)
    return real(path, *arguments, **more)
os.open = opened
"""


@contextlib.contextmanager
def held(folder: Path) -> Iterator[tuple[Cluster, Path]]:
    """A cluster of two workers that stop after a few files until somebody makes the gate's file."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HELD)
    gate = folder / "gate"
    with cluster(folder / "cluster", 0) as made:
        for _ in range(2):
            made.add_worker(PYTHONPATH=str(folder), PENSTOCK_TEST_GATE=str(gate))
        made.wait(2)
        yield made, gate


def some_written(place: Place) -> bool:
    return any(place.out.glob("*/*/*/*.dcm"))


def test_a_worker_that_is_killed_costs_nothing_but_time(place: Place, tmp_path: Path) -> None:
    for seed in range(4):
        write(place.source / f"study{seed}", seed + 1, MANY)
    objects = 4 * MANY.objects
    with held(tmp_path / "held") as (made, gate):
        process = begin(place, made.address)
        wait_for(lambda: some_written(place))
        os.killpg(made.workers[0].pid, signal.SIGKILL)
        gate.touch()
        out, err = process.communicate(timeout=110)
    assert process.returncode == 0, err
    report = orjson.loads(out)
    assert report["written"] + report["duplicates"] == objects
    assert report["finished"]
    paths = written(place.out)
    assert len({pydicom.dcmread(p, stop_before_pixels=True).SOPInstanceUID for p in paths}) == objects
    assert len({p.parts[-3] for p in paths}) == 4


def test_an_interrupted_run_goes_on_with_a_cluster_or_without(place: Place, tmp_path: Path) -> None:
    for seed in range(3):
        write(place.source / f"study{seed}", seed + 1, MANY)
    with held(tmp_path / "held") as (made, gate):
        process = begin(place, made.address)
        wait_for(lambda: some_written(place))
        process.send_signal(signal.SIGINT)
        wait_for(lambda: noticed(process.pid, signal.SIGINT))
        gate.touch()
        out, _ = process.communicate(timeout=60)
    first = orjson.loads(out)
    assert process.returncode == 130
    assert first["stopped"] == "interrupted"
    assert 0 < first["written"] < 3 * MANY.objects
    assert place.run() == 0
    assert len(written(place.out)) == 3 * MANY.objects
    assert len({path.parts[-3] for path in written(place.out)}) == 3


def test_a_cluster_that_is_not_there_is_told(place: Place) -> None:
    write(place.source, 1, SMALL)
    code, _, said = run(place, "tcp://127.0.0.1:9")
    assert code == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in said
    assert not written(place.out)


def test_a_cluster_without_workers_is_told(place: Place, tmp_path: Path) -> None:
    write(place.source, 1, SMALL)
    with cluster(tmp_path / "cluster", 0) as made:
        code, _, said = run(place, made.address)
    assert code == 2
    assert "has no workers" in said


POISON = """
import os, signal
real = os.open
def opened(path, *arguments, **more):
    if b"poison" in os.fsencode(path):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(path, *arguments, **more)
os.open = opened
"""


def test_a_file_that_ends_workers_is_named_and_the_others_are_done(place: Place, tmp_path: Path) -> None:
    paths = write(place.source, 1, SMALL)
    paths[3].rename(paths[3].with_name("poison.dcm"))
    (tmp_path / "sitecustomize.py").write_text(POISON)
    with cluster(tmp_path / "cluster", 0, allowed_failures=1) as made:
        for _ in range(2):
            made.add_worker(nanny=True, PYTHONPATH=str(tmp_path))
        made.wait(2)
        code, report, said = run(place, made.address)
    assert "error" not in report, report
    assert (code, report["refused_by_code"], report["written"]) == (
        1,
        {"worker-died": 1},
        SMALL.objects - 1,
    ), said
    (refused,) = orjson.loads((place.out / "quarantine.json").read_bytes())["refused"]
    assert refused["path"] == "poison.dcm"


def test_workers_and_cluster_exclude_each_other(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.run("--cluster", "tcp://127.0.0.1:9", "--workers", 2) == 2
    assert "--workers are processes here" in capsys.readouterr().err
