"""One worker: takes batches of names, gives back tallies. Only names and small values cross to and fro, no
pixels."""

from __future__ import annotations

import contextlib
import errno
import hmac
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from engine.batch.compare import pieces
from engine.batch.journal import Done, tag_of
from engine.batch.outputs import Outputs, Put
from engine.errors import Refusal, SpoolError
from engine.pseudonymize import receipt
from engine.pseudonymize.plan import ObjectPlan
from engine.pseudonymize.rewrite import Pseudonymizer
from engine.pseudonymize.uids import new_uid

FULL = {errno.ENOSPC: "is full", errno.EDQUOT: "has no quota left for you"}
KNOWN_STUDIES = 1024
READ = (
    os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
)  # a pipe put there meanwhile must not hold us up


@dataclass(frozen=True, slots=True)
class Job:
    """Names relative to the input folder. `again`: a worker died of them, so an output that is there already
    may be of that worker's making and counts as written now."""

    names: tuple[bytes, ...]
    again: bool = False


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """A file that was not rewritten, and why. `tag` is (group << 16 | element), `offset` a byte of the
    file."""

    name: bytes
    code: str
    reason: str
    hint: str = ""
    tag: int | None = None
    offset: int | None = None
    retryable: bool = False


@dataclass(slots=True)
class Tally:
    """What became of a job. Sizes are bytes; `tags` go into the journal; `studies` are 64-bit marks, the same
    for the same study in all workers; `receipts` are counts by new Study Instance UID, None where no study is
    known; `left` was not begun because the run is to stop; `halt` says why it has to."""

    written: int = 0
    present: int = 0
    already_done: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    tags: bytearray = field(default_factory=bytearray)
    studies: set[int] = field(default_factory=set)
    receipts: dict[str | None, receipt.Tally] = field(default_factory=dict)
    refused: list[RefusedFile] = field(default_factory=list)
    beside: list[bytes] = field(default_factory=list)
    left: tuple[bytes, ...] = ()
    halt: SpoolError | None = None

    @property
    def actions(self) -> Counter[str]:
        """Elements by what the profile did with them."""
        return sum((one.actions for one in self.receipts.values()), Counter())

    def refuse(self, refused: RefusedFile, study: str | None) -> None:
        """A file of `study` has no output."""
        self.refused.append(refused)
        self.of(study).refuse(refused.code, refused.tag)

    def of(self, study: str | None) -> receipt.Tally:
        """What is counted of a study."""
        found = self.receipts.get(study)
        if found is None:
            found = self.receipts[study] = receipt.Tally()
        return found


class Flag(Protocol):
    """Memory or a file that several processes see: `[0]` is not zero once no new file is to be begun."""

    def __getitem__(self, at: int, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Keys:
    """What a worker derives from: 32 bytes each (`runfolder`)."""

    passes: bytes
    journal: bytes


class Worker:
    """Rewrites files of one input folder into one output folder. Once `stop` says so, no new file is begun.
    `count_present`: outputs that are there already may be of a run that
    died and could not count them."""

    def __init__(
        self,
        pseudonymizer: Pseudonymizer,
        source: Path,
        outputs: Outputs,
        keys: Keys,
        done: Done,
        stop: Flag,
        *,
        count_present: bool = False,
    ) -> None:
        self._pseudonymizer = pseudonymizer
        self._source = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._outputs = outputs
        self._keys = keys
        self._done = done
        self._stop = stop
        self._count_present = count_present
        self._studies: dict[str, tuple[bytes, str | None]] = {}  # by original UID: pass key and new UID
        self._pass_key = b""  # of the file in hand, once its study is known
        self._study: str | None = None  # of the file in hand: its new UID, once it is known

    def close(self) -> None:
        os.close(self._source)
        self._outputs.close()

    def do(self, job: Job) -> Tally:
        """Treats each file of the job. Never raises for a file: what is wrong with it stands in the tally."""
        tally = Tally()
        for at, name in enumerate(job.names):
            if self._stop[0]:
                tally.left = job.names[at:]
                break
            try:
                self._file(name, job.again, tally)
            except SpoolError as error:
                tally.halt = error
                tally.left = job.names[at:]
                break
            except Refusal as refusal:
                tally.refuse(_refused(name, refusal), self._study)
            except Exception as error:  # noqa: BLE001 - fail closed: this file is refused, the others go on
                tally.refuse(RefusedFile(name, "internal-error", _where(error)), self._study)
        return tally

    def _file(self, name: bytes, again: bool, tally: Tally) -> None:
        self._study = None
        try:
            source = os.open(name, READ, dir_fd=self._source)
        except OSError as error:
            raise _unreadable(error) from error
        try:
            about = os.fstat(source)
            tag = tag_of(self._keys.journal, name, about.st_size, about.st_mtime_ns)
            if tag in self._done:
                tally.already_done += 1
                return
            plan, study = self._plan(source, about.st_size)
            put = self._put(plan, source, about)
        finally:
            os.close(source)
        tally.tags += tag
        tally.studies.add(int.from_bytes(study[:8], "big"))
        if put is Put.PRESENT and not again:
            tally.present += 1
            if self._count_present:
                tally.of(plan.study_instance_uid).add(plan)
            return
        if put is Put.BESIDE:
            tally.beside.append(name)
        tally.written += 1
        tally.bytes_read += about.st_size
        tally.bytes_written += plan.size
        tally.of(plan.study_instance_uid).add(plan)

    def _plan(self, source: int, size: int) -> tuple[ObjectPlan, bytes]:
        self._pass_key = b""
        try:
            try:
                return self._pseudonymizer.plan(source, size, self._key_of), self._pass_key
            except Refusal:
                # A receipt may name its study all the same, unless that cannot be read either.
                if not self._pass_key:
                    with contextlib.suppress(Refusal):
                        self._key_of(self._pseudonymizer.survey(source, size).study_instance_uid)
                raise
        except OSError as error:
            raise _unreadable(error) from error

    def _key_of(self, study: str) -> bytes:
        """The pass key of a study, by its original UID; from here on the file in hand is of that study."""
        known = self._studies.get(study)
        if known is None:
            if len(self._studies) >= KNOWN_STUDIES:
                self._studies.clear()
            key = hmac.digest(self._keys.passes, study.encode(), "sha256")
            known = self._studies[study] = key, new_uid(key, study)
        self._pass_key, self._study = known
        return self._pass_key

    def _put(self, plan: ObjectPlan, source: int, about: os.stat_result) -> Put:
        try:
            return self._outputs.put(plan, source, about)
        except SpoolError as error:
            # The copy ended early, which is the fault of this input alone.
            raise Refusal("changed-while-read", error.message, retryable=True) from error
        except OSError as error:
            if error.errno not in FULL:
                _read_through(plan, source)
            raise output_failure(error) from error


def output_failure(error: OSError) -> SpoolError:
    """What ends a run: nothing more can be written. What is finished stays, and the run can be taken up
    again."""
    number = error.errno or 0
    if number in FULL:
        return SpoolError(
            "disk-full",
            f"the disk of the output folder {FULL[number]}",
            hint="free some space there and run the same command again; it goes on where it stopped",
            retryable=True,
        )
    return SpoolError(
        "output-failed",
        f"the output folder cannot be written: {os.strerror(number)}",
        hint="mend that and run the same command again; it goes on where it stopped",
        retryable=True,
    )


def _read_through(plan: ObjectPlan, source: int) -> None:
    """A copy that failed does not say on which side: Refusal if the source cannot be read."""
    try:
        for _ in pieces(plan, source):
            pass
    except OSError as error:
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> Refusal:
    # strerror alone: the text of an OSError ends with the path.
    reason = os.strerror(error.errno) if error.errno else "unknown error"
    return Refusal("unreadable", f"the file cannot be read: {reason}", retryable=True)


def _refused(name: bytes, why: Refusal) -> RefusedFile:
    return RefusedFile(name, why.code, why.message, why.hint, why.tag, why.offset, why.retryable)


def _where(error: Exception) -> str:
    """The kind of error and the line that raised it; never its text, which may hold a value of the object."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = (
        f" in {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else ""
    )
    return f"{type(error).__name__}{place}; please report it"
