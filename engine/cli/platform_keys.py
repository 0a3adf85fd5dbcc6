"""`penstock platform rotate-master-key`: another key over all keys."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.options import platform_config_option
from engine.cli.output import json_option, print_json, visible


@click.command("rotate-master-key")
@click.option(
    "--new-key",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The new master key; made there if there is none.  [default: the key's file with .new behind its name]",
)
@platform_config_option
@json_option
def rotate_master_key(new_key: Path | None, config_file: Path, as_json: bool) -> None:
    """Wrap the keys of all objects and hash secrets by a new master key. The platform must be stopped; objects stay as
    they are.

    After a crash, give the same command again. Where the key comes from a credential or a program, name FILE, and put
    its content there afterwards.
    """
    from engine.config import load_platform
    from engine.platform.rotation import rotate

    done = rotate(load_platform(config_file), new_key)
    told = {
        "old_key_id": done.old_id,
        "new_key_id": done.new_id,
        "objects": done.objects,
        "secrets": done.secrets,
        "key_file": str(done.key_file),
        "former_key_file": None if done.former_file is None else str(done.former_file),
    }
    if as_json:
        print_json(told)
        return
    click.echo(
        f"The master key is {done.new_id} now, in {visible(str(done.key_file))}; it was {done.old_id}."
    )
    click.echo(f"Wrapped anew: the keys of {done.objects} objects and {done.secrets} secrets.")
    if done.former_file is not None:
        kept = visible(str(done.former_file))
        click.echo(f"The former key is in {kept}: keep it as long as backups of the database need it.")
    else:
        click.echo(
            "Put this key where the configuration says that the master key comes from, before the next start."
        )
