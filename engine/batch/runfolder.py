"""OUT/.penstock: what a run needs in order to be taken up again, and nothing that says who anybody is.

    OUT/.penstock/       0700
      lock               flock: one run at a time in one output folder
      names              byte-range locks, one for each name that a worker is about to give (`outputs`)
      key                the run key: 32 random bytes, 0600, durable before the first output exists
      run.json           what the run was begun with: a keyed hash of IN, profile, key id, boot id
      journal            which inputs are done (`journal`)
      tallies            what the receipts will say (`tallies`)
      parts/             outputs that have no name yet; emptied whenever a run begins

The pass key of a study is HMAC-SHA-256(run key, its original Study Instance UID): every worker derives the
same, and so does the run that takes up after an interruption. The run key is destroyed, and the folder with
it, as soon as each input has met its fate. From then on nobody can tell which output came from which study,
and the same input makes a second copy under new UIDs."""

from __future__ import annotations

import errno
import fcntl
import hmac
import os
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import orjson

from engine.batch.journal import Journal
from engine.batch.tallies import Tallies
from engine.errors import ConfigError
from engine.spool.layout import write_durably, write_whole
from engine.syncing import sync_folder

FOLDER = ".penstock"
KEY_BYTES = 32
FORMAT = 1
LOCK_PATIENCE = 5.0  # seconds: workers of a run that was killed end with the object that they are at


@dataclass(frozen=True, slots=True)
class Terms:
    """What has to be the same when a run is taken up again: else its outputs would not fit together."""

    source: Path
    profile: str
    profile_digest: str
    key_id: str
    page_aligned: bool = False


class RunFolder:
    """The folder of the one run that works on `out`; `open` takes up an unfinished run or begins a new one.

    `resumed`: an unfinished run was found. `rebooted`: since it was last at work the machine was started
    anew, so outputs after the last checkpoint may be torn. `pass_root`, `journal_key` and `batch` (16
    hexadecimal digits that name the run in receipts) hang on the run key."""

    def __init__(
        self,
        path: Path,
        lock: int,
        key: bytes,
        journal: Journal,
        tallies: Tallies,
        *,
        resumed: bool,
        rebooted: bool,
    ) -> None:
        self.path = path
        self.journal = journal
        self.tallies = tallies
        self.resumed = resumed
        self.rebooted = rebooted
        self.pass_root = derive(key, b"passes")
        self.journal_key = derive(key, b"journal")
        self.batch = derive(key, b"batch")[:8].hex()
        self._lock = lock

    @classmethod
    def open(cls, out: Path, terms: Terms) -> RunFolder:
        """Makes `out` if need be. ConfigError when it cannot be used, another run is at work in it, or an
        unfinished run in it was begun on other terms."""
        folder = out / FOLDER
        try:
            out.mkdir(parents=True, exist_ok=True)
            lock = _lock(folder)
        except OSError as error:
            raise unusable(out, error) from error
        try:
            resumed = (folder / "key").exists()
            rebooted = _take_up(folder, terms) if resumed else _begin(folder, terms)
            key = (folder / "key").read_bytes()
            tallies = Tallies(folder / "tallies", new=not resumed)
            journal = Journal(folder / "journal", rebooted=rebooted, agree=tallies.agree)
            if rebooted:
                # Only now, when the journal has been cut to what outlived the last boot.
                _write_note(folder, terms, key)
            _make_empty(folder / "parts")
        except OSError as error:
            os.close(lock)
            raise unusable(out, error) from error
        except ConfigError:
            os.close(lock)
            raise
        return cls(folder, lock, key, journal, tallies, resumed=resumed, rebooted=rebooted)

    def destroy(self) -> None:
        """Ends the run for good: the key is overwritten and deleted first, durably, then the rest."""
        key = self.path / "key"
        with key.open("r+b", buffering=0) as file:
            file.write(bytes(KEY_BYTES))
            os.fsync(file.fileno())
        key.unlink()
        sync_folder(self.path)
        shutil.rmtree(self.path)
        sync_folder(self.path.parent)

    def close(self) -> None:
        """Lets the next run in, as soon as the workers have ended too: they hold the lock with us."""
        self.journal.close()
        self.tallies.close()
        os.close(self._lock)


def derive(key: bytes, purpose: bytes) -> bytes:
    """32 bytes for one purpose, so that no two uses of the run key can be played against each other."""
    return hmac.digest(key, b"penstock run\0" + purpose, "sha256")


def boot_id() -> str:
    """The kernel's name for the time since this machine was started."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _lock(folder: Path) -> int:
    until = time.monotonic() + LOCK_PATIENCE
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A run that ended meanwhile took the folder away: then this is a lock on nothing.
            if os.path.samestat(os.fstat(descriptor), (folder / "lock").stat()):
                return descriptor
        except FileNotFoundError:
            pass
        except BlockingIOError as error:
            if time.monotonic() >= until:
                os.close(descriptor)
                raise ConfigError(
                    "output-in-use",
                    f"another run is at work in {folder.parent}",
                    hint="wait until it is done, or name another output folder",
                ) from error
            time.sleep(0.05)
        os.close(descriptor)


def _begin(folder: Path, terms: Terms) -> bool:
    # Without a key nothing in here can be used: a run left it that ended or that never began.
    for leftover in ("journal", "tallies", "run.json", "key.part"):
        (folder / leftover).unlink(missing_ok=True)
    key = secrets.token_bytes(KEY_BYTES)
    _write_note(folder, terms, key)
    # The key comes last and whole: where it is, the note is complete.
    write_durably(folder / "key.part", key)
    (folder / "key.part").rename(folder / "key")
    sync_folder(folder)
    sync_folder(folder.parent)
    return False


def _take_up(folder: Path, terms: Terms) -> bool:
    key = (folder / "key").read_bytes()
    try:
        note = orjson.loads((folder / "run.json").read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise _cannot_take_up(folder, "its note run.json cannot be read") from error
    if len(key) != KEY_BYTES or not isinstance(note, dict) or note.get("format") != FORMAT:
        raise _cannot_take_up(folder, "it was not written by this version of Penstock")
    wanted = _note(terms, key)
    names = {"source": "input folder", "profile_digest": "profile", "key_id": "hash secret"}
    names["page_aligned"] = "alignment of pages"
    other = [word for field, word in names.items() if note.get(field) != wanted[field]]
    if other:
        raise _cannot_take_up(folder, f"it was begun with another {' and another '.join(other)}")
    return bool(note.get("boot") != wanted["boot"])


def _cannot_take_up(folder: Path, why: str) -> ConfigError:
    return ConfigError(
        "unfinished-run",
        f"an unfinished run lies in {folder.parent} and {why}",
        hint=f"finish that run first, or delete {folder} to give it up (what it wrote stays), or name "
        "another output folder",
    )


def _note(terms: Terms, key: bytes) -> dict[str, object]:
    where = os.fsencode(os.path.realpath(terms.source))
    return {
        "format": FORMAT,
        # A folder's name may be a patient's: only a hash that dies with the run key is kept.
        "source": hmac.digest(derive(key, b"source"), where, "sha256").hex(),
        "profile": terms.profile,
        "profile_digest": terms.profile_digest,
        "key_id": terms.key_id,
        "page_aligned": terms.page_aligned,
        "boot": boot_id(),
    }


def _make_empty(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700)


def _write_note(folder: Path, terms: Terms, key: bytes) -> None:
    part = folder / "run.json.part"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_whole(descriptor, orjson.dumps(_note(terms, key), option=orjson.OPT_INDENT_2))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.rename(folder / "run.json")
    sync_folder(folder)


def unusable(out: Path, error: OSError) -> ConfigError:
    """What to tell when the output folder failed before anything was written to it."""
    hints = {
        errno.EACCES: "give yourself the right to write there, or name another output folder",
        errno.EROFS: "mount it read-write, or name another output folder",
        errno.ENOTDIR: "the output has to be a folder",
        errno.EEXIST: "the output has to be a folder",
        errno.ENOSPC: "free some space there, or name another output folder",
    }
    reason = os.strerror(error.errno) if error.errno else "unknown error"
    return ConfigError(
        "output-unusable",
        f"the output folder {out} cannot be used: {reason}",
        hint=hints.get(error.errno or 0, ""),
    )
