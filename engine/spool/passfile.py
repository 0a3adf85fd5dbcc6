"""A pass on disk: its key, what it is for, and who joined it.

A pass is made in a hidden folder and gets its name when key and study are durable: a pass with a name has
both. It is sealed by unlinking the key first and then the other two; what is left are objects that wait for
their receipts, and the name of where they go."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterable

import msgspec

from engine.config.destinations import PLATFORM
from engine.errors import SpoolError
from engine.spool.killpoint import reached
from engine.spool.layout import Spool, remove, write_synced, write_whole
from engine.syncing import sync_folder

KEY_BYTES = 32


class Study(msgspec.Struct, frozen=True):
    """What a pass is for. `study` is the original Study Instance UID, so this file goes with the key.

    `profile` (digest) and `key_id` (of the hash secret): a gateway that starts with others puts what is
    unplanned into a new pass, for one pass has to treat all its objects alike. `destination` is also in a file
    of its own, which outlives this one: `destination_of`."""

    study: str
    profile: str
    key_id: str
    opened: float  # seconds since 1970, for people
    profile_name: str = ""
    destination: str = PLATFORM


class Joined(msgspec.Struct, frozen=True, array_like=True):
    """One line of `seen`: an object of the pass and its original SOP Instance UID, or the end of an
    association.
    """

    identifier: str
    sop: str


def make(spool: Spool, pass_id: str, study: Study) -> bytes:
    """A new pass, durable when this returns; its key. Safe to repeat: a pass that has its name already keeps
    its key.
    """
    try:
        return load_key(spool, pass_id)
    except FileNotFoundError:
        pass  # the usual case: it is new
    hidden = spool.passes / f".{pass_id}"
    shutil.rmtree(hidden, ignore_errors=True)
    for folder in (hidden, hidden / "in", hidden / "out"):
        folder.mkdir(mode=0o700)
    key = secrets.token_bytes(KEY_BYTES)
    write_synced(hidden / "study", msgspec.json.encode(study))
    write_synced(hidden / "key", key)
    if study.destination != PLATFORM:
        write_synced(hidden / "destination", study.destination.encode())
    sync_folder(hidden)
    reached("pass-made-before-name")
    hidden.rename(spool.folder_of(pass_id))
    sync_folder(spool.passes)
    reached("pass-named")
    return key


def load_key(spool: Spool, pass_id: str) -> bytes:
    """The key of an open pass; FileNotFoundError if it is sealed, SpoolError if the file is not a key."""
    key = spool.key(pass_id).read_bytes()
    if len(key) != KEY_BYTES:
        raise SpoolError(
            "pass-key-damaged", f"the key of pass {pass_id} has {len(key)} bytes instead of {KEY_BYTES}"
        )
    return key


def load_study(spool: Spool, pass_id: str) -> Study:
    """What an open pass is for; FileNotFoundError if it is sealed, SpoolError if the file cannot be read."""
    try:
        return msgspec.json.decode(spool.study(pass_id).read_bytes(), type=Study)
    except msgspec.DecodeError as error:
        raise SpoolError("pass-study-damaged", f"the study file of pass {pass_id} cannot be read") from error


def destination_of(spool: Spool, pass_id: str) -> str:
    """Where the objects of a pass go, sealed or not, by the destination's name. A pass without the file goes to the platform: there
    was nothing else before.
    """
    try:
        return spool.destination(pass_id).read_text("utf-8", "replace")
    except FileNotFoundError:
        return PLATFORM


def join(spool: Spool, pass_id: str, joined: Iterable[Joined]) -> None:
    """Adds lines to `seen`. Not synced: it survives the process; after a power cut a repeat may join instead
    of opening a pass.
    """
    lines = b"".join(msgspec.json.encode(one) + b"\n" for one in joined)
    descriptor = os.open(spool.seen(pass_id), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        write_whole(descriptor, lines)
    finally:
        os.close(descriptor)


def load_joined(spool: Spool, pass_id: str) -> list[Joined]:
    """The lines of `seen`, without one that a crash cut off."""
    try:
        lines = spool.seen(pass_id).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        with contextlib.suppress(msgspec.DecodeError):  # a torn line: its object is known from in/
            found.append(msgspec.json.decode(line, type=Joined))
    return found


def destroy_key(spool: Spool, pass_id: str) -> None:
    """Seals a pass: no process can ever compute its UIDs again. Durable when this returns. Safe to repeat."""
    remove(spool.key(pass_id))
    reached("key-destroyed")
    remove(spool.study(pass_id))
    remove(spool.seen(pass_id))
    remove(spool.tally(pass_id))
    sync_folder(spool.folder_of(pass_id))


def discard(spool: Spool, pass_id: str) -> bool:
    """Removes the folder of a sealed pass that has no object left; False if something is in it still."""
    folder = spool.folder_of(pass_id)
    if spool.key(pass_id).exists():
        return False
    try:
        for part in (folder / "in", folder / "out"):
            with contextlib.suppress(FileNotFoundError):
                part.rmdir()
        remove(spool.destination(pass_id))  # nothing is left that would go there
        with contextlib.suppress(FileNotFoundError):
            folder.rmdir()
    except OSError:
        return False  # not empty: an object waits for its receipt
    return True


def sweep(spool: Spool) -> int:
    """Removes the hidden folders of passes that never got a name; how many. Only while no worker lives."""
    hidden = [entry for entry in spool.passes.iterdir() if entry.name.startswith(".")]
    for folder in hidden:
        shutil.rmtree(folder, ignore_errors=True)
    return len(hidden)
