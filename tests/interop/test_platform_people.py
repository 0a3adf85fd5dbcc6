"""People at a real platform of several processes, over TLS; and the commands for accounts and the trail."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import text

from engine.config import load_platform
from engine.platform.assembly import open_database
from tests.support.cli import penstock
from tests.support.platform_process import HOST, Pki, PlatformProcess
from tests.support.syslog import TlsSyslogServer

PASSWORD = "correct horse battery"


class Running:
    """Two serving processes, and the file of their configuration."""

    def __init__(self, folder: Path) -> None:
        self.pki = Pki(folder / "tls")
        self.process = PlatformProcess(folder / "platform", self.pki, "--workers", "2", web=True).start()
        self.config = str(folder / "platform" / "platform.toml")
        made = penstock("platform", "institution", "add", "--config", self.config, "alpha")
        assert made.code == 0, made.err

    def user(self, what: str, *arguments: str, password: str = PASSWORD) -> object:
        """`penstock platform user`; the JSON document."""
        command = (
            "platform",
            "user",
            what,
            *arguments,
            "--config",
            self.config,
            "--institution",
            "alpha",
            "--json",
        )
        ran = penstock(*command, stdin=f"{password}\n".encode())
        return ran.document | {"code": ran.code}

    def audit(self, what: str, *arguments: str) -> tuple[int, str, str]:
        """`penstock platform audit`."""
        return tuple(penstock("platform", "audit", what, "--config", self.config, *arguments))  # type: ignore[return-value]

    def ask(
        self, method: str, path: str, fields: dict[str, str] | None = None, cookie: str = ""
    ) -> http.client.HTTPResponse:
        """One request on a connection of its own, so that either process may answer it."""
        context = ssl.create_default_context(cafile=str(self.pki.ca))
        connection = http.client.HTTPSConnection(HOST, self.process.web_port, context=context, timeout=30)
        headers = {
            "Origin": f"https://{HOST}:{self.process.web_port}",
            "Accept": "application/json",
            "Connection": "close",
        }
        if cookie:
            headers["Cookie"] = cookie
        if fields is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, None if fields is None else urlencode(fields), headers)
        answer = connection.getresponse()
        answer.told = answer.read()  # type: ignore[attr-defined]
        connection.close()
        return answer

    def sign_in(self, name: str = "jane", password: str = PASSWORD) -> tuple[int, str]:
        """The status, and the cookie."""
        answer = self.ask("POST", "/sign-in", {"institution": "alpha", "name": name, "password": password})
        return answer.status, (answer.getheader("Set-Cookie") or "").split(";")[0]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("running"))
    assert running.user("add", "Jane", "--role", "administrator")["code"] == 0  # type: ignore[index]
    yield running
    assert running.process.stop() == 0


def test_a_session_that_one_process_began_the_other_knows_and_ends(running: Running) -> None:
    status, cookie = running.sign_in()
    assert status == 200 and cookie.startswith("__Host-penstock=")
    assert {running.ask("GET", "/audit/export?format=jsonl", cookie=cookie).status for _ in range(12)} == {
        200
    }
    assert running.user("password", "jane")["done"] == "password"  # type: ignore[index]
    assert {running.ask("GET", "/audit/export?format=jsonl", cookie=cookie).status for _ in range(12)} == {
        401
    }


def test_both_processes_count_wrong_passwords_together(running: Running) -> None:
    running.user("add", "locked", "--role", "auditor")
    statuses = [running.sign_in("locked", "a wrong password")[0] for _ in range(8)]
    assert statuses == [401] * 5 + [429] * 3
    assert running.sign_in("locked")[0] == 429
    running.user("password", "locked")
    assert running.sign_in("locked")[0] == 200


def test_the_command_says_what_is_wrong(running: Running) -> None:
    for arguments, password, code in (
        (("add", "bob", "--role", "king"), PASSWORD, "account-roles"),
        (("add", "b\u043eb", "--role", "auditor"), PASSWORD, "account-name"),
        (("add", "bob", "--role", "auditor"), "short", "password-short"),
        (("add", "jane", "--role", "auditor"), PASSWORD, "account-exists"),
        (("disable", "nobody"), "", "no-account"),
        (("disable", "jane"), "", "last-administrator"),
    ):
        told = running.user(*arguments, password=password)
        assert told["code"] == 1 and told["error"]["code"] == code, told  # type: ignore[index]


def test_accounts_are_listed_disabled_and_enabled_by_the_command(running: Running) -> None:
    running.user("add", "carl", "--role", "researcher", "--role", "auditor")
    assert running.user("disable", "CARL")["done"] == "disabled"  # type: ignore[index]
    assert running.sign_in("carl")[0] == 401
    listed = {one["name"]: one for one in running.user("list")["accounts"]}  # type: ignore[index]
    assert listed["carl"]["disabled"] and listed["carl"]["roles"] == ["auditor", "researcher"]
    running.user("enable", "carl")
    assert running.sign_in("carl")[0] == 200


def test_no_password_is_in_an_argument_or_the_log(running: Running) -> None:
    running.sign_in("jane", "a secret that is wrong")
    assert "horse" not in json.dumps(running.process.lines) and "secret that" not in json.dumps(
        running.process.lines
    )
    ran = penstock("platform", "user", "add", "x", "--password", "y", "--config", running.config)
    assert ran.code == 2


def test_the_trail_is_verified_shown_and_handed_over_by_the_commands(
    running: Running, tmp_path: Path
) -> None:
    running.sign_in("jane", "a wrong password")
    code, out, _ = running.audit("verify", "--json", "--anchors", str(tmp_path / "anchors"))
    assert code == 0 and json.loads(out)["intact"]
    code, out, _ = running.audit(
        "show", "--institution", "alpha", "--event", "sign-in", "--most", "1", "--json"
    )
    assert json.loads(out)["rows"][0]["outcome"] == "refused"
    code, out, _ = running.audit("export", "--institution", "alpha", "--format", "xml")
    assert code == 0 and all(line.startswith("<?xml") for line in out.splitlines())
    with TlsSyslogServer(running.pki.server) as server:
        place = f"{HOST}:{server.port}"
        code, _, err = running.audit(
            "export", "--syslog", place, "--ca", str(running.pki.ca), "--institution", "alpha"
        )
        assert code == 0, err
    assert len(server.messages) >= len(out.splitlines())
    assert running.audit("export", "--syslog", place)[0] == 2, "without a CA nothing is sent"


def test_the_command_names_what_somebody_did_to_the_trail(tmp_path: Path) -> None:
    running = Running(tmp_path)
    running.user("add", "jane", "--role", "administrator")
    for _ in range(3):
        running.sign_in("jane", "a wrong password")
    assert running.process.stop() == 0
    ended = json.loads(running.audit("show", "--institution", "", "--most", "1", "--json")[1])["rows"][0]
    assert (ended["event"], ended["outcome"]) == ("platform-stopped", "success")
    anchors = str(tmp_path / "anchors")
    assert running.audit("verify", "--institution", "alpha", "--anchors", anchors)[0] == 0
    database = open_database(load_platform(running.config))
    with database.begin() as connection:
        for name in ("update", "delete"):
            connection.execute(text(f"DROP TRIGGER audit_no_{name}"))
        connection.execute(text("UPDATE audit SET outcome = 'success' WHERE chain = 'alpha' AND number = 4"))
        connection.execute(text("DELETE FROM audit WHERE chain = 'alpha' AND number = 2"))
    database.close()
    code, out, _ = running.audit("verify", "--institution", "alpha", "--anchors", anchors, "--json")
    found = [(one["code"], one["row"]) for one in json.loads(out)["chains"][0]["findings"]]
    assert code == 1 and found == [("row-missing", 2), ("row-changed", 4)]
    code, out, _ = running.audit("verify", "--institution", "alpha")
    assert code == 1 and "row 4 was changed" in out and "rows 2 to 2 are missing" in out
