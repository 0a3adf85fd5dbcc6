"""`penstock send`: a C-STORE SCU for tests and loads."""

from __future__ import annotations

import contextlib
import ssl
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from engine.cli.output import json_option, print_json, visible
from engine.scu.association import Target
from engine.scu.tls import client_context
from engine.sender.load import Load, Progress, run
from engine.sender.report import Refused, render

SHOWN = 20
FILE = click.Path(path_type=Path)


@click.command(
    "send",
    epilog="Rejected for its AE title? --called has to be the peer's own title, and the peer has to know --calling and this "
    "machine's address. Exit codes: 0 all stored, 1 not all (each is named), 2 usage.",
)
@click.argument("host")
@click.argument("port", type=click.IntRange(1, 65535))
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--called", default="PENSTOCK", show_default=True, metavar="AET", help="The peer's AE title.")
@click.option("--calling", default="PENSTOCK_SCU", show_default=True, metavar="AET", help="Our AE title.")
@click.option(
    "--associations",
    default=1,
    show_default=True,
    type=click.IntRange(1, 512),
    help="How many at the same time.",
)
@click.option(
    "--clones",
    default=0,
    type=click.IntRange(0),
    help="Send N copies of each object, each with a SOP Instance UID of its own.",
)
@click.option(
    "--window",
    default=1,
    type=click.IntRange(1, 65535),
    help="Requests outstanding on an association, if the peer agrees.",
)
@click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0.1),
    help="Seconds to wait for the peer.",
)
@click.option("--tls", is_flag=True, help="DICOM over TLS (PS3.15 B.12, B.13).")
@click.option("--ca", type=FILE, help="Who vouches for the peer.  [default: the system's authorities]")
@click.option("--certificate", type=FILE, help="Our certificate, if the peer wants one.")
@click.option("--key", type=FILE, help="Its key.")
@click.option("--server-name", metavar="NAME", help="What the peer's certificate is for.  [default: HOST]")
@json_option
def command(
    host: str,
    port: int,
    paths: tuple[Path, ...],
    called: str,
    calling: str,
    associations: int,
    clones: int,
    window: int,
    timeout: float,
    tls: bool,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    server_name: str | None,
    as_json: bool,
) -> int:
    """Send DICOM files, or folders of them, by C-STORE, and measure it.

    Objects go out as they are: in their own transfer syntax, unread. The report has rates, latencies (from
    the first byte of a request to its answer) and statuses, and names each object that the peer did not
    take."""
    for name, title in (("--called", called), ("--calling", calling)):
        if (
            not 1 <= len(title.strip()) <= 16
            or not title.isascii()
            or not title.isprintable()
            or "\\" in title
        ):
            raise click.BadParameter(
                "an AE title has 1 to 16 printable ASCII characters and no backslash", param_hint=name
            )
    context = _security(tls, ca, certificate, key, server_name)
    target = Target(host, port, called, calling, timeout, context, server_name or "")
    load = Load(target, paths, associations, clones, window)
    with _progress(shown=not as_json and sys.stderr.isatty()) as progress:
        told = run(load, progress)
    refused = told["refused"]
    if as_json:
        print_json(told)
    else:
        click.echo(render(told))
        _name_refused(refused)
    return 1 if refused else 0


def _security(
    tls: bool, ca: Path | None, certificate: Path | None, key: Path | None, server_name: str | None
) -> ssl.SSLContext | None:
    for name, given in (("--ca", ca), ("--certificate", certificate), ("--server-name", server_name)):
        if given is not None and not tls:
            raise click.BadParameter("needs --tls", param_hint=name)
    if (certificate is None) != (key is None):
        raise click.BadParameter("one needs the other", param_hint="--certificate, --key")
    return client_context(ca, certificate, key) if tls else None


def _name_refused(entries: Sequence[Refused]) -> None:
    if entries:
        click.echo(f"{len(entries)} not stored:", err=True)
    for entry in entries[:SHOWN]:
        click.echo(visible(f"  {entry['path'] or 'association'}: {entry['reason']}"), err=True)
    if len(entries) > SHOWN:
        click.echo(f"  and {len(entries) - SHOWN} more; --json names them all", err=True)


@contextlib.contextmanager
def _progress(*, shown: bool) -> Iterator[Progress | None]:
    if not shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.completed} objects"), TextColumn("{task.fields[rate]}"), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("send", total=None, rate="")
        done = [0, 0]

        def advance(objects: int, size: int) -> None:
            done[0] += objects
            done[1] += size
            seconds = bar.tasks[0].elapsed or 1e-9
            bar.update(
                task,
                completed=done[0],
                rate=f"{done[0] / seconds:.0f} objects/s  {done[1] / seconds / 1e6:.0f} MB/s",
            )

        yield advance
