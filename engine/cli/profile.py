"""`penstock profile`: what a profile does to each attribute, and why; whether a file is one; what two do
differently."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from engine.cli import profile_view as view
from engine.cli.output import json_option, print_json, print_table

SOME_LEFT_OUT = 1

PROFILE = click.argument("name", metavar="PROFILE", default="default")


@click.group("profile")
def command() -> None:
    """What a profile does to each attribute.

    PROFILE is the name of a shipped profile, or the path of a file that ends in .toml.
    """


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """The profiles that come with Penstock."""
    from engine.profile import load, shipped

    profiles = [load(name) for name in shipped()]
    if as_json:
        print_json(
            [
                {"profile": p.name, "description": p.description, "base": p.base, "options": list(p.options)}
                for p in profiles
            ]
        )
        return
    print_table(
        "",
        ("profile", "options", "what it is for"),
        [(p.name, ", ".join(p.options), p.description) for p in profiles],
    )


@command.command()
@PROFILE
@json_option
def show(name: str, as_json: bool) -> None:
    """What a profile says, and how much it does."""
    from engine.profile import compiled

    profile = compiled(name)
    if as_json:
        print_json(view.as_document(profile))
    else:
        view.print_profile(profile)


@command.command()
@click.argument("tag", metavar="TAG")
@click.option(
    "--profile", "name", metavar="PROFILE", default="default", show_default=True, help="Which profile to ask."
)
@json_option
def explain(tag: str, name: str, as_json: bool) -> None:
    """Which rule decides over an attribute, and why.

    TAG is a keyword, a tag such as "(0010,0010)", or a private element such as "(0019,xx0C) SIEMENS MR HEADER".
    """
    from engine.profile import load
    from engine.profile.explain import explain as explained

    found = explained(load(name), tag)
    if as_json:
        print_json(view.explanation(name, found))
    else:
        view.print_explanation(name, found)


@command.command()
@click.argument("file", metavar="FILE")
@json_option
def check(file: str, as_json: bool) -> None:
    """Whether a file is a profile. Exit code 0: it is; 2: it is not, with the line and the key that are wrong."""
    from engine.profile import compile_profile, load
    from engine.profile.conformance import remarks

    profile = load(file)
    compiled = compile_profile(profile)
    said = remarks(profile)
    if as_json:
        print_json(
            {"profile": profile.name, "digest": compiled.digest, "rules": len(profile.rules), "remarks": said}
        )
        return
    click.echo(f"{file}: fine, {len(profile.rules)} rules, digest {compiled.digest[:16]}")
    for remark in said:
        click.echo(f"  {remark}")


@command.command()
@click.argument("left", metavar="A")
@click.argument("right", metavar="B")
@click.argument("files", metavar="[FILES]", nargs=-1, type=click.Path(path_type=Path))
@json_option
def diff(left: str, right: str, files: tuple[Path, ...], as_json: bool) -> None:
    """What two profiles do differently: to every attribute, or to those that stand in FILES. No values are shown."""
    from engine.profile import load
    from engine.profile.compare import compare, compare_on_file

    one, other = load(left), load(right)
    found = (
        {str(path): compare_on_file(one, other, path) for path in files}
        if files
        else {"": compare(one, other)}
    )
    if as_json:
        documents = {name: [view.difference(row) for row in rows] for name, rows in found.items()}
        print_json(
            {"a": left, "b": right, **({"files": documents} if files else {"attributes": documents[""]})}
        )
        return
    for name, rows in found.items():
        view.print_differences(name, left, right, rows)


@command.command()
@PROFILE
@json_option
def report(name: str, as_json: bool) -> None:
    """The conformance statement that PS3.15 E.1.3 asks for."""
    from engine.profile import load
    from engine.profile.conformance import statement

    document: dict[str, Any] = statement(load(name))
    if as_json:
        print_json(document)
    else:
        view.print_statement(document)


@command.command()
def schema() -> None:
    """The JSON Schema of profiles, for editors."""
    from engine.profile.schema import schema as made

    print_json(made())


@command.command("import-ctp")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--name", default="imported", show_default=True, help="The new profile's name.")
@json_option
def import_ctp(file: Path, name: str, as_json: bool) -> int | None:
    """A profile from a CTP anonymizer script, on standard output; what could not be imported, on standard error.

    Exit code 1: something could not be imported, and follows the Basic profile.
    """
    from engine.errors import ConfigError
    from engine.profile.ctp import import_script

    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError("ctp-script", f"{file}: not UTF-8", hint="convert the script with iconv") from None
    done = import_script(text, name)
    if as_json:
        print_json(
            {
                "toml": done.toml,
                "imported": done.imported,
                "not_imported": [{"entry": entry, "why": why} for entry, why in done.not_imported],
                "differences": [{"entry": entry, "what": what} for entry, what in done.differences],
            }
        )
    else:
        click.echo(done.toml, nl=False)
        view.say_import(done)
    return SOME_LEFT_OUT if done.not_imported else None
