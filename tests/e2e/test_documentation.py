"""The documentation as a site, its links, and the commands that it shows."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest

from engine.cli.entry import penstock

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)((?:    [^\n]*\n)+)")
INLINE = re.compile(r"`(penstock [^`]+)`")
PLACES = {"N": "4", "PORT": "11112", "K": "2"}  # what stands for a number in the documents
NO_COMMANDS = {"penstock key id", "penstock receipt 1"}  # texts that are hashed and signed
OPTIONAL = re.compile(r"\[[^\]]*\]")


def build(root: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "-f",
        str(root / "scripts/mkdocs.yml"),
        "-d",
        str(site),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


class References(HTMLParser):
    """What a page loads or leads to."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and (name == "src" or (tag == "link" and name == "href")):
                self.loaded.add(value)


def test_the_site_is_built_without_a_broken_link_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    told = build(ROOT, tmp_path / "site")
    assert told.returncode == 0, told.stderr
    for page in PAGES[1:]:
        shown = tmp_path / "site" / f"{page.stem}.html"
        references = References()
        references.feed(shown.read_text(encoding="utf-8"))
        assert [one for one in references.loaded if "//" in one] == [], page.name
    assert (tmp_path / "site/source/engine/config/gateway.toml").exists(), "what pages link to comes along"


@pytest.mark.parametrize(
    "broken",
    ["[gone](no-such-page.md)", "[gone](runbook.md#no-such-section)", "[gone](../no/such/file.toml)"],
)
def test_a_broken_link_is_found(tmp_path: Path, broken: str) -> None:
    for name in ("docs", "scripts", "README.md", "CHANGELOG.md", "engine/config"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    with (tmp_path / "docs/identity.md").open("a") as page:
        page.write(f"\n{broken}\n")
    told = build(tmp_path, tmp_path / "site")
    assert told.returncode != 0
    assert "identity.md" in told.stderr and "no-such" in told.stderr.replace("no/such", "no-such")


def commands(text: str) -> Iterator[str]:
    """Each line that begins with `penstock`, in code of any kind; continued lines as one."""
    code = [match[3] for match in FENCE.finditer(text)] + [match[1] for match in INDENTED.finditer(text)]
    for block in code:
        for line in block.replace("\\\n", " ").splitlines():
            word = line.strip().removeprefix("$ ").removeprefix("sudo ").removeprefix("-u penstock ")
            if word.startswith("penstock "):
                yield word
    yield from (match[1] for match in INLINE.finditer(text) if match[1] not in NO_COMMANDS)


def parse(line: str) -> None:
    """Raises click's UsageError if the command line names what there is not. Nothing is run."""
    line = re.split(r"\s#\s|\s{3,}| \| | > | 2>| < | && |&$|;|…|\.\.\.", OPTIONAL.sub("", line))[0]
    words = [PLACES.get(word, word) for word in shlex.split(line)[1:]]
    command: click.Command = penstock
    context = click.Context(penstock, info_name="penstock")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        for name in words[0].split("|"):  # several in one line: list|rotate|import
            found = command.get_command(context, name)
            if found is None:
                raise click.UsageError(f"no such command: {name}")
            last = found
        command = last
        words = words[1:]
    for word in words:
        if word.startswith("-") and word != "-" and not word.lstrip("-").isdigit():
            known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {
                "--help",
                "--version",
            }
            if word.partition("=")[0] not in known:
                raise click.UsageError(f"{command.name} has no option {word}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_document_shows_exists_with_its_options(page: Path) -> None:
    wrong = []
    for line in commands(page.read_text(encoding="utf-8")):
        try:
            parse(line)
        except (click.UsageError, ValueError) as error:
            wrong.append(f"{line}: {error}")
    assert wrong == []


def test_a_command_that_does_not_exist_is_found() -> None:
    text = "Say\n\n    penstock frobnicate --config F\n    penstock status --colour\n\nor `penstock secret old`.\n"
    lines = list(commands(text))
    assert len(lines) == 3
    for line in lines:
        with pytest.raises(click.UsageError):
            parse(line)
    parse("penstock workers N --config F")
    parse("penstock send HOST PORT PATH… [--called AET]")
