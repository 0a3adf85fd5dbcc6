"""Run inside a unit: tries what the unit may do and what it must not. What each came to goes to STATE/probe.json.

`python probe.py STATE`. "did", or the error in words.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import resource
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

STATE = Path(sys.argv[1])
CREDENTIALS = Path(os.environ["CREDENTIALS_DIRECTORY"])
CLONE_NEWUSER = 0x10000000
PTRACE_TRACEME = 0
PER_LINUX32 = 8
EXECUTABLE = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
LIBC = ctypes.CDLL(None, use_errno=True)


def call(name: str, *words: object) -> None:
    if getattr(LIBC, name)(*words) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


TRIES: dict[str, Callable[[], object]] = {
    "write its state": lambda: (STATE / "probe").write_text("x"),
    "read a credential": lambda: next(CREDENTIALS.iterdir()).read_bytes(),
    "write /etc": lambda: Path("/etc/penstock/probe").write_text("x"),
    "write /usr": lambda: Path("/usr/lib/probe").write_text("x"),
    "write its own program": lambda: Path("/opt/penstock/venv/probe").write_text("x"),
    "see the kernel's settings": lambda: Path("/proc/sys/kernel/core_pattern").read_text(),
    "see who has a home": lambda: os.listdir("/home"),
    "see the credentials of all": lambda: os.listdir("/etc/credstore"),
    "see the temporary files of others": lambda: Path("/tmp/theirs").read_text(),
    "see a device": lambda: Path("/dev/theirs").read_bytes(),
    "make a cgroup": lambda: Path("/sys/fs/cgroup/probe").mkdir(),
    "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "make a namespace": lambda: call("unshare", CLONE_NEWUSER),
    "be traced": lambda: call("ptrace", PTRACE_TRACEME, 0, 0, 0),
    "become root": lambda: os.setuid(0),
    "map memory to write and to run": lambda: mmap.mmap(-1, mmap.PAGESIZE, prot=EXECUTABLE),
    "open a raw socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "open a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "set the host's name": lambda: socket.sethostname("probe"),
    "be scheduled in real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "make a file that gives rights": lambda: (STATE / "probe").chmod(0o4755),
    "change its personality": lambda: call("personality", PER_LINUX32),
    "allow core dumps": lambda: resource.setrlimit(resource.RLIMIT_CORE, (1, 1)),
}
told: dict[str, str] = {}
for what, attempt in TRIES.items():
    try:
        attempt()
    except OSError as error:
        told[what] = os.strerror(error.errno or 0)
    except ValueError as error:  # setrlimit's way to say that it may not
        told[what] = str(error)
    else:
        told[what] = "did"
(STATE / "probe.json").write_text(json.dumps(told))
