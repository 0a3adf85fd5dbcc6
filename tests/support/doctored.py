"""A spool that a real coordinator left in the middle of its work, and a doctor to send to it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from engine.config.gateway import GatewayConfig
from engine.config.loader import load_gateway
from engine.doctor.examine import Report, examine
from engine.spool.layout import Spool
from engine.spool.states import State
from tests.support.platform_process import Pki
from tests.support.rig import CoordinatorRig, study, wait_until

CONFIG = """
[spool]
path = "spool"
max_bytes = {max_bytes}
[receiver]
port = 0
[[receiver.peer]]
ae_title = "PACS"
network = "10.0.0.0/8"
[identity]
secret_file = "secret"
[uploader]
url = "https://localhost:1"
certificate = "client.pem"
key = "client.key"
ca = "ca.pem"
"""


@dataclass
class Patient:
    """A gateway's folder. `pass_id` is its open pass, `ids` are the objects in it, each with a plan."""

    folder: Path
    spool: Spool
    pass_id: str
    ids: list[str]

    @property
    def config(self) -> Path:
        return self.folder / "gateway.toml"

    def settings(self) -> GatewayConfig:
        return load_gateway(self.config)

    def write(self, more: str = "", max_bytes: int = 10**9) -> None:
        """The configuration; `more` is added."""
        self.config.write_text(CONFIG.format(max_bytes=max_bytes) + more, encoding="utf-8")

    def examine(self) -> Report:
        return examine(self.config)

    def codes(self) -> dict[str, int]:
        """Levels above a note by code."""
        return {one.code: int(one.level) for one in self.examine().findings if one.level}

    def count(self, code: str) -> int:
        """How many things have this code, notes too."""
        return sum(one.count for one in self.examine().findings if one.code == code)


def bring(folder: Path) -> Patient:
    """Three objects of one study, rewritten; the coordinator was killed before it could seal their pass."""
    rig = CoordinatorRig(folder / "gateway", quiet=3600.0, workers=1)
    ids = rig.put(study(folder / "files", slices=3))
    rig.start()
    try:
        wait_until(lambda: all(rig.states().get(one) is State.READY for one in ids), "planned")
    finally:
        rig.kill()
    [pass_id] = rig.open_passes()
    patient = Patient(rig.folder, rig.spool, pass_id, ids)
    pki = Pki(folder / "pki")
    for source, name in ((pki.client[0], "client.pem"), (pki.client[1], "client.key"), (pki.ca, "ca.pem")):
        shutil.copy(source, rig.folder / name)
    patient.write()
    return patient


def copy_of(patient: Patient, folder: Path) -> Patient:
    """The same, for one test to damage."""
    shutil.copytree(patient.folder, folder, ignore=shutil.ignore_patterns("*.sock"), symlinks=True)
    return Patient(folder, Spool.open(folder / "spool"), patient.pass_id, patient.ids)
