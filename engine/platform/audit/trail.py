"""Adds rows to the audit trail, and reads them. There is no way here to change or remove one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, fields

import orjson
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from engine.platform.audit.actor import Actor, Outcome
from engine.platform.audit.chain import GENESIS, AuditKey, Entry, same
from engine.platform.audit.events import EVENTS
from engine.platform.database import Database
from engine.platform.database.audit import AUDIT, AUDIT_HEADS
from engine.platform.errors import AuditError

WITHHELD = "[withheld]"
_SAFE = re.compile(
    r"[A-Za-z0-9_.:/=@+,\[\]-]{0,200}"
)  # nothing that has spaces, ^, quotes or control characters
_CHAIN = re.compile(r"[ -~]{0,128}")
_PAGE = 1000
_MOST_DETAILS = 16
_COLUMNS = tuple(field.name for field in fields(Entry))


class Audit:
    """The trail of one platform. Methods block and may be called from any thread and any process.

    Each institution has a chain of its own; rows that concern none are in the chain "". Writers of one chain take
    turns, so that no two rows have the same number.
    """

    def __init__(
        self, database: Database, key: AuditKey, *, clock: Callable[[], int] = lambda: time.time_ns() // 1000
    ) -> None:
        self.database, self.key, self._clock = database, key, clock

    def record(
        self,
        event: str,
        *,
        actor: Actor,
        tenant: str | None,
        outcome: Outcome,
        subject: str = "",
        detail: Mapping[str, str | int] | None = None,
    ) -> int:
        """Add a row, durably, and return its number in its chain.

        `event` is one of `events.EVENTS`; `subject` is a hashed ID, a UID, an account's name or a token's id, and
        never a Patient ID; `detail` holds codes and numbers. Text with spaces or controls in it is not kept.
        Raises ValueError for an event that is not in the vocabulary; AuditError when the chain was tampered with.
        """
        with self.database.begin() as connection:
            return self.record_in(
                connection, event, actor=actor, tenant=tenant, outcome=outcome, subject=subject, detail=detail
            )

    def record_in(
        self,
        connection: Connection,
        event: str,
        *,
        actor: Actor,
        tenant: str | None,
        outcome: Outcome,
        subject: str = "",
        detail: Mapping[str, str | int] | None = None,
    ) -> int:
        """As `record`, as a part of a transaction: what is done and its row are durable together or not at all.

        Call it last in the transaction: until the end others who write to this chain wait.
        """
        if event not in EVENTS:
            raise ValueError("the event is not in the audit trail's vocabulary: add it to EVENTS")
        if detail is not None and len(detail) > _MOST_DETAILS:
            raise ValueError("an audit row takes few details")
        chain = chain_of(tenant)
        number, previous = self._head(connection, chain)
        entry = Entry(
            chain=chain,
            number=number + 1,
            time=self._clock(),
            event=event,
            outcome=outcome,
            actor_kind=actor.kind,
            actor_name=safe(actor.name),
            actor_address=safe(actor.address),
            subject=safe(subject),
            detail=_encoded(detail or {}),
            previous=previous,
            mark="",
        )
        mark = self.key.mark(entry)
        connection.execute(
            insert(AUDIT).values(dict(zip(_COLUMNS, (*astuple(entry)[:-1], mark), strict=True)))
        )
        head_mark = self.key.head_mark(chain, entry.number, mark)
        moved = {"number": entry.number, "mark": mark, "head_mark": head_mark}
        connection.execute(update(AUDIT_HEADS).where(AUDIT_HEADS.c.chain == chain).values(moved))
        return entry.number

    def tag(self, text: str) -> str:
        """Eight digits that stand for a text which must not be in the trail, such as a mistyped name."""
        return self.key.tag(text)

    def rows(self, chain: str, *, after: int = 0, most: int | None = None) -> Iterator[Entry]:
        """Rows of a chain in their order, those with a number above `after`, in pages of their own transactions."""
        while most is None or most > 0:
            wanted = _PAGE if most is None else min(_PAGE, most)
            query = select(AUDIT).where(AUDIT.c.chain == chain, AUDIT.c.number > after)
            with self.database.read() as connection:
                found = connection.execute(query.order_by(AUDIT.c.number).limit(wanted)).all()
            for row in found:
                yield Entry(*row)
            if len(found) < wanted:
                return
            after = found[-1].number
            most = None if most is None else most - len(found)

    def latest(
        self, chain: str, *, before: int | None = None, most: int = 100, event: str | None = None
    ) -> list[Entry]:
        """The newest rows of a chain first, those with a number below `before`, of one event if it is given."""
        query = select(AUDIT).where(AUDIT.c.chain == chain)
        if before is not None:
            query = query.where(AUDIT.c.number < before)
        if event is not None:
            query = query.where(AUDIT.c.event == event)
        with self.database.read() as connection:
            return [
                Entry(*row) for row in connection.execute(query.order_by(AUDIT.c.number.desc()).limit(most))
            ]

    def chains(self) -> list[str]:
        """Every chain that has a row or an end."""
        with self.database.read() as connection:
            named = connection.execute(select(AUDIT.c.chain).union(select(AUDIT_HEADS.c.chain)))
            return sorted(row.chain for row in named)

    def _head(self, connection: Connection, chain: str) -> tuple[int, str]:
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        first = {
            "chain": chain,
            "number": 0,
            "mark": GENESIS,
            "head_mark": self.key.head_mark(chain, 0, GENESIS),
        }
        connection.execute(dialect.insert(AUDIT_HEADS).values(first).on_conflict_do_nothing())
        query = select(AUDIT_HEADS).where(AUDIT_HEADS.c.chain == chain).with_for_update()
        head = connection.execute(query).one()
        if not same(head.head_mark, self.key.head_mark(chain, head.number, head.mark)):
            raise AuditError(
                "audit-head-altered",
                "the end of the audit trail was altered, or the audit key is another one",
                hint="penstock platform audit verify names what was changed",
            )
        return head.number, head.mark


def chain_of(tenant: str | None) -> str:
    """The chain of an institution. A certificate from before there were institutions may name it with spaces."""
    name = tenant or ""
    return name if _CHAIN.fullmatch(name) else WITHHELD


def safe(text: str) -> str:
    """The text if it may stand in the trail, else WITHHELD."""
    return text if _SAFE.fullmatch(text) else WITHHELD


def _encoded(detail: Mapping[str, str | int]) -> str:
    kept: dict[str, str | int] = {}
    for name, value in detail.items():
        kept[safe(name)] = safe(value) if isinstance(value, str) else value
    return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS).decode("ascii")
