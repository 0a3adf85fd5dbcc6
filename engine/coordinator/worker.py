"""One worker process: forked from the coordinator, it loads the hash secret itself and takes jobs until its
socket closes.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from engine import log
from engine.allocator import Tidying
from engine.config import GatewayConfig
from engine.coordinator.keyring import keyring
from engine.coordinator.messages import DATAGRAM, AnyResult, Ready, Unable, decode_jobs, encode
from engine.coordinator.pace import Pace
from engine.coordinator.routes import Routes
from engine.coordinator.work import Work
from engine.errors import PenstockError
from engine.process import die_with_parent, leave_no_traces, limit_memory
from engine.spool.layout import Spool

MEMORY = 1 << 30
NICENESS = 5  # receiving goes first: what is not taken is refused, what is not planned only waits
STANDARD_STREAMS = 3
MOST_DESCRIPTORS = 1 << 20

Start = Callable[[], tuple[Work, str] | tuple[Work, str, tuple[str, ...]]]
"""Makes the worker's tools in its own process, and gives the key ids of the secret in force and of former ones."""


def starter(config: GatewayConfig, spool: Spool, routes: Routes) -> Start:
    """The way a real worker starts. Gets the secret only when it is called, and waits for it if it must."""

    def start() -> tuple[Work, str, tuple[str, ...]]:
        secrets = keyring(config, spool)
        secrets.load(wait=None)
        former = tuple(key_id for key_id in secrets.held if key_id != secrets.current)
        return Work(spool, routes, secrets), secrets.current, former

    return start


def spawn(start: Start, number: int = 0, run_dir: Path | None = None) -> tuple[int, socket.socket]:
    """Forks a worker; (its pid, our end of its socket). The parent must have no threads. With `run_dir` the worker
    counts as "worker-<number>". OSError if the system has no process to give.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent = os.getpid()
    try:
        pid = os.fork()
    except OSError:
        ours.close()
        theirs.close()
        raise
    if pid:
        theirs.close()
        return pid, ours
    code = 1
    try:
        _become_worker(parent, theirs)
        code = _serve(theirs, start, Pace.of(run_dir, number))
    except BaseException as error:  # noqa: BLE001 - nothing of the parent may run in this process
        log.get("worker").failure("crash", error)
    finally:
        os._exit(code)


def _become_worker(parent: int, mine: socket.socket) -> None:
    """Lets go of all that belongs to the parent."""
    die_with_parent(parent)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the coordinator drains, and then closes the socket
    os.closerange(STANDARD_STREAMS, mine.fileno())
    os.closerange(mine.fileno() + 1, MOST_DESCRIPTORS)
    leave_no_traces()
    limit_memory(MEMORY)
    os.nice(NICENESS)
    gc.freeze()


def _serve(mine: socket.socket, start: Start, pace: Pace | None) -> int:
    try:
        work, *key_ids = start()
    except PenstockError as error:
        _say(mine, [Unable(error.code, error.message, error.hint)])
        return 1
    _say(mine, [Ready(*key_ids)])
    tidying = Tidying()
    if pace is None:
        while data := mine.recv(DATAGRAM):
            _say(mine, work.do_all(decode_jobs(data)))
            tidying.look()
        return 0
    began = pace.now()
    while data := mine.recv(DATAGRAM):
        taken = pace.now()
        results = work.do_all(decode_jobs(data))
        done = pace.now()
        _say(mine, results)
        said = pace.now()
        pace.batch(taken - began, done - taken, said - done, work.scan_seconds, results)
        began = said
        tidying.look()
    return 0


def _say(mine: socket.socket, results: list[AnyResult]) -> None:
    mine.send(encode(results))
