"""The folders of a spool, and the file operations that a power cut cannot undo.

    SPOOL/                          0700, one file system
      lock                          flock: one gateway per spool
      incoming/<id>.part            being received; nothing acknowledged; deleted at start
      received/<id>.dcm             durable and acknowledged; not yet in a pass
      open/<pass>/key               32 random bytes, 0600; gone = the pass is sealed
                 /study             what the pass is for (`passfile`), 0600; gone with the key
                 /destination       where its objects go, if not to the platform of [uploader]; stays until they are gone
                 /seen              one line for each object that joined (`passfile`), 0600; gone with the key
                 /in/<id>.dcm       the original, untouched until its receipt
                 /out/<id>.plan     the new head; with it the object is ready for upload
                 /tally         one line for each object that was treated, for the receipt; 0600; gone with the key
      quarantine/<id>.dcm, <id>.json    what no rule covers, and why
      receipts/<pass>.json          receipts of de-identification of sealed passes, 0600; without identities
      run/                          sockets, counters, associations/; remade when the gateway starts
      ledger.sqlite                 what became of every object; never needed to decide anything

<id> is `<association, 16 hex>-<sequence, 8 hex>` and <pass> is 32 hex digits: names are made here, never
taken from a peer."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from engine.errors import SpoolError
from engine.syncing import sync_folder

OBJECT_ID = re.compile(r"[0-9a-f]{16}-[0-9a-f]{8}")
PASS_ID = re.compile(r"[0-9a-f]{32}")
ORIGINAL = ".dcm"
PLAN = ".plan"
PART = ".part"
ABORTED = ".aborted"


def new_association_id() -> str:
    """16 random hexadecimal digits: unique in a spool, without meaning to anybody else."""
    return secrets.token_hex(8)


def new_pass_id() -> str:
    """32 random hexadecimal digits."""
    return secrets.token_hex(16)


def object_id(association: str, sequence: int) -> str:
    """The name of the object that was the `sequence`th (0 … 2³² - 1) of an association."""
    return f"{association}-{sequence:08x}"


def association_of(identifier: str) -> str:
    """The id of the association that an object came by."""
    return identifier[:16]


@dataclass(frozen=True, slots=True)
class Spool:
    """The paths of one spool. Frozen: every process opens its own. `passes` is the folder `open/`."""

    root: Path
    incoming: Path
    received: Path
    passes: Path
    quarantine: Path
    receipts: Path
    run: Path
    ledger: Path

    @classmethod
    def open(cls, path: Path | str, *, create: bool = True) -> Spool:
        """The spool at `path`; its folders are made when `create`. SpoolError when that cannot be."""
        root = Path(path).absolute()
        spool = cls(
            root=root,
            incoming=root / "incoming",
            received=root / "received",
            passes=root / "open",
            quarantine=root / "quarantine",
            receipts=root / "receipts",
            run=root / "run",
            ledger=root / "ledger.sqlite",
        )
        folders = (
            spool.incoming,
            spool.received,
            spool.passes,
            spool.quarantine,
            spool.receipts,
            spool.run,
            spool.associations,
        )
        try:
            if create:
                root.mkdir(mode=0o700, parents=True, exist_ok=True)
                for folder in folders:
                    folder.mkdir(mode=0o700, exist_ok=True)
                sync_folder(root)
            spool._check(folders)
        except OSError as error:
            raise _explain(error, root) from error
        return spool

    def _check(self, folders: tuple[Path, ...]) -> None:
        about = self.root.stat()
        if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) & 0o077:
            raise SpoolError(
                "spool-open-to-others",
                f"the spool {self.root} can be read by others",
                hint=f"run: chmod 700 {self.root} (as its owner)",
            )
        for folder in folders:
            if folder.stat().st_dev != about.st_dev:
                raise SpoolError(
                    "spool-split",
                    f"{folder} is on another file system than {self.root}",
                    hint="every change of state is one rename, so a spool has to lie on one file system",
                )

    @property
    def associations(self) -> Path:
        return self.run / "associations"

    def part(self, identifier: str) -> Path:
        return self.incoming / (identifier + PART)

    def arrival(self, identifier: str) -> Path:
        return self.received / (identifier + ORIGINAL)

    def folder_of(self, pass_id: str) -> Path:
        return self.passes / pass_id

    def original(self, pass_id: str, identifier: str) -> Path:
        return self.passes / pass_id / "in" / (identifier + ORIGINAL)

    def plan(self, pass_id: str, identifier: str) -> Path:
        return self.passes / pass_id / "out" / (identifier + PLAN)

    def key(self, pass_id: str) -> Path:
        return self.passes / pass_id / "key"

    def study(self, pass_id: str) -> Path:
        return self.passes / pass_id / "study"

    def destination(self, pass_id: str) -> Path:
        return self.passes / pass_id / "destination"

    def tally(self, pass_id: str) -> Path:
        return self.passes / pass_id / "tally"

    def receipt(self, pass_id: str) -> Path:
        return self.receipts / f"{pass_id}.json"

    def seen(self, pass_id: str) -> Path:
        return self.passes / pass_id / "seen"

    def free_bytes(self) -> int:
        """What the file system still takes from this user, in bytes."""
        about = os.statvfs(self.root)
        return about.f_bavail * about.f_frsize

    def lock(self, wait: float = 0.0) -> int:
        """Makes this gateway the spool's only one; the lock lasts until every copy of the returned
        descriptor is closed.

        Children that inherit the descriptor hold the lock too: no second gateway starts beside a survivor of
        the first. Tries for `wait` seconds; SpoolError when somebody else has it."""
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        until = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= until:
                    os.close(descriptor)
                    raise SpoolError(
                        "spool-in-use",
                        f"another gateway is running on the spool {self.root}",
                        hint="stop it first, or give this one a [spool] path of its own",
                    ) from error
                time.sleep(0.05)
        return descriptor

    def remake_run(self) -> None:
        """Empties run/, whose owners are gone, but remembers their associations: those that were open are
        aborted.

        Only the holder of the lock may.
        """
        for entry in list(self.run.iterdir()):
            if entry != self.associations:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        for entry in list(self.associations.iterdir()):
            if not entry.name.endswith(ABORTED):
                entry.rename(entry.with_name(entry.name + ABORTED))


def write_synced(path: Path, data: bytes) -> None:
    """A new file of mode 0600 whose content is durable when this returns; its name is so after `sync_folder`.

    FileExistsError if the name is taken.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        write_whole(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, data: bytes) -> None:
    """The same, and its name is durable too when this returns."""
    write_synced(path, data)
    sync_folder(path.parent)


def write_whole(descriptor: int, data: bytes) -> None:
    """Writes all of `data`: a plain write may stop short when the disk fills or a signal comes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def remove(path: Path) -> bool:
    """Unlinks; False if it was gone already, which is what a repeated step after a crash finds."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _explain(error: OSError, root: Path) -> SpoolError:
    hints = {
        errno.ENOENT: "make the folder, or correct [spool] path",
        errno.EACCES: "give its owner to the user that runs the gateway, or correct [spool] path",
        errno.EROFS: "mount it read-write, or choose another [spool] path",
        errno.ENOTDIR: "[spool] path has to be a folder",
        errno.EEXIST: "[spool] path has to be a folder",
        errno.ENOSPC: "free some space there, or choose another [spool] path",
    }
    reason = os.strerror(error.errno) if error.errno else "unknown error"
    return SpoolError(
        "spool-unusable", f"the spool {root} cannot be used: {reason}", hint=hints.get(error.errno or 0, "")
    )
