"""Room and rights: the budget, the disk, who may read the spool, and whether the clock can be right."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from engine.config import GatewayConfig
from engine.doctor.finding import Finding, Level
from engine.spool.budget import counted, measure
from engine.spool.layout import Spool
from engine.spool.writeback import ext4_journal, keeps_order

LEAST_FREE = 64 << 20  # the gateway does not start with less
DRIFT = 64 << 20
SKEW = 120.0  # seconds
SECRETS = ("key", "study", "seen", "tally")


def room(config: GatewayConfig, spool: Spool, *, running: bool) -> Iterator[Finding]:
    """How much there is, and how much is left."""
    most = config.spool.max_bytes
    held = measure(spool)
    free = spool.free_bytes()
    about = f"{_mb(held)} of {_mb(most)} are used, {_mb(free)} are free on the disk"
    if free < LEAST_FREE:
        yield Finding(
            Level.UNUSABLE,
            "disk-full",
            about,
            "refuse to start, and answer 0xA700 while it runs",
            "free some space",
        )
    elif held >= most:
        yield Finding(
            Level.WARNING,
            "budget-used-up",
            about,
            "answer every object with 0xA700 until some are uploaded",
            "see why the uploader does not get on (penstock status), or raise spool.max_bytes",
        )
    elif held >= most * config.spool.high_water:
        yield Finding(
            Level.WARNING,
            "above-high-water",
            about,
            f"turn new associations away until less than {config.spool.low_water:.0%} are used",
            "see why the uploader does not get on (penstock status)",
        )
    else:
        yield Finding(Level.NOTE, "room", about)
    if held + free < most:
        yield Finding(
            Level.WARNING,
            "disk-smaller-than-budget",
            f"spool.max_bytes is {_mb(most)}, but the disk has room for {_mb(held + free)}",
            "answer 0xA700 when the disk is full, before it reaches its own bound",
            "lower spool.max_bytes, or give the spool a larger disk",
        )
    if running:
        yield from _drift(spool, held)
    if config.spool.durability == "flush":
        yield Finding(
            Level.WARNING,
            "durability-flush",
            'spool.durability is "flush"',
            "acknowledge objects that a power cut would lose",
            'set spool.durability = "fsync", unless this is a benchmark',
        )
    if keeps_order(spool.received):
        return
    if ext4_journal(spool.received) is False:
        yield Finding(
            Level.NOTE,
            "no-ext4-journal",
            "the spool is on an ext4 that was made without a journal",
            "sync each object in two steps instead of one; but after a power cut such a file system has to be checked before it is "
            "mounted, and nobody promises what the check leaves",
            "put the spool on ext4 with a journal (tune2fs -O has_journal, unmounted), or on XFS",
        )
    else:
        yield Finding(
            Level.NOTE,
            "no-order-known",
            "the spool is neither on ext4 with a journal nor on XFS, or the kernel does not tell",
            "sync each object in two steps instead of one, which takes a little longer and is as safe",
        )


def rights(spool: Spool) -> Iterator[Finding]:
    """Whether anybody but the gateway's user can read what identifies patients."""
    open_to_others = readable_by_others(spool)
    if open_to_others:
        yield Finding(
            Level.WARNING,
            "open-to-others",
            "files that identify studies can be read by other users, were it not for the spool's own rights",
            "go on: the spool itself keeps others out",
            "run: penstock doctor --repair, with the gateway stopped",
            count=len(open_to_others),
            where=str(open_to_others[0]),
        )
    owner = spool.root.stat().st_uid
    strange = [path for path in _folders(spool) if path.stat().st_uid != owner]
    if strange:
        yield Finding(
            Level.UNUSABLE,
            "owned-by-others",
            "folders of the spool belong to another user than the spool itself",
            "fail as soon as it moves an object there",
            f"run: chown -R --reference={spool.root} {spool.root}",
            count=len(strange),
            where=str(strange[0]),
        )
    elif os.geteuid() not in (0, owner):
        yield Finding(
            Level.UNUSABLE,
            "another-user",
            "the spool belongs to another user than the one who asks",
            "refuse to start as this user",
            "run penstock as the spool's owner",
            where=str(spool.root),
        )


def readable_by_others(spool: Spool) -> list[Path]:
    """Keys and what else of a pass may identify a study, and the folders above, with rights that are too wide."""
    return [path for path in (*_folders(spool), *_secrets(spool)) if _others(path)]


def clock(spool: Spool) -> Iterator[Finding]:
    """Files from the future tell that the clock was set back; nothing of a pass depends on it, but people read the times."""
    now = time.time()
    newest = max((path.stat().st_mtime for path in (*_folders(spool), spool.root)), default=now)
    if newest > now + SKEW:
        yield Finding(
            Level.WARNING,
            "clock-behind",
            f"the spool was changed {newest - now:,.0f} s in the future",
            "go on: deadlines count from a clock that cannot be set; the times in ledger and log are wrong",
            "set the clock (timedatectl shows whether NTP is on)",
        )
    if now < 1_735_689_600:  # 2025-01-01, before the first release
        yield Finding(
            Level.WARNING,
            "clock-unset",
            "the clock shows a time before Penstock existed",
            "fail to verify certificates",
            "set the clock",
        )


def _drift(spool: Spool, held: int) -> Iterator[Finding]:
    known = counted(spool.run)
    if abs(known - held) > DRIFT:
        yield Finding(
            Level.NOTE,
            "budget-drift",
            f"{_mb(known)} are counted, {_mb(held)} lie there",
            "put the count right within a minute",
        )


def _folders(spool: Spool) -> list[Path]:
    return [spool.incoming, spool.received, spool.passes, spool.quarantine, spool.receipts, spool.run]


def _secrets(spool: Spool) -> Iterator[Path]:
    for entry in spool.passes.iterdir():
        yield from (entry / name for name in SECRETS)


def _others(path: Path) -> bool:
    try:
        return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _mb(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
