"""Filters over the audit trail of one institution."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select

from engine.platform.audit import Entry
from engine.platform.audit.events import EVENTS
from engine.platform.database import Database
from engine.platform.database.audit import AUDIT

ON_A_PAGE = 100
_BATCH = 1000
OUTCOMES = ("success", "refused", "failed")
# What the trail itself keeps of a name or subject; nothing else can be found in it.
_TERM = re.compile(r"[A-Za-z0-9_.:/=@+,-]{0,128}")


@dataclass(frozen=True, slots=True)
class Filter:
    """What is wanted; "" is everything. `before` is a row's number, 0 for the newest."""

    event: str = ""
    outcome: str = ""
    actor: str = ""
    subject: str = ""
    before: int = 0

    @classmethod
    def of(cls, query: dict[str, str]) -> Filter:
        """From an address; what cannot be in the trail is taken for not given."""
        event, outcome = query.get("event", ""), query.get("outcome", "")
        actor, subject = query.get("actor", "").strip(), query.get("subject", "").strip()
        before = query.get("before", "0")
        return cls(
            event if event in EVENTS else "",
            outcome if outcome in OUTCOMES else "",
            actor if _TERM.fullmatch(actor) else "",
            subject if _TERM.fullmatch(subject) else "",
            int(before) if before.isascii() and before.isdecimal() and len(before) < 16 else 0,
        )

    def conditions(self, chain: str) -> list[ColumnElement[bool]]:
        """Every value is bound, none is a part of the statement's text."""
        found: list[ColumnElement[bool]] = [AUDIT.c.chain == chain]
        if self.event:
            found.append(AUDIT.c.event == self.event)
        if self.outcome:
            found.append(AUDIT.c.outcome == self.outcome)
        if self.actor:
            found.append(AUDIT.c.actor_name == self.actor)
        if self.subject:
            found.append(
                (AUDIT.c.subject == self.subject) | AUDIT.c.detail.contains(self.subject, autoescape=True)
            )
        return found


def page(database: Database, chain: str, wanted: Filter) -> tuple[list[Entry], bool]:
    """The newest rows that fit, before the given one, and whether there are older ones."""
    query = select(AUDIT).where(*wanted.conditions(chain))
    if wanted.before:
        query = query.where(AUDIT.c.number < wanted.before)
    with database.read() as connection:
        rows = [
            Entry(*row)
            for row in connection.execute(query.order_by(AUDIT.c.number.desc()).limit(ON_A_PAGE + 1))
        ]
    return rows[:ON_A_PAGE], len(rows) > ON_A_PAGE


def every(database: Database, chain: str, wanted: Filter) -> Iterator[Entry]:
    """All rows that fit, the oldest first, read in batches."""
    after = 0
    while True:
        query = select(AUDIT).where(*wanted.conditions(chain), AUDIT.c.number > after)
        with database.read() as connection:
            rows = connection.execute(query.order_by(AUDIT.c.number).limit(_BATCH)).all()
        for row in rows:
            yield Entry(*row)
        if len(rows) < _BATCH:
            return
        after = rows[-1].number
