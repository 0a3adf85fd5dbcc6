"""`penstock platform token …` and `penstock platform gateway …`: who may enrol, and who has."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.options import administration_of, platform_config_option
from engine.cli.output import json_option, print_json, print_table, visible
from engine.cli.times import MICRO, minute

if TYPE_CHECKING:
    pass

LONGEST_MINUTES = 60


@click.group("token")
def token() -> None:
    """Enrolment tokens: each lets one gateway enrol, once, within the hour."""


@token.command("new")
@click.argument("institution")
@click.option(
    "--gateway",
    default="",
    metavar="NAME",
    help="The only name it is for.  [default: what the gateway asks for]",
)
@click.option(
    "--minutes",
    default=LONGEST_MINUTES,
    show_default=True,
    type=click.IntRange(1, LONGEST_MINUTES),
    help="How long it can be used.",
)
@platform_config_option
@json_option
def token_new(institution: str, gateway: str, minutes: int, config_file: Path, as_json: bool) -> None:
    """Make a token for one gateway of INSTITUTION. It is shown once; the platform keeps a hash of it.

    An institution without a hash secret gets its first one.
    """
    with administration_of(config_file) as opened:
        made = opened.gateways().new_token(institution, opened.operator, minutes * 60.0, gateway=gateway)
    if as_json:
        print_json({"token": made, "institution": institution, "gateway": gateway, "minutes": minutes})
        return
    click.echo(made)
    click.echo(
        f"For one gateway of {visible(institution)}, within {minutes} minutes. On the gateway's machine:",
        err=True,
    )
    click.echo("  penstock enroll https://THIS-PLATFORM:WEB-PORT TOKEN", err=True)


@token.command("list")
@click.argument("institution", required=False)
@platform_config_option
@json_option
def token_list(institution: str | None, config_file: Path, as_json: bool) -> None:
    """The tokens of INSTITUTION, or of all, the newest first. None is shown itself."""
    with administration_of(config_file) as opened:
        rows = opened.gateways().tokens(institution)
    if as_json:
        listed = [
            {
                "token_id": row.token_id,
                "institution": row.tenant,
                "gateway": row.gateway,
                "state": row.state,
                "created": row.created,
                "created_by": row.created_by,
                "expires": row.expires,
                "used": row.used,
            }
            for row in rows
        ]
        print_json({"tokens": listed})
        return
    cells = [
        (row.token_id, row.tenant, row.gateway or "any", row.state, minute(row.created), row.created_by)
        for row in rows
    ]
    print_table("", ("token", "institution", "gateway", "state", "made", "by"), cells)


@token.command("withdraw")
@click.argument("institution")
@click.argument("token_id")
@platform_config_option
@json_option
def token_withdraw(institution: str, token_id: str, config_file: Path, as_json: bool) -> int:
    """Make a token useless that was not used yet; TOKEN_ID is what `list` shows."""
    with administration_of(config_file) as opened:
        done = opened.gateways().withdraw_token(institution, token_id, opened.operator)
    return _tell_done(done, "the token is withdrawn", "there is no such token that is open", as_json=as_json)


@click.group("gateway")
def gateway() -> None:
    """Gateways that have enrolled."""


@gateway.command("list")
@click.argument("institution", required=False)
@platform_config_option
@json_option
def gateway_list(institution: str | None, config_file: Path, as_json: bool) -> None:
    """The gateways of INSTITUTION, or of all: epoch, certificate, and when each was last heard of."""
    with administration_of(config_file) as opened:
        rows = opened.gateways().all(institution)
    if as_json:
        listed = [
            {
                "institution": row.tenant,
                "name": row.name,
                "gateway_id": row.gateway_id,
                "epoch": row.epoch,
                "state": str(row.state),
                "enrolled": row.enrolled,
                "certificate_expires": row.expires,
                "last_seen": row.last_seen,
            }
            for row in rows
        ]
        print_json({"gateways": listed})
        return
    now = time.time()
    cells = [
        (
            row.tenant,
            row.name,
            row.epoch,
            str(row.state),
            minute(row.expires) + (" (over)" if row.expires / MICRO < now else ""),
            minute(row.last_seen) if row.last_seen else "never",
        )
        for row in rows
    ]
    print_table("", ("institution", "gateway", "epoch", "state", "certificate until", "last heard of"), cells)


@gateway.command("revoke")
@click.argument("institution")
@click.argument("name")
@platform_config_option
@json_option
def gateway_revoke(institution: str, name: str, config_file: Path, as_json: bool) -> int:
    """Refuse every certificate of the gateway NAME from now on. A new token can enrol it again."""
    with administration_of(config_file) as opened:
        done = opened.gateways().revoke(institution, name, opened.operator)
    words = "the gateway is revoked: the platform refuses it within a second"
    return _tell_done(done, words, "there is no such gateway that is enrolled", as_json=as_json)


def _tell_done(done: bool, good: str, bad: str, *, as_json: bool) -> int:
    if as_json:
        print_json({"done": done})
    else:
        click.echo(good if done else bad, err=not done)
    return 0 if done else 1
