"""Which TCP ports of this network name space somebody listens on, without calling anybody."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

LISTENING: Final = "0A"  # TCP_LISTEN (proc_pid_net(5))


def listening() -> set[int]:
    """From the kernel's tables; those of the process, since a service may see no other part of /proc."""
    found = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
            for line in Path(f"/proc/self/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
                address, state = line.split()[1], line.split()[3]
                if state == LISTENING:
                    found.add(int(address.rpartition(":")[2], 16))
    return found


def all_listen(ports: Iterable[int]) -> bool:
    """Whether somebody listens on each; port 0 stands for any, and is not looked for."""
    wanted = {port for port in ports if port}
    return not wanted or wanted <= listening()
