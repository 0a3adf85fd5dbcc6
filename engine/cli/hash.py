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

_AT_ONCE = 10_000  # hashed IDs in one question to the platform
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
@click.option(
    "--studies",
    "ask_studies",
    is_flag=True,
    help="Also ask the platform how many studies there are, with the hashed IDs alone; needs --config.",
)
@json_option
def command(
    patient_id: str | None,
    from_stdin: bool,
    issuer: str | None,
    secret_file: Path | None,
    config_file: Path | None,
    ask_studies: bool,
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
    if ask_studies and config_file is None:
        raise click.UsageError("--studies asks the platform of a gateway: give its --config")
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
        if as_json or ask_studies:
            hashed.append(result)
        else:
            click.echo(result)
    found = _studies(config_file, hashed) if ask_studies and config_file is not None and hashed else {}
    if as_json:
        counts = {"studies": [found[one] for one in hashed]} if found else {}
        print_json({"key_id": secret.key_id, "hashed_ids": hashed, **counts})
    elif ask_studies:
        for one in hashed:
            click.echo(f"{one}\t{found[one]}")


def _studies(config_file: Path, hashed: list[str]) -> dict[str, int]:
    """How many studies the platform has under each hashed ID. Only these leave the hospital."""
    from engine.calculator.asking import PlatformClient
    from engine.config import load_gateway

    client, counts = PlatformClient.of(load_gateway(config_file)), dict.fromkeys(hashed, 0)
    distinct = list(counts)
    for at in range(0, len(distinct), _AT_ONCE):
        part = distinct[at : at + _AT_ONCE]
        counts.update({one: told.studies for one, told in client.studies(part, part).items()})
    return counts


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
