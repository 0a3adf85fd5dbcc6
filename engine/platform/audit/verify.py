"""Checks the trail, and names what was done to it: a row that was changed, that is missing, an end that was cut off.

What a keyed chain alone cannot see is that the whole end was put back to an older state together with the mark on it
(a restored database). Anchors see that: a file outside the database where each verification notes the ends.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import orjson
from sqlalchemy import select

from engine.errors import ConfigError
from engine.platform.audit.chain import GENESIS, AuditKey, Entry, same
from engine.platform.audit.trail import Audit
from engine.platform.database.audit import AUDIT_HEADS

_MOST_FINDINGS = 1000
_LONGEST_ANCHORS = 64 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written. `number` is the row's, or the first of those that are missing.

    Codes: row-changed, row-missing (up to `last`), tail-missing, head-altered, head-missing, anchor-missing.
    """

    chain: str
    number: int
    code: str
    words: str
    last: int = 0


@dataclass(frozen=True, slots=True)
class Verified:
    """One chain: how many rows it has, where it ends, and what is wrong with it (nothing: `findings` is empty)."""

    chain: str
    rows: int
    number: int
    mark: str
    findings: tuple[Finding, ...]


def verify(audit: Audit, chain: str, *, anchors: Path | None = None) -> Verified:
    """Read a chain from its first row to its end and check every mark. Rows that are added meanwhile do no harm.

    Raises ConfigError when the file of anchors cannot be read.
    """
    key = audit.key
    query = select(AUDIT_HEADS).where(AUDIT_HEADS.c.chain == chain)
    with audit.database.read() as connection:
        head = connection.execute(query).one_or_none()
    known = {} if anchors is None else _anchored(anchors, chain)
    findings: list[Finding] = []
    expected, previous, rows = 1, GENESIS, 0
    for entry in audit.rows(chain):
        findings += _row(key, entry, expected, previous)
        known_mark = known.pop(entry.number, entry.mark)
        if known_mark != entry.mark:
            findings.append(
                _finding(entry, "row-changed", "is not the row that an earlier verification noted")
            )
        expected, previous, rows = entry.number + 1, entry.mark, rows + 1
        if len(findings) >= _MOST_FINDINGS:
            break
    else:
        findings += _end(key, chain, head, expected - 1)
        findings += [
            Finding(chain, number, "anchor-missing", f"row {number}, which was there earlier, is not there")
            for number in sorted(known)
        ]
    return Verified(chain, rows, expected - 1, previous, tuple(findings))


def note_anchors(path: Path, verified: list[Verified]) -> None:
    """Add the ends of chains that were found whole to the file, durably. Raises ConfigError."""
    lines = [
        orjson.dumps({"chain": one.chain, "number": one.number, "mark": one.mark}) + b"\n"
        for one in verified
        if one.number and not one.findings
    ]
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(b"".join(lines))
            file.flush()
            os.fsync(file.fileno())
    except OSError as problem:
        raise ConfigError("anchors", f"cannot write the anchors {path}: {problem.strerror}") from problem


def _row(key: AuditKey, entry: Entry, expected: int, previous: str) -> list[Finding]:
    found: list[Finding] = []
    if entry.number != expected:
        missing = f"rows {expected} to {entry.number - 1} are missing"
        found.append(Finding(entry.chain, expected, "row-missing", missing, entry.number - 1))
    if not same(entry.mark, key.mark(entry)):
        found.append(_finding(entry, "row-changed", "was changed, or was not written by the platform"))
    elif entry.number == expected and not same(entry.previous, previous):
        found.append(_finding(entry, "row-changed", "does not follow the row before it"))
    return found


def _end(key: AuditKey, chain: str, head: object, last: int) -> list[Finding]:
    if head is None:
        words = "the note of where the trail ends is gone"
        return [Finding(chain, last, "head-missing", words)] if last else []
    number, mark, head_mark = int(head.number), str(head.mark), str(head.head_mark)  # type: ignore[attr-defined]
    if not same(head_mark, key.head_mark(chain, number, mark)):
        words = "the note of where the trail ends was changed, or the audit key is another one"
        return [Finding(chain, number, "head-altered", words)]
    if last < number:
        words = f"rows {last + 1} to {number}, the last ones, are missing"
        return [Finding(chain, last + 1, "tail-missing", words, number)]
    return []


def _finding(entry: Entry, code: str, words: str) -> Finding:
    return Finding(entry.chain, entry.number, code, f"row {entry.number} {words}")


def _anchored(path: Path, chain: str) -> dict[int, str]:
    if not path.exists():
        return {}
    known: dict[int, str] = {}
    try:
        if path.stat().st_size > _LONGEST_ANCHORS:
            raise ConfigError("anchors", f"{path} is too long to be a file of anchors")
        for line in path.read_bytes().splitlines():
            noted = orjson.loads(line)
            if noted["chain"] == chain:
                known[int(noted["number"])] = str(noted["mark"])
    except OSError as problem:
        raise ConfigError("anchors", f"cannot read the anchors {path}: {problem.strerror}") from problem
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as problem:
        hint = "each line is a JSON object with chain, number and mark"
        raise ConfigError("anchors", f"{path} is not a file of anchors", hint=hint) from problem
    return known
