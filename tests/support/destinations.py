"""Other destinations for the uploader, as real processes on loopback: Orthanc, DCMTK's storescp, an S3 server."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from blake3 import blake3

from engine.demo.process import free_port
from engine.spool.ledger import Ledger
from tests.support.platform_process import PATIENCE, Pki
from tests.support.uploading import ReadySpool, UploaderProcess, until

ORTHANC = "/usr/sbin/Orthanc"
DICOM_WEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
STORESCP = "/usr/bin/storescp"  # DCMTK's; a virtual environment has pynetdicom's of the same name
USER, PASSWORD = "penstock", "a word: of ours"
WAITS = "backoff_first = 0.05\nbackoff_max = 0.3\n"


def table(kind: str, name: str, **keys: object) -> str:
    """A [[destination]] of the configuration, which does not wait long."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join(["[[destination]]", f'kind = "{kind}"', f'name = "{name}"', *lines, WAITS])


class Uploader(UploaderProcess):
    """The uploader role with destinations of the test's own."""

    def __init__(self, folder: Path, ready: ReadySpool, text: str) -> None:
        self.folder = folder
        self.lines = []
        self._process = None
        self._reading = threading.Thread()
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "gateway.toml"
        self.configure(ready, text)

    def configure(self, ready: ReadySpool, text: str) -> None:
        """Another configuration, for the next start."""
        head = f'[spool]\npath = "{ready.spool.root}"\n[identity]\nsecret_file = "there-is-none"\n'
        self.config.write_text(head + text, encoding="utf-8")


def goes_to(ready: ReadySpool, name: str) -> None:
    """What the coordinator writes when it makes a pass for a destination."""
    ready.spool.destination(ready.pass_id).write_text(name, encoding="utf-8")


def told(ready: ReadySpool) -> dict[str, Any]:
    """What the uploader says of itself."""
    try:
        return dict(json.loads((ready.spool.run / "uploader.json").read_bytes()))
    except FileNotFoundError:
        return {}


def receipts(ready: ReadySpool) -> dict[str, dict[str, int]]:
    """Kinds of receipt by destination, as the ledger has them."""
    with Ledger.open(ready.spool.ledger, read_only=True) as ledger:
        return ledger.receipts()


def digests_in(folder: Path) -> set[str]:
    """BLAKE3 of every file, at any depth."""
    return {blake3(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def data_sets_in(folder: Path) -> dict[str, pydicom.Dataset]:
    """Data sets of the DICOM files in a folder by SOP Instance UID, whatever file meta the peer wrote; without files that are
    being written under a hidden name."""
    whole = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    found = [pydicom.dcmread(path) for path in whole]
    return {str(ds.SOPInstanceUID): ds for ds in found}


class Peer:
    """A process that listens on `port`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """How to start it."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it, again if need be, and wait until it listens."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < end and self._process.poll() is None, self.log()
                time.sleep(0.05)

    def stop(self, number: int = signal.SIGKILL) -> None:
        """End it and what it started; by SIGSTOP only for now."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)
            if number != signal.SIGSTOP:
                self._process.wait(PATIENCE)

    def log(self) -> str:
        """All that it said."""
        return (self.folder / "log").read_text("utf-8", "replace")


class Orthanc(Peer):
    """Orthanc with its DICOMweb plugin and a user. Without TLS: Debian 12's ends by a segmentation fault at the first request over
    it, whoever sends; `TlsFront` stands before it then, as a reverse proxy does elsewhere.
    """

    def __init__(self, folder: Path) -> None:
        if not (Path(ORTHANC).exists() and DICOM_WEB.exists()):
            pytest.skip("orthanc and orthanc-dicomweb are not installed: scripts/system-packages test")
        super().__init__(folder)
        settings: dict[str, object] = {
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "Plugins": [str(DICOM_WEB)],
            "HttpPort": self.port,
            "DicomServerEnabled": False,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": True,
            "RegisteredUsers": {USER: PASSWORD},
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }
        (folder / "orthanc.json").write_text(json.dumps(settings), encoding="utf-8")

    def command(self) -> list[str]:
        return [ORTHANC, str(self.folder / "orthanc.json")]

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}/dicom-web"

    def get(self, path: str) -> Any:
        """GET a path of its own interface; the JSON, or the bytes of a file."""
        connection = http.client.HTTPConnection("localhost", self.port, timeout=PATIENCE)
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        try:
            connection.request("GET", path, headers={"Authorization": f"Basic {pair}"})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        assert answer.status == 200, (answer.status, path)
        return json.loads(content) if "json" in answer.headers.get("content-type", "") else content

    def digests(self) -> set[str]:
        """BLAKE3 of every instance that it has, as files."""
        return {blake3(self.get(f"/instances/{one}/file")).hexdigest() for one in self.get("/instances")}


class TlsFront:
    """Takes TLS off connections and passes their bytes on to a port of loopback; `passed` counts those that it was given for it."""

    def __init__(self, pki: Pki, port: int) -> None:
        self.passed = 0
        self._to = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*pki.server)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listening.close()

    def _count(self, size: int) -> None:
        self.passed += size

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(plain,), daemon=True).start()

    def _join(self, plain: socket.socket) -> None:
        try:
            with (
                self._context.wrap_socket(plain, server_side=True) as outer,
                socket.create_connection(("127.0.0.1", self._to)) as inner,
            ):
                inner_to_outer = threading.Thread(target=_pump, args=(inner, outer), daemon=True)
                inner_to_outer.start()
                _pump(outer, inner, self._count)
                inner_to_outer.join()
        except OSError:  # refused by one of them, or one is not there: the other sees its connection end
            plain.close()


def _pump(source: socket.socket, sink: socket.socket, count: Callable[[int], None] = lambda _: None) -> None:
    try:
        while data := source.recv(1 << 16):
            count(len(data))
            sink.sendall(data)
    except OSError:
        pass  # one of them is gone: so is the other, below
    finally:
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class Storescp(Peer):
    """DCMTK's storescp; what it gets lies in `received`, data sets as they came (+B)."""

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder)
        self.received = folder / "received"
        self.received.mkdir(exist_ok=True)
        self.options = options

    def command(self) -> list[str]:
        return [
            STORESCP,
            "-v",
            "-aet",
            "WS",
            "-od",
            str(self.received),
            "+B",
            "+xa",
            *self.options,
            str(self.port),
        ]


class S3Server(Peer):
    """Moto's S3 in a process of its own, with the bucket "lake"."""

    def command(self) -> list[str]:
        server = shutil.which("moto_server", path=str(Path(sys.executable).parent))
        assert server is not None, "moto is a package of the extra [dev]"
        return [server, "-H", "127.0.0.1", "-p", str(self.port)]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def make_bucket(self) -> None:
        """PUT /lake."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("PUT", "/lake", headers={"Host": "s3.amazonaws.com"})
            assert connection.getresponse().status == 200
        finally:
            connection.close()

    def objects(self) -> dict[str, bytes]:
        """Everything in the bucket by key."""
        from obstore import get
        from obstore import list as listed
        from obstore.store import S3Store

        store = S3Store(
            "lake",
            config={
                "endpoint": self.endpoint,
                "region": "us-east-1",
                "access_key_id": "test",
                "secret_access_key": "test",
            },
            client_options={"allow_http": True},
        )
        keys = [str(one["path"]) for page in listed(store) for one in page]
        return {key: bytes(get(store, key).bytes()) for key in keys}


def delivered(ready: ReadySpool) -> None:
    """The pass is empty and nothing was quarantined."""
    until(lambda: not ready.left(), "an empty spool")
    assert ready.quarantined() == {}
