"""A receiver in this process, on a free port, with a spool of its own; and a peer that says exactly what a
test wants."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import uvloop
from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_items import (
    ApplicationContextItem,
    ImplementationClassUIDSubItem,
    MaximumLengthSubItem,
    UserInformationItem,
)
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import build_context

from engine._native.upper_layer import Command, command_pdus, data_header, decode_command
from engine.config import (
    GatewayConfig,
    IdentityConfig,
    PeerConfig,
    ReceiverConfig,
    ReceiverTlsConfig,
    SpoolConfig,
    UploaderConfig,
)
from engine.receiver.limits import Limits
from engine.receiver.listening import Listeners, listen
from engine.receiver.server import Server
from engine.spool.layout import Spool

HOST = "127.0.0.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
PATIENCE = 60.0
ANYBODY = (PeerConfig(ae_title="*", network="127.0.0.0/8"),)


def config(
    root: Path,
    *,
    peers: tuple[PeerConfig, ...] = ANYBODY,
    tls: ReceiverTlsConfig | None = None,
    **spool: object,
) -> GatewayConfig:
    """A configuration that is whole, for a receiver alone."""
    return GatewayConfig(
        spool=SpoolConfig(path=root / "spool", **spool),  # type: ignore[arg-type]
        receiver=ReceiverConfig(host=HOST, port=0, peers=peers, tls=tls),
        identity=IdentityConfig(secret_file=root / "secret"),
        uploader=UploaderConfig(
            url="https://localhost:1", certificate=root / "c", key=root / "k", ca=root / "ca"
        ),
    )


@dataclass
class Running:
    """A receiver that runs in a thread. `code` is what `serve` returned, once it ended."""

    port: int
    spool: Spool
    server: Server
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread
    code: int | None = None
    tls_port: int = 0

    def received(self) -> list[Path]:
        return sorted(self.spool.received.iterdir())

    def incoming(self) -> list[Path]:
        return sorted(self.spool.incoming.iterdir())

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.server.stop)


@contextlib.contextmanager
def receiving(settings: GatewayConfig, limits: Limits | None = None) -> Iterator[Running]:
    """Runs a receiver until the block ends."""
    spool = Spool.open(settings.spool.path)
    listener = listen(settings.receiver.host, settings.receiver.port)
    secured = listen(settings.receiver.host, 0) if settings.receiver.tls is not None else None
    server = Server(settings, 0, limits or Limits(drain=0.5, drain_idle=0.0, sweep=0.05, closing=0.3))
    started: list[asyncio.AbstractEventLoop] = []
    ready = threading.Event()

    def run() -> None:
        async def main() -> int:
            started.append(asyncio.get_running_loop())
            ready.set()
            return await server.serve(Listeners(listener, secured))

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            running.code = runner.run(main())

    thread = threading.Thread(target=run)
    running = Running(listener.getsockname()[1], spool, server, asyncio.new_event_loop(), thread)
    running.loop.close()
    running.tls_port = secured.getsockname()[1] if secured is not None else 0
    thread.start()
    ready.wait(PATIENCE)
    running.loop = started[0]
    try:
        yield running
    finally:
        if thread.is_alive():
            running.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def wait(ready: Callable[[], bool], what: str = "it") -> None:
    """Returns when `ready()`; the test fails when it never is."""
    until = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < until, f"{what} did not happen"
        time.sleep(0.01)


def request(
    contexts: Sequence[tuple[str, Sequence[str]]],
    called: str = "PENSTOCK",
    calling: str = "TESTER",
    extra: Sequence[object] = (),
) -> A_ASSOCIATE_RQ:
    """An A-ASSOCIATE-RQ with context IDs 1, 3, 5 …; `extra` are further user information items."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = UID("1.2.840.10008.3.1.1.1")
    primitive.calling_ae_title = calling
    primitive.called_ae_title = called
    proposed = []
    for index, (abstract, transfer) in enumerate(contexts):
        context = build_context(abstract, list(transfer))
        context.context_id = 2 * index + 1
        proposed.append(context)
    primitive.presentation_context_definition_list = proposed
    rq = A_ASSOCIATE_RQ()
    rq.calling_ae_title, rq.called_ae_title = calling, called
    rq.from_primitive(primitive)
    rq.variable_items = [
        item
        for item in rq.variable_items
        if not isinstance(item, UserInformationItem | ApplicationContextItem)
    ]
    application = ApplicationContextItem()
    application.application_context_name = UID("1.2.840.10008.3.1.1.1")
    length = MaximumLengthSubItem()
    length.maximum_length_received = 16384
    implementation = ImplementationClassUIDSubItem()
    implementation.implementation_class_uid = UID("1.2.3.4")
    information = UserInformationItem()
    information.user_data = [length, implementation, *extra]
    rq.variable_items = [application, *rq.variable_items, information]
    return rq


def element(group: int, number: int, value: bytes) -> bytes:
    """One element, implicit VR little endian."""
    return struct.pack("<HHI", group, number, len(value)) + value


def data_set(instance: str, sop_class: str = CT, body: int = 1000) -> bytes:
    """A small data set, implicit VR little endian, that ends in `body` bytes of a private element."""

    def uid(text: str) -> bytes:
        return text.encode() + b"\0" * (len(text) % 2)

    return (
        element(0x0008, 0x0005, b"ISO_IR 100")
        + element(0x0008, 0x0016, uid(sop_class))
        + element(0x0008, 0x0018, uid(instance))
        + element(0x0010, 0x0020, b"12345678")
        + element(0x7FE0, 0x0010, bytes(index % 251 for index in range(body & ~1)))
    )


def store_request(
    message_id: int, instance: str, sop_class: str = CT, context: int = 1, data_set_type: int = 1
) -> bytes:
    """A C-STORE-RQ in one PDU."""
    elements = (
        (0x0002, sop_class),
        (0x0100, 0x0001),
        (0x0110, message_id),
        (0x0700, 0),
        (0x0800, data_set_type),
        (0x1000, instance),
    )
    return command_pdus(context, elements)


def data_pdus(data: bytes, context: int = 1, size: int = 16000) -> bytes:
    """A data set in P-DATA-TF PDUs of one PDV with at most `size` bytes of it."""
    parts = []
    for at in range(0, len(data), size):
        part = data[at : at + size]
        parts += [data_header(context, len(part), at + size >= len(data)), part]
    return b"".join(parts)


class Peer:
    """A caller on a raw socket."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def pdu(self) -> bytes:
        """The next PDU, header included; b"" when the receiver has closed the connection."""
        header = self._exactly(6)
        return header + self._exactly(int.from_bytes(header[2:6], "big")) if header else b""

    def associate(
        self, contexts: Sequence[tuple[str, Sequence[str]]] = ((CT, (IMPLICIT,)), (VERIFICATION, (IMPLICIT,)))
    ) -> bytes:
        """Negotiates; the answer must be an A-ASSOCIATE-AC."""
        self.send(request(contexts).encode())
        answer = self.pdu()
        assert answer[:1] == b"\2", answer
        return answer

    def response(self) -> Command:
        """The next command set, which must come in one PDU."""
        pdu = self.pdu()
        assert pdu[:1] == b"\4", pdu
        return decode_command(pdu[12:])

    def store(self, instance: str, data: bytes | None = None, message_id: int = 1) -> int:
        """C-STORE of a data set in context 1; the status."""
        whole = data_set(instance) if data is None else data
        self.send(store_request(message_id, instance) + data_pdus(whole))
        answer = self.response()
        assert (answer.field, answer.responded_to) == (0x8001, message_id)
        return answer.status

    def release(self) -> None:
        self.send(bytes((5, 0, 0, 0, 0, 4, 0, 0, 0, 0)))
        assert self.pdu() == bytes((6, 0, 0, 0, 0, 4, 0, 0, 0, 0))

    def is_closed(self) -> bool:
        """Waits until the receiver has closed the connection; False if it sends something instead."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def reset(self) -> None:
        """Ends the connection as a crash would."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                part = self.socket.recv(count - len(data))
            except ConnectionResetError:
                return b""
            if not part:
                return b""
            data += part
        return data
