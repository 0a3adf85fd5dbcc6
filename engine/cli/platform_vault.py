"""`penstock platform institution …` and `penstock platform secret …`: whom the platform serves, and their hash secrets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.options import administration_of, platform_config_option
from engine.cli.output import json_option, print_json, print_table
from engine.cli.times import minute

if TYPE_CHECKING:
    from engine.platform.administration import Administration
    from engine.platform.vault import SecretVersion


@click.group("institution")
def institution() -> None:
    """The institutions whose gateways and people the platform serves."""


@institution.command("add")
@click.argument("name")
@click.option("--title", default="", metavar="TEXT", help="What people call it.  [default: its name]")
@click.option(
    "--secret-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Take in the hash secret that it uses already, instead of a new one.",
)
@platform_config_option
@json_option
def institution_add(
    name: str, title: str, secret_file: Path | None, config_file: Path, as_json: bool
) -> None:
    """Add the institution NAME (lower-case letters, digits, hyphens) and its first hash secret.

    The name is what certificates carry as organization (subject O).
    """
    from engine.pseudonymize.identity import HashSecret

    secret = None if secret_file is None else HashSecret.load(secret_file)
    with administration_of(config_file) as opened:
        vault = opened.vault()
        made = opened.institutions.add(name, title)
        opened.audit.record(
            "institution-created", actor=opened.operator, tenant=name, outcome="success", subject=name
        )
        version = vault.create(name) if secret is None else vault.import_secret(name, secret)
        _record(opened, "secret-created" if secret is None else "secret-imported", name, version)
    if as_json:
        print_json({"name": made.name, "title": made.title, "secret": _told(version)})
        return
    click.echo(f"Added {made.name}; its hash secret has the key id {version.key_id}.")


@institution.command("list")
@platform_config_option
@json_option
def institution_list(config_file: Path, as_json: bool) -> None:
    """The institutions, and the key id of each one's current hash secret."""
    with administration_of(config_file) as opened:
        vault = opened.vault()
        rows = [
            (one, [v for v in vault.versions(one.name) if v.current]) for one in opened.institutions.all()
        ]
    if as_json:
        listed = [
            {
                "name": one.name,
                "title": one.title,
                "created": one.created,
                "key_id": v[0].key_id if v else None,
            }
            for one, v in rows
        ]
        print_json({"institutions": listed})
        return
    cells = [(one.name, one.title, minute(one.created), v[0].key_id if v else None) for one, v in rows]
    print_table("", ("name", "title", "added", "hash secret"), cells)


@click.group("secret")
def secret() -> None:
    """The versions of an institution's hash secret. No command shows a secret."""


@secret.command("list")
@click.argument("name")
@platform_config_option
@json_option
def secret_list(name: str, config_file: Path, as_json: bool) -> None:
    """The versions of the institution NAME's hash secret, the oldest first."""
    with administration_of(config_file) as opened:
        versions = opened.vault().versions(name)
    if as_json:
        print_json({"institution": name, "versions": [_told(one) for one in versions]})
        return
    cells = [
        (one.number, one.key_id, minute(one.created), "current" if one.current else "") for one in versions
    ]
    print_table("", ("version", "key id", "made", ""), cells)


@secret.command("rotate")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@platform_config_option
@json_option
def secret_rotate(name: str, yes: bool, config_file: Path, as_json: bool) -> None:
    """Make another hash secret for the institution NAME.

    From then on its gateways give every patient another hashed ID; look-ups answer for every version.
    """
    if not yes:
        click.confirm("Every patient gets another hashed ID from now on. Go on?", abort=True, err=True)
    with administration_of(config_file) as opened:
        version = opened.vault().rotate(name)
        _record(opened, "secret-rotated", name, version)
    _say(name, version, as_json)


@secret.command("import")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@platform_config_option
@json_option
def secret_import(name: str, file: Path, config_file: Path, as_json: bool) -> None:
    """Take in the hash secret in FILE (mode 0600) as the current version of the institution NAME."""
    from engine.pseudonymize.identity import HashSecret

    given = HashSecret.load(file)
    with administration_of(config_file) as opened:
        version = opened.vault().import_secret(name, given)
        _record(opened, "secret-imported", name, version)
    _say(name, version, as_json)


def _record(opened: Administration, event: str, name: str, version: SecretVersion) -> None:
    opened.audit.record(
        event,
        actor=opened.operator,
        tenant=name,
        outcome="success",
        subject=version.key_id,
        detail={"version": version.number},
    )


def _say(name: str, version: SecretVersion, as_json: bool) -> None:
    if as_json:
        print_json({"institution": name, "secret": _told(version)})
        return
    click.echo(f"{name} has version {version.number} of its hash secret, key id {version.key_id}.")


def _told(version: SecretVersion) -> dict[str, object]:
    return {
        "number": version.number,
        "key_id": version.key_id,
        "created": version.created,
        "current": version.current,
    }
