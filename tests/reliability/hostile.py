"""Row 11: callers that mean harm, one after another, beside a good sender."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import struct
import threading
from collections.abc import Callable
from typing import Final

from engine.demo import stage
from engine.demo.stage import CALLED, CALLING, HOST, Stage
from engine.process import resident_bytes
from engine.scu.proposal import propose
from tests.reliability.book import Measure, Run
from tests.reliability.hospital import Hospital
from tests.support.killing import processes

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
MOST_GROWTH_MB = 1.0
SHORT, SHORT_GROWTH_MB = 100_000, 4.0  # a shorter run sees the allocator fill its arenas: some 1.2 MB, once
WARM_UP = 0.2
CALLERS = 4
ANSWER_SECONDS = 30.0
SETTLE_SECONDS = 120.0
STUDY_SECONDS = 60.0
EVIL = "../../\r\n\x1b[2J"  # a path, a line of its own in a log, a word to a terminal

Talk = Callable[[socket.socket, random.Random], None]


def _request(called: str = CALLED, calling: str = CALLING) -> bytes:
    return propose(called, calling, [(CT, EXPLICIT)], 1)[0]


def _with_titles(called: bytes, calling: bytes) -> bytes:
    """A-ASSOCIATE-RQ with any bytes for titles (PS3.8 table 9-11)."""
    request = bytearray(_request())
    request[10:26], request[26:42] = called.ljust(16)[:16], calling.ljust(16)[:16]
    return bytes(request)


def _associate(sock: socket.socket) -> None:
    sock.sendall(_request())
    head = _exactly(sock, 6)
    _exactly(sock, int.from_bytes(head[2:], "big"))


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise ConnectionResetError
        data += piece
    return data


def http(sock: socket.socket, chance: random.Random) -> None:
    sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


def tls(sock: socket.socket, chance: random.Random) -> None:
    sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(506))


def stranger(sock: socket.socket, chance: random.Random) -> None:
    sock.sendall(_with_titles(CALLED.encode(), b"NOBODY"))


def evil_titles(sock: socket.socket, chance: random.Random) -> None:
    sock.sendall(
        _with_titles(EVIL.encode(), chance.choice([EVIL.encode(), b"%n%s`reboot`", chance.randbytes(16)]))
    )


def four_gigabytes(sock: socket.socket, chance: random.Random) -> None:
    sock.sendall(struct.pack(">BBI", chance.choice([1, 4]), 0, 0xFFFFFFFF) + bytes(64))


def many_items(sock: socket.socket, chance: random.Random) -> None:
    items = b"\x20\x00\x00\x04\x01\x00\x00\x00" * 16_000
    body = _request()[6:74] + items
    sock.sendall(struct.pack(">BBI", 1, 0, len(body)) + body)


def endless_command(sock: socket.socket, chance: random.Random) -> None:
    """A command set whose last fragment never comes."""
    _associate(sock)
    for _ in range(40):
        sock.sendall(struct.pack(">BBIIBB", 4, 0, 4102, 4098, 1, 0x01) + bytes(4096))


def broken_command(sock: socket.socket, chance: random.Random) -> None:
    _associate(sock)
    data = chance.randbytes(chance.randrange(2, 200, 2))
    sock.sendall(struct.pack(">BBIIBB", 4, 0, len(data) + 6, len(data) + 2, 1, 0x03) + data)


def odd_lengths(sock: socket.socket, chance: random.Random) -> None:
    """A PDV whose length lies about the PDU that it is in."""
    _associate(sock)
    inside = chance.choice([0, 1, 5, 0xFFFFFFFE, 0xFFFFFFFF])
    sock.sendall(struct.pack(">BBIIBB", 4, 0, 6, inside, 1, 0x03))


def noise(sock: socket.socket, chance: random.Random) -> None:
    sock.sendall(chance.randbytes(chance.randrange(1, 2000)))


def hang_up(sock: socket.socket, chance: random.Random) -> None:
    """An association that is lost without a word."""
    _associate(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


KINDS: Final[tuple[Talk, ...]] = (
    http, tls, stranger, evil_titles, four_gigabytes, many_items, endless_command, broken_command, odd_lengths, noise, hang_up,
)  # fmt: skip


def hostile(run: Run) -> None:
    """`run.count` callers. The receiver's memory after the first fifth is held against that at the end."""
    laid = stage.build(run.work / "stage", gateway={"log": {"level": "info"}})
    with stage.running(laid):
        hospital = Hospital(laid, run, laid.gateway_port)
        over = threading.Event()
        good = threading.Thread(target=_send, args=(run, hospital, over))
        good.start()
        _call(run, laid, int(run.count * WARM_UP), run.seed)
        before = _resident(laid)
        (pid,) = processes(laid)["receiver"]
        _call(run, laid, run.count - int(run.count * WARM_UP), run.seed + 1)
        over.set()
        good.join()
        hospital.settle(SETTLE_SECONDS)
        grown = _resident(laid) - before
        run.figures |= {"receiver_MB": _resident(laid), "receiver_growth_MB": grown}
        run.must(processes(laid)["receiver"] == [pid], "the receiver died")
        most = SHORT_GROWTH_MB if run.count < SHORT else MOST_GROWTH_MB
        run.must(grown < most, f"the receiver grew by {grown:.2f} MB")
        _look_at_log(run, laid)


def _call(run: Run, laid: Stage, count: int, seed: int) -> None:
    threads = [
        threading.Thread(
            target=_calls, args=(run, laid.gateway_port, count // CALLERS, random.Random(seed * 10 + number))
        )
        for number in range(CALLERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _calls(run: Run, port: int, count: int, chance: random.Random) -> None:
    for _ in range(count):
        kind = chance.choice(KINDS)
        with (
            contextlib.suppress(ConnectionError),
            socket.create_connection((HOST, port), ANSWER_SECONDS) as sock,
        ):
            try:
                kind(sock, chance)
                if kind is not hang_up:
                    _await_end(sock, kind, run)
            except TimeoutError:
                run.fail(f"{kind.__name__}: neither answered nor ended within {ANSWER_SECONDS:.0f} s")
        run.done += 1
        if run.over.is_set():
            break


def _await_end(sock: socket.socket, kind: Talk, run: Run) -> None:
    """The other side ends it, or says A-ASSOCIATE-RJ or A-ABORT; that is enough. Half a PDU waits for its deadline."""
    sock.settimeout(ANSWER_SECONDS)
    if kind in {noise, http}:
        sock.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            sock.recv(64)
        return
    sock.recv(64)


def _send(run: Run, hospital: Hospital, over: threading.Event) -> None:
    while not over.wait(0.2):
        sent = hospital.make()
        if not hospital.send(sent, STUDY_SECONDS):
            run.fail(f"the good sender's study {sent.number} was not taken")


def _resident(laid: Stage) -> float:
    (pid,) = processes(laid)["receiver"]
    return resident_bytes(pid) / 1e6


def _look_at_log(run: Run, laid: Stage) -> None:
    """Each line is one JSON document of printable characters, and tells no title."""
    for line in laid.gateway.log.read_bytes().splitlines():
        told = json.loads(line)
        clean = line.isascii() and b"\\u001b" not in line and b"reboot" not in line
        run.must(clean, f"the log repeats what a caller said: {told['event']}")
        if told["event"] == "association-rejected":
            run.add("rejections_logged")


MEASURE = Measure(
    name="hostile",
    row="11",
    what="callers that mean harm, beside a good sender",
    goal="all refused, the good sender unaffected; the receiver grows by < 1 MB in 10⁵",
    unit="callers",
    full=100_000,
    few=400,
    do=hostile,
    note="""
HTTP and TLS on the port, strangers, titles with paths, line ends, escapes and shell words, PDUs of 4 GB, 16,000 items, command
sets that never end or are noise, PDVs whose length lies, random bytes, associations that are lost without a word. Meanwhile a
good sender's studies have to be taken, and compared with the platform's. The receiver's memory is compared from the first fifth
of the callers to the last one; in the first 20,000 it grows by some 1.2 MB, once. The table of [classes](#failure-classes) has
a test for each by itself.
""",
)
