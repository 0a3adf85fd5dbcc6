"""`penstock secret`: the institution's hash secret."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.output import json_option, print_json, visible


@click.group("secret")
def command() -> None:
    """The hash secret: what turns a Patient ID into a hashed ID, and alone finds the way back."""


@command.command("new")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def new(file: Path, as_json: bool) -> None:
    """Make a new hash secret in FILE, which only you can read.

    A file that exists is left alone: with another secret, every patient gets another hashed ID.
    """
    from engine.pseudonymize.identity import HashSecret

    secret = HashSecret.generate()
    secret.write(file)
    if as_json:
        print_json({"file": str(file), "key_id": secret.key_id})
        return
    click.echo(f"Made {visible(str(file))}, key id {secret.key_id}.")
    click.echo("Keep a copy in a safe place. Without it nobody can link a hashed ID to its patient again;")
    click.echo("whoever has it can, by trying all Patient IDs.")
