"""Senders that others wrote, before a spool that fills: each is slowed as far as it goes, and none loses its patience."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.config.receiver import PeerConfig
from engine.dicom import sample
from engine.metrics.reading import read
from engine.receiver.slowing import MOST
from engine.spool.budget import Budget
from tests.support.orthanc_sender import OrthancSender
from tests.support.receiver import HOST, Running, config, receiving, wait

MAX = 1 << 30
SCU = Path(__file__).parents[1] / "support" / "scu.py"
SLOWED = 'penstock_peer_slowed_seconds_total{peer="1"}'


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Running]:
    """Its spool is at the target of the slowing, and nothing leaves it."""
    peers = (PeerConfig(ae_title="*", network="127.0.0.0/8"),)
    with receiving(config(tmp_path, peers=peers, max_bytes=MAX, high_water=0.8, low_water=0.4)) as running:
        Budget.attach(running.spool.run, "uploader", MAX).add(int(0.75 * MAX))
        wait(lambda: read(running.spool.run).get("penstock_receiving_slowed") == 1, "the brake")
        yield running


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    paths = sample.write(tmp_path_factory.mktemp("study"), 31, sample.Shape(slices=2, size=96))
    return paths[:2]


def dcmtk(port: int, paths: list[Path], _: Path) -> None:
    command = ["/usr/bin/storescu", "-aec", "PENSTOCK", HOST, str(port), *map(str, paths)]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0


def gdcm(port: int, paths: list[Path], _: Path) -> None:
    command = ["gdcmscu", "--store", "--call", "PENSTOCK", HOST, str(port), *map(str, paths)]
    subprocess.run(command, check=False, timeout=60)  # GDCM 3.0 throws after the release, whoever the peer is


def pynetdicom(port: int, paths: list[Path], _: Path) -> None:
    command = [sys.executable, str(SCU), HOST, str(port), "PENSTOCK", "SCU", *map(str, paths)]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert told.split() == ["0"] * len(paths)


def orthanc(port: int, paths: list[Path], folder: Path) -> None:
    with OrthancSender(folder / "orthanc", port, "PENSTOCK") as sender:
        told = sender.send(*sender.keep(paths))
    assert (told["InstancesCount"], told["FailedInstancesCount"]) == (len(paths), 0)


@pytest.mark.parametrize(
    ("send", "program"),
    [(dcmtk, "/usr/bin/storescu"), (gdcm, "gdcmscu"), (pynetdicom, sys.executable), (orthanc, "Orthanc")],
    ids=["dcmtk", "gdcm", "pynetdicom", "orthanc"],
)
def test_it_waits_for_its_answers_and_goes_on(
    receiver: Running,
    two: list[Path],
    tmp_path: Path,
    send: Callable[[int, list[Path], Path], None],
    program: str,
) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    send(receiver.port, two, tmp_path)
    assert len(receiver.received()) == len(two)
    wait(lambda: read(receiver.spool.run).get(SLOWED, 0) > (len(two) - 0.5) * MOST, "its seconds")
