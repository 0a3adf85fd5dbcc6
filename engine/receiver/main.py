"""The receiver role: one process, or several that share the listening socket."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from engine import log
from engine.config.gateway import GatewayConfig
from engine.process import die_with_parent
from engine.receiver.listening import Listeners, Shares, listen
from engine.receiver.server import serve_process
from engine.receiver.tls import make_context
from engine.spool import associations
from engine.spool.layout import Spool

DEATHS = 5
WITHIN = 60.0
_LOG = log.get("receiver")


def run(config: GatewayConfig) -> int:
    """Receives until SIGTERM, drains, and returns the exit code. TransportError if a port cannot be had, ConfigError if the
    certificate cannot be used."""
    receiver = config.receiver
    with contextlib.ExitStack() as stack:
        listeners = Listeners(stack.enter_context(listen(receiver.host, receiver.port)))
        if receiver.tls is not None:
            make_context(receiver.tls)  # said now, and once
            secured = stack.enter_context(listen(receiver.host, receiver.tls.port, "receiver.tls"))
            listeners = Listeners(listeners.plain, secured)
        if receiver.processes == 1:
            return serve_process(config, listeners)
        return _Family(config, listeners).run()


class _Family:
    """The parent of several receiver processes. It starts again what dies, and gives up when that happens too often."""

    def __init__(self, config: GatewayConfig, listeners: Listeners) -> None:
        self._config = config
        self._listeners = listeners
        self._spool = Spool.open(config.spool.path)
        self._shares = Shares(config.receiver.processes, len(config.receiver.peers))
        self._children: dict[int, int] = {}
        self._deaths: list[float] = []
        self._code = 0
        self._stopping = False

    def run(self) -> int:
        wanted = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
        try:
            for process in range(self._config.receiver.processes):
                self._start(process)
            while self._children:
                if signal.sigwait(wanted) != signal.SIGCHLD:
                    self._stop()
                self._bury()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self._code

    def _start(self, process: int) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid:
            self._children[pid] = process
            return
        code = 1
        try:
            die_with_parent(parent)
            signal.pthread_sigmask(signal.SIG_SETMASK, set())
            code = serve_process(self._config, self._listeners, process, self._shares)
        except BaseException as error:  # noqa: BLE001 - the parent's frames below must not run in the child
            _LOG.failure("receiver-process-failed", error, process=process)
        finally:
            os._exit(code)

    def _stop(self) -> None:
        self._stopping = True
        self._listeners.close()  # the last copy decides whether the port is closed
        for pid in self._children:
            os.kill(pid, signal.SIGTERM)

    def _bury(self) -> None:
        """Looks after every child that ended."""
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            process = self._children.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            if self._stopping:
                self._code = self._code or code
                continue
            _LOG.error("receiver-process-died", process=process, code=code)
            self._let_go(process)
            if self._too_often():
                _LOG.error("receiver-processes-die-too-often")
                self._code = code if code > 0 else 1
                self._stop()
            else:
                self._start(process)

    def _let_go(self, process: int) -> None:
        """The dead process's associations are aborted, and what it had not acknowledged is removed."""
        self._shares.forget(process)
        prefix = f"{process:02x}"
        open_now, _ = associations.scan(self._spool)
        for identifier in open_now:
            if identifier.startswith(prefix):
                associations.aborted(self._spool, identifier)
        for part in self._spool.incoming.iterdir():
            if part.name.startswith(prefix):
                part.unlink(missing_ok=True)

    def _too_often(self) -> bool:
        now = time.monotonic()
        self._deaths = [when for when in self._deaths if now - when < WITHIN]
        self._deaths.append(now)
        return len(self._deaths) >= DEATHS
