"""Orthanc as a PACS that sends: a real process on free ports, with its data in the test's own folder."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from engine.demo.process import free_ports

ORTHANC = Path("/usr/sbin/Orthanc")
HOST = "127.0.0.1"
TITLE = "ORTHANC"
PATIENCE = 60.0


class OrthancSender:
    """Knows one modality, "penstock": `port` with the AE title `called`. Use as a context."""

    def __init__(self, folder: Path, port: int, called: str, *, associations: int = 1) -> None:
        if not ORTHANC.exists():
            pytest.skip("orthanc is not installed: scripts/system-packages test")
        folder.mkdir()
        self._folder = folder
        self._http, dicom = free_ports(2)
        settings = {
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "Plugins": [],
            "HttpPort": self._http,
            "DicomPort": dicom,
            "DicomAet": TITLE,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "StoreJobs": True,
            "ConcurrentJobs": associations,
            "DicomModalities": {"penstock": [called, HOST, port]},
        }
        (folder / "orthanc.json").write_text(json.dumps(settings), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [ORTHANC, str(self._folder / "orthanc.json")], stdout=log, stderr=log
            )
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                self.ask("/system")
            except (urllib.error.URLError, ConnectionError):
                assert self._process.poll() is None, (self._folder / "log").read_text()
                time.sleep(0.05)
            else:
                return self
        raise AssertionError("Orthanc does not answer")

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(PATIENCE)

    def keep(self, paths: Sequence[Path]) -> list[str]:
        """Gives it files; the ids of their studies."""
        told = [self.ask("/instances", path.read_bytes()) for path in paths]
        return sorted({one["ParentStudy"] for one in told})

    def send(self, *resources: str, **options: object) -> dict[str, Any]:
        """Sends studies to "penstock" by C-STORE on one association, and waits; what Orthanc says of it."""
        body = {"Resources": list(resources), "Synchronous": True, **options}
        answer: dict[str, Any] = self.ask("/modalities/penstock/store", json.dumps(body).encode())
        return answer

    def ask(self, path: str, body: bytes | None = None) -> Any:
        """GET, or POST with a body; its JSON. URLError when it refuses."""
        request = urllib.request.Request(f"http://{HOST}:{self._http}{path}", data=body)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.loads(answer.read())
