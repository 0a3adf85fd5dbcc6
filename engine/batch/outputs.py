"""Where an output goes, and how it gets its name: at once, whole, and only if nobody has the name.

    OUT/<hashed ID>/<study>/<series>/<object>.dcm       all by their new UIDs

An output is written without a name of its own under .penstock/parts and then renamed. Two workers that want
the same name take turns by a byte-range lock on it, which a worker that dies gives back; so a name is never
given twice, on any file system, also those that know no hard links."""

from __future__ import annotations

import contextlib
import enum
import fcntl
import itertools
import os
import re
import secrets
import zlib
from pathlib import Path

from engine.batch.compare import Likeness, compare
from engine.errors import Refusal
from engine.pseudonymize.plan import ObjectPlan, write_plan

# PS3.5 section 9.1; and a name that begins with a digit is neither hidden nor "..".
UID = re.compile(r"[0-9][0-9.]{0,63}", re.ASCII)
HASHED_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}", re.ASCII)
KNOWN_FOLDERS = 4096


class Put(enum.Enum):
    """What became of an object. `BESIDE`: written under a numbered name, for another object has its UID."""

    WRITTEN = "written"
    PRESENT = "present"
    BESIDE = "beside"


class Outputs:
    """One worker's way into the output folder. Not for two threads. `durable`: an output is synced before it has its name."""

    def __init__(
        self, out: Path, run_folder: Path, *, keep_same_uid: bool, rebooted: bool, durable: bool = False
    ) -> None:
        self._out = os.open(out, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._parts = os.open(run_folder / "parts", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        # One descriptor for all claims: closing any other one of this file would drop them (POSIX record
        # locks).
        self._names = os.open(run_folder / "names", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._part = f"{secrets.token_hex(8)}.part"  # other machines may have the same process ids
        self._keep_same_uid = keep_same_uid
        self._rebooted = rebooted
        self._durable = durable
        self._folders: set[str] = set()

    def close(self) -> None:
        for descriptor in (self._out, self._parts, self._names):
            os.close(descriptor)

    def put(self, plan: ObjectPlan, source: int, about: os.stat_result) -> Put:
        """Applies `plan` to the descriptor `source`; `about` is what the file was when the plan was made.

        An output that is there already with these very bytes is PRESENT and not touched. Raises Refusal when
        another object has its name, a UID cannot be one, or the input changed meanwhile; OSError as the file
        systems do. Leaves no part behind when it raises."""
        folder, stem = self._place(plan)
        free, _ = self._free_name(folder, stem, plan, source)
        if free is None:
            return Put.PRESENT
        self._make(folder)
        try:
            self._write(plan, source)
            _check_unchanged(source, about)
            # Names that share a checksum wait for each other, which does no harm.
            place = zlib.crc32(stem.encode("ascii"))
            fcntl.lockf(self._names, fcntl.LOCK_EX, 1, place)
            try:
                free, number = self._free_name(folder, stem, plan, source)
                if free is not None:
                    os.rename(self._part, free, src_dir_fd=self._parts, dst_dir_fd=self._out)
            finally:
                fcntl.lockf(self._names, fcntl.LOCK_UN, 1, place)
        except BaseException:
            self._discard()
            raise
        if free is None:
            self._discard()
            return Put.PRESENT
        return Put.WRITTEN if number == 1 else Put.BESIDE

    def _place(self, plan: ObjectPlan) -> tuple[str, str]:
        patient = plan.hashed_id or "no-patient"
        if HASHED_ID.fullmatch(patient) is None:
            raise Refusal("unsafe-name", "the new Patient ID cannot be a folder's name", tag=0x00100020)
        study = _component(plan.study_instance_uid, "no-study", 0x0020000D)
        series = _component(plan.series_instance_uid, "no-series", 0x0020000E)
        folder = f"{patient}/{study}/{series}"
        return folder, _component(plan.sop_instance_uid, "", 0x00080018)

    def _free_name(self, folder: str, stem: str, plan: ObjectPlan, source: int) -> tuple[str | None, int]:
        """The path under OUT that this object may have and its number; None if it lies there already."""
        for number in itertools.count(1):
            path = f"{folder}/{stem}.dcm" if number == 1 else f"{folder}/{stem}.{number}.dcm"
            if not os.access(path, os.F_OK, dir_fd=self._out):
                return path, number
            existing = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._out)
            try:
                likeness = compare(plan, source, existing)
            finally:
                os.close(existing)
            if likeness is Likeness.SAME:
                return None, number
            if likeness is Likeness.TORN and self._rebooted:
                return path, number
            if not self._keep_same_uid:
                break
        raise Refusal(
            "same-uid",
            "an object with the same SOP Instance UID and other contents came first",
            tag=0x00080018,
            hint="find out which one is right, or keep both with --same-uid keep",
        )

    def _make(self, folder: str) -> None:
        if folder in self._folders:
            return
        if len(self._folders) >= KNOWN_FOLDERS:
            self._folders.clear()
        for end in (*(i for i, letter in enumerate(folder) if letter == "/"), len(folder)):
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder[:end], dir_fd=self._out)
        self._folders.add(folder)

    def _write(self, plan: ObjectPlan, source: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        target = os.open(self._part, flags, 0o666, dir_fd=self._parts)
        try:
            write_plan(plan, source, target)
            if self._durable:
                os.fdatasync(target)
        finally:
            os.close(target)

    def _discard(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._part, dir_fd=self._parts)


def _check_unchanged(source: int, about: os.stat_result) -> None:
    now = os.fstat(source)
    if (now.st_mtime_ns, now.st_size) != (about.st_mtime_ns, about.st_size):
        raise Refusal("changed-while-read", "the file changed while it was read", retryable=True)


def _component(uid: str, absent: str, tag: int) -> str:
    if not uid and absent:
        return absent
    if UID.fullmatch(uid) is None:
        raise Refusal("unsafe-name", "a UID of the output cannot be a file's name", tag=tag)
    return uid
