"""`penstock platform`: the reference platform, and the files that it needs before its first start."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from engine.cli.output import json_option, print_json, visible

# Commands that stand in modules of their own: command → (module in engine.cli, name there).
MORE = {
    "institution": ("platform_vault", "institution"),
    "secret": ("platform_vault", "secret"),
    "token": ("platform_gateways", "token"),
    "gateway": ("platform_gateways", "gateway"),
    "user": ("platform_people", "command"),
    "audit": ("platform_audit", "command"),
    "rotate-master-key": ("platform_keys", "rotate_master_key"),
}


class PlatformGroup(click.Group):
    """A group that imports a command's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *MORE])

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in MORE:
            return super().get_command(ctx, name)
        module, attribute = MORE[name]
        found = getattr(importlib.import_module(f"engine.cli.{module}"), attribute)
        if not isinstance(found, click.Command):
            raise TypeError(f"engine.cli.{module}.{attribute} is not a command")
        return found


@click.group("platform", cls=PlatformGroup, invoke_without_command=True)
@click.option(
    "--config", "config_file", type=click.Path(path_type=Path), metavar="FILE", help="Its configuration."
)
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Processes that serve.",
)
@click.pass_context
def command(context: click.Context, config_file: Path | None, workers: int) -> int | None:
    """Run the reference platform: `penstock platform --config FILE`. It runs until SIGTERM or SIGINT.

    Its log is JSON lines on standard error; the event "listening" says at which port it serves.
    """
    if context.invoked_subcommand is not None:
        return None
    if config_file is None:
        raise click.UsageError("give its configuration: --config FILE", ctx=context)
    from engine.config import load_platform
    from engine.platform.main import run

    return run(load_platform(config_file), workers=workers)


@command.command("certificates")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--host",
    "hosts",
    multiple=True,
    required=True,
    metavar="NAME",
    help="What gateways call the platform, a name or an address; may be repeated.",
)
@click.option(
    "--institution", default="demo", show_default=True, help="Whose gateway the client certificate is."
)
@json_option
def certificates(directory: Path, hosts: tuple[str, ...], institution: str, as_json: bool) -> None:
    """Make a CA, a server certificate and a client certificate in DIRECTORY, for a first set-up.

    Nothing is overwritten. Keys are readable by their owner only; keep ca.key away from the machine that serves.
    """
    from engine.platform.certificates import make_files

    files = make_files(directory, hosts, institution)
    told = {
        "ca": files.ca,
        "ca_key": files.ca_key,
        "server_certificate": files.server_certificate,
        "server_key": files.server_key,
        "client_certificate": files.client_certificate,
        "client_key": files.client_key,
    }
    if as_json:
        print_json({name: str(path) for name, path in told.items()})
        return
    for name, path in told.items():
        click.echo(f"{name.replace('_', ' '):20}{visible(str(path))}")


@command.command("master-key")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def master_key(file: Path, as_json: bool) -> None:
    """Make a new master key in FILE, which only you can read. It wraps the key of every stored object."""
    from engine.platform.keys import MasterKey

    MasterKey.write_new(file)
    key_id = MasterKey.load(file).key_id
    if as_json:
        print_json({"file": str(file), "key_id": key_id})
        return
    click.echo(f"Made {visible(str(file))}, key id {key_id}.")
    click.echo("Keep a copy in a safe place: without it no stored object can be read again.")
