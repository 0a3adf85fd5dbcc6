"""An S3 server of others (moto) as a process on loopback, with one bucket."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import sys
import time
from pathlib import Path

import obstore
from obstore.store import S3Store

from engine.demo.process import free_port

BUCKET = "lake"
_PATIENCE = 60.0


class S3Server:
    """`start`, `stop`; after a stop it has forgotten everything."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> S3Server:
        """Run it, and make the bucket."""
        program = shutil.which("moto_server", path=str(Path(sys.executable).parent))
        assert program is not None, "moto is a package of the extra [dev]"
        with (self._folder / "s3.log").open("wb") as out:
            self._process = subprocess.Popen(
                [program, "-H", "127.0.0.1", "-p", str(self.port)], stdout=out, stderr=subprocess.STDOUT
            )
        until = time.monotonic() + _PATIENCE
        while not self._made_bucket():
            assert time.monotonic() < until, "the S3 server does not start"
            time.sleep(0.1)
        return self

    def _made_bucket(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        try:
            connection.request("PUT", f"/{BUCKET}", headers={"Host": "s3.amazonaws.com"})
            return connection.getresponse().status == 200
        except ConnectionError:
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        """End it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(_PATIENCE)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def store(self) -> S3Store:
        """The bucket, to look into and to damage."""
        config = {"endpoint": self.endpoint, "access_key_id": "test", "secret_access_key": "test"}
        return S3Store(BUCKET, region="us-east-1", config=config, client_options={"allow_http": True})  # type: ignore[arg-type]

    def listing(self) -> list[str]:
        """What is in the bucket."""
        return sorted(str(one["path"]) for page in obstore.list(self.store) for one in page)

    def read(self, key: str) -> bytes:
        return bytes(obstore.get(self.store, key).bytes())

    def write(self, key: str, content: bytes) -> None:
        obstore.put(self.store, key, content)
