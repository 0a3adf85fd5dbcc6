"""All that a run needs in one folder: certificates, secrets, two configurations, and the two commands that use them.

FOLDER/  gateway.toml  platform.toml  hash-secret  master-key  certificates/  spool/  storage/  gateway.log  platform.log

An enrolled gateway has a folder identity/ instead of a hash secret and a certificate made by hand.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.config import load_platform
from engine.demo.commands import add_institution, enrol, new_token
from engine.demo.process import Process, free_ports, listens
from engine.errors import PenstockError
from engine.platform.certificates import CertificateFiles, make_files
from engine.platform.keys import MasterKey
from engine.pseudonymize.identity import HashSecret

HOST = "127.0.0.1"
INSTITUTION = "demo"
CALLED, CALLING = "PENSTOCK", "DEMO_PACS"
START_SECONDS = 30.0
END_SECONDS = 5.0

Value = str | int | float | bool
Table = Mapping[str, Value]
Changes = Mapping[str, Table]


@dataclass(frozen=True, slots=True)
class Stage:
    """Where everything is; `gateway` and `platform` are not started yet. `web_port` is 0 where nobody enrols."""

    folder: Path
    gateway_port: int
    platform_port: int
    certificates: CertificateFiles
    gateway: Process
    platform: Process
    web_port: int = 0

    @property
    def secret(self) -> HashSecret:
        """The gateway's own file, or what the platform keeps for it."""
        if not self.web_port:
            return HashSecret.load(self.folder / "hash-secret")
        from engine.platform.administration import administration  # the platform's packages

        with administration(load_platform(self.folder / "platform.toml")) as opened:
            return opened.vault().secret(INSTITUTION)

    @property
    def web_url(self) -> str:
        return f"https://{HOST}:{self.web_port}"

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    @property
    def platform_url(self) -> str:
        return f"https://{HOST}:{self.platform_port}"

    def start_platform(self) -> None:
        """Starts the platform and waits until it listens; PartError says why it does not."""
        self.platform.start()
        self.platform.wait_until(lambda: listens(self.platform_port), "listening", START_SECONDS)

    def start_gateway(self) -> None:
        """Starts the gateway and waits until it listens; PartError says why it does not.

        Receivers of one that was killed just now listen for some milliseconds more, and are not taken for its successor's.
        """
        until = time.monotonic() + END_SECONDS
        while listens(self.gateway_port) and time.monotonic() < until:
            time.sleep(0.01)
        self.gateway.start()
        self.gateway.wait_until(lambda: listens(self.gateway_port), "listening", START_SECONDS)


def build(
    folder: Path,
    gateway: Changes | None = None,
    platform: Changes | None = None,
    peers: Sequence[Table] = ({"ae_title": CALLING, "network": "127.0.0.0/8"},),
    *,
    enrolled: bool = False,
) -> Stage:
    """Lays everything out in `folder`, which is empty or missing. The changes replace keys of the two configurations;
    `peers` may send. With `enrolled` the gateway has nothing of its own: `running` enrols it, or a test does.

    ConfigError when a file is there already.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificates = make_files(folder / "certificates", ["localhost", HOST], institution=INSTITUTION)
    MasterKey.write_new(folder / "master-key")
    port, platform_port, web_port = free_ports(3)
    wanted = _gateway_tables(certificates, port, platform_port)
    served = _platform_tables(certificates, platform_port)
    if enrolled:
        del wanted["identity"]
        wanted["uploader"] = {"backoff_max": 2.0}
        wanted["enrolment"] = {"folder": "identity", "check_seconds": 1.0}
        served["web"] = {"host": HOST, "port": web_port}
    else:
        HashSecret.generate().write(folder / "hash-secret")
    _write_config(folder / "gateway.toml", wanted, gateway or {}, peers)
    _write_config(folder / "platform.toml", served, platform or {})
    return Stage(
        folder=folder,
        gateway_port=port,
        platform_port=platform_port,
        certificates=certificates,
        gateway=Process("gateway", ["up", "--config", str(folder / "gateway.toml")], folder / "gateway.log"),
        platform=Process(
            "platform", ["platform", "--config", str(folder / "platform.toml")], folder / "platform.log"
        ),
        web_port=web_port if enrolled else 0,
    )


@contextmanager
def running(stage: Stage) -> Iterator[Stage]:
    """Both started, the gateway enrolled before if it is one that enrols; both ended at the end, the gateway first so that it
    can drain. No process outlives this.
    """
    try:
        stage.start_platform()
        if stage.web_port:
            add_institution(stage.folder, INSTITUTION)
            enrol(stage.folder, stage.web_url, new_token(stage.folder, INSTITUTION))
        stage.start_gateway()
        yield stage
    finally:
        _end(stage.gateway)
        _end(stage.platform)


def _end(process: Process) -> None:
    """Ends it without replacing the error that may be on its way."""
    try:
        if process.running:
            process.stop()
    except PenstockError:
        process.kill()


def _gateway_tables(
    certificates: CertificateFiles, port: int, platform_port: int
) -> dict[str, dict[str, Value]]:
    return {
        "gateway": {"name": "demo"},
        "spool": {"path": "spool"},
        "receiver": {"host": HOST, "port": port, "ae_title": CALLED},
        "passes": {"quiet_seconds": 1.0, "repeat_seconds": 4.0},
        "identity": {"secret_file": "hash-secret"},
        "uploader": {
            "url": f"https://{HOST}:{platform_port}",
            "certificate": str(certificates.client_certificate),
            "key": str(certificates.client_key),
            "ca": str(certificates.ca),
            "backoff_max": 2.0,
        },
    }


def _platform_tables(certificates: CertificateFiles, port: int) -> dict[str, dict[str, Value]]:
    return {
        "platform": {
            "host": HOST,
            "port": port,
            "certificate": str(certificates.server_certificate),
            "key": str(certificates.server_key),
            "client_ca": str(certificates.ca),
            "storage": "storage",
            "master_key_file": "master-key",
        }
    }


def _write_config(
    path: Path, tables: dict[str, dict[str, Value]], changes: Changes, peers: Sequence[Table] = ()
) -> None:
    for name, table in changes.items():
        tables.setdefault(name, {}).update(table)
    lines: list[str] = []
    for name, table in tables.items():
        lines += [f"[{name}]", *_pairs(table), ""]
    for peer in peers:
        lines += ["[[receiver.peer]]", *_pairs(peer), ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def _pairs(table: Table) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in table.items()]


def _toml(value: Value) -> str:
    """A TOML value. Basic strings escape as JSON's do, but for DEL."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = "".join(
            f"\\u{ord(c):04x}" if c in '"\\' or ord(c) < 32 or ord(c) == 127 else c for c in value
        )
        return f'"{escaped}"'
    return repr(value)
