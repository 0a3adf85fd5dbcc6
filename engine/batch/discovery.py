"""What lies under the input folder: a stream of files, and of things that are not files, each named.

Names are bytes relative to the input folder, as the file system has them. Every folder is walked once,
whatever links lead to it; links to folders wait until all real folders are done, so that a file is found
under its own name rather than under a link's. Nothing is opened here and nothing is held but the folders'
numbers."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file: its name relative to the input folder and its size in bytes when it was seen."""

    name: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Unfit:
    """Something that no worker will get. `lost` says that objects may be behind it: an unreadable folder,
    but not a socket. `retryable` says that another run may succeed."""

    name: bytes
    code: str
    reason: str
    lost: bool
    retryable: bool = False


def discover(root: bytes, avoid: tuple[int, int]) -> Iterator[Found | Unfit]:
    """Walks `root` depth first and yields what it meets as it meets it.

    `avoid` is the output folder as (st_dev, st_ino): wherever a link or a mount brings it into the input, it
    is left out. Raises OSError only if `root` itself cannot be looked at."""
    about = _stat(root)
    walk = _Walk(root, {(about.st_dev, about.st_ino)}, avoid)
    pending = [b""]
    while pending or walk.links:
        if not pending:
            link = walk.links.pop()
            refusal = walk.enter(link, linked=True)
            if refusal is not None:
                yield refusal
                continue
            pending.append(link)
        folders: list[bytes] = []
        yield from walk.folder(pending.pop(), folders)
        pending.extend(reversed(folders))


class _Walk:
    def __init__(self, root: bytes, seen: set[tuple[int, int]], avoid: tuple[int, int]) -> None:
        self._root = root
        self._seen = seen
        self._avoid = avoid
        self.links: list[bytes] = []

    def _path(self, name: bytes) -> bytes:
        return self._root + b"/" + name if name else self._root

    def folder(self, name: bytes, folders: list[bytes]) -> Iterator[Found | Unfit]:
        """The files of one folder; its sub-folders are appended to `folders`."""
        try:
            with os.scandir(self._path(name)) as entries:
                for entry in entries:
                    child = name + b"/" + entry.name if name else entry.name
                    try:
                        met = self._meet(entry, child, folders)
                    except OSError as error:
                        met = _unreadable(child, "the file", error)
                    if met is not None:
                        yield met
        except OSError as error:
            # What the listing gave before it failed has been handed on; the rest of this folder is unknown.
            yield _unreadable(name, "the folder", error)

    def _meet(self, entry: os.DirEntry[bytes], child: bytes, folders: list[bytes]) -> Found | Unfit | None:
        if entry.is_file(follow_symlinks=False):
            return Found(child, entry.stat(follow_symlinks=False).st_size)
        if entry.is_dir(follow_symlinks=False):
            refusal = self.enter(child, linked=False)
            if refusal is None:
                folders.append(child)
            return refusal
        return self._other(child, is_link=entry.is_symlink())

    def _other(self, name: bytes, *, is_link: bool) -> Found | Unfit | None:
        if not is_link:
            return Unfit(name, "special-file", "a device, socket or pipe, not a file", lost=False)
        try:
            about = _stat(self._path(name))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP):
                return Unfit(name, "broken-link", "a link that leads nowhere", lost=True)
            return _unreadable(name, "what the link points to", error)
        if stat.S_ISDIR(about.st_mode):
            self.links.append(name)
            return None
        if stat.S_ISREG(about.st_mode):
            return Found(name, about.st_size)
        return Unfit(name, "special-file", "a link to a device, socket or pipe, not to a file", lost=False)

    def enter(self, name: bytes, *, linked: bool) -> Unfit | None:
        """None if the folder is to be walked now, and never again."""
        try:
            about = _stat(self._path(name))
        except OSError as error:
            return _unreadable(name, "the folder", error)
        number = (about.st_dev, about.st_ino)
        if number == self._avoid:
            return Unfit(name, "output-folder", "leads into the output folder", lost=False)
        if number in self._seen:
            way = "the link leads" if linked else "a mount leads"
            return Unfit(name, "directory-loop", f"{way} to a folder that is walked already", lost=False)
        self._seen.add(number)
        return None


def _stat(path: bytes) -> os.stat_result:
    return os.stat(path)  # noqa: PTH116 - a Path cannot be bytes


def _unreadable(name: bytes, what: str, error: OSError) -> Unfit:
    # strerror alone: the text of an OSError ends with the path.
    reason = os.strerror(error.errno) if error.errno else "unknown error"
    return Unfit(name or b".", "unreadable", f"{what} cannot be read: {reason}", lost=True, retryable=True)
