"""Several serving processes on one listening socket. The parent starts again what dies, and gives up when
that happens too often.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from engine import log
from engine.process import die_with_parent

DEATHS = 5
WITHIN_SECONDS = 60.0
_LOG = log.get("platform")


class Family:
    """Forks `count` processes that each run `serve`, which ends at SIGTERM and returns an exit code.

    Call `run` before any thread or event loop exists in this process.
    """

    def __init__(self, count: int, serve: Callable[[], int]) -> None:
        self._count, self._serve = count, serve
        self._children: set[int] = set()
        self._deaths: list[float] = []
        self._stopping = False
        self._code = 0

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; 0, or the exit code of a process that failed."""
        wanted = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
        try:
            for _ in range(self._count):
                self._start(before)
            while self._children:
                if signal.sigwait(wanted) != signal.SIGCHLD:
                    self._stop()
                self._bury(before)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self._code

    def _start(self, mask: set[int | signal.Signals]) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid:
            self._children.add(pid)
            return
        code = 1
        try:
            die_with_parent(parent)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            code = self._serve()
        except BaseException as problem:  # noqa: BLE001 - the parent's frames must not run on in the child
            _LOG.failure("process-failed", problem)
        finally:
            os._exit(code)

    def _stop(self) -> None:
        self._stopping = True
        for pid in self._children:
            os.kill(pid, signal.SIGTERM)

    def _bury(self, mask: set[int | signal.Signals]) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            self._children.discard(pid)
            code = os.waitstatus_to_exitcode(status)
            if self._stopping:
                self._code = self._code or abs(code)
                continue
            _LOG.error("process-died", child=pid, code=code)
            now = time.monotonic()
            self._deaths = [when for when in self._deaths if now - when < WITHIN_SECONDS] + [now]
            if len(self._deaths) >= DEATHS:
                _LOG.error("processes-die-too-often")
                self._code = abs(code) or 1
                self._stop()
            else:
                self._start(mask)
