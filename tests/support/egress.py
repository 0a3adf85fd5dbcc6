"""Everything that the gateway's processes put on the network, before and after TLS: a library that is preloaded into them."""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

SOURCE = Path(__file__).with_name("egress.c")
UID = re.compile(rb"[0-9.]+")
KINDS = ("answers", "out", "tls")
MUST_HOLD = {"answers": b"1.2.840.10008.3.1.1.1", "out": b"\x16\x03", "tls": b"multipart/related"}
"""What is in each if it sees anything: the application context (PS3.7 A.2.1), a TLS handshake, a STOW-RS request."""


class Egress:
    """`answers`: what the receiver says to its senders; `out`: what goes anywhere else, as it is on the wire; `tls`: what is
    encrypted, before it is."""

    def __init__(self, folder: Path, port: int) -> None:
        """`port`: of the receiver. `folder` is made."""
        self.folder = folder
        self.port = port
        self.library = folder / "egress.so"
        folder.mkdir()
        command = ["gcc", "-O1", "-shared", "-fPIC", "-o", str(self.library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True, capture_output=True)

    @contextlib.contextmanager
    def worn(self) -> Iterator[None]:
        """Processes that are started inside this are listened to, and their children."""
        wanted = {
            "LD_PRELOAD": str(self.library),
            "PENSTOCK_EGRESS": str(self.folder),
            "PENSTOCK_EGRESS_PORT": str(self.port),
        }
        os.environ |= wanted
        try:
            yield
        finally:
            for name in wanted:
                del os.environ[name]

    def size(self, kind: str) -> int:
        """Bytes that were seen; 0 if none were."""
        path = self.folder / kind
        return path.stat().st_size if path.exists() else 0

    def deaf(self) -> list[str]:
        """The kinds in which not even that was seen which must be there."""
        return [kind for kind, sign in MUST_HOLD.items() if not self.holds(kind, [sign])]

    def hits(self, words: Iterable[bytes]) -> list[str]:
        """The kinds in which one of the words is. An answer names the object that it answers (PS3.7 9.3.1.2), to the one who
        sent it: UIDs are not looked for there."""
        words = list(words)
        told = [word for word in words if not UID.fullmatch(word)]
        return [kind for kind in KINDS if self.holds(kind, told if kind == "answers" else words)]

    def holds(self, kind: str, words: Iterable[bytes]) -> bool:
        """Whether one of the words was seen."""
        if not self.size(kind):
            return False
        with (
            (self.folder / kind).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as seen,
        ):
            return any(seen.find(word) >= 0 for word in words)
