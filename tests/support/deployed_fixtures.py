"""The fixtures `installed` and `deployed`: a machine with a live systemd on which both services run."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import machine
from tests.support.deployed import CONFIG, GATEWAY, PLATFORM, Deployed, install


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """One for all tests; a test that changes it puts it back. Skipped in one line where no live systemd can be had."""
    folder = tmp_path_factory.mktemp("machine")
    try:
        with machine.booted(folder, Path(sysconfig.get_path("purelib"))) as there:
            yield install(there, folder / "shared")
    except machine.NoMachineError as error:
        pytest.skip(f"NO LIVE SYSTEMD, SO THE UNITS AND THE RUNBOOK WERE NOT TRIED: {error}")


@pytest.fixture
def deployed(installed: Deployed) -> Iterator[Deployed]:
    """Both services run with the configuration that was installed, and do so again behind the test."""
    before = installed.machine.run("cat", CONFIG)
    for unit in (PLATFORM, GATEWAY):
        installed.machine.run("systemctl", "start", unit)
    installed.listening()
    installed.ready()
    yield installed
    drop_ins = "/etc/systemd/system/penstock-*.service.d"
    there = installed.machine
    changed = there.run("cat", CONFIG) != before
    (installed.shared / "gateway.toml").write_text(before, encoding="utf-8")
    there.shell(f"cp /srv/shared/gateway.toml {CONFIG}; rm -rf {drop_ins}; systemctl daemon-reload")
    there.shell("systemctl reset-failed; ip address flush dev lo to 198.51.100.0/24")
    if changed:
        there.run("systemctl", "restart", GATEWAY)
