"""`penstock` itself: fast help, every command there, and one clear line for whatever goes wrong."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable

import click
import pytest

from engine.cli import entry, output
from engine.errors import ConfigError, Refusal, SpoolError, TransportError
from engine.version import VERSION
from tests.support.cli import penstock

Raise = Callable[[BaseException | int | None], None]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Raise:
    """Puts a command `try` beside the real ones, which raises or returns what the test says."""

    def put(outcome: BaseException | int | None) -> None:
        @click.command("try")
        @output.json_option
        def attempt(as_json: bool) -> int | None:
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        monkeypatch.setattr(entry.LazyGroup, "get_command", lambda *_: attempt)

    return put


def test_help_names_every_command_and_imports_none() -> None:
    listed = penstock("--help")
    assert listed.code == 0
    for name in entry.COMMANDS:
        assert f"  {name} " in listed.out
    code = (
        "import sys, engine.cli\n"
        "engine.cli.main(['--help'])\n"
        "heavy = {'pydicom', 'pynetdicom', 'numpy', 'rich', 'orjson', 'msgspec', 'asyncio', 'aiohttp', 'uvloop'}\n"
        "print(sorted(heavy & sys.modules.keys()), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


@pytest.mark.parametrize("name", sorted(entry.COMMANDS))
def test_every_command_that_help_names_is_there_and_explains_itself(name: str) -> None:
    shown = penstock(name, "--help")
    assert shown.code == 0, shown.err
    assert shown.out.startswith(f"Usage: penstock {name}")


def test_the_version_is_the_packages() -> None:
    assert penstock("--version").out == f"penstock {VERSION}\n"


def test_no_command_is_a_usage_error_that_shows_help() -> None:
    ran = penstock()
    assert ran.code == 2
    assert "Commands:" in ran.err
    assert ran.out == ""


def test_an_unknown_command_is_named() -> None:
    ran = penstock("depersonalise")
    assert ran.code == 2
    assert "depersonalise" in ran.err
    assert "penstock --help" in ran.err


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (None, 0),
        (0, 0),
        (1, 1),
        (2, 2),
        (ConfigError("wrong", "it is wrong"), 2),
        (Refusal("wrong", "it is wrong"), 1),
        (SpoolError("wrong", "it is wrong"), 1),
        (TransportError("wrong", "it is wrong"), 1),
        (click.UsageError("wrong"), 2),
        (click.BadParameter("wrong"), 2),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/x"), 2),
        (KeyboardInterrupt(), 130),
        (RuntimeError("wrong"), 70),
    ],
    ids=repr,
)
def test_each_outcome_has_its_exit_code(
    command: Raise, outcome: BaseException | int | None, code: int
) -> None:
    command(outcome)
    assert entry.main(["try"]) == code


def test_an_error_is_one_line_and_its_hint(command: Raise, capsys: pytest.CaptureFixture[str]) -> None:
    command(ConfigError("config-missing", "F: there is no such file", hint="give its path"))
    entry.main(["try"])
    shown = capsys.readouterr()
    assert shown.err == "penstock: F: there is no such file\n  give its path\n"
    assert shown.out == ""


def test_an_error_with_a_place_tells_tag_and_offset(
    command: Raise, capsys: pytest.CaptureFixture[str]
) -> None:
    command(Refusal("bad-length", "a length beyond the end", offset=132, tag=0x00100020))
    entry.main(["try"])
    assert capsys.readouterr().err == "penstock: a length beyond the end at (0010,0020) at byte 132\n"


def test_with_json_an_error_is_one_document_too(command: Raise, capsys: pytest.CaptureFixture[str]) -> None:
    command(Refusal("bad-length", "a length beyond the end", offset=132, hint="look there"))
    assert entry.main(["try", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "error": {
            "code": "bad-length",
            "message": "a length beyond the end",
            "hint": "look there",
            "offset": 132,
        }
    }


def test_with_json_a_usage_error_is_one_document_too() -> None:
    ran = penstock("secret", "new", "--json")
    assert ran.code == 2
    assert ran.document["error"]["code"] == "usage"
    assert "FILE" in ran.document["error"]["message"]


def test_a_missing_package_is_named_with_what_to_install(
    command: Raise, capsys: pytest.CaptureFixture[str]
) -> None:
    command(ModuleNotFoundError("No module named 'starlette'", name="starlette"))
    assert entry.main(["try"]) == 2
    assert "starlette" in (err := capsys.readouterr().err)
    assert "pip install 'dicom-penstock[platform]'" in err


def test_a_missing_part_of_penstock_is_our_fault(command: Raise) -> None:
    command(ModuleNotFoundError("No module named 'engine.attic'", name="engine.attic"))
    assert entry.main(["try"]) == 70


def test_a_fault_of_ours_shows_its_place_and_no_value(
    command: Raise, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PENSTOCK_TRACEBACK", raising=False)
    command(KeyError("DOE^JOHN"))
    assert entry.main(["try"]) == 70
    shown = capsys.readouterr().err
    assert "KeyError at " in shown
    assert "test_cli.py:" in shown
    assert "DOE" not in shown


def test_a_fault_of_ours_shows_all_to_those_who_ask(command: Raise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_TRACEBACK", "1")
    command(KeyError("DOE^JOHN"))
    with pytest.raises(KeyError):
        entry.main(["try"])


LATE_WRITER = """
import sys, click
from engine.cli import entry
late = click.Command("late", callback=lambda: print("written when the process ends") and None)
entry.LazyGroup.get_command = lambda *_: late
sys.exit(entry.main(["late"]))
"""


@pytest.mark.parametrize(
    "arguments", [["-m", "engine.cli", "--help"], ["-c", LATE_WRITER]], ids=["now", "late"]
)
def test_a_reader_that_goes_away_early_gets_no_traceback(arguments: list[str]) -> None:
    """As in `penstock --help | true`, when the reader is gone before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, *arguments], stdout=writing, stderr=subprocess.PIPE, check=False, env=buffered
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_control_characters_of_a_name_do_not_reach_the_terminal(
    command: Raise, capsys: pytest.CaptureFixture[str]
) -> None:
    command(ConfigError("wrong", "a\x1b[31m\r\nb\udcff: Müller"))
    entry.main(["try"])
    assert capsys.readouterr().err == "penstock: a\\x1b[31m\\r\\nb\\udcff: Müller\n"


def test_a_table_shows_text_as_it_is_and_numbers_at_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table("[b]Title[/b]", ["name", "count"], [["[red]x", 7], ["y\x1b", 12345], ["z", 3]])
    title, header, *rows = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert title == "[b]Title[/b]"
    assert header.split() == ["name", "count"]
    assert [row.split() for row in rows] == [["[red]x", "7"], ["y\\x1b", "12345"], ["z", "3"]]
    assert len({len(row) for row in rows}) == 1


def test_an_empty_table_has_its_header(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table("", ["name", "count"], [])
    assert capsys.readouterr().out.split() == ["name", "count"]


def test_a_sentence_is_wrapped_between_words_in_a_terminal_and_one_line_elsewhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = "note      room: " + "word-with-hyphens " * 12 + "\x1b[2Jend"
    output.say(sentence, indent=10)
    assert capsys.readouterr().out.count("\n") == 1
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    output.say(sentence, indent=10)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 3 and max(map(len, lines)) <= 60
    assert all(line.startswith(" " * 10 + "word-with-hyphens") for line in lines[1:-1])
    assert "\x1b" not in "".join(lines) and lines[0].startswith("note      room:")
