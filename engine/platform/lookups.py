"""Look-ups by hashed ID: what there is of a patient, who asked, and how often. No Patient ID comes here."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import func, select

from engine.pages.lists import MOST_IDS
from engine.pages.lookup import Found, StudyFound
from engine.platform.accounts.attempts import Attempts, Limit
from engine.platform.audit import Actor, Audit
from engine.platform.database import Database
from engine.platform.database.objects import STUDIES
from engine.platform.errors import AccountError
from engine.platform.library import Library

MOST_HASHES = 4 * MOST_IDS
"""Hashed IDs in one look-up: a whole list under four versions of the secret."""
LIST_BEGINS = 100
# Somebody who types is never stopped; a program that tries all Patient IDs is, soon.
_LOOK_UPS = Limit("look-ups", 120, 60, 60, 3600)
_LISTS = Limit("list-look-ups", 30, 3600, 600, 3600)
_HASHED_ID = re.compile(r"[0-9a-f]{32}")
_AT_ONCE = 500  # values in one IN list
_SHOWN_FOR = 20  # with more hashed IDs than these, studies are counted and not listed
_LATEST = 25
# An audit row has up to 200 characters a detail: six hashed IDs with commas, in at most 14 details.
_IDS_IN_DETAIL = 6
_IDS_IN_ROW = 14 * _IDS_IN_DETAIL


class Lookups:
    """Counts the studies under hashed IDs. Methods block and may be called from any thread."""

    def __init__(self, database: Database, library: Library, audit: Audit, attempts: Attempts) -> None:
        self._database, self._library, self._audit, self._attempts = database, library, audit, attempts

    def admit(self, who: str, count: int) -> None:
        """Count a look-up of `count` IDs by `who`. Raises AccountError("too-many-attempts") with `wait`."""
        try:
            self._attempts.take(_LOOK_UPS, who)
            if count >= LIST_BEGINS:
                self._attempts.take(_LISTS, who)
        except AccountError as problem:
            problem.message = "that were too many look-ups in a short time"
            raise

    def find(self, tenant: str, hashed_ids: Sequence[str]) -> dict[str, Found]:
        """What the institution has under each hashed ID that it knows; the others are left out.

        Raises AccountError("hashed-id") for what is none, "list-too-long".
        """
        if len(hashed_ids) > MOST_HASHES:
            raise AccountError("list-too-long", f"one look-up takes {MOST_HASHES:,} hashed IDs")
        if not all(_HASHED_ID.fullmatch(one) for one in hashed_ids):
            raise AccountError("hashed-id", "a hashed ID has 32 hexadecimal digits")
        counted: dict[str, tuple[int, int]] = {}
        with self._database.read() as connection:
            for at in range(0, len(hashed_ids), _AT_ONCE):
                query = (
                    select(STUDIES.c.hashed_id, func.count(), func.sum(STUDIES.c.objects))
                    .where(
                        STUDIES.c.tenant == tenant, STUDIES.c.hashed_id.in_(hashed_ids[at : at + _AT_ONCE])
                    )
                    .group_by(STUDIES.c.hashed_id)
                )
                counted.update({row[0]: (row[1], int(row[2])) for row in connection.execute(query)})
        listed = len(hashed_ids) <= _SHOWN_FOR
        return {
            one: Found(studies, objects, self._latest(tenant, one) if listed else ())
            for one, (studies, objects) in counted.items()
        }

    def _latest(self, tenant: str, hashed_id: str) -> tuple[StudyFound, ...]:
        return tuple(
            StudyFound(row.study_instance_uid, row.modalities, row.objects, row.last_received)
            for row in self._library.studies(tenant, hashed_id, None, _LATEST, 0)
        )

    def note(self, tenant: str, actor: Actor, hashed_ids: Sequence[str], via: str) -> None:
        """Write down who looked up which hashed IDs; `via` says from where, as a code word."""
        if len(hashed_ids) == 1:
            self._audit.record(
                "look-up",
                actor=actor,
                tenant=tenant,
                outcome="success",
                subject=hashed_ids[0],
                detail={"via": via},
            )
            return
        with self._database.begin() as connection:
            for at in range(0, len(hashed_ids), _IDS_IN_ROW):
                part = hashed_ids[at : at + _IDS_IN_ROW]
                detail: dict[str, str | int] = {"via": via, "count": len(part)}
                for first in range(0, len(part), _IDS_IN_DETAIL):
                    detail[f"ids{first // _IDS_IN_DETAIL + 1}"] = ",".join(
                        part[first : first + _IDS_IN_DETAIL]
                    )
                self._audit.record_in(
                    connection, "look-up", actor=actor, tenant=tenant, outcome="success", detail=detail
                )

    def refused(self, tenant: str, actor: Actor, code: str, via: str) -> None:
        """Write down a look-up that was refused."""
        self._audit.record(
            "look-up", actor=actor, tenant=tenant, outcome="refused", detail={"code": code, "via": via}
        )
