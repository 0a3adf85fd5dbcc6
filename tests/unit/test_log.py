"""The log is JSON, one event a line, and lets no identity through."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import log
from engine.errors import ConfigError, Refusal
from engine.log.fields import WITHHELD, of_error, safe


@pytest.fixture
def process() -> Iterator[None]:
    """Puts back what `configure` changes in the process."""
    ours, everybody = logging.getLogger("penstock"), logging.getLogger()
    handlers, level, propagate = list(ours.handlers), ours.level, ours.propagate
    others, hooks = list(everybody.handlers), (sys.excepthook, threading.excepthook)
    with warnings.catch_warnings():
        yield
        logging.captureWarnings(False)
    ours.handlers, ours.propagate, everybody.handlers = handlers, propagate, others
    ours.setLevel(level)
    sys.excepthook, threading.excepthook = hooks


@pytest.fixture
def stream(process: None) -> io.StringIO:
    stream = io.StringIO()
    log.configure("info", stream, gateway="north")
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_an_event_is_one_json_line_with_its_time_place_and_fields(stream: io.StringIO) -> None:
    log.get("receiver").info("object-received", association="00ff", bytes=530_000, ratio=0.5, again=False)
    (line,) = lines(stream)
    moment = datetime.fromisoformat(line.pop("time"))
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
    assert line.pop("pid") > 0
    assert line == {
        "level": "info",
        "logger": "receiver",
        "event": "object-received",
        "gateway": "north",
        "association": "00ff",
        "bytes": 530_000,
        "ratio": 0.5,
        "again": False,
    }


def test_events_below_the_level_are_not_written(stream: io.StringIO) -> None:
    logger = log.get("receiver")
    logger.debug("small-thing")
    logger.warning("large-thing")
    logger.error("larger-thing")
    assert [(line["level"], line["event"]) for line in lines(stream)] == [
        ("warning", "large-thing"),
        ("error", "larger-thing"),
    ]


def test_a_line_is_written_once_even_where_a_library_configured_logging(stream: io.StringIO) -> None:
    second = io.StringIO()
    logging.getLogger().addHandler(logging.StreamHandler(second))
    log.get("spool").error("large-thing")
    assert len(lines(stream)) == 1
    assert second.getvalue() == ""


def test_configuring_again_replaces_stream_and_level(stream: io.StringIO) -> None:
    second = io.StringIO()
    log.configure("debug", second)
    log.get("spool").debug("small-thing")
    assert lines(stream) == []
    assert [line["event"] for line in lines(second)] == ["small-thing"]
    assert "gateway" not in lines(second)[0]


@pytest.mark.parametrize(
    "value",
    [
        "DOE^JOHN",
        "John Doe",
        "Müller",
        "1.2.840.113619.2.1.1.1.322987881.621.736170080.681",
        "20260101120000.000000",
        "line\nbreak",
        "\x1b[31m",
        "",
        "x" * 201,
        2**63,
        b"bytes",
        ["list"],
        {"a": 1},
        object(),
    ],
    ids=repr,
)
def test_text_that_could_identify_somebody_is_withheld(stream: io.StringIO, value: Any) -> None:
    log.get("receiver").info("something", field=value)
    assert lines(stream)[0]["field"] == WITHHELD


@pytest.mark.parametrize(
    "value",
    [
        "00ff00ff00ff00ff-00000001",
        "disk-full",
        "10.1.2.3:11112",
        "255.255.255.255",
        "[::1]:104",
        "/var/spool/penstock",
        "0xA700",
        "(0010,0020)".strip("()").replace(",", ""),
        -(2**63),
        2**63 - 1,
        None,
        True,
    ],
)
def test_numbers_and_ids_of_our_own_pass(stream: io.StringIO, value: Any) -> None:
    log.get("receiver").info("something", field=value)
    assert lines(stream)[0]["field"] == value


@given(st.text() | st.integers() | st.floats() | st.binary() | st.none())
def test_whatever_is_passed_becomes_something_that_json_can_hold(value: Any) -> None:
    shown = safe(value)
    json.dumps(shown)
    assert shown == WITHHELD or shown is value


@pytest.mark.parametrize("event", ["", "Two Words", "name: DOE", "UPPER", "a--b", "-a", "a_b"])
def test_an_event_that_is_no_constant_word_is_a_mistake_in_the_code(stream: io.StringIO, event: str) -> None:
    with pytest.raises(ValueError, match="kebab-case"):
        log.get("receiver").debug(event)
    assert stream.getvalue() == ""


@pytest.mark.parametrize("name", ["time", "level", "logger", "event", "pid", "gateway"])
def test_a_field_cannot_take_the_place_of_one_of_the_lines_own(stream: io.StringIO, name: str) -> None:
    logger = log.get("receiver")
    with pytest.raises((ValueError, TypeError)):
        logger.info("something", **{name: 1})
    assert stream.getvalue() == ""


def test_a_failure_tells_type_code_and_place_but_no_message(stream: io.StringIO) -> None:
    try:
        raise Refusal("bad-length", "the length of DOE^JOHN", offset=132, tag=0x00100010)
    except Refusal as error:
        log.get("worker").failure("object-refused", error, object="00ff-01")
    (line,) = lines(stream)
    assert line["error"] == "Refusal"
    assert line["code"] == "bad-length"
    assert (line["offset"], line["tag"], line["object"]) == (132, "00100010", "00ff-01")
    assert line["at"].startswith("test_log.py:")
    assert "DOE" not in stream.getvalue()


def test_an_error_that_somebody_must_act_on_is_told_in_full(stream: io.StringIO) -> None:
    error = ConfigError("secret-missing", "/etc/a b: there is\x1b no hash secret", hint="make one")
    log.get("worker").failure("cannot-go-on", error)
    (line,) = lines(stream)
    assert (line["code"], line["message"], line["hint"]) == (
        "secret-missing",
        "/etc/a b: there is? no hash secret",
        "make one",
    )


def test_an_error_of_the_system_tells_its_number_and_not_its_file() -> None:
    try:
        open("/nowhere/DOE^JOHN.dcm", "rb").close()
    except OSError as error:
        told = of_error(error)
    assert (told["error"], told["errno"]) == ("FileNotFoundError", 2)
    assert "DOE" not in str(told)


def test_an_exception_that_nobody_caught_is_an_event_without_its_message() -> None:
    done = run(
        "from engine import log\n"
        "import threading\n"
        "log.configure()\n"
        "def work(): raise KeyError('DOE^JOHN')\n"
        "thread = threading.Thread(target=work)\n"
        "thread.start(); thread.join()\n"
        "raise ValueError('DOE^JOHN')\n"
    )
    assert done.returncode == 1
    assert [(json.loads(line)["event"], json.loads(line)["error"]) for line in done.stderr.splitlines()] == [
        ("crash", "KeyError"),
        ("crash", "ValueError"),
    ]
    assert "DOE" not in done.stderr


def test_what_libraries_say_does_not_reach_the_log() -> None:
    """pydicom quotes values in warnings, pynetdicom AE titles in log lines."""
    done = run(
        "import logging, warnings\n"
        "from engine import log\n"
        "log.configure()\n"
        "import pydicom\n"
        "ds = pydicom.Dataset(); ds.PatientID = 'DOE^JOHN' * 20\n"
        "warnings.warn('DOE^JOHN')\n"
        "logging.getLogger('pynetdicom.acse').error('DOE^JOHN')\n"
        "logging.getLogger('pydicom').critical('DOE^JOHN')\n"
        "log.get('process').info('done')\n"
    )
    assert done.returncode == 0
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["done"]
    assert done.stdout == ""


def test_an_interruption_is_no_crash() -> None:
    done = run("from engine import log\nlog.configure()\nraise KeyboardInterrupt\n")
    assert "crash" not in done.stderr
    assert "KeyboardInterrupt" in done.stderr


def test_a_line_that_cannot_be_written_shows_nothing_of_an_exception(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gone = io.StringIO()
    log.configure("info", gone)
    gone.close()
    try:
        raise RuntimeError("DOE^JANE")
    except RuntimeError:
        log.get("receiver").warning("something")
    assert capsys.readouterr() == ("", "")
