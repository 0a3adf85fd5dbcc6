"""A machine on which gateway and platform were installed as the runbook says, under a live systemd."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sysconfig
import textwrap
import time
from pathlib import Path
from typing import Any, Final

from engine.dicom import sample
from tests.support import travel
from tests.support.machine import Machine

ROOT: Final = Path(__file__).resolve().parents[2]
RUNBOOK: Final = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
BLOCK: Final = re.compile(r"^( *)<!-- run: ([a-z-]+) -->\n+ *```\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
GATEWAY, PLATFORM = "penstock-gateway", "penstock-platform"
CONFIG: Final = "/etc/penstock/gateway.toml"
LEDGER_SECONDS: Final = 15.0  # far more than the ledger lags behind
SMALL: Final = sample.Shape(slices=5, size=64)
# What install.sh has of a network and a compiler elsewhere: the packages lie there already, and so do the compiled cores.
# (PIP_NO_BUILD_ISOLATION=0 is pip's way to say: without isolation.)
OFFLINE: Final = {
    "sudo scripts/": "PENSTOCK_CORES=none PIP_NO_INDEX=1 PIP_NO_DEPS=1 PIP_NO_BUILD_ISOLATION=0 sudo scripts/"
}
SUDO: Final = '#!/bin/sh\n[ "$1" = -u ] || exec "$@"\nuser=$2\nshift 2\nexec runuser -u "$user" -- "$@"\n'


def blocks() -> dict[str, str]:
    """The runbook's commands by the name of their block."""
    return {name: textwrap.dedent(text) for _, name, text in BLOCK.findall(RUNBOOK)}


class Deployed:
    """Both services, and what operators and senders do to them."""

    def __init__(self, machine: Machine, shared: Path) -> None:
        self.machine = machine
        self.shared = shared

    def page(self, name: str, **instead: str) -> str:
        """Runs a block of the runbook as it stands there, but for the words that are replaced; what it printed."""
        done = self.try_page(name, **instead)
        assert done.returncode == 0, f"{name}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def look(self, name: str) -> str:
        """What a block printed that only shows something, whatever the exit codes of its commands."""
        told = blocks()
        return self.machine.attempt("bash", "-c", told["begin"] + told[name]).stdout

    def try_page(self, name: str, **instead: str) -> subprocess.CompletedProcess[str]:
        told = blocks()
        text = told[name]
        for word, value in instead.items():
            assert word in text, f"the block {name} has no {word}"
            text = text.replace(word, value)
        return self.machine.attempt("bash", "-ec", f"cd /srv/shared/checkout\n{told['begin']}{text}")

    def penstock(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`penstock WORDS --config F` as the gateway's user."""
        return self.machine.attempt("sudo", "-u", "penstock", "penstock", *words, "--config", CONFIG)

    def status(self) -> Any:
        done = self.penstock("status", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def ever(self, what: str) -> int:
        """How many objects the ledger has seen `received`, `deleted`, ..."""
        return int(self.status()["ever"].get(what, 0))

    def configure(self, *changes: tuple[str, str], more: str = "") -> None:
        """Replaces text in the gateway's configuration, and appends to it. The gateway is not told."""
        text = self.machine.run("cat", CONFIG)
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        (self.shared / "gateway.toml").write_text(text + more, encoding="utf-8")
        self.machine.run("cp", "/srv/shared/gateway.toml", CONFIG)

    def ready(self) -> None:
        """Waits until the gateway takes associations."""
        answer = ("curl", "-sf", "http://127.0.0.1:9108/readyz")
        travel.wait("a ready gateway", lambda: self.machine.attempt(*answer).returncode == 0)

    def listening(self) -> None:
        """Waits until the platform listens."""
        answer = ("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8443")
        travel.wait("a platform that listens", lambda: self.machine.attempt(*answer).returncode == 0)

    def study(self, name: str, seed: int, shape: sample.Shape = SMALL) -> list[Path]:
        """A made-up study at /srv/shared/NAME; here the paths of its files as this machine sees them."""
        return sample.write(self.shared / name, seed, shape)

    def send(self, name: str, *options: str, calling: str = "PACS", code: int | None = 0) -> dict[str, Any]:
        """Sends /srv/shared/NAME; the report. The exit code must be `code`; None: any."""
        done = self.machine.attempt(*self.sending(name, *options, calling=calling))
        assert code is None or done.returncode == code, done.stdout + done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    @staticmethod
    def sending(name: str, *options: str, calling: str = "PACS") -> list[str]:
        """The command that sends /srv/shared/NAME."""
        to = ["localhost", "11112", f"/srv/shared/{name}", "--called", "PENSTOCK", "--calling", calling]
        return ["penstock", "send", *to, "--json", *options]

    def metric(self, name: str) -> float:
        """The sum of a metric's samples, whatever their labels; 0 while nobody answers."""
        told = self.machine.attempt("curl", "-s", "http://127.0.0.1:9108/metrics").stdout
        return sum(float(one) for one in re.findall(rf"^{name}(?:{{[^\n]*}})? (\S+)$", told, re.MULTILINE))

    def delivered(self) -> int:
        """Waits until all that was received is on the platform and deleted here, or in quarantine; how many were deleted."""
        told: dict[str, int] = {}
        changed = time.monotonic()

        def settled() -> bool:
            nonlocal told, changed
            status = self.status()
            objects, ever = dict(status["spool"]["objects"]), dict(status["ever"])
            quarantined = objects.pop("quarantined", 0)
            if ever != told:
                told, changed = ever, time.monotonic()
            balanced = ever.get("received", 0) - ever.get("deleted", 0) == quarantined
            # A killed gateway may have had rows for its ledger that were not written: then it does not balance, ever.
            return not any(objects.values()) and (balanced or time.monotonic() - changed > LEDGER_SECONDS)

        travel.wait("receipts for all that was received", settled, 60.0)
        return told.get("deleted", 0)


def prepare(there: Machine, shared: Path) -> Deployed:
    """Copies the checkout into the machine, with what install.sh would need a network and a compiler for."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    cores = [str(one.relative_to(ROOT)) for one in (ROOT / "_native").glob("*.so")]
    for name in (*filter(None, listed), *cores):
        if (ROOT / name).exists():
            (shared / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, shared / "checkout" / name)
    (shared / "sudo").write_text(SUDO)
    packages = f"/opt/penstock/venv/lib/python{sysconfig.get_python_version()}/site-packages"
    there.shell(
        f"install -m 755 /srv/shared/sudo /usr/bin/sudo\n"
        f"/usr/bin/python3 -m venv --without-pip /opt/penstock/venv\n"
        f"echo /srv/site >{packages}/packages.pth\n"
        f"mkdir -p {packages}/engine/_native\n"
        f"cp /srv/shared/checkout/_native/*.so {packages}/engine/_native/"
    )
    return Deployed(there, shared)


def install(there: Machine, shared: Path) -> Deployed:
    """Does what the runbook says for a platform and a gateway."""
    deployed = prepare(there, shared)
    deployed.page("platform", **OFFLINE)
    there.shell("cd /srv/shared/checkout && cp tls/client.* tls/ca.pem .")
    deployed.page("install", gateway="--no-venv gateway")
    ca = 'ca = "/etc/penstock/platform-ca.crt"'
    deployed.configure((ca, f"{ca}\nbackoff_max = 2.0"))  # or tests wait a minute for a platform that is back
    for name in ("secret", "certificates", "start"):
        deployed.page(name)
    return deployed
