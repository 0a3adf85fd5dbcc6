"""What operators look at: the picture in a terminal, the page, and what is said where there is no terminal."""

from __future__ import annotations

import io
from html.parser import HTMLParser
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from engine.cli.top_view import WIDTH, picture
from engine.keeper import notice
from engine.keeper.states import KeeperState
from engine.metrics.reading import Snapshot
from engine.spool.layout import Spool
from engine.supervisor import page, words
from engine.supervisor.notes import notes
from engine.supervisor.view import View, view
from tests.support.cli import penstock
from tests.support.views import busy_view

CONFIG = """
[gateway]
name = "north"
[spool]
path = "spool"
[identity]
secret_file = "secret"
[uploader]
url = "https://platform:1"
certificate = "certificate"
key = "key"
ca = "ca"
"""


def drawn(shown: View, note: str = "") -> list[str]:
    screen = Console(file=io.StringIO(), width=WIDTH, highlight=False)
    screen.print(picture(shown, note=note))
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue().splitlines()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(CONFIG)
    return path


def test_the_busiest_gateway_fits_into_eighty_columns_and_a_screen() -> None:
    lines = drawn(busy_view(), note="every 1 s   q ends   p pauses")
    assert max(map(len, lines)) <= WIDTH
    assert len(lines) <= 32
    text = "\n".join(lines)
    for word in (
        "Penstock · north wing",
        "▶ archive-far-away does not take anything: 1,000,000 objects wait, tried again within 60 s",
        "1,234,567",
        "≤3 ms",
        "90% of 20.0 TB, full in 1 d 3 h",
        "12 of 12",
        "12,345 open",
        "7,654 objects",
        "nesting-too-deep 7,000",
        "and 5 more",
        "not running: uploader",
        "q ends",
    ):
        assert word in " ".join(text.split()) or word in text, word
    assert text.count("…") == 1, "nothing is cut off but the list of workers"


def test_a_small_gateway_fits_into_a_terminal_of_24_lines() -> None:
    small = view("small", Snapshot({}, 0.0), Snapshot({}, 1.0), running=True)
    assert len(drawn(small, note="every 1 s")) <= 20


def test_each_stage_stands_in_its_own_column() -> None:
    lines = drawn(busy_view())
    heads = next(line for line in lines if "receipt" in line)
    assert heads.split() == ["receive", "commit", "queue", "rewrite", "scan", "upload", "receipt"]
    busy = next(line for line in lines if line.startswith("busy"))
    rewrite, rest = heads.index("rewrite"), busy[heads.index("rewrite") + len("rewrite") :]
    assert busy[rewrite:].startswith("    99%") and rest.split() == ["·"] * 3


def test_a_name_cannot_steer_the_terminal_or_the_page() -> None:
    evil = "ward\x1b[2J<script>alert(1)</script>"
    assert "\x1b" not in "".join(drawn(busy_view(evil)))
    shown = page.render(busy_view(evil))
    assert "<script" not in shown and "&lt;script&gt;" in shown


class Tags(HTMLParser):
    """Which tags are open at the end, and which attributes there were."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen |= {tag, *(name for name, _ in attrs)}
        if tag not in {"meta", "br", "!doctype"}:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag


def test_the_page_is_whole_has_no_script_and_refreshes_itself() -> None:
    shown = page.render(busy_view())
    tags = Tags()
    tags.feed(shown)
    assert tags.stack == []
    assert not {"script", "onload", "onclick", "img", "link", "iframe", "style="} & tags.seen
    assert f"http-equiv=refresh content={page.REFRESH_SECONDS}" in shown
    for word in (
        "RADIOLOGY_PACS_9",
        "archive-far-away",
        "tried again within 60 s",
        "full in 1 d 3 h",
        "nesting-too-deep 7,000",
    ):
        assert word in shown, word


def test_the_pages_policy_allows_its_own_style_and_nothing_else() -> None:
    import base64
    import hashlib

    style = page.render(busy_view()).partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in page.POLICY
    assert page.POLICY.startswith("default-src 'none'") and "unsafe" not in page.POLICY


def test_a_view_is_one_json_document_with_every_number() -> None:
    told = orjson.loads(orjson.dumps(busy_view().document()))
    assert [stage["name"] for stage in told["stages"]] == [
        "receive", "commit", "queue", "rewrite", "scan", "upload", "receipt",
    ]  # fmt: skip
    assert told["limit"]["code"] == "destination-down"
    assert told["disk"]["seconds_until_full"] == 100_000
    assert set(told["workers"]) == {str(number) for number in range(12)}
    assert told["processes"]["uploader"]["up"] is False


def test_a_gateway_that_does_not_run_is_shown_as_such(config: Path) -> None:
    Spool.open(config.parent / "spool")
    once = penstock("top", "--once", "--seconds", "0.2", "--config", str(config))
    assert once.code == 0
    assert "▶ the gateway is not running" in once.out
    assert "\x1b" not in once.out
    told = penstock("top", "--json", "--seconds", "0.2", "--config", str(config))
    assert told.document["limit"]["code"] == "not-running"


def test_a_terminal_that_is_none_is_said_to_be_so(config: Path) -> None:
    Spool.open(config.parent / "spool")
    refused = penstock("top", "--config", str(config), TERM="xterm")
    assert refused.code == 2
    assert "no terminal" in refused.err and "--once" in refused.err and "ssh -t" in refused.err


def test_a_spool_that_was_never_made_is_named(config: Path) -> None:
    refused = penstock("top", "--once", "--config", str(config))
    assert refused.code != 0 and "spool" in refused.err


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (3_700, "1 h 1 min"), (90_000, "1 d 1 h")],
)
def test_spans_are_in_the_units_that_people_plan_with(seconds: float, told: str) -> None:
    assert words.span(seconds) == told


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (2.5e9, "2.5 GB"), (7e12, "7.0 TB")]
)
def test_sizes_have_units(count: float, told: str) -> None:
    assert words.size(count) == told


def test_the_disk_is_full_fills_or_does_not() -> None:
    assert [words.full_in(one) for one in (None, 0.0, 61.0)] == [
        "does not fill",
        "full",
        "full in 1 min 1 s at this rate",
    ]


def test_what_is_waited_for_is_said_in_words(tmp_path: Path) -> None:
    assert notes(tmp_path) == ()
    notice.write(
        tmp_path, notice.Notice(KeeperState.WAITING, 0.0, trouble=notice.Trouble("x", "no route to it"))
    )
    error = {"code": "platform-unreachable", "message": "the platform refuses connections"}
    sending = {"kind": "folder", "state": "sending"}
    destinations = {"platform": {"kind": "penstock", "state": "waiting", "error": error}, "export": sending}
    (tmp_path / "uploader.json").write_bytes(orjson.dumps({"state": "waiting", "destinations": destinations}))
    told = notes(tmp_path)
    assert told == (
        "the keeper waits for the hash secret from the platform: no route to it",
        "platform: the platform refuses connections",
    )
    (tmp_path / "uploader.json").write_bytes(b"{")
    assert notes(tmp_path) == told[:1]
    nothing = Snapshot({}, 0.0)
    shown = view("north", nothing, nothing, running=True, notes=told)
    for word in told:
        assert word in " ".join(" ".join(drawn(shown)).split()) and word in page.render(shown)
    assert view("north", nothing, nothing, running=False, notes=told).notes == ()


@pytest.mark.parametrize(
    ("up", "starts", "code", "told"),
    [
        (0, 1, "starting", "starting: receiver"),
        (0, 3, "role-down", "not running: receiver"),
        (1, 3, "idle", "idle: nobody sends"),
    ],
)
def test_a_role_that_does_not_run_is_named_before_anything_else(
    up: int, starts: int, code: str, told: str
) -> None:
    values = {
        'penstock_process_up{role="receiver"}': float(up),
        'penstock_process_up{role="uploader"}': 1.0,
        'penstock_process_starts_total{role="receiver"}': float(starts),
    }
    shown = view("north", Snapshot(values, 0.0), Snapshot(values, 1.0), running=True)
    assert (shown.limit.code, shown.limit.words) == (code, told)
    assert "\n".join(drawn(shown)).count("receiver") == (0 if up else 1)
    assert ("limit ill" in page.render(shown)) == (code == "role-down")
