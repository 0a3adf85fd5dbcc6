"""A platform process with an institution, people of every role, a hash secret and studies; for tests of pages."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import delete

from engine.config import load_platform
from engine.platform.administration import administration
from engine.platform.audit import Entry
from engine.platform.database.people import ATTEMPTS
from engine.pseudonymize.identity import HashSecret
from tests.support.platform_process import HOST, Pki, PlatformProcess, pseudonymized

TENANT, TITLE = "hospital-x", "Hospital X"
PASSWORD = "seven calm rivers"
ROLES = ("administrator", "calculator", "researcher", "auditor")
CALCULATOR = "anna"
PEOPLE = {"ada": "administrator", CALCULATOR: "calculator", "rosa": "researcher", "otto": "auditor"}
FIRST, SECOND = HashSecret(b"1" * 32), HashSecret(b"2" * 32)


class WebPlatform:
    """The running process; `url` is where people go. Two versions of the hash secret, FIRST and SECOND."""

    def __init__(self, folder: Path, *, settings: str = "") -> None:
        self.pki = Pki(folder / "tls")
        self.client = self.pki.keep("tenant", self.pki.authority.issue_client(TENANT))
        self.process = PlatformProcess(folder / "platform", self.pki, web=True, settings=settings)
        self.process.start()
        with administration(load_platform(folder / "platform" / "platform.toml")) as room:
            room.institutions.add(TENANT, TITLE)
            room.institutions.add("other", "Other House")
            vault = room.vault()
            for secret in (FIRST, SECOND):
                vault.import_secret(TENANT, secret)
            for name, role in PEOPLE.items():
                room.accounts.create(TENANT, name, PASSWORD, [role], by=room.operator)
        self.config = folder / "platform" / "platform.toml"

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.process.web_port}"

    @property
    def certificate(self) -> Path:
        return self.pki.server[0]

    def store(self, number: int, patient: str, study: str, secret: HashSecret = SECOND) -> None:
        """One object of a patient, as the gateway would send it."""
        from tests.support.platform_process import content_type, multipart

        body = multipart([pseudonymized(number, study, hashed_id=secret.hashed_id(patient))])
        connection = self.process.connect(self.pki.context(self.client))
        try:
            connection.request("POST", "/studies", body, {"Content-Type": content_type()})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
        finally:
            connection.close()

    def trail(self, event: str = "look-up") -> list[Entry]:
        """The institution's audit rows of one event."""
        with administration(load_platform(self.config)) as room:
            return [row for row in room.audit.rows(TENANT) if row.event == event]

    def token(self) -> str:
        """For the enrolment of one gateway."""
        with administration(load_platform(self.config)) as room:
            return room.gateways().new_token(TENANT, room.operator)

    def forget_attempts(self) -> None:
        """Nobody is locked out any more."""
        with administration(load_platform(self.config)) as room, room.database.begin() as connection:
            connection.execute(delete(ATTEMPTS))

    def kept(self) -> bytes:
        """All that lies in the platform's folder: database, its log of changes, objects, and the process's log."""
        files = [path.read_bytes() for path in self.config.parent.rglob("*") if path.is_file()]
        return b"".join(files) + json.dumps(list(self.process.lines)).encode()

    def stop(self) -> None:
        self.process.stop()


class Session:
    """A person without a browser: HTTP with the session's cookie and token."""

    def __init__(self, platform: WebPlatform, name: str = "") -> None:
        self.platform = platform
        self.cookie = self.csrf = ""
        if name:
            form = {"institution": TENANT, "name": name, "password": PASSWORD, "next": "/"}
            status, headers, _ = self.post("/sign-in", form)
            assert status == 303, status
            self.cookie = headers["set-cookie"].split(";")[0]
            _, _, page = self.get("/account")
            token = re.search(rb'name="csrf" value="([^"]+)"', page)
            assert token is not None
            self.csrf = token[1].decode()

    def get(self, path: str) -> tuple[int, Mapping[str, str], bytes]:
        """GET; status, headers in lower case, body."""
        return self.send("GET", path)

    def post(self, path: str, form: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        """POST a form with the session's token in it."""
        body = urlencode({"csrf": self.csrf, **form}, doseq=True).encode()
        return self.send("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"})

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Any request."""
        context = ssl.create_default_context(cafile=str(self.platform.pki.ca))
        port = self.platform.process.web_port
        connection = http.client.HTTPSConnection(HOST, port, context=context, timeout=60)
        sent = {"Origin": self.platform.url, **(headers or {})}
        if self.cookie:
            sent["Cookie"] = self.cookie
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, named, answer.read()
        finally:
            connection.close()


def settle(seconds: float = 0.3) -> None:
    """Let a picture's animations end."""
    time.sleep(seconds)
