"""A spool with objects that are ready to be sent, the uploader as a process of its own, and a proxy with faults."""

from __future__ import annotations

import http.client
import json
import os
import queue
import secrets
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from blake3 import blake3
from msgspec.structs import replace

from engine.pseudonymize import sidecar
from engine.pseudonymize.plan import ObjectPlan
from engine.spool.hints import HintOutbox
from engine.spool.layout import Spool, new_pass_id, object_id
from tests.support.platform_process import HOST, PATIENCE, Pki, PlatformProcess, pseudonymized

CANARY = b"DOE^JANE^CANARY"
PIXEL_DATA = b"\xe0\x7f\x10\x00OW"


class ReadySpool:
    """A spool as the coordinator and the workers leave it: originals with heads that must never be sent, and plans."""

    def __init__(self, root: Path) -> None:
        self.spool = Spool.open(root)
        self.first = secrets.randbits(40)
        """Added to the numbers of objects, so that many spools can send to one platform."""
        self.study = f"2.25.{self.first}"
        self.pass_id = new_pass_id()
        for name in ("in", "out"):
            (self.spool.folder_of(self.pass_id) / name).mkdir(parents=True)
        self._association = secrets.token_hex(8)
        self._count = 0
        self.sent: dict[str, bytes] = {}
        """What has to arrive, by spool id."""

    def uid(self, number: int) -> str:
        """The SOP Instance UID of an object."""
        return f"2.25.{10**20 + self.first + number}"

    def output(self, number: int, size: int = 2000) -> bytes:
        """What has to arrive."""
        return pseudonymized(self.first + number, self.study, size)

    def add(self, number: int, size: int = 2000) -> str:
        """One object; its id."""
        output = self.output(number, size)
        at = output.index(PIXEL_DATA)
        before = CANARY * 20 + bytes(number % 50)
        original = before + output[at:]
        identifier = object_id(self._association, self._count)
        self._count += 1
        plan = ObjectPlan(
            head=output[:at],
            spans=((len(before), len(original) - len(before)),),
            tail=b"",
            body_tag=0x7FE00010,
            body_header=original[len(before) : len(before) + 12],
            size=len(output),
            transfer_syntax="1.2.840.10008.1.2.1",
            sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
            sop_instance_uid=self.uid(number),
            study_instance_uid=self.study,
            series_instance_uid=self.study + ".1",
            hashed_id="a" * 32,
            counts={},
        )
        self.spool.original(self.pass_id, identifier).write_bytes(original)
        self.spool.plan(self.pass_id, identifier).write_bytes(sidecar.encode(plan, len(original)))
        self.sent[identifier] = output
        return identifier

    def spoil(self, identifier: str) -> None:
        """Make an object one that no DICOM reader takes, with a plan that is right for it."""
        del self.sent[identifier]
        old = sidecar.decode(self.spool.plan(self.pass_id, identifier).read_bytes())
        self.become(identifier, head=b"\0" * len(old.plan.head))

    def become(self, identifier: str, **changes: Any) -> None:
        """Change fields of an object's plan."""
        path = self.spool.plan(self.pass_id, identifier)
        old = sidecar.decode(path.read_bytes())
        path.write_bytes(sidecar.encode(replace(old.plan, **changes), old.source_size))

    def hint(self, *identifiers: str) -> None:
        """Tell the uploader."""
        with HintOutbox(self.spool.run, "uploader") as outbox:
            outbox.send(f"{self.pass_id}/{identifier}" for identifier in identifiers)

    def left(self) -> list[str]:
        """The names of the files that the pass still has."""
        folder = self.spool.folder_of(self.pass_id)
        return sorted(path.name for name in ("in", "out") for path in (folder / name).iterdir())

    def quarantined(self) -> dict[str, dict[str, Any]]:
        """The reasons in the quarantine, by object id."""
        return {path.stem: json.loads(path.read_bytes()) for path in self.spool.quarantine.glob("*.json")}


class UploaderProcess:
    """The uploader role as the supervisor starts it. Log lines are collected in `lines`."""

    def __init__(self, folder: Path, ready: ReadySpool, pki: Pki, url: str, **settings: object) -> None:
        self.folder = folder
        self.lines: list[dict[str, Any]] = []
        self._process: subprocess.Popen[str] | None = None
        self._reading = threading.Thread()
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "gateway.toml"
        chosen = {
            "url": url,
            "certificate": str(pki.client[0]),
            "key": str(pki.client[1]),
            "ca": str(pki.ca),
            "backoff_first": 0.05,
            "backoff_max": 0.3,
            **settings,
        }
        lines = [
            f'[spool]\npath = "{ready.spool.root}"\n',
            '[identity]\nsecret_file = "there-is-none"\n[uploader]',
        ]
        lines += [f"{key} = {json.dumps(value)}" for key, value in chosen.items()]
        self.config.write_text("\n".join(lines), encoding="utf-8")

    def start(self) -> Self:
        """Start it; it works at once."""
        command = [sys.executable, "-m", "engine.supervisor.child", "uploader"]
        command += ["--config", str(self.config), "--parent", str(os.getpid())]
        self._process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self._reading = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reading.start()
        return self

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr as stream:
            for line in stream:
                told: dict[str, Any] = {"event": "text", "text": line}
                if line.startswith("{"):
                    told = json.loads(line)
                self.lines.append(told)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def wait(self) -> int:
        """Until it ends by itself, and all that it said is here; the exit code."""
        assert self._process is not None
        code = self._process.wait(PATIENCE)
        self._reading.join(PATIENCE)
        return code

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; the exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self.wait()

    def events(self, event: str) -> list[dict[str, Any]]:
        """The log lines of an event so far."""
        return [line for line in list(self.lines) if line["event"] == event]

    def codes(self) -> list[str]:
        """The codes of the troubles that the log told, in order."""
        return [line["code"] for line in self.events("upload-waits")]


def until(true: Callable[[], object], what: str = "what the test waits for") -> None:
    """Wait for a condition; the test fails if it does not come in PATIENCE seconds."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.02)


class Proxy:
    """Stands between uploader and platform, with TLS of its own. `faults` says what happens to the next requests.

    A fault is a function of the handler; when there is none left, requests pass. `seen` counts requests that store;
    `keyless`: the platform's key for receipts is not told.
    """

    def __init__(self, pki: Pki, platform: PlatformProcess) -> None:
        self.platform = platform
        self.faults: queue.SimpleQueue[Callable[[_Handler], None]] = queue.SimpleQueue()
        self.always: Callable[[_Handler], None] | None = None
        self.seen = 0
        self.keyless = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pki.server)
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self._server.server_address[1]}"

    def fail(self, *faults: Callable[[_Handler], None]) -> None:
        """What happens to the next requests, one each."""
        for fault in faults:
            self.faults.put(fault)

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def do_POST(self) -> None:
        self.proxy.seen += 1
        try:
            fault = self.proxy.always or self.proxy.faults.get_nowait()
        except queue.Empty:
            fault = forward
        try:
            fault(self)
        except OSError:
            self.close_connection = True

    def do_GET(self) -> None:
        """The platform's key for receipts."""
        self.reply(*((404, b"") if self.proxy.keyless else self.proxy.platform.get(self.path)))

    def body(self) -> bytes:
        """The request's body."""
        return self.rfile.read(int(self.headers["content-length"]))

    def upstream(self) -> tuple[int, bytes]:
        """Send the request to the platform; its answer."""
        connection = self.proxy.platform.connect()
        try:
            connection.request("POST", self.path, self.body(), {"Content-Type": self.headers["content-type"]})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def reply(self, status: int, content: bytes = b"", **headers: str) -> None:
        """Answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _handler(owner: Proxy) -> type[_Handler]:
    class Handler(_Handler):
        proxy = owner

    return Handler


def forward(handler: _Handler) -> None:
    """No fault."""
    handler.reply(*handler.upstream())


def answer(status: int, content: bytes = b"", **headers: str) -> Callable[[_Handler], None]:
    """The platform is not asked; this is the answer."""

    def fault(handler: _Handler) -> None:
        handler.body()
        handler.reply(status, content, **headers)

    return fault


def cut_before_reading(handler: _Handler) -> None:
    """The connection ends in the middle of the request."""
    handler.rfile.read(100)
    handler.connection.close()
    handler.close_connection = True


def lose_the_reply(handler: _Handler) -> None:
    """The platform has stored everything, but nobody hears of it."""
    handler.upstream()
    handler.connection.close()
    handler.close_connection = True


def cut_the_reply(handler: _Handler) -> None:
    """Half of the answer arrives."""
    status, content = handler.upstream()
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    handler.wfile.flush()
    handler.connection.close()
    handler.close_connection = True


def accept_only(handler: _Handler) -> None:
    """The platform's answer with another status: HTTP 202."""
    _, content = handler.upstream()
    handler.reply(202, content)


Change = Callable[[bytes], bytes]


def change_reply(change: Change) -> Callable[[_Handler], None]:
    """The platform's answer with its content changed."""

    def fault(handler: _Handler) -> None:
        status, content = handler.upstream()
        handler.reply(status, change(content))

    return fault


def connection_error_of(work: Callable[[], object]) -> type[BaseException] | None:
    """The class of the HTTP or network error that `work` raises; None if there is none."""
    try:
        work()
    except (http.client.HTTPException, OSError) as problem:
        return type(problem)
    return None


def arrived(platform: PlatformProcess, ready: ReadySpool) -> dict[str, str]:
    """Digests on the platform by SOP Instance UID."""
    return {one["sop_instance_uid"]: one["digest"] for one in platform.instances(ready.study)}


def expected(ready: ReadySpool) -> set[str]:
    """Digests of what has to arrive."""
    return {blake3(content).hexdigest() for content in ready.sent.values()}


def all_delivered(platform: PlatformProcess, ready: ReadySpool) -> None:
    """Everything is there once, byte for byte, and the spool is empty."""
    until(lambda: not ready.left(), "an empty spool")
    assert set(arrived(platform, ready).values()) == expected(ready)
    assert len(platform.stored_files()) == platform.listed_objects()
    assert ready.quarantined() == {}
