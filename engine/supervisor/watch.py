"""One role's process: started, waited for, started again, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from engine import log
from engine.errors import ConfigError, PenstockError
from engine.process import MODULE
from engine.supervisor.child import UNUSABLE, told
from engine.supervisor.restarts import Restarts
from engine.supervisor.roles import Role

_LOG = log.get("supervisor")


class RoleState(StrEnum):
    DOWN = "down"  # not started yet
    UP = "up"
    RESTARTING = "restarting"  # it ended, and is about to be started again
    DRAINING = "draining"
    ENDED = "ended"  # drained, or killed after its time
    FAILED = "failed"  # given up


class Watch:
    """Keeps one role's process alive until `drain`. `between` is called after each death, before the next
    start.
    """

    def __init__(
        self, role: Role, config_path: Path, run_dir: Path, lock: int, between: Callable[[Role], None]
    ) -> None:
        self.role = role
        self.state = RoleState.DOWN
        self.starts = 0
        self.failure: PenstockError | None = None
        self.stream: Callable[[asyncio.StreamReader], object] | None = None
        self._command = [
            *MODULE,
            "engine.supervisor.child",
            role.name,
            "--config",
            str(config_path),
        ]
        self._run_dir = run_dir
        self._lock = lock
        self._between = between
        self._process: asyncio.subprocess.Process | None = None
        self._restarts = Restarts()
        self._readers: set[object] = set()

    @property
    def pid(self) -> int:
        """The process's pid, 0 when there is none."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else 0

    async def keep(self) -> None:
        """Runs until the role has ended after `drain` or a restart was asked for; PenstockError when it is
        given up.
        """
        while self.state is not RoleState.ENDED:
            began = time.monotonic()
            code = await self._run()
            if self.state is RoleState.DRAINING:
                self.state = RoleState.ENDED
                _LOG.info("role-ended", role=self.role.name, code=code)
                return
            self.state = RoleState.RESTARTING
            _LOG.error("role-died", role=self.role.name, code=code)
            delay = None if code == UNUSABLE else self._restarts.ended(time.monotonic() - began)
            self._between(self.role)
            if delay is None:
                self.state = RoleState.FAILED
                self.failure = self._why(code)
                raise self.failure
            await asyncio.sleep(delay)

    async def drain(self) -> None:
        """SIGTERM, and SIGKILL when its time is over; returns when it has ended."""
        if self.state in {RoleState.ENDED, RoleState.FAILED}:
            return
        self.state = RoleState.DRAINING
        process = self._process
        if process is None or process.returncode is not None:
            self.state = RoleState.ENDED
            return
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), self.role.drain_seconds)
        except TimeoutError:
            _LOG.warning("role-killed-after-its-time", role=self.role.name)
            self.kill()
            await process.wait()
        self.state = RoleState.ENDED

    def kill(self) -> None:
        """SIGKILL: loses nothing, but leaves work for the next start."""
        self._signal(signal.SIGKILL)

    async def _run(self) -> int:
        self.starts += 1
        process = self._process = await asyncio.create_subprocess_exec(
            *self._command,
            "--parent",
            str(os.getpid()),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE if self.stream else None,
            pass_fds=(self._lock,),
            process_group=0,  # Ctrl-C is for the supervisor, which drains in order
        )
        if self.state is not RoleState.DRAINING:
            self.state = RoleState.UP
        else:
            self._signal(signal.SIGTERM)
        _LOG.info("role-started", role=self.role.name, child=process.pid)
        if self.stream is not None and process.stderr is not None:
            self._readers.add(self.stream(process.stderr))
        return await process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _why(self, code: int) -> PenstockError:
        reason = told(self._run_dir, self.role.name)
        if reason is not None:
            return reason
        return ConfigError(
            "role-fails",
            f"the {self.role.name} ends again and again, the last time with {_in_words(code)}",
            hint="the last lines of the log say why",
        )


def _in_words(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
