"""The coordinator role: one loop over hints, workers' answers, scans and the clock. No threads: it forks."""

from __future__ import annotations

import os
import selectors
import time
from typing import Final

from engine import log
from engine.allocator import Tidying
from engine.config import GatewayConfig
from engine.coordinator.counters import Counters
from engine.coordinator.custody import Custody
from engine.coordinator.key_ids import first_ready, told_by_keeper
from engine.coordinator.members import Members
from engine.coordinator.outbox import Outbox
from engine.coordinator.pool import LocalPool, Member
from engine.coordinator.queues import Queues
from engine.coordinator.receipts import Receipts
from engine.coordinator.recovery import recover
from engine.coordinator.routes import Routes, Treatments
from engine.coordinator.shell import Shell
from engine.coordinator.work import sweep_nurseries
from engine.coordinator.worker import starter
from engine.metrics.meter import Meter
from engine.process import StopRequest, resident_bytes
from engine.spool import associations, passfile, release, workers
from engine.spool.budget import Budget
from engine.spool.hints import HintInbox, HintOutbox
from engine.spool.layout import OBJECT_ID, ORIGINAL, PASS_ID, Spool, new_pass_id
from engine.spool.ledger import Ledger

MOST_UNRESOLVED: Final = (
    20_000  # objects in received/ that are held in memory; the rest waits for the next scan
)
LONGEST_SCAN_PERIOD: Final = 5.0
LEDGER_SECONDS: Final = 0.5
TELL_SECONDS: Final = (
    0.1  # between two hints to the uploader: each transaction of the ledger writes some 40 kB
)
TELL_AT_ONCE: Final = 64  # objects that do not wait for that
CHORES_SECONDS: Final = 2.0
_LOG: Final = log.get("coordinator")


def run(config: GatewayConfig) -> int:
    """Coordinates until SIGTERM, then until everything that was received is planned; the exit code.

    Raises PenstockError where it cannot begin: the profile, the secret, or the spool is unusable.
    """
    spool = Spool.open(config.spool.path)
    routes = Routes.compile(config)
    with selectors.DefaultSelector() as selector, Ledger.open(spool.ledger) as ledger:
        asked = StopRequest()
        inbox = HintInbox(spool.run, "coordinator")
        sweep_nurseries(spool)
        count = workers.asked(spool.run) or config.pool.workers
        pool = LocalPool(count, starter(config, spool, routes), selector, spool.run)
        try:
            ready = first_ready(pool, selector, asked)
            if ready is None:
                return 0  # what was received waits for the next start
            members = Members(lambda pass_id: _joined(spool, pass_id))
            counters = Counters(Meter.attach(spool.run, "coordinator"))
            shell = Shell(
                spool=spool,
                custody=_custody(config, spool, members),
                members=members,
                queues=Queues(config.pool.max_bytes_in_flight, counters.queue.took),
                ledger=ledger,
                budget=Budget.attach(spool.run, "coordinator", config.spool.max_bytes),
                counters=counters,
                treatments=Treatments.by(routes, ready.key_id, ready.former),
                receipts=Receipts(spool),
            )
            with HintOutbox(spool.run, "uploader") as uploader:
                recover(shell, time.monotonic())
                outbox = Outbox(spool, uploader, config.pool.max_outbox)
                loop = Loop(shell, pool, selector, inbox, outbox, asked, config.passes.quiet_seconds)
                loop.follows_keeper = config.identity.secret_file is None
                loop.run()
        finally:
            pool.close()
            inbox.close()
            asked.close()
    return 0


class Loop:
    """The turns of the coordinator. `run` ends some time after SIGTERM or SIGINT."""

    def __init__(
        self,
        shell: Shell,
        pool: LocalPool,
        selector: selectors.BaseSelector,
        inbox: HintInbox,
        outbox: Outbox,
        asked: StopRequest,
        quiet: float,
    ) -> None:
        self._shell = shell
        self._pool = pool
        self._selector = selector
        self._inbox = inbox
        self._outbox = outbox
        self._asked = asked
        self._period = min(1.0, quiet / 4)
        self._next_scan = 0.0
        self._tidying = Tidying()
        self._next_flush = 0.0
        self._next_tell = 0.0
        self._next_chores = 0.0
        self._deaths_told = 0
        self._drained_scan = False
        self.follows_keeper = False

    def run(self) -> None:
        """Takes turns until the stop was asked for and everything received is planned."""
        self._selector.register(self._inbox, selectors.EVENT_READ, self._inbox)
        self._selector.register(self._asked, selectors.EVENT_READ, self._asked)
        while not (self._asked.made and self._is_drained()):
            self._turn()
        self._shell.ledger.flush()
        self._outbox.tell(self._shell.ready)
        self._selector.unregister(self._inbox)
        self._selector.unregister(self._asked)

    def _turn(self) -> None:
        wait = max(self._next_scan - time.monotonic(), 0.0)
        if self._shell.ready:
            wait = min(wait, max(self._next_tell - time.monotonic(), 0.0))
        events = self._selector.select(wait)
        now = time.monotonic()
        for key, _ in events:
            match key.data:
                case Member() as member:
                    answered = [(job, result) for job, result in self._pool.read(member) if job is not None]
                    self._shell.results(answered, now)
                case HintInbox():
                    self._hints(self._inbox.receive(), now)
                case _:
                    self._asked.acknowledge()
                    self._next_scan = now
        if now >= self._next_scan:
            self._scan(now)
        self._shell.queues.wake(now)
        self._dispatch()
        ready = len(self._shell.ready)
        if (ready and (now >= self._next_tell or ready >= TELL_AT_ONCE)) or now >= self._next_flush:
            self._shell.ledger.flush()  # before the uploader can end their way
            self._outbox.tell(self._shell.ready)
            self._next_tell = now + TELL_SECONDS
            self._next_flush = now + LEDGER_SECONDS
            self._count()
        if now >= self._next_chores:
            self._chores()
            self._next_chores = now + CHORES_SECONDS

    def _hints(self, words: list[str], now: float) -> None:
        arrived = []
        for word in words:
            if OBJECT_ID.fullmatch(word):
                arrived.append(word)
            elif word.startswith("!"):
                pass_id, _, identifier = word[1:].partition("/")
                if PASS_ID.fullmatch(pass_id) and OBJECT_ID.fullmatch(identifier):
                    self._shell.spoiled(pass_id, identifier)
            elif word.startswith("-"):
                self._next_scan = min(self._next_scan, now + self._period)
            elif word == workers.WORD:
                self._next_chores = now
        self._take(arrived, now)

    def _take(self, identifiers: list[str], now: float) -> bool:
        """False if there were more than may be held."""
        room = MOST_UNRESOLVED - self._shell.custody.undecided
        self._shell.carry_out(self._shell.custody.arrived(identifiers[: max(room, 0)], now))
        return len(identifiers) <= room

    def _scan(self, now: float) -> None:
        """Associations first, then received/: what a closed association sent is in received/ by then, so
        that no pass is sealed while one of its objects waits unseen."""
        self._shell.custody.associations(*associations.scan(self._shell.spool))
        waiting = sorted(
            entry.name.removesuffix(ORIGINAL)
            for entry in os.scandir(self._shell.spool.received)
            if entry.name.endswith(ORIGINAL)
        )
        known = self._shell.custody.unresolved
        fresh = [one for one in waiting if one not in known and OBJECT_ID.fullmatch(one)]
        complete = self._take(fresh, now)
        self._shell.carry_out(self._shell.custody.tick(now, complete=complete))
        took = time.monotonic() - now
        self._next_scan = now + max(self._period, min(20 * took, LONGEST_SCAN_PERIOD))
        self._drained_scan = self._asked.made and complete and not fresh

    def _dispatch(self) -> None:
        queues = self._shell.queues
        queues.paused = self._outbox.judge()
        while queues.waiting and self._pool.has_room:
            jobs = queues.batch(self._pool.staying)
            if not jobs:
                break  # enough bytes are in flight
            self._pool.give(jobs)

    def _chores(self) -> None:
        self._tidying.look()
        self._resize()
        if self.follows_keeper:
            self._shell.treatments = told_by_keeper(self._shell.spool, self._shell.treatments)
        self._pool.check()
        self._outbox.look()
        self._shell.discard_sealed()
        release.settle(self._shell.spool, self._shell.ledger)
        for association in self._shell.custody.unknown_aborted():
            associations.forget(self._shell.spool, association)
        self._shell.counters.workers_resident(
            {member.number: resident_bytes(member.pid) for member in self._pool.members}
        )

    def _resize(self) -> None:
        """As many workers as were asked for while we run, if anybody asked."""
        wanted = workers.asked(self._shell.spool.run)
        if wanted and wanted != self._pool.wanted:
            _LOG.info("workers", before=self._pool.wanted, wanted=wanted)
            self._pool.resize(wanted)
            self._next_flush = 0.0  # tells the new number at once

    def _count(self) -> None:
        counters, custody, queues = self._shell.counters, self._shell.custody, self._shell.queues
        counters.bytes_in_flight.set(queues.bytes_in_flight)
        counters.passes_open.set(len(custody.passes))
        counters.unsurveyed.set(len(custody.unresolved))
        counters.unplanned.set(sum(len(known.pending) for known in custody.passes.values()))
        counters.put_off.set(queues.put_off_count)
        counters.parked.set(custody.parked)
        counters.outbox.set(self._outbox.objects)
        counters.paused.set(self._outbox.full)
        counters.workers_wanted.set(self._pool.wanted)
        counters.workers_working.set(self._pool.working)
        counters.queue.holds(waiting=len(custody.unresolved) + queues.waiting_plans)
        counters.rewrite.holds(hands=self._pool.working, size=queues.bytes_in_flight)
        counters.scan.holds(hands=self._pool.working)
        counters.ledger_waiting.set(self._shell.ledger.waiting)
        counters.worker_deaths.add(self._pool.deaths - self._deaths_told)
        self._deaths_told = self._pool.deaths

    def _is_drained(self) -> bool:
        """Nothing waits but what the disk refuses or the outbox has no room for, and a scan after SIGTERM found
        nothing new."""
        queues = self._shell.queues
        busy = self._pool.busy or queues.waiting
        stuck = queues.paused or bool(queues.put_off_count)
        return self._drained_scan and not busy and (self._shell.custody.idle or stuck)


def _custody(config: GatewayConfig, spool: Spool, members: Members) -> Custody:
    passes = config.passes
    return Custody(
        passes.quiet_seconds,
        passes.cap_seconds,
        members,
        new_pass_id,
        lambda: associations.scan(spool),
        passes.repeat_seconds,
        passes.max_open,
    )


def _joined(spool: Spool, pass_id: str) -> list[tuple[str, str]]:
    return [(one.sop, one.identifier) for one in passfile.load_joined(spool, pass_id) if one.sop]
