"""`penstock platform user`: accounts from the command line, the first administrator above all."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.options import administration_of, platform_config_option
from engine.cli.output import json_option, print_json, print_table, visible
from engine.cli.times import minute

if TYPE_CHECKING:
    from engine.platform.accounts import Account
    from engine.platform.administration import Administration

_LONGEST_INPUT = 4096
_INSTITUTION = click.option("--institution", required=True, metavar="NAME", help="Whose account it is.")


@click.group("user")
def command() -> None:
    """Accounts of people. What is done here is in the audit trail, with the name of who ran it."""


@command.command("add")
@click.argument("name")
@platform_config_option
@_INSTITUTION
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    help="administrator, calculator, researcher or auditor; may be repeated.",
)
@json_option
def add(name: str, config_file: Path, institution: str, roles: tuple[str, ...], as_json: bool) -> None:
    """Make the account NAME. Its password is asked for, or read from standard input where that is no terminal."""
    opened = administration_of(config_file)
    password = _password()
    with opened as room:
        account = room.accounts.create(institution, name, password, roles, by=room.operator)
    if as_json:
        print_json(account.describe())
        return
    click.echo(f"Made the account {account.name} of {account.tenant}: {', '.join(sorted(account.roles))}.")


@command.command("list")
@platform_config_option
@_INSTITUTION
@json_option
def listing(config_file: Path, institution: str, as_json: bool) -> None:
    """The institution's accounts."""
    with administration_of(config_file) as room:
        accounts = room.accounts.all(institution)
    if as_json:
        print_json({"accounts": [account.describe() for account in accounts]})
        return
    rows = [
        (
            one.name,
            ", ".join(sorted(one.roles)),
            "disabled" if one.disabled else "",
            "never" if one.last_sign_in is None else minute(one.last_sign_in),
        )
        for one in accounts
    ]
    print_table(f"Accounts of {institution}", ("name", "roles", "", "last sign-in"), rows)


@command.command("disable")
@click.argument("name")
@platform_config_option
@_INSTITUTION
@json_option
def disable(name: str, config_file: Path, institution: str, as_json: bool) -> None:
    """End the sessions of the account NAME and let it sign in no more."""
    with administration_of(config_file) as room:
        account = _named(room, institution, name)
        room.accounts.disable(institution, account.account_id, by=room.operator)
    _tell(as_json, account, "disabled")


@command.command("enable")
@click.argument("name")
@platform_config_option
@_INSTITUTION
@json_option
def enable(name: str, config_file: Path, institution: str, as_json: bool) -> None:
    """Let the account NAME sign in again."""
    with administration_of(config_file) as room:
        account = _named(room, institution, name)
        room.accounts.enable(institution, account.account_id, by=room.operator)
    _tell(as_json, account, "enabled")


@command.command("password")
@click.argument("name")
@platform_config_option
@_INSTITUTION
@json_option
def password(name: str, config_file: Path, institution: str, as_json: bool) -> None:
    """Give the account NAME another password, asked for or read from standard input; a lock-out ends."""
    opened = administration_of(config_file)
    given = _password()
    with opened as room:
        account = _named(room, institution, name)
        room.accounts.set_password(institution, account.account_id, given, by=room.operator)
    _tell(as_json, account, "password")


def _password() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline(_LONGEST_INPUT).rstrip("\r\n")


def _named(room: Administration, institution: str, name: str) -> Account:
    from engine.platform.accounts.names import canonical_name
    from engine.platform.errors import AccountError

    canonical = canonical_name(name)
    account = None if canonical is None else room.accounts.named(institution, canonical)
    if account is None:
        raise AccountError(
            "no-account", "there is no such account", hint="penstock platform user list shows all"
        )
    return account


def _tell(as_json: bool, account: Account, done: str) -> None:
    if as_json:
        print_json({"account_id": account.account_id, "name": account.name, "done": done})
    else:
        click.echo(f"{visible(account.name)} of {visible(account.tenant)}: {done}.")
