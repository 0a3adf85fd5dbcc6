"""C-STORE as SCU (PS3.4 B, PS3.7 9.1.1), over TLS if configured: one object at a time on each association, streamed
from the original.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Iterator, Sequence

from engine._native.reader import NeedMore, Refused, read_meta
from engine._native.upper_layer import command_pdus, data_header
from engine.config import DicomDestination
from engine.errors import PenstockError, SpoolError, TransportError
from engine.scu.association import Association, Target
from engine.scu.proposal import MAX_CONTEXTS
from engine.spool.killpoint import reached
from engine.spool.release import ReceiptKind
from engine.uploader.carrier import Load, LocalFault, Reply
from engine.uploader.outgoing import OutgoingObject
from engine.uploader.threads import Threads
from engine.uploader.tls import ClientContext, client_context
from engine.uploader.trouble import Troubles
from engine.uploader.verdicts import Outcome, Verdict, is_for_good

IDLE_SECONDS = 5.0
_C_STORE_RQ = 0x0001
_SUCCESS = 0x0000
_NOT_AUTHORIZED = 0x0124
_VECTORS = 512  # below IOV_MAX (1024)
_TRANSIENT = 2  # the result of a rejection that may be another one later

Pair = tuple[str, str]
Vectors = list[bytes | memoryview]


class DicomCarrier:
    """Holds associations with one SCP, as many as are used at a time. Presentation contexts are for the SOP classes and transfer
    syntaxes that came by: an object of a new one makes a new association.
    """

    receipt = ReceiptKind.C_STORE

    def __init__(self, settings: DicomDestination, troubles: Troubles) -> None:
        self._settings = settings
        self._troubles = troubles
        self.load = Load(settings.associations, 1, 1)
        self._threads = Threads("c-store", settings.associations)
        self._idle: list[_Line] = []
        self._pairs: dict[Pair, None] = {}  # the latest last
        self._context: ClientContext | None = None
        self.renew()

    def renew(self) -> None:
        """See Carrier."""
        settings = self._settings
        if settings.tls:
            self._context = client_context(
                self._troubles.section, settings.ca, settings.certificate, settings.key
            )

    async def close(self) -> None:
        """See Carrier."""
        for line in self._idle:
            line.cut()
        self._idle.clear()
        self._threads.close()

    async def send(self, objects: Sequence[OutgoingObject]) -> Reply:
        """See Carrier; one object."""
        [item] = objects
        pair = (item.sop_class_uid, item.transfer_syntax)
        self._pairs.pop(pair, None)
        self._pairs[pair] = None
        while len(self._pairs) > MAX_CONTEXTS:
            del self._pairs[next(iter(self._pairs))]
        line = self._idle.pop() if self._idle else _Line()
        target, pairs = self._target(), list(self._pairs)
        try:
            status = await self._threads.call(lambda: line.store(target, pairs, item), line.cut)
        except TransportError as problem:
            return Reply(trouble=self._explain(problem), begun=line.begun)
        self._keep(line)
        if status is None:
            return Reply([Verdict(Outcome.AGAIN, "context-not-accepted")], sent_at=time.time())
        return self._judged(status)

    def _judged(self, status: int) -> Reply:
        """PS3.4 Table B.2-1, PS3.7 C."""
        if status >> 8 == 0xA7:
            return Reply(trouble=self._troubles.of("full"))
        if status == _NOT_AUTHORIZED:
            return Reply(trouble=self._troubles.of("forbids"))
        return Reply([verdict_on(status)], sent_at=time.time())

    def _target(self) -> Target:
        settings = self._settings
        return Target(
            settings.host,
            settings.port,
            settings.called_ae_title,
            settings.calling_ae_title,
            settings.timeout,
            self._context,
            settings.server_name or "",
        )

    def _keep(self, line: _Line) -> None:
        """For the next object, or for IDLE_SECONDS."""
        self._idle.append(line)
        line.used = time.monotonic()
        asyncio.get_running_loop().call_later(IDLE_SECONDS + 0.1, self._release_idle)

    def _release_idle(self) -> None:
        before = time.monotonic() - IDLE_SECONDS
        late = [line for line in self._idle if line.used <= before]
        self._idle = [line for line in self._idle if line.used > before]
        for line in late:
            asyncio.get_running_loop().create_task(self._threads.call(line.release, line.cut))

    def _explain(self, problem: TransportError) -> TransportError:
        """The association's error as one of this destination."""
        cause = problem.__cause__
        if isinstance(cause, ssl.SSLError):
            return self._troubles.explain(cause)
        if problem.code.startswith("rejected-"):
            told = self._troubles.of("busy" if problem.retryable else "rejected")
        elif problem.code == "unreachable":
            told = self._troubles.of("name" if isinstance(cause, socket.gaierror) else "unreachable")
        else:
            told = self._troubles.of("broke-off")
        told.message += f": {problem.message}"
        return told


def verdict_on(status: int) -> Verdict:
    """What a C-STORE status says about the object: stored with Success or a warning (PS3.4 B.2.3), else not."""
    if status == _SUCCESS:
        return Verdict(Outcome.RECEIPT)
    if status >> 12 == 0xB or status == 0x0001:
        return Verdict(Outcome.RECEIPT, remark=f"{status:04X}")
    return Verdict(Outcome.REFUSED if is_for_good(status) else Outcome.AGAIN, f"status-{status:04x}")


class _Line:
    """One association, opened when it is needed. Used by one thread at a time; `cut` may be called from another."""

    def __init__(self) -> None:
        self._association: Association | None = None
        self._proposed: frozenset[Pair] = frozenset()
        self._cut = False
        self.begun = False
        self.used = 0.0

    def store(self, target: Target, pairs: list[Pair], item: OutgoingObject) -> int | None:
        """The status of C-STORE; None if the peer accepts no context for the object. TransportError, LocalFault."""
        self.begun = False
        pair = (item.sop_class_uid, item.transfer_syntax)
        if self._association is not None and (pair not in self._proposed or not self._association.is_open):
            self.release()
        if self._association is None:
            self._association, self._proposed = Association(target, pairs), frozenset(pairs)
            if self._cut:
                self.cut()
        association = self._association
        context = association.agreement.contexts.get(pair)
        if context is None:
            return None
        self.begun = True
        sending = _Sending(item, context, association.agreement.max_length)
        try:
            association.store(sending.send)
            reached("sent-before-receipt")
            return association.answer().status
        except BaseException:
            association.abort()  # half an object may be on its way
            self._association = None
            raise

    def release(self) -> None:
        """End the association in order; if the peer has gone, or does not answer, without."""
        association, self._association = self._association, None
        if association is None:
            return
        try:
            association.release()
        except TransportError:
            association.abort()

    def cut(self) -> None:
        """End it at once, whatever it does."""
        self._cut = True
        if self._association is not None:
            self._association.cut()


class _Sending:
    """One object on its way: what follows the file meta, in P-DATA-TF PDUs of at most `max_length` bytes (PS3.8 9.3.5)."""

    def __init__(self, item: OutgoingObject, context_id: int, max_length: int) -> None:
        self._item = item
        self._context_id = context_id
        self._max_length = max_length
        self._room = max((max_length - 6) & ~1, 2)  # fragments are of even length (PS3.8 E.2)

    def send(self, sock: socket.socket, message_id: int) -> None:
        """Writes request and data set. OSError as the socket raises it; LocalFault when the object cannot be read."""
        item = self._item
        request = command_pdus(
            self._context_id,
            (
                (0x0002, item.sop_class_uid),
                (0x0100, _C_STORE_RQ),
                (0x0110, message_id),
                (0x0700, 0x0000),  # priority medium
                (0x0800, 0x0001),  # a data set follows
                (0x1000, item.sop_instance_uid),
            ),
            self._max_length,
        )
        vectors: Vectors = [request]
        for fragments in self._fragments():
            vectors += fragments
            if len(vectors) > 1:
                _write(sock, vectors)
                vectors = []

    def _fragments(self) -> Iterator[Vectors]:
        """For each piece of the object the PDUs that it fills; what is left begins the next one."""
        left = self._data_set_size()
        kept = b""
        for piece in self._pieces():
            data = memoryview(kept + piece if kept else piece)
            vectors: Vectors = []
            at = 0
            while len(data) - at >= self._room or len(data) - at == left > 0:
                count = min(self._room, left)
                left -= count
                vectors += (data_header(self._context_id, count, left == 0), data[at : at + count])
                at += count
            kept = bytes(data[at:])
            yield vectors

    def _data_set_size(self) -> int:
        try:
            self._start = read_meta(self._item.head, self._item.size).start
        except (NeedMore, Refused) as problem:  # no plan of ours
            raise LocalFault(self._item, SpoolError("no-file-meta", "the plan has no file meta")) from problem
        return self._item.size - self._start

    def _pieces(self) -> Iterator[bytes | memoryview]:
        """The data set. Every byte of the object is taken, the file meta too, for its digest."""
        skip = self._start
        pieces = self._item.chunks()
        while (piece := self._next(pieces)) is not None:
            if skip >= len(piece):
                skip -= len(piece)
                continue
            yield memoryview(piece)[skip:] if skip else piece
            skip = 0

    def _next(self, pieces: Iterator[bytes]) -> bytes | None:
        try:
            return next(pieces, None)
        except (OSError, PenstockError) as problem:
            raise LocalFault(self._item, problem) from problem


def _write(sock: socket.socket, vectors: Vectors) -> None:
    """Writes every buffer in as few calls as there can be. TLS takes one buffer at a time."""
    if isinstance(sock, ssl.SSLSocket):
        sock.sendall(b"".join(vectors))
        return
    for start in range(0, len(vectors), _VECTORS):
        part = vectors[start : start + _VECTORS]
        sent, total = sock.sendmsg(part), sum(map(len, part))
        if sent < total:
            sock.sendall(memoryview(b"".join(part))[sent:])
