"""Hands rows of the trail over to somewhere else, and remembers how far it has got with each destination."""

from __future__ import annotations

from itertools import islice

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from engine.platform.audit.syslog import SyslogServer, send
from engine.platform.audit.trail import Audit
from engine.platform.database import Database
from engine.platform.database.audit import AUDIT_CURSORS

_BATCH = 1000


def handed_over(database: Database, destination: str, chain: str) -> int:
    """The number of the last row that the destination has, 0 if none."""
    query = select(AUDIT_CURSORS.c.number).where(
        AUDIT_CURSORS.c.destination == destination, AUDIT_CURSORS.c.chain == chain
    )
    with database.read() as connection:
        return int(connection.execute(query).scalar() or 0)


def to_syslog(audit: Audit, server: SyslogServer, chain: str) -> int:
    """Send what the server does not have yet of one chain; the number of rows.

    A batch that broke off is sent again whole: a row may arrive twice, none is left out. Raises as `syslog.send`.
    """
    total = 0
    while True:
        after = handed_over(audit.database, server.name, chain)
        batch = list(islice(audit.rows(chain, after=after), _BATCH))
        if not batch:
            return total
        total += send(server, batch)
        _note(audit.database, server.name, chain, batch[-1].number)


def _note(database: Database, destination: str, chain: str, number: int) -> None:
    with database.begin() as connection:
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        row = {"destination": destination, "chain": chain, "number": number}
        statement = dialect.insert(AUDIT_CURSORS).values(row)
        connection.execute(
            statement.on_conflict_do_update(index_elements=["destination", "chain"], set_={"number": number})
        )
