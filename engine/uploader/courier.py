"""Takes what waits, sends it, and does what the verdicts say. Several couriers work side by side, one request
each.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine import log
from engine.config import UploaderConfig
from engine.errors import ConfigError, PenstockError, Refusal, SpoolError, TransportError
from engine.spool.layout import Spool
from engine.spool.release import Receipt
from engine.uploader.backlog import Backlog
from engine.uploader.client import Client, LocalFault, Reply
from engine.uploader.gate import Gate
from engine.uploader.notice import Notice
from engine.uploader.outgoing import Key, OutgoingObject
from engine.uploader.settling import Settling
from engine.uploader.verdicts import Outcome, Verdict

MOST_STRIKES = 5
DISK_SECONDS = 30.0
_RENEWED_AFTER = ("gateway-certificate-", "platform-ca-", "platform-certificate-", "tls-")
_LOG = log.get("uploader")


class Work:
    """What all couriers share."""

    def __init__(
        self,
        settings: UploaderConfig,
        spool: Spool,
        client: Client,
        settling: Settling,
        notice: Notice,
        backlog: Backlog,
    ) -> None:
        self.settings = settings
        self.spool = spool
        self.client = client
        self.settling = settling
        self.notice = notice
        self.backlog = backlog
        self.gate = Gate(settings.backoff_first, settings.backoff_max)
        self.delivered = 0


class Courier:
    """One request at a time. `busy`: it has objects in hand; when it is not, it may be cancelled freely."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.busy = False
        self.stopping = False

    async def run(self) -> None:
        """Send until `stopping` is set; what is in hand then is finished."""
        work = self._work
        while not self.stopping:
            await work.backlog.wait()
            trying = await work.gate.enter()
            self.busy = True
            try:
                await self._one_request(trying)
            finally:
                self.busy = False
                work.gate.leave(trying=trying)

    async def _one_request(self, trying: bool) -> None:
        batch = await self._collect(1 if trying else self._work.settings.objects_per_request)
        try:
            if batch:
                await self._deliver(batch, trying)
        finally:
            for item in batch:
                item.close()

    async def _collect(self, most: int) -> list[OutgoingObject]:
        backlog = self._work.backlog
        batch: list[OutgoingObject] = []
        size = 0
        while len(batch) < most and (key := backlog.take()) is not None:
            alone = backlog.goes_alone(key)
            if batch and alone:
                backlog.put_back([key])
                break
            try:
                item = OutgoingObject.open(self._work.spool, key)
            except (OSError, PenstockError) as problem:
                await self._unreadable(key, problem)
                continue
            if batch and size + item.size > self._work.settings.bytes_per_request:
                item.close()
                backlog.put_back([key])
                break
            batch.append(item)
            size += item.size
            if alone:
                break
        return batch

    async def _deliver(self, batch: Sequence[OutgoingObject], trying: bool) -> None:
        work = self._work
        try:
            reply = await work.client.send(batch)
        except LocalFault as fault:
            work.backlog.put_back(item.key for item in batch if item is not fault.item)
            await self._unreadable(fault.item.key, fault.problem)
            return
        if reply.trouble is not None:
            await self._troubled(batch, reply, reply.trouble, trying)
            return
        work.gate.succeeded()
        work.notice.well()
        pairs = list(zip(batch, reply.verdicts, strict=True))
        whole = all(verdict.outcome is Outcome.RECEIPT for verdict in reply.verdicts)
        work.notice.request("stored" if whole else "partly")
        receipted = [item for item, verdict in pairs if verdict.outcome is Outcome.RECEIPT]
        await self._release(receipted, reply.sent_at)
        untold = [item.key for item, verdict in pairs if verdict.outcome is Outcome.UNTOLD]
        if len(untold) < len(pairs):
            work.backlog.put_back(untold)
        else:
            await self._nobody_named(untold)
        for item, verdict in pairs:
            await self._judge(item.key, verdict)

    async def _nobody_named(self, keys: Sequence[Key]) -> None:
        """Some object of the request was not taken, and the answer does not say which: each goes alone from now on."""
        if len(keys) == 1:
            await self._struck(keys[0], "no-verdict")
            return
        for key in keys:
            self._work.backlog.later(key, 0.0)

    async def _release(self, delivered: Sequence[OutgoingObject], sent_at: float) -> None:
        if not delivered:
            return
        work = self._work
        receipts = [(item.key, Receipt(item.digest, item.size)) for item in delivered]
        try:
            await work.settling.release(receipts, sent_at)
        except (OSError, PenstockError) as problem:
            # Delivered, but still in the spool: sent again later, and receipted again.
            _LOG.failure("release-failed", problem)
            for item in delivered:
                work.backlog.later(item.key, DISK_SECONDS)
            return
        work.delivered += len(delivered)
        work.notice.delivered(len(delivered), sum(item.size for item in delivered))
        for item in delivered:
            work.backlog.done(item.key)

    async def _judge(self, key: Key, verdict: Verdict) -> None:
        if verdict.outcome is Outcome.REFUSED:
            await self._quarantine(key, verdict.reason)
        elif verdict.outcome is Outcome.AGAIN:
            await self._struck(key, verdict.reason)

    async def _struck(self, key: Key, reason: str) -> None:
        """The object failed by itself: tried again some times, then quarantined."""
        work = self._work
        strikes = work.backlog.strike(key, work.delivered)
        _LOG.warning("object-not-taken", object=key.identifier, reason=reason, strikes=strikes)
        if strikes >= MOST_STRIKES:
            await self._quarantine(key, reason)
        else:
            wait = work.settings.backoff_first * 4.0**strikes
            work.backlog.later(key, min(wait, work.settings.backoff_max))

    async def _troubled(
        self, batch: Sequence[OutgoingObject], reply: Reply, problem: TransportError, trying: bool
    ) -> None:
        work = self._work
        wait = work.gate.failed(reply.retry_after, trying=trying)
        work.notice.request(problem.code)
        work.notice.trouble(problem, wait)
        if problem.code.startswith(_RENEWED_AFTER):
            try:
                work.client.renew()
            except ConfigError as error:
                _LOG.failure("certificates-unusable", error)
        if reply.refused and len(batch) == 1:
            await self._struck(batch[0].key, f"http-{reply.refused}")
        elif reply.begun:
            for item in batch:
                work.backlog.later(item.key, wait)
        else:
            work.backlog.put_back(item.key for item in batch)

    async def _unreadable(self, key: Key, problem: OSError | PenstockError) -> None:
        """The plan or the original of an object in hand cannot be used."""
        work = self._work
        if isinstance(problem, FileNotFoundError):
            work.backlog.done(key)  # it has moved on
        elif isinstance(problem, PenstockError) and problem.code == "sidecar-damaged":
            await work.settling.spoil(key)
            work.backlog.done(key)
        elif isinstance(problem, PenstockError):
            await self._quarantine(key, problem.code, problem.message)
        else:
            _LOG.failure("object-unreadable", problem, object=key.identifier)
            work.backlog.later(key, DISK_SECONDS)

    async def _quarantine(self, key: Key, reason: str, message: str = "") -> None:
        work = self._work
        refusal = Refusal(
            reason,
            message or f"the platform refuses the object: {reason}",
            hint="docs/platform.md explains the reasons",
        )
        try:
            await work.settling.quarantine(key, refusal)
        except (OSError, SpoolError) as problem:
            _LOG.failure("quarantine-failed", problem, object=key.identifier)
            work.backlog.later(key, DISK_SECONDS)
            return
        _LOG.warning("object-quarantined", object=key.identifier, reason=reason)
        work.notice.quarantined(refusal)
        work.backlog.done(key)
