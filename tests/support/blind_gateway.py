"""A gateway that is enrolled at a platform of the tests, running, with a calculator of its own."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from engine.demo.process import free_port
from tests.support.web_platform import WebPlatform

ADDRESS = "127.0.0.1"  # not the name that the platform has: another site for browsers
PATIENCE = 60.0
_CONFIG = """
[spool]
path = "spool"
[receiver]
host = "127.0.0.1"
port = 0
[enrolment]
folder = "identity"
check_seconds = 1.0
[calculator]
host = "127.0.0.1"
port = {port}
url = "{url}"
certificate = "{certificate}"
key = "{key}"
networks = {networks}
sign_in = "{sign_in}"
[pool]
workers = 1
"""


class BlindGateway:
    """`penstock enroll`, then `penstock up`."""

    def __init__(
        self, folder: Path, platform: WebPlatform, *, networks: tuple[str, ...] = ("127.0.0.0/8",)
    ) -> None:
        folder.mkdir(parents=True)
        self.folder, self.port = folder, free_port()
        self.url = f"https://{ADDRESS}:{self.port}"
        self.certificate, key = platform.pki.keep(
            "calculator", platform.pki.authority.issue_server([ADDRESS])
        )
        self.config = folder / "gateway.toml"
        self.config.write_text(
            _CONFIG.format(
                port=self.port,
                url=self.url,
                certificate=self.certificate,
                key=key,
                networks=json.dumps(networks),
                sign_in=platform.url,
            ),
            encoding="utf-8",
        )
        self.run("enroll", platform.url, "--config", str(self.config), stdin=platform.token())
        self.lines: list[dict[str, Any]] = []
        command = [sys.executable, "-m", "engine.cli", "up", "--config", str(self.config)]
        self._process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        listening: queue.Queue[bool] = queue.Queue()
        threading.Thread(target=self._read, args=(listening,), daemon=True).start()
        assert listening.get(timeout=PATIENCE), f"the calculator did not start: {self.lines}"

    def run(self, *arguments: str, stdin: str = "") -> str:
        """A command of penstock; its standard output."""
        done = subprocess.run(
            [sys.executable, "-m", "engine.cli", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _read(self, listening: queue.Queue[bool]) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                told = json.loads(line) if line.startswith("{") else {"event": "text", "text": line}
                self.lines.append(told)
                if told.get("logger") == "calculator" and told["event"] == "listening":
                    listening.put(True)
        listening.put(False)

    def stop(self) -> None:
        """End it in order."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(PATIENCE)
