"""Row 3: the disk refuses, at each call of each process."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from engine.demo import stage
from engine.demo.reader import Reader
from engine.demo.stage import Stage
from engine.errors import PenstockError, TransportError
from tests.reliability.book import Measure, Run
from tests.reliability.hospital import Hospital, Sent
from tests.support.killing import everybody_is_up, processes
from tests.support.tracing import CannotTraceError, injected, made, traced

CALLS: Final = {
    "write": ("write", "writev", "pwrite64", "pwritev", "ftruncate", "fallocate", "copy_file_range"),
    "fsync": ("fsync", "fdatasync", "syncfs", "sync_file_range"),
    "rename": ("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat"),
    "open": ("openat", "open", "creat"),
}
ERRORS: Final = ("ENOSPC", "EIO", "EDQUOT")
ROLES: Final = ("receiver", "coordinator", "worker", "uploader")
QUIET = 10.0  # longer than a role takes to come up again on a busy machine, as the default of a minute is
SEND_SECONDS = 60.0
CASE_SECONDS = 2.5
LASTING_SECONDS = 1.0
SETTLE_EVERY = 20
SETTLE_SECONDS = 120.0
LASTING: Final = 0.15  # of the cases: the error stays, as on a disk that is full
MOST_CALLS = 40  # of one kind and thread that a study's way has


@dataclass(frozen=True, slots=True)
class Case:
    """The `number`th call of a kind in each thread of a role's process fails; `lasting`: and all later ones."""

    role: str
    kind: str
    error: str
    number: int
    lasting: bool

    def __str__(self) -> str:
        return f"{self.role}: {self.kind} {self.number}{'+' if self.lasting else ''} fails with {self.error}"


def faults(run: Run) -> None:
    """`run.count` cases, in an order that the seed decides."""
    laid = stage.build(
        run.work / "stage", gateway={"passes": {"quiet_seconds": QUIET}, "pool": {"workers": 1}}
    )
    with stage.running(laid):
        hospital = Hospital(laid, run, laid.gateway_port)
        for number, case in enumerate(_cases(run, hospital)):
            if number == run.count or run.over.is_set():
                break
            before = len(run.failures)
            _try(run, hospital, case)
            run.done += 1
            if number % SETTLE_EVERY == SETTLE_EVERY - 1:
                hospital.settle(SETTLE_SECONDS)
            if len(run.failures) > before:
                run.fail(f"... the last case was {case}")
                break
        hospital.settle(SETTLE_SECONDS)
        _await_everybody(run, laid)
    run.must(laid.gateway.wait() == 0, "the gateway did not end in order")


def _cases(run: Run, hospital: Hospital) -> Iterator[Case]:
    """Every call that the processes are seen to make for one study, with every error; again in another order when through."""
    chance = random.Random(run.seed)
    pairs = [(role, kind) for role in ROLES for kind in CALLS]
    pairs = chance.sample(pairs, min(run.count, len(pairs)))  # a short run does not look at all of them
    found = {(role, kind): _observe(run, hospital, role, kind) for role, kind in pairs}
    run.figures["calls_seen"] = sum(found.values())
    places = [
        (role, kind, error, number + 1)
        for (role, kind), calls in sorted(found.items())
        for error in ERRORS
        for number in range(min(calls, MOST_CALLS))
    ]
    run.figures["different_cases"] = len(places)
    while True:
        chance.shuffle(places)
        for role, kind, error, number in places:
            yield Case(role, kind, error, number, lasting=chance.random() < LASTING)


def _observe(run: Run, hospital: Hospital, role: str, kind: str) -> int:
    """How many calls of a kind one thread of a role makes at most while a study travels."""
    output = run.work / "calls"
    pids = _await_everybody(run, hospital.stage)[role]
    with traced(pids, CALLS[kind], output):
        sent = hospital.make()
        hospital.send(sent, SEND_SECONDS)
        _arrival(hospital, sent, CASE_SECONDS)
    return max(made(output).values(), default=0)


def _try(run: Run, hospital: Hospital, case: Case) -> None:
    output = run.work / "calls"
    pids = _await_everybody(run, hospital.stage)[case.role]
    sent = hospital.make()
    try:
        with traced(
            pids,
            CALLS[case.kind],
            output,
            f"error={case.error}:when={case.number}{'+' if case.lasting else ''}",
        ):
            began = time.monotonic()
            if case.lasting:
                _offer(run, hospital, sent, LASTING_SECONDS)
                if (
                    case.role == "receiver"
                    and case.number == 1
                    and case.kind != "open"
                    and pids == processes(hospital.stage)["receiver"]
                ):
                    run.must(not sent.acknowledged, f"a false Success: {case}")
            else:
                hospital.send(sent, SEND_SECONDS)
                _arrival(hospital, sent, CASE_SECONDS - (time.monotonic() - began))
    except CannotTraceError:
        run.add("process_gone_before")  # it was just being replaced
    if output.exists():
        run.add("calls_failed", injected(output))
    if not hospital.send(sent, SEND_SECONDS):
        run.fail(f"not healed after {SEND_SECONDS:.0f} s: {case}")


def _offer(run: Run, hospital: Hospital, sent: Sent, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and sent.left:
        try:
            hospital.offer(sent)
        except TransportError:
            run.add("associations_not_begun")
        time.sleep(0.1)


def _arrival(hospital: Hospital, sent: Sent, seconds: float) -> None:
    """Until the platform has the study, or the time is over: what comes later is seen at the end."""
    until = time.monotonic() + seconds
    hashed_id = hospital.stage.secret.hashed_id(sent.patient)
    with Reader(hospital.stage.platform_url, hospital.stage.certificates) as reader:
        while time.monotonic() < until:
            if sum(int(study["objects"]) for study in reader.studies(hashed_id)) >= len(sent.paths):
                return
            time.sleep(0.05)


def _await_everybody(run: Run, laid: Stage) -> dict[str, list[int]]:
    until = time.monotonic() + SEND_SECONDS
    while not everybody_is_up(laid):
        if time.monotonic() > until:
            run.fail("somebody did not come up again")
            raise PenstockError("role-down", "\n".join(laid.gateway.tail()))
        time.sleep(0.02)
    return processes(laid)


MEASURE = Measure(
    name="disk",
    row="3",
    what="ENOSPC, EIO and EDQUOT at every write, sync, rename and open",
    goal="0 false Success, nothing lost, doubled or split; heals by itself",
    unit="cases",
    full=1000,
    few=6,
    do=faults,
    note="""
`strace -e inject` puts an error in the place of the n-th call of a kind in a running receiver, coordinator, worker or uploader,
and sometimes of all that follow. The calls are those that each process is seen to make while one study travels; writes to
sockets and to the log are among them. Then the study is sent until all of it has its Success, and every twenty cases everything
is compared with the platform.
""",
)
