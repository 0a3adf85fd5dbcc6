"""Receivers to measure: Penstock's own role in three ways, DCMTK's storescp, Orthanc; each in a folder of its own."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.demo.process import free_ports
from engine.platform.certificates import make_files
from engine.scu.tls import client_context

HOST = "127.0.0.1"
TITLE = "PENSTOCK"
PROCESSES = 2
PATIENCE = 30.0
PEERS = {"storescp": Path("/usr/bin/storescp"), "orthanc": Path("/usr/sbin/Orthanc")}

ROLE = """
import sys
from engine import log
from engine.config import load_gateway
from engine.receiver.main import run
log.configure("error")
sys.exit(run(load_gateway(sys.argv[1])))
"""
CONFIG = """
[spool]
path = "spool"
durability = "{durability}"
[receiver]
host = "127.0.0.1"
port = {port}
processes = {processes}
[[receiver.peer]]
ae_title = "*"
network = "127.0.0.0/8"
[identity]
secret_file = "secret"
[uploader]
url = "https://localhost:1"
certificate = "c"
key = "k"
ca = "a"
"""
TLS = """
[receiver.tls]
certificate = "{certificate}"
key = "{key}"
client_ca = "{ca}"
port = {port}
"""


@dataclass(frozen=True, slots=True)
class Receiver:
    """One that runs. With `tls` it is called by that context."""

    pid: int
    port: int
    tls: ssl.SSLContext | None = None


def exists(name: str) -> bool:
    """False for a peer that is not installed here."""
    return name not in PEERS or PEERS[name].exists()


@contextlib.contextmanager
def running(name: str, folder: Path) -> Iterator[Receiver]:
    """The subject "durable", "flush", "tls", "storescp" or "orthanc", until the block ends."""
    port, other = free_ports(2)
    tls = None
    if name == "storescp":
        command = [str(PEERS[name]), "--fork", "-pdu", "131072", "-aet", TITLE, str(port)]
    elif name == "orthanc":
        command = [str(PEERS[name]), str(_orthanc(folder, port, other))]
    else:
        config = CONFIG.format(
            durability="flush" if name == "flush" else "fsync", port=other, processes=PROCESSES
        )
        if name == "tls":
            tls, table = _certificates(folder, port)
            config += table
        else:
            config = config.replace(f"port = {other}", f"port = {port}")
        (folder / "spool").mkdir(mode=0o700)
        (folder / "gateway.toml").write_text(config, encoding="utf-8")
        command = [sys.executable, "-c", ROLE, str(folder / "gateway.toml")]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield Receiver(process.pid, port, tls)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _certificates(folder: Path, port: int) -> tuple[ssl.SSLContext, str]:
    files = make_files(folder / "certificates", [HOST], institution="benchmark")
    table = TLS.format(certificate=files.server_certificate, key=files.server_key, ca=files.ca, port=port)
    return client_context(files.ca, files.client_certificate, files.client_key), table


def _orthanc(folder: Path, port: int, http: int) -> Path:
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "SyncStorageArea": True,
        "Plugins": [],
        "HttpPort": http,
        "DicomPort": port,
        "DicomAet": TITLE,
        "DicomAlwaysAllowStore": True,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    return path


def _wait_for(port: int) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1.0):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nobody listens on port {port}")
