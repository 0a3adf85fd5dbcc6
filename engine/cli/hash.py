"""`penstock hash`: the hashed ID that the gateway gives a Patient ID, computed here, so that the ID need not
travel.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from engine.cli.options import load_secret, secret_file_option, secret_of_gateway
from engine.cli.output import json_option, print_json
from engine.errors import ConfigError, Refusal

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@click.command("hash")
@click.argument("patient_id", metavar="[ID]", required=False)
@click.option(
    "--stdin", "from_stdin", is_flag=True, help="Read Patient IDs from standard input, one a line, in UTF-8."
)
@click.option("--issuer", metavar="TEXT", help="Issuer of Patient ID, where the profile counts it.")
@secret_file_option
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A gateway's configuration: the secret is the one that it uses. An enrolled gateway must be running.",
)
@json_option
def command(
    patient_id: str | None,
    from_stdin: bool,
    issuer: str | None,
    secret_file: Path | None,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Print the hashed ID of a Patient ID, or of each one that standard input has.

    Without ID and --stdin it asks for one and does not show it. An ID that is given as an argument can be
    seen by other users of this machine while the command runs, and stays in the shell's history.
    """
    if patient_id is not None and from_stdin:
        raise click.UsageError("give an ID or --stdin, not both")
    if patient_id is None and not from_stdin and not sys.stdin.isatty():
        raise click.UsageError("give an ID, or --stdin to read Patient IDs from standard input")
    secret = load_secret(secret_file) if config_file is None else secret_of_gateway(config_file)
    if from_stdin:
        lines: Iterable[tuple[str, str]] = _lines(sys.stdin.buffer)
    elif patient_id is not None:
        lines = [("the ID", patient_id)]
    else:
        lines = [("the ID", click.prompt("Patient ID", hide_input=True, err=True))]
    hashed = []
    for name, value in lines:
        try:
            result = secret.hashed_id(value, issuer)
        except Refusal as refusal:
            raise ConfigError(refusal.code, f"{name}: {refusal.message}") from None
        if as_json:
            hashed.append(result)
        else:
            click.echo(result)
    if as_json:
        print_json({"key_id": secret.key_id, "hashed_ids": hashed})


def _lines(stream: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Each line's name for an error, and its text without the line's end. Raises ConfigError, which shows no
    ID.
    """
    for number, line in enumerate(stream, 1):
        raw = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
        try:
            yield f"line {number}", raw.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError:
            message = f"line {number}: is not UTF-8 text"
            raise ConfigError("input-not-utf8", message, hint="convert the input with iconv") from None
