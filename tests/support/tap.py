"""Writes down every byte that a server process of the tests receives, after TLS has been taken off.

`PYTHONPATH` of the process names a folder whose `sitecustomize` puts the tap into uvicorn's protocol.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SOURCE = """
import os
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
_received = HttpToolsProtocol.data_received
_out = os.open(os.environ["PENSTOCK_TAP"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
def data_received(self, data):
    os.write(_out, bytes(data))
    _received(self, data)
HttpToolsProtocol.data_received = data_received
"""


@contextmanager
def tapped(folder: Path) -> Iterator[Path]:
    """Processes that start inside write what they receive to the file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(_SOURCE, encoding="utf-8")
    file = folder / "received"
    file.touch(mode=0o600)
    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "PENSTOCK_TAP")}
    os.environ.update(PYTHONPATH=str(folder), PENSTOCK_TAP=str(file))
    try:
        yield file
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
