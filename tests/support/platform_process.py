"""A real platform process on loopback, its certificates, and objects and requests for it."""

from __future__ import annotations

import http.client
import io
import json
import queue
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from engine.demo.process import free_ports
from engine.platform.certificates import Authority, Credential
from engine.platform.keys import MasterKey

HOST = "localhost"
BOUNDARY = "5a4dcc3c1b2d4f6e"
PATIENCE = 60.0
STUDY = "2.25.100"


def pseudonymized(number: int, study: str = STUDY, size: int = 2000, hashed_id: str = "a" * 32) -> bytes:
    """A small DICOM file as a gateway would send it; `number` makes its SOP Instance UID."""
    ds = Dataset()
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = f"2.25.{10**20 + number}"
    ds.Modality = "CT"
    ds.PatientName = ds.PatientID = hashed_id
    ds.PatientIdentityRemoved = "YES"
    ds.StudyInstanceUID = study
    ds.SeriesInstanceUID = study + ".1"
    ds.Rows = ds.Columns = 1
    ds.BitsAllocated = ds.BitsStored = 16
    ds.PixelData = bytes(number % 256 for _ in range(size - size % 2))
    return written(ds)


def written(ds: Dataset) -> bytes:
    """The data set as a Part 10 file, explicit VR little endian."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.get("SOPClassUID", CTImageStorage)
    ds.file_meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", "2.25.1")
    file = io.BytesIO()
    pydicom.dcmwrite(file, ds, enforce_file_format=True)
    return file.getvalue()


def multipart(parts: Sequence[bytes], boundary: str = BOUNDARY, head: str = "") -> bytes:
    """A multipart/related body; `head` is added to each part's headers, each line ending in CR LF."""
    begin = f"--{boundary}\r\nContent-Type: application/dicom\r\n{head}\r\n".encode()
    return b"".join(begin + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()


def content_type(boundary: str = BOUNDARY) -> str:
    """The content type of a STOW-RS request."""
    return f'multipart/related; type="application/dicom"; boundary={boundary}'


class Pki:
    """A CA in a folder, and what it issues there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.authority = Authority.new()
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self.authority.certificate)
        self.server = self.keep("server", self.authority.issue_server([HOST, "127.0.0.1"]))
        self.client = self.keep("client", self.authority.issue_client("Hospital X"))

    def keep(self, name: str, credential: Credential) -> tuple[Path, Path]:
        """Write a credential as NAME.pem and NAME.key; the two paths."""
        paths = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        for path in paths:
            path.unlink(missing_ok=True)
        credential.write(*paths)
        return paths

    def context(self, client: tuple[Path, Path] | None = None, *, anonymous: bool = False) -> ssl.SSLContext:
        """A client's context: with the usual certificate, another one, or none."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if not anonymous:
            context.load_cert_chain(*(client or self.client))
        return context


class PlatformProcess:
    """`penstock platform` in a process of its own. Its log lines are collected in `lines`."""

    def __init__(
        self,
        folder: Path,
        pki: Pki,
        *arguments: str,
        storage: Path | None = None,
        settings: str = "",
        web: bool = False,
        sections: str = "",
    ) -> None:
        """`settings` are more lines of `[platform]`, `sections` more sections; `web` adds the listener for people."""
        self.folder, self.pki, self.arguments = folder, pki, arguments
        self.storage = storage or folder / "storage"
        self.settings, self.web, self.sections = settings, web, sections
        self.port = self.web_port = 0
        self.lines: list[dict[str, Any]] = []
        self._process: subprocess.Popen[str] | None = None
        self._reading = threading.Thread()
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "master-key").exists():
            MasterKey.write_new(folder / "master-key")

    def start(self) -> PlatformProcess:
        """Start it and wait until it listens; a second start takes the same port."""
        if not self.port:
            self.port, self.web_port = free_ports(2)
        config = self.folder / "platform.toml"
        config.write_text(
            f'[platform]\nhost = "127.0.0.1"\nport = {self.port}\n'
            f'certificate = "{self.pki.server[0]}"\nkey = "{self.pki.server[1]}"\nclient_ca = "{self.pki.ca}"\n'
            f'storage = "{self.storage}"\nmaster_key_file = "master-key"\n{self.settings}\n{self.sections}\n'
            + (f'[web]\nhost = "127.0.0.1"\nport = {self.web_port}\n' if self.web else ""),
            encoding="utf-8",
        )
        command = [sys.executable, "-m", "engine.cli", "platform", "--config", str(config), *self.arguments]
        self._process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        listening: queue.Queue[int] = queue.Queue()
        self._reading = threading.Thread(target=self._read, args=(self._process, listening), daemon=True)
        self._reading.start()
        port = listening.get(timeout=PATIENCE)
        assert port, f"the platform did not start: {self.lines}"
        self.port, self.web_port = port, self.events("listening")[-1]["web_port"]
        return self

    def _read(self, process: subprocess.Popen[str], listening: queue.Queue[int]) -> None:
        assert process.stderr is not None
        with process.stderr as stream:
            for line in stream:
                told: dict[str, Any] = {"event": "text", "text": line}
                if line.startswith("{"):
                    told = json.loads(line)
                self.lines.append(told)
                if told["event"] == "listening":
                    listening.put(told["port"])
        listening.put(0)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it, and take all that it said; the exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        code = self._process.wait(PATIENCE)
        self._reading.join(PATIENCE)
        return code

    def events(self, event: str) -> list[dict[str, Any]]:
        """The log lines of an event so far."""
        return [line for line in list(self.lines) if line["event"] == event]

    def connect(self, context: ssl.SSLContext | None = None) -> http.client.HTTPSConnection:
        """A connection, not opened yet."""
        return http.client.HTTPSConnection(
            HOST, self.port, context=context or self.pki.context(), timeout=PATIENCE
        )

    def store(self, parts: Sequence[bytes], path: str = "/studies") -> tuple[int, dict[str, Any]]:
        """POST objects; the status and the answer's JSON."""
        return self.post(multipart(parts), path)

    def post(
        self, body: bytes, path: str = "/studies", kind: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        """POST a body as it is."""
        connection = self.connect()
        try:
            connection.request("POST", path, body, {"Content-Type": kind or content_type()})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def post_as(self, context: ssl.SSLContext, parts: Sequence[bytes]) -> int:
        """POST objects as another client; the status."""
        connection = self.connect(context)
        try:
            connection.request("POST", "/studies", multipart(parts), {"Content-Type": content_type()})
            return connection.getresponse().status
        finally:
            connection.close()

    def get(self, path: str, context: ssl.SSLContext | None = None) -> tuple[int, bytes]:
        """GET; status and body."""
        connection = self.connect(context)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def stored_files(self) -> list[Path]:
        """The files of objects, indexed or arriving."""
        folders = (self.storage / "objects", self.storage / "incoming")
        return [path for folder in folders for path in folder.rglob("*") if path.is_file()]

    def listed_objects(self) -> int:
        """How many objects all listed studies have."""
        listed = json.loads(self.get("/penstock/v1/studies?limit=1000")[1])["studies"]
        return sum(study["objects"] for study in listed)

    def instances(self, study: str = STUDY) -> list[dict[str, Any]]:
        """The listing of a study; empty if there is none."""
        status, body = self.get(f"/penstock/v1/studies/{study}/instances?limit=1000")
        return list(json.loads(body)["instances"]) if status == 200 else []


def tls_socket(platform: PlatformProcess, context: ssl.SSLContext) -> ssl.SSLSocket:
    """A raw TLS connection to a platform."""
    plain = socket.create_connection(("127.0.0.1", platform.port), timeout=PATIENCE)
    return context.wrap_socket(plain, server_hostname=HOST)
