"""Rows 8 and 9: a thousand callers that only drip, and two hundred associations at once."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from engine._native.upper_layer import command_pdus
from engine.demo import stage
from engine.demo.stage import CALLED, CALLING, HOST
from engine.dicom import sample
from engine.errors import PenstockError
from engine.scu.association import A_RELEASE_RQ, ASSOCIATE_AC, Target
from engine.scu.proposal import agreed, propose
from engine.sender.load import Load
from engine.sender.load import run as send
from tests.reliability.book import Measure, Run
from tests.reliability.hospital import Hospital

VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT = "1.2.840.10008.1.2"
C_ECHO_RQ, NO_DATA_SET = 0x0030, 0x0101
ROUNDS = 5
CLONES = 150
LEAST_OF_RATE = 0.9
CLOSED_SECONDS = 60.0
DRIP_SECONDS = 1.0
ECHOES = 20
ECHO_SECONDS = 1.0
SHAPE = sample.Shape(slices=1, size=256)


@dataclass(slots=True)
class Drippers:
    """Callers that give a byte of an association request now and then. `closed` are the seconds after which each was ended."""

    port: int
    count: int
    closed: list[float] = field(default_factory=list)
    _selector: selectors.DefaultSelector = field(default_factory=selectors.DefaultSelector)
    _began: float = 0.0

    def connect(self) -> None:
        self._began = time.monotonic()
        for _ in range(self.count):
            sock = socket.create_connection((HOST, self.port), 10.0)
            sock.setblocking(False)
            sock.send(struct.pack(">BBI", 1, 0, 200))  # the header of an A-ASSOCIATE-RQ of 200 bytes
            self._selector.register(sock, selectors.EVENT_READ)

    def drip(self, until: Callable[[], bool]) -> None:
        """Until all are closed, or `until()`."""
        dripped = 0.0
        while self._selector.get_map() and not until():
            for key, _ in self._selector.select(0.1):
                self._take(key.fileobj)
            if time.monotonic() - dripped >= DRIP_SECONDS:
                dripped = time.monotonic()
                for key in list(self._selector.get_map().values()):
                    self._give(key.fileobj)

    def close(self) -> None:
        for key in list(self._selector.get_map().values()):
            self._end(key.fileobj)
        self._selector.close()

    def _take(self, sock: object) -> None:
        assert isinstance(sock, socket.socket)
        try:
            if sock.recv(64):
                return
        except OSError:
            pass  # reset: closed as well
        self.closed.append(time.monotonic() - self._began)
        self._end(sock)

    @staticmethod
    def _give(sock: object) -> None:
        assert isinstance(sock, socket.socket)
        with contextlib.suppress(OSError):  # the next look at it tells
            sock.send(b"\0")

    def _end(self, sock: object) -> None:
        assert isinstance(sock, socket.socket)
        self._selector.unregister(sock)
        sock.close()


def slow(run: Run) -> None:
    """`run.count` slow sockets. The good sender's rate is measured with and without them in turns."""
    laid = stage.build(run.work / "stage")
    with stage.running(laid):
        (path,) = sample.write(run.work / "files", run.seed, SHAPE)[1:]
        load = Load(Target(HOST, laid.gateway_port, CALLED, CALLING), (path,), 1, CLONES)
        _rate(run, load)
        alone, beside = [], []
        for _ in range(ROUNDS):
            alone.append(_rate(run, load))
            drippers = Drippers(laid.gateway_port, run.count)
            drippers.connect()
            over = threading.Event()
            dripping = threading.Thread(target=drippers.drip, args=(over.is_set,))
            dripping.start()
            beside.append(_rate(run, load))
            over.set()
            dripping.join()
            drippers.close()
        ratio = median(one / other for one, other in zip(beside, alone, strict=True))
        run.figures |= {"alone_objects_s": median(alone), "beside_objects_s": median(beside), "ratio": ratio}
        run.must(ratio >= LEAST_OF_RATE, f"the good sender has {ratio:.0%} of its rate")
        _all_are_closed(run, laid.gateway_port)
    run.done = run.count


def _all_are_closed(run: Run, port: int) -> None:
    drippers = Drippers(port, run.count)
    drippers.connect()
    until = time.monotonic() + CLOSED_SECONDS + 10
    drippers.drip(lambda: time.monotonic() > until)
    open_yet = run.count - len(drippers.closed)
    drippers.close()
    run.figures["closed_after_s"] = max(drippers.closed, default=0.0)
    run.must(not open_yet, f"{open_yet} slow sockets are open after {CLOSED_SECONDS + 10:.0f} s")
    run.must(max(drippers.closed, default=0.0) <= CLOSED_SECONDS, "slow sockets were closed late")


def _rate(run: Run, load: Load) -> float:
    told = send(load)
    run.must(told["objects"] == CLONES, f"only {told['objects']} of {CLONES} objects were taken")
    return CLONES / float(told["seconds"])


def many(run: Run) -> None:
    """`run.count` associations at once, each with C-ECHOs, while a study comes in on one more."""
    laid = stage.build(run.work / "stage")
    with stage.running(laid):
        hospital = Hospital(laid, run, laid.gateway_port)
        sent = hospital.make()
        sending = threading.Thread(target=hospital.send, args=(sent, CLOSED_SECONDS))
        sending.start()
        times = sorted(asyncio.run(_echo_all(run, laid.gateway_port)))
        sending.join()
        hospital.settle(CLOSED_SECONDS)
    run.done = run.count
    if times:
        run.figures |= {
            "echoes": len(times),
            "p50_ms": times[len(times) // 2] * 1e3,
            "p99_ms": times[int(len(times) * 0.99)] * 1e3,
        }
        run.must_in_time(
            times[int(len(times) * 0.99)] < ECHO_SECONDS,
            "the 99th percentile of the C-ECHOs is a second or more",
        )


async def _echo_all(run: Run, port: int) -> list[float]:
    """All associate first; then each echoes while all are open."""
    everybody = asyncio.Barrier(run.count)
    told = await asyncio.gather(*(_echo(port, everybody) for _ in range(run.count)), return_exceptions=True)
    times: list[float] = []
    for one in told:
        if isinstance(one, BaseException):
            run.fail(f"{type(one).__name__}: {one}")
        else:
            times += one
    return times


async def _echo(port: int, everybody: asyncio.Barrier) -> list[float]:
    times = []
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        request, meaning = propose(CALLED, CALLING, [(VERIFICATION, IMPLICIT)], 1)
        writer.write(request)
        answer = await _pdu(reader)
        if answer[0] != ASSOCIATE_AC:
            raise PenstockError("not-accepted", f"the answer is a PDU of type {answer[0]}")
        (context,) = agreed(answer, meaning).contexts.values()
        await everybody.wait()
        for number in range(ECHOES):
            began = time.monotonic()
            elements = (
                (0x0002, VERIFICATION),
                (0x0100, C_ECHO_RQ),
                (0x0110, number + 1),
                (0x0800, NO_DATA_SET),
            )
            writer.write(command_pdus(context, elements))
            if (await _pdu(reader))[0] != 4:
                raise PenstockError("no-answer", "the answer is no P-DATA")
            times.append(time.monotonic() - began)
            await asyncio.sleep(0.1)
        writer.write(A_RELEASE_RQ)
        await _pdu(reader)
    except BaseException:
        await everybody.abort()
        raise
    finally:
        writer.close()
    return times


async def _pdu(reader: asyncio.StreamReader) -> bytes:
    head = await asyncio.wait_for(reader.readexactly(6), 30)
    return head + await reader.readexactly(int.from_bytes(head[2:], "big"))


SLOW = Measure(
    name="slow",
    row="8",
    what="slow sockets beside a good sender",
    goal="the sender keeps ≥ 90 % of its rate; all are closed within 60 s",
    unit="sockets",
    full=1000,
    few=0,
    do=slow,
    note="""
Each gives a byte of an association request a second. The good sender's rate is measured alone and beside them, five times in
turns; the ratio is the median of the five. Then as many drip until the gateway ends them.
""",
)
MANY = Measure(
    name="many",
    row="9",
    what="associations at once",
    goal="0 errors; 99 % of the C-ECHOs in less than a second",
    unit="associations",
    full=200,
    few=100,
    do=many,
    note="""
All associate before the first one echoes; then each sends twenty C-ECHOs, ten a second, while a study comes in on one more
association.
""",
)
