"""Accounts, sessions, and the audit trail with the triggers that keep its rows as they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002_people"
down_revision = "0001_objects"
branch_labels = None
depends_on = None

_REFUSED = "the audit trail is append-only"
_SQLITE_CONDITIONS = {
    "update": "BEFORE UPDATE ON audit",
    "delete": "BEFORE DELETE ON audit",
    # INSERT OR REPLACE removes a row without the trigger above
    "replace": "BEFORE INSERT ON audit WHEN EXISTS"
    " (SELECT 1 FROM audit WHERE chain = NEW.chain AND number = NEW.number)",
}
_SQLITE = [
    f"CREATE TRIGGER audit_no_{name} {condition} BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END"
    for name, condition in _SQLITE_CONDITIONS.items()
]
_POSTGRESQL_FUNCTION = f"""
CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{_REFUSED}'; END $$
"""
_POSTGRESQL = [
    _POSTGRESQL_FUNCTION,
    """CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit
       FOR EACH ROW EXECUTE FUNCTION audit_append_only()""",
    """CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit
       FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()""",
]


def _text(name: str, comment: str | None = None, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null, comment=comment)


def _number(name: str, comment: str | None = None, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=null, comment=comment)


def upgrade() -> None:
    """Make the tables and the triggers."""
    _accounts()
    _sign_ins()
    _audit()
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)


def _accounts() -> None:
    op.create_table(
        "accounts",
        _text("account_id", "32 hexadecimal digits"),
        _text("tenant"),
        _text("name", "[a-z0-9][a-z0-9._@+-]{0,63}"),
        _text("password", "argon2id, encoded; NULL signs in by OpenID Connect only", null=True),
        _text("roles", "sorted, separated by commas"),
        _text("issuer", "of the OpenID provider; NULL signs in by password only", null=True),
        _text("subject", "what the provider calls the account", null=True),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        _number("created"),
        _number("password_set", null=True),
        _number("last_sign_in", null=True),
        sa.PrimaryKeyConstraint("account_id", name="pk_accounts"),
        sa.ForeignKeyConstraint(["tenant"], ["institutions.name"], name="fk_accounts_tenant"),
        sa.UniqueConstraint("tenant", "name", name="uq_accounts_tenant_name"),
        sa.UniqueConstraint("issuer", "subject", "tenant", name="uq_accounts_issuer_subject_tenant"),
    )
    op.create_table(
        "sessions",
        _text("session_id", "SHA-256 of the token"),
        _text("account_id"),
        _number("started"),
        _number("seen"),
        _text("address"),
        sa.PrimaryKeyConstraint("session_id", name="pk_sessions"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_sessions_account_id"),
    )
    op.create_index("ix_sessions_account", "sessions", ["account_id"])


def _sign_ins() -> None:
    op.create_table(
        "oidc_sign_ins",
        _text("state", "SHA-256 of the state parameter"),
        _text("browser", "SHA-256 of the cookie that ties it to one browser"),
        _text("nonce"),
        _text("verifier", "of PKCE, RFC 7636"),
        _text("next", "a local path"),
        _number("started"),
        sa.PrimaryKeyConstraint("state", name="pk_oidc_sign_ins"),
    )
    op.create_table(
        "attempts",
        _text("key", "a hash of what is counted"),
        sa.Column("tries", sa.Integer(), nullable=False),
        _number("since"),
        _number("until", "refused until then"),
        sa.PrimaryKeyConstraint("key", name="pk_attempts"),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        _text("chain", "the institution, or empty"),
        sa.Column(
            "number", sa.BigInteger(), nullable=False, autoincrement=False, comment="from 1, without gaps"
        ),
        _number("time", "microseconds since 1970"),
        *[_text(name) for name in ("event", "outcome", "actor_kind", "actor_name", "actor_address")],
        _text("subject"),
        _text("detail", "a JSON object"),
        _text("previous", "the mark of the row before"),
        _text("mark", "HMAC-SHA-256 of all the rest"),
        sa.PrimaryKeyConstraint("chain", "number", name="pk_audit"),
    )
    op.create_index("ix_audit_time", "audit", ["chain", "time"])
    op.create_table(
        "audit_heads",
        _text("chain"),
        _number("number"),
        _text("mark", "of the last row"),
        _text("head_mark", "HMAC-SHA-256 of the three"),
        sa.PrimaryKeyConstraint("chain", name="pk_audit_heads"),
    )
    op.create_table(
        "audit_cursors",
        _text("destination"),
        _text("chain"),
        _number("number", "of the last row that was handed over"),
        sa.PrimaryKeyConstraint("destination", "chain", name="pk_audit_cursors"),
    )
