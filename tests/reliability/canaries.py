"""Row 14: names and secrets that must not be found anywhere that somebody else may look."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from engine.demo import stage
from engine.demo.stage import Stage
from engine.dicom import sample
from tests.reliability.book import Measure, Run
from tests.reliability.hospital import Hospital
from tests.support.egress import KINDS, Egress
from tests.support.killing import processes

SETTLE_SECONDS = 120.0
STUDY_SECONDS = 60.0
EVERY = 0.05
SHAPE = sample.Shape(slices=3, size=48)


@dataclass(slots=True)
class Watcher:
    """Reads what anybody on the machine could read of the gateway's processes, again and again."""

    stage: Stage
    words: list[bytes] = field(default_factory=list)
    found: set[str] = field(default_factory=set)
    looks: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.over.wait(EVERY):
            self.looks += 1
            for role, pids in processes(self.stage).items():
                for pid in pids:
                    self._look_at(role, pid)

    def _look_at(self, role: str, pid: int) -> None:
        for name in ("cmdline", "environ", "comm"):
            with contextlib.suppress(OSError):
                self._search(f"{name} of the {role}", Path(f"/proc/{pid}/{name}").read_bytes())
        with contextlib.suppress(OSError):
            for number in os.listdir(f"/proc/{pid}/fd"):
                name = os.readlink(f"/proc/{pid}/fd/{number}")
                self._search(f"an open file's name in the {role}", name.encode())

    def _search(self, where: str, data: bytes) -> None:
        if any(word in data for word in self.words):
            self.found.add(where)


def canaries(run: Run) -> None:
    """`run.count` studies of patients whose every identifying value is looked for, in the course of kills, refusals and crashes."""
    temporary = run.work / "tmp"
    temporary.mkdir()
    with _environment(TMPDIR=str(temporary)):
        laid = stage.build(
            run.work / "stage", gateway={"passes": {"quiet_seconds": 12.0}, "log": {"level": "debug"}}
        )
        watcher = Watcher(laid, words=_secrets(laid))
        egress = Egress(run.work / "egress", laid.gateway_port)
        with _running(laid, egress):
            watching = threading.Thread(target=watcher.run)
            watching.start()
            words = _travel(run, laid, watcher)
            watcher.over.set()
            watching.join()
            _search_metrics(run, laid, words)
            run.must(laid.gateway.stop() == 0, "the gateway did not end in order")
    words |= set(watcher.words)
    planted = run.work / "planted"
    planted.write_bytes(b"x" + max(words))
    run.must(_any_in(planted, words), "a canary that was planted is not found: the search proves nothing")
    run.figures |= {"words": len(words), "looks_at_processes": watcher.looks}
    for where in sorted(watcher.found):
        run.fail(f"a canary in {where}")
    _search_files(run, laid, temporary, words)
    _search_egress(run, egress, words)


@contextlib.contextmanager
def _running(laid: Stage, egress: Egress) -> Iterator[None]:
    """The platform, and the gateway whose sending is written down."""
    try:
        laid.start_platform()
        with egress.worn():
            laid.start_gateway()
        yield
    finally:
        laid.gateway.kill()
        laid.platform.kill()


def _travel(run: Run, laid: Stage, watcher: Watcher) -> set[bytes]:
    """Studies, each amid an accident of its own; every identifying value that was in them."""
    hospital = Hospital(laid, run, laid.gateway_port, SHAPE)
    accidents = (_none, _kill, _crash)
    words: set[bytes] = set()
    for number in range(run.count):
        sent = hospital.make()
        mine = {word for path in sent.paths for word in _identifying(pydicom.dcmread(path))}
        words |= mine
        watcher.words.extend(mine)
        accident = threading.Thread(target=accidents[number % len(accidents)], args=(laid,))
        accident.start()
        if not hospital.send(sent, STUDY_SECONDS):
            run.fail(f"study {sent.number} was not taken")
        accident.join()
        run.done += 1
        if run.over.is_set():
            break
    hospital.settle(SETTLE_SECONDS)
    return words


def _identifying(ds: pydicom.Dataset) -> set[bytes]:
    """Long enough that they cannot be found by chance."""
    return {word.encode() for word in sample.identities(ds) if len(word) > 7}


def _secrets(laid: Stage) -> list[bytes]:
    key = laid.secret.key
    return [key.hex().encode(), key]


def _none(laid: Stage) -> None:
    """Nothing happens."""


def _kill(laid: Stage) -> None:
    """A worker, amid its work."""
    _signal(laid, "worker", signal.SIGKILL)


def _crash(laid: Stage) -> None:
    """A signal after which the kernel would write a core, if it were allowed."""
    for role in ("receiver", "coordinator", "uploader"):
        _signal(laid, role, signal.SIGSEGV)


def _signal(laid: Stage, role: str, number: signal.Signals) -> None:
    time.sleep(0.1)
    for pid in processes(laid)[role]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _search_metrics(run: Run, laid: Stage, words: Iterable[bytes]) -> None:
    """Counters, sockets and marks in the spool's run/."""
    for path in _files(laid.spool / "run"):
        if _any_in(path, words):
            run.fail(f"a canary in run/{path.relative_to(laid.spool / 'run')}")


def _search_files(run: Run, laid: Stage, temporary: Path, words: set[bytes]) -> None:
    """Everything that is left when all is delivered: log, temporary files, ledger, receipts, cores, file names; and what left the
    house, which is what the platform's log and disk hold."""
    places = {"log": laid.gateway.log, "platform's log": laid.platform.log, "temporary file": temporary}
    places |= {"spool": laid.spool, "storage": laid.folder / "storage"}
    run.must(laid.gateway.log.stat().st_size > 0, "there is no log to look into")
    for name, place in places.items():
        for path in _files(place):
            run.add("files_searched")
            if _any_in(path, words):
                run.fail(f"a canary in the {name}: {path.name}")
    for folder in (run.work, Path.cwd(), laid.folder):
        for path in folder.glob("core*"):
            run.must(not path.is_file(), f"a core: {path}")


def _search_egress(run: Run, egress: Egress, words: set[bytes]) -> None:
    """What left by the network."""
    for kind in KINDS:
        run.figures[f"{kind}_bytes"] = egress.size(kind)
    for kind in egress.deaf():
        run.fail(f"nothing was seen of {kind}: the search proves nothing")
    for kind in egress.hits(words):
        run.fail(f"a canary on the network: {kind}")


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    else:
        yield from (path for path in place.rglob("*") if path.is_file())


def _any_in(path: Path, words: Iterable[bytes]) -> bool:
    try:
        data = path.name.encode() + b"\n" + path.read_bytes()
    except OSError:
        return False  # a socket, or gone
    return any(word in data for word in words)


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


MEASURE = Measure(
    name="canaries",
    row="14",
    what="names and secrets where others may look",
    goal="0 hits",
    unit="studies",
    full=100,
    few=3,
    do=canaries,
    note="""
Every identifying value of every study that was sent, and the hash secret, are looked for: twenty times a second in the
arguments, environments and open files of all processes; and afterwards in the logs (level debug), metrics, temporary files, the
spool with its ledger and receipts, the platform's storage and log, file names and cores. Meanwhile workers are killed, and
receiver, coordinator and uploader get SIGSEGV. A preloaded library (`tests/support/egress.c`) writes down all that the gateway's
processes put on the network, and what they give to TLS before it is encrypted: none of the words may be in it, but for the UIDs
of the objects in the answers to whoever sent them. What goes to the platform is compared object by object, decrypted, by the
same words.
""",
)
