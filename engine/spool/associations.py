"""Which associations are open, and how the others ended: empty files in run/associations/, kept by the
receiver.

    <association>            open: no pass that it fed is sealed
    <association>.aborted    ended without a release: its repeat joins the pass that it fed (promise 4)
    (no file)                released

A receiver that dies takes its associations with it: whoever restarts it calls `abort_all` first.
"""

from __future__ import annotations

import os

from engine.spool.layout import ABORTED, Spool, remove


def hold(spool: Spool, association: str) -> None:
    """Call before the first object of an association reaches received/."""
    os.close(os.open(spool.associations / association, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def released(spool: Spool, association: str) -> None:
    """Call after A-RELEASE, when its last object is in received/."""
    remove(spool.associations / association)


def aborted(spool: Spool, association: str) -> None:
    """Call when an association ended in any other way: A-ABORT, a lost connection, a deadline."""
    path = spool.associations / association
    try:
        path.rename(path.with_name(association + ABORTED))
    except FileNotFoundError:
        return  # marked already, by abort_all


def abort_all(spool: Spool) -> int:
    """Marks every open association as aborted; how many there were. For whoever saw the receiver die."""
    held, _ = scan(spool)
    for name in held:
        aborted(spool, name)
    return len(held)


def scan(spool: Spool) -> tuple[set[str], set[str]]:
    """The associations that are (open, aborted)."""
    names = [entry.name for entry in spool.associations.iterdir()]
    ended = {name.removesuffix(ABORTED) for name in names if name.endswith(ABORTED)}
    return {name for name in names if not name.endswith(ABORTED)}, ended


def forget(spool: Spool, association: str) -> None:
    """Drops the mark of an aborted association that no open pass knows any more."""
    remove(spool.associations / (association + ABORTED))
