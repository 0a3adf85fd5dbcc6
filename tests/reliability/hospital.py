"""A hospital beside a gateway: it sends studies as a PACS does, remembers what was acknowledged, and asks the platform at
the end whether all of that is there, once, as one study each."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from engine.demo import compare
from engine.demo.process import listens
from engine.demo.reader import Reader
from engine.demo.stage import CALLED, CALLING, HOST, Stage
from engine.dicom import sample
from engine.errors import PenstockError, TransportError
from engine.scu.association import Association, Target
from engine.sender.framing import Framed
from engine.sender.source import SourceObject, read_source
from engine.spool.budget import Budget
from engine.spool.layout import Spool
from engine.spool.states import State, observe, passes
from tests.reliability.book import Run

SMALL = sample.Shape(slices=4, size=32)
GIVE_UP = 1.5
MADE = re.compile(rb"2\.25\.[0-9]+|[0-9a-f]{32}")
PAUSE = 0.05
FIRST_SEED, SEEDS = 100_000, 1000  # so that no value of a sample becomes too long for its VR


@dataclass(slots=True)
class Sent:
    """One study: its files, and which of them have a Success."""

    number: int
    paths: list[Path]
    patient: str
    acknowledged: set[int] = field(default_factory=set)

    @property
    def left(self) -> list[int]:
        return [index for index in range(len(self.paths)) if index not in self.acknowledged]


@dataclass(slots=True)
class Hospital:
    """Studies are made when they are sent; each number is another patient. `port` is where the gateway is thought to be.
    Safe for several threads that send different studies."""

    stage: Stage
    run: Run
    port: int
    shape: sample.Shape = SMALL
    patience: float = GIVE_UP
    studies: list[Sent] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _next: int = 0

    def make(self) -> Sent:
        """The next study, not sent yet."""
        with self._lock:
            self._next += 1
            number = self._next
        folder = self.run.work / "studies" / str(number)
        paths = sample.write(folder, self.run.seed % SEEDS * FIRST_SEED + number, self.shape)
        made = Sent(number, paths, str(pydicom.dcmread(paths[0], stop_before_pixels=True).PatientID))
        with self._lock:
            self.studies.append(made)
        return made

    def offer(self, sent: Sent, *, abort: bool = False) -> int:
        """One association with what has no Success yet; how many have none after it. TransportError if it could not begin;
        an association that ends early is told by what is left. `abort` ends it without a release."""
        sources = {index: read_source(sent.paths[index]) for index in sent.left}
        pairs = sorted({(one.sop_class_uid, one.transfer_syntax_uid) for one in sources.values()})
        association = Association(Target(HOST, self.port, CALLED, CALLING, self.patience), pairs)
        try:
            for index, source in sources.items():
                status = store(association, source)
                self.run.add(f"answers_{status:04X}")
                if status == 0:
                    sent.acknowledged.add(index)
            if abort:
                association.abort()
            else:
                association.release()
        except TransportError:
            self.run.add("associations_lost")
            association.abort()
        return len(sent.left)

    def send(self, sent: Sent, seconds: float) -> bool:
        """As often as it takes; False if the time was not enough."""
        until = time.monotonic() + seconds
        while sent.left and time.monotonic() < until:
            try:
                self.offer(sent)
            except TransportError:
                self.run.add("associations_not_begun")
            if sent.left:
                time.sleep(PAUSE)
        return not sent.left

    def settle(self, seconds: float, *, whole: bool = True) -> None:
        """Waits until everything acknowledged is on the platform and the spool is empty, and counts as a failure of the run
        whatever is lost, doubled, split or changed. `whole`: every object has a Success by now."""
        until = time.monotonic() + seconds
        for sent in self.studies:
            self._look(sent, until, whole=whole)
            shutil.rmtree(sent.paths[0].parent)
        self._look_at_spool(until)
        self.studies.clear()

    def _look(self, sent: Sent, until: float, *, whole: bool) -> None:
        name = f"study {sent.number}"
        if whole and sent.left:
            self.run.fail(f"{name}: {len(sent.left)} objects never got a Success")
        wanted = len(sent.acknowledged)
        uids, there = self._await(sent, wanted, until)
        self.run.add("studies")
        self.run.add("objects", wanted)
        if there < wanted:
            self.run.fail(
                f"{name}: {wanted - there} of {wanted} acknowledged objects are not on the platform"
            )
            return
        if not wanted:
            return
        if len(uids) != 1:
            self.run.fail(f"{name}: it became {len(uids)} studies")
        for what in self._differences(sent, uids):
            self.run.fail(f"{name}: {what}")

    def _await(self, sent: Sent, wanted: int, until: float) -> tuple[list[str], int]:
        hashed_id = self.stage.secret.hashed_id(sent.patient)
        with Reader(self.stage.platform_url, self.stage.certificates) as reader:
            while True:
                listed = reader.studies(hashed_id)
                there = sum(int(study["objects"]) for study in listed)
                if there >= wanted or time.monotonic() > until:
                    return [str(study["study_instance_uid"]) for study in listed], there
                time.sleep(PAUSE)

    def _differences(self, sent: Sent, uids: Sequence[str]) -> list[str]:
        """What does not hold of the pixels and identities of what arrived."""
        with Reader(self.stage.platform_url, self.stage.certificates) as reader:
            received = [
                reader.object(uid, str(one["sop_instance_uid"]))
                for uid in uids
                for one in reader.instances(uid)
            ]
        if len(received) > len(sent.paths):
            return [f"{len(received)} objects on the platform of {len(sent.paths)}"]
        found = compare.pairs(sent.paths, received)
        missing = len(sent.acknowledged) - len(found)
        told = [f"{missing} acknowledged objects did not arrive as themselves"] if missing > 0 else []
        if any(pair.before.PixelData != pair.after.PixelData for pair in found):
            told.append("pixels have changed")
        if any(_left_in(pair) for pair in found):
            told.append("an identity is left in it")
        return told

    def _look_at_spool(self, until: float) -> None:
        spool = Spool.open(self.stage.spool, create=False)
        budget = Budget.attach(spool.run, "test", 1)
        try:
            while _held(spool) or passes(spool) or budget.used():
                if time.monotonic() > until:
                    self.run.fail(
                        f"left in the spool: {[str(one.state) for one in observe(spool)][:5]}, {len(passes(spool))} passes, "
                        f"{budget.used()} bytes counted"
                    )
                    return
                time.sleep(PAUSE)
        finally:
            budget.close()

    def wait_for_port(self, seconds: float = 60.0) -> float:
        """Until the gateway listens; the seconds that it took. A gateway that never does is a failure of the run."""
        began = time.monotonic()
        while not listens(self.port):
            if time.monotonic() - began > seconds:
                self.run.fail(f"the gateway does not listen after {seconds:.0f} s")
                raise PenstockError("gateway-down", "\n".join(self.stage.gateway.tail()))
            time.sleep(0.02)
        return time.monotonic() - began


def _left_in(pair: compare.Pair) -> list[str]:
    """Identities that stand in an output. A date's eight digits are no identity inside a new UID or a hash: in so many random
    digits they come by chance."""
    told = compare.leaks(pair)
    if not any(word.isdigit() for word in told):
        return told
    rest = MADE.sub(b"", pair.received.partition(pair.before.PixelData)[0])
    return [word for word in told if not word.isdigit() or word.encode() in rest]


def store(association: Association, source: SourceObject) -> int:
    """Sends one object and waits for the answer; its status."""
    context = association.agreement.contexts[source.sop_class_uid, source.transfer_syntax_uid]
    framed = Framed(source, context, association.agreement.max_length)
    try:
        association.store(framed.send)
        return association.answer().status
    finally:
        framed.close()


def _held(spool: Spool) -> list[State]:
    return [one.state for one in observe(spool)]
