"""Single keys from a terminal, without Enter."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator

END = "q"


@contextlib.contextmanager
def keys() -> Iterator[Callable[[float], str]]:
    """A function that waits for up to so many seconds for a key, and gives it, or "". The end of the input is `END`.

    The terminal is as before afterwards."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def pressed(seconds: float) -> str:
        ready, _, _ = select.select([descriptor], [], [], seconds)
        if not ready:
            return ""
        read = os.read(descriptor, 1)
        return read.decode("ascii", "replace") if read else END

    tty.setcbreak(descriptor)
    try:
        yield pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
