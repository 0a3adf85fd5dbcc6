"""`penstock enroll`: this machine becomes a gateway of an institution, by a token of the platform."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from engine.cli.output import json_option, print_json, visible

UNPROVED = 1


@click.command(
    "enroll", epilog="Exit: 0 enrolled, 1 enrolled but the platform cannot be reached, or refused; 2 usage."
)
@click.argument("url")
@click.argument("token", required=False)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where key and certificate are kept.  [default: what --config says, else identity]",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The gateway's configuration, with [enrolment].",
)
@click.option("--name", default="", metavar="NAME", help="What the platform shall call this gateway.")
@click.option("--replace", is_flag=True, help="Take the place of the identity that the folder holds.")
@json_option
def command(
    url: str,
    token: str | None,
    folder: Path | None,
    config_file: Path | None,
    name: str,
    replace: bool,
    as_json: bool,
) -> int:
    """Enrol this machine at the platform at URL (https://HOST:PORT of its [web] listener) with a TOKEN.

    The key is made here and stays here. The platform proves by the token that it is the right one before anything is
    sent to it. With TOKEN left out it is asked for, or read from standard input; as an argument it can be seen by other
    users of this machine, who could not use it a second time.
    """
    from engine.enrolment.enrol import enrol

    if folder is not None and config_file is not None:
        raise click.UsageError("give --folder or --config, not both")
    if token is None:
        asked = sys.stdin.isatty()
        token = click.prompt("Token", hide_input=True, err=True) if asked else sys.stdin.readline()
    done = enrol(url, token, folder or _folder(config_file), gateway=name, replace=replace)
    told = done.enrolled
    if as_json:
        print_json(
            {
                "institution": told.institution,
                "gateway": told.gateway,
                "gateway_id": told.gateway_id,
                "epoch": told.epoch,
                "url": told.url,
                "folder": str(folder or _folder(config_file)),
                "certificate_expires": done.expires,
                "replaced": done.replaced,
                "unproved": None if done.unproved is None else done.unproved.describe(),
            }
        )
        return 0 if done.unproved is None else UNPROVED
    until = datetime.fromtimestamp(done.expires, UTC)
    click.echo(f"Enrolled as {visible(told.gateway)} of {visible(told.institution)}, epoch {told.epoch}.")
    click.echo(f"The certificate is valid until {until:%Y-%m-%d %H:%M} UTC; the gateway renews it by itself.")
    if done.replaced:
        click.echo("An older instance of this gateway is refused from now on.")
    if done.unproved is not None:
        click.echo(
            f"But the first call to {visible(told.url)} failed: {visible(str(done.unproved))}",
            err=True,
        )
        click.echo("  the enrolment stands; the gateway will try again by itself", err=True)
        return UNPROVED
    click.echo(f"It sends to {visible(told.url)}. Start it with: penstock up --config FILE")
    return 0


def _folder(config_file: Path | None) -> Path:
    from engine.config import load_gateway
    from engine.config.enrolment import DEFAULT_FOLDER
    from engine.errors import ConfigError

    if config_file is None:
        return Path(DEFAULT_FOLDER)
    config = load_gateway(config_file)
    if config.enrolment is None:
        raise ConfigError(
            "enrolment-section", f"{config_file} has no [enrolment]", hint="add a line with [enrolment] to it"
        )
    return config.enrolment.folder
