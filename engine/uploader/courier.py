"""Takes what waits, sends it, and does what the verdicts say. Several couriers work side by side, one request
each.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine import log
from engine.config import DestinationConfig
from engine.config.destinations import files_of
from engine.errors import ConfigError, PenstockError, Refusal, SpoolError, TransportError
from engine.spool.layout import Spool
from engine.spool.release import Receipt
from engine.uploader.backlog import Backlog
from engine.uploader.carrier import Carrier, LocalFault, Reply
from engine.uploader.carriers import troubles_of
from engine.uploader.freshness import Freshness
from engine.uploader.gate import Gate
from engine.uploader.notice import Notice
from engine.uploader.outgoing import Key, OutgoingObject
from engine.uploader.settling import Settling
from engine.uploader.trouble import is_mended_by_new_files
from engine.uploader.verdicts import Outcome, Verdict

MOST_STRIKES = 5
DISK_SECONDS = 30.0
_LOG = log.get("uploader")


class Work:
    """What all couriers of one destination share."""

    def __init__(
        self,
        destination: DestinationConfig,
        spool: Spool,
        carrier: Carrier,
        settling: Settling,
        notice: Notice,
    ) -> None:
        self.name = destination.name
        self.backoff_first, self.backoff_max = destination.backoff_first, destination.backoff_max
        self.spool = spool
        self.carrier = carrier
        self.troubles = troubles_of(destination)
        self.freshness = Freshness(path for _, path in files_of(destination))
        self.settling = settling
        self.notice = notice
        self.backlog = Backlog()
        self.gate = Gate(self.backoff_first, self.backoff_max)
        self.delivered = 0


class Courier:
    """One request at a time to one destination. `busy`: it has objects in hand; when it is not, it may be cancelled freely."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.busy = False
        self.stopping = False

    async def run(self) -> None:
        """Send until `stopping` is set; what is in hand then is finished."""
        work, tempo = self._work, self._work.notice.tempo
        while not self.stopping:
            begun = tempo.now()
            await work.backlog.wait()
            waited = tempo.now()
            trying = await work.gate.enter()
            entered = tempo.now()
            self.busy = True
            try:
                await self._one_request(trying)
            finally:
                self.busy = False
                work.gate.leave(trying=trying)
                tempo.turn(waited - begun, entered - waited, tempo.now() - entered)

    async def _one_request(self, trying: bool) -> None:
        batch = await self._collect(1 if trying else self._work.carrier.load.objects)
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
            if batch and size + item.size > self._work.carrier.load.size:
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
            reply = await self._send(batch)
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
        receipted = [(item, verdict) for item, verdict in pairs if verdict.outcome is Outcome.RECEIPT]
        await self._release(receipted, reply.sent_at)
        untold = [item.key for item, verdict in pairs if verdict.outcome is Outcome.UNTOLD]
        if len(untold) < len(pairs):
            work.backlog.put_back(untold)
        else:
            await self._nobody_named(untold)
        for item, verdict in pairs:
            await self._judge(item.key, verdict)

    async def _send(self, batch: Sequence[OutgoingObject]) -> Reply:
        tempo = self._work.notice.tempo
        if self._work.freshness.changed():
            self._renew()
        size = sum(item.size for item in batch)
        began, sent_at = tempo.began(size), 0.0
        try:
            reply = await self._work.carrier.send(batch)
            sent_at = reply.sent_at
            return reply
        except LocalFault:
            raise
        except Exception as problem:  # noqa: BLE001 - a fault with one destination must not end the others
            _LOG.failure("internal-error", problem, destination=self._work.name)
            return Reply(trouble=self._work.troubles.of("failed"))
        finally:
            tempo.ended(size, began, sent_at)

    async def _nobody_named(self, keys: Sequence[Key]) -> None:
        """Some object of the request was not taken, and the answer does not say which: each goes alone from now on."""
        if len(keys) == 1:
            await self._struck(keys[0], "no-verdict")
            return
        for key in keys:
            self._work.backlog.later(key, 0.0)

    async def _release(self, delivered: Sequence[tuple[OutgoingObject, Verdict]], sent_at: float) -> None:
        if not delivered:
            return
        work = self._work
        kind = work.carrier.receipt
        receipts = [
            (item.key, Receipt(item.digest, item.size, kind, work.name, verdict.remark))
            for item, verdict in delivered
        ]
        try:
            await work.settling.release(receipts, sent_at)
        except (OSError, PenstockError) as problem:
            # Delivered, but still in the spool: sent again later, and receipted again.
            _LOG.failure("release-failed", problem)
            for item, _ in delivered:
                work.backlog.later(item.key, DISK_SECONDS)
            return
        work.delivered += len(delivered)
        work.notice.delivered(len(delivered), sum(item.size for item, _ in delivered))
        for item, verdict in delivered:
            work.backlog.done(item.key)
            if verdict.remark:
                _LOG.warning(
                    "stored-with-warning",
                    object=item.key.identifier,
                    destination=work.name,
                    warning=verdict.remark,
                )

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
            wait = work.backoff_first * 4.0**strikes
            work.backlog.later(key, min(wait, work.backoff_max))

    async def _troubled(
        self, batch: Sequence[OutgoingObject], reply: Reply, problem: TransportError, trying: bool
    ) -> None:
        work = self._work
        wait = work.gate.failed(reply.retry_after, trying=trying)
        work.notice.request(problem.code)
        work.notice.trouble(problem, wait)
        if is_mended_by_new_files(problem):
            self._renew()
        if reply.refused and len(batch) == 1:
            await self._struck(batch[0].key, reply.refused)
        elif reply.begun:
            for item in batch:
                work.backlog.later(item.key, wait)
        else:
            work.backlog.put_back(item.key for item in batch)

    def _renew(self) -> None:
        try:
            self._work.carrier.renew()
        except ConfigError as error:
            _LOG.failure("certificates-unusable", error)

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
            message or f"the destination {work.name} refuses the object: {reason}",
            hint="docs/destinations.md explains the reasons",
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
