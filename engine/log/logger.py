"""The loggers. They stand on the standard library's `logging`, which holds the level and the stream for the
process.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, TextIO

import orjson

from engine.log.fields import Field, of_error, safe

Level = Literal["debug", "info", "warning", "error"]

ROOT = "penstock"
OWN_KEYS = frozenset({"time", "level", "logger", "event", "pid", "gateway"})
_EVENT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Logger:
    """Writes events of one part of Penstock. An event is a constant word such as "pass-sealed"; fields say
    the rest.

    Field values are numbers or ids; other text is withheld (see engine.log.fields). Every method raises
    ValueError for an event that is not kebab-case and for a field named as one of the line's own keys.
    """

    __slots__ = ("_logger",)

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"{ROOT}.{name}")

    def debug(self, event: str, **fields: Field) -> None:
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Field) -> None:
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Field) -> None:
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Field) -> None:
        self._write(logging.ERROR, event, fields)

    def failure(self, event: str, error: BaseException, **fields: Field) -> None:
        """An error event with what `fields.of_error` tells: the message of our own errors only, no refusal's."""
        self._write(logging.ERROR, event, of_error(error) | fields)

    def _write(self, level: int, event: str, fields: dict[str, Field]) -> None:
        if not _EVENT.fullmatch(event):
            raise ValueError("an event is a constant in kebab-case")
        if not OWN_KEYS.isdisjoint(fields):
            raise ValueError(f"a field may not be named {', '.join(sorted(OWN_KEYS & fields.keys()))}")
        if self._logger.isEnabledFor(level):
            self._logger.log(level, event, extra={"fields": fields})


def get(name: str) -> Logger:
    """The logger of a part of Penstock, such as "receiver".

    Before `configure`, warnings and errors alone are shown, each as its bare event.
    """
    return Logger(name)


def configure(level: Level = "info", stream: TextIO | None = None, *, gateway: str = "") -> None:
    """Sends the lines of this process to `stream` (standard error if None). Calling it again replaces what
    was set.

    It also closes the other ways by which text could get to standard error: other libraries' log lines and
    warnings are dropped, and an exception that nobody caught becomes the event "crash", without its message.
    """
    root = logging.getLogger(ROOT)
    for old in list(root.handlers):
        root.removeHandler(old)
    handler = _Handler(sys.stderr if stream is None else stream)
    handler.setFormatter(_JsonLine(gateway))
    root.addHandler(handler)
    root.setLevel(level.upper())
    root.propagate = False
    _silence_others()
    sys.excepthook = _on_exception
    threading.excepthook = _on_thread_exception


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """A line that cannot be written is lost. The library would print stacks, with the texts of exceptions in them."""
        del record


class _JsonLine(logging.Formatter):
    def __init__(self, gateway: str) -> None:
        super().__init__()
        self._gateway = gateway

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Field] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "logger": record.name.removeprefix(f"{ROOT}."),
            "event": record.msg,
            "pid": record.process,
        }
        if self._gateway:
            line["gateway"] = self._gateway
        fields: dict[str, Field] = getattr(record, "fields", {})
        line.update((name, safe(value)) for name, value in fields.items())
        return orjson.dumps(line).decode("utf-8")


def _silence_others() -> None:
    """pydicom and pynetdicom name UIDs, AE titles and values in warnings and log lines."""
    everybody = logging.getLogger()
    if not everybody.handlers:
        everybody.addHandler(logging.NullHandler())
    logging.captureWarnings(True)


def _on_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    get("process").failure("crash", error.with_traceback(trace))


def _on_thread_exception(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        get("process").failure("crash", args.exc_value.with_traceback(args.exc_traceback))
