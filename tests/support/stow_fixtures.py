"""Fixtures of the tests that run a real platform and a real uploader: `pytest_plugins = ("tests.support.stow_fixtures",)`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.platform_process import Pki, PlatformProcess
from tests.support.uploading import Proxy, ReadySpool, UploaderProcess


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """One CA for all."""
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[PlatformProcess]:
    """A platform for the tests that leave it alone; each uses a study of its own."""
    process = PlatformProcess(tmp_path_factory.mktemp("platform"), pki).start()
    yield process
    assert process.stop() == 0
    assert not process.events("crash")
    assert not process.events("request-broken")


@pytest.fixture
def fragile(tmp_path: Path, pki: Pki) -> Iterator[PlatformProcess]:
    """A platform that a test may stop, kill and damage."""
    process = PlatformProcess(tmp_path / "fragile", pki).start()
    yield process
    process.stop()


@pytest.fixture
def ready(tmp_path: Path) -> ReadySpool:
    """A spool without objects yet."""
    return ReadySpool(tmp_path / "spool")


@pytest.fixture
def proxy(pki: Pki, shared: PlatformProcess) -> Iterator[Proxy]:
    """Faults on the way to the shared platform."""
    between = Proxy(pki, shared)
    yield between
    between.close()


@pytest.fixture
def uploader(
    tmp_path: Path, ready: ReadySpool, pki: Pki, shared: PlatformProcess
) -> Iterator[UploaderProcess]:
    """Sends to the shared platform; not started yet."""
    yield from _uploader(tmp_path, ready, pki, shared.url)


@pytest.fixture
def to_fragile(
    tmp_path: Path, ready: ReadySpool, pki: Pki, fragile: PlatformProcess
) -> Iterator[UploaderProcess]:
    """Sends to the fragile platform; not started yet."""
    yield from _uploader(tmp_path, ready, pki, fragile.url)


@pytest.fixture
def through(tmp_path: Path, ready: ReadySpool, pki: Pki, proxy: Proxy) -> Iterator[UploaderProcess]:
    """Sends through the proxy; not started yet."""
    yield from _uploader(tmp_path, ready, pki, proxy.url)


def _uploader(folder: Path, ready: ReadySpool, pki: Pki, url: str) -> Iterator[UploaderProcess]:
    process = UploaderProcess(folder / "gateway", ready, pki, url)
    yield process
    process.stop(signal.SIGKILL)
