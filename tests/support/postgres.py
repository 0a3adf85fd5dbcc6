"""A PostgreSQL server (Debian's) of a test run's own: in a folder, on a Unix socket, without a network port."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

USER = "penstock"


def binaries() -> Path | None:
    """Where initdb and pg_ctl are; None when PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


class PostgreSQL:
    """`start` it, `create` databases and connect to `url(name)`, then `stop` it.

    The server refuses to run as root, so for root it runs as the user `postgres`, who gets the folder.
    """

    def __init__(self) -> None:
        bin_folder = binaries()
        if bin_folder is None:
            raise FileNotFoundError("PostgreSQL is not installed: scripts/system-packages test")
        self._bin = bin_folder
        # Short, since the name of a Unix socket has at most 107 bytes; and open to the other user.
        self._sockets = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self._data = self._sockets / "data"
        self._data.mkdir(mode=0o700)
        self._as: list[str] = []
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            for path in (self._sockets, self._data):
                os.chown(path, owner.pw_uid, owner.pw_gid)
            self._as = ["runuser", "-u", "postgres", "--"]
        self._sockets.chmod(0o755)

    def start(self) -> None:
        """Make the cluster and start it."""
        self._run("initdb", "--pgdata", str(self._data), "--auth", "trust", "--username", USER, "--no-sync",
                  "--encoding", "UTF8", "--locale", "C")  # fmt: skip
        self.resume()

    def resume(self) -> None:
        """Start it again after a `halt`."""
        options = f"-c listen_addresses= -c unix_socket_directories={self._sockets} -c fsync=off -c max_connections=200"
        self._run("pg_ctl", "--pgdata", str(self._data), "--wait", "--log", str(self._sockets / "log"),
                  "--options", options, "start")  # fmt: skip

    def halt(self) -> None:
        """End it as a crash does; what it has stays."""
        self._run("pg_ctl", "--pgdata", str(self._data), "--mode", "immediate", "--wait", "stop")

    def stop(self) -> None:
        """End it, and remove what it kept."""
        self.halt()
        shutil.rmtree(self._sockets)

    def create(self, name: str) -> None:
        """Make an empty database."""
        self._run("createdb", "--host", str(self._sockets), "--username", USER, name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        self._run("dropdb", "--force", "--host", str(self._sockets), "--username", USER, name)

    def url(self, name: str) -> str:
        """What SQLAlchemy connects to."""
        return f"postgresql+psycopg://{USER}@/{name}?host={quote(str(self._sockets), safe='')}"

    def _run(self, program: str, *arguments: str) -> None:
        self._call([*self._as, str(self._bin / program), *arguments])

    @staticmethod
    def _call(command: Sequence[str]) -> None:
        done = subprocess.run(
            command,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stderr.decode(errors='replace')}")
