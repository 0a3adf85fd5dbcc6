"""The blind look-up, end to end: what the platform receives, stores and logs has no Patient ID in it.

A real platform whose every received byte is written down, a real enrolled gateway, a real browser.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.support.blind_gateway import ADDRESS, BlindGateway
from tests.support.browser import CHROMIUM, DRIVER, Browser, chromium
from tests.support.tap import tapped
from tests.support.web_platform import FIRST, PASSWORD, SECOND, TENANT, Session, WebPlatform

CANARY = "CANARY-77"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class House:
    """A platform with a tap, and a gateway in a hospital."""

    def __init__(self, folder: Path) -> None:
        with tapped(folder / "tap") as self.tap:
            self.platform = WebPlatform(folder / "platform")
        for number in range(3):
            self.platform.store(number, CANARY, "2.25.7000", SECOND)
        self.platform.store(9, CANARY, "2.25.7001", FIRST)
        self.gateway = BlindGateway(folder / "gateway", self.platform)

    def ask(
        self, method: str, path: str, form: Mapping[str, str] | None = None, cookie: str = "", **headers: str
    ) -> tuple[int, list[tuple[str, str]], str]:
        """A request to the gateway's page without a browser."""
        context = ssl.create_default_context(cafile=str(self.platform.pki.ca))
        connection = http.client.HTTPSConnection(ADDRESS, self.gateway.port, context=context, timeout=60)
        sent = {"Origin": self.gateway.url, "Cookie": cookie, **(FORM if form is not None else {}), **headers}
        try:
            connection.request(method, path, None if form is None else urlencode(form), sent)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read().decode()
        finally:
            connection.close()

    def begin(self) -> tuple[str, dict[str, str]]:
        """A sign-in that begins: the browser's cookie, and what the platform is asked."""
        status, headers, _ = self.ask("POST", "/sign-in", {})
        assert status == 200
        (cookie,) = [value.split(";")[0] for name, value in headers if name == "set-cookie"]
        (refresh,) = [value for name, value in headers if name == "refresh"]
        asked = parse_qs(urlsplit(refresh.removeprefix("0; url=")).query)
        return cookie, {name: values[0] for name, values in asked.items()}

    def code(self, asked: Mapping[str, str], name: str = "anna") -> tuple[str, str]:
        """What the platform gives a person for it: where to, and the code."""
        _, headers, _ = Session(self.platform, name).post("/gateway-sign-in/confirm", asked)
        target = urlsplit(headers["refresh"].removeprefix("0; url="))
        return f"{target.scheme}://{target.netloc}{target.path}", parse_qs(target.query)["code"][0]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"))
    try:
        yield made
    finally:
        made.gateway.stop()
        made.platform.stop()


@pytest.fixture(scope="module")
def browser(house: House) -> Iterator[Browser]:
    if not (CHROMIUM.exists() and DRIVER.exists()):
        pytest.skip("needs Debian's chromium and chromium-driver: scripts/system-packages installs them")
    with chromium(house.platform.certificate, house.gateway.certificate) as made:
        yield made


def test_the_platform_never_gets_the_patient_id(house: House, browser: Browser) -> None:
    browser.go(house.gateway.url)
    assert "Patient IDs stay in this hospital." in browser.text()
    browser.press("Sign in")
    browser.fill("institution", TENANT)
    browser.fill("name", "anna")
    browser.fill("password", PASSWORD)
    browser.one("main form button").click()
    assert browser.has(f"{ADDRESS}:{house.gateway.port}")  # who asks is told
    browser.press("Go on as anna")
    browser.one("#ids").send_keys(CANARY + "\n")
    assert browser.has("2 studies", "#result")  # one under each version of the secret
    assert SECOND.hashed_id(CANARY) in browser.text("#result")
    assert browser.driver.current_url == f"{house.gateway.url}/"
    assert browser.complaints() == []
    received, kept = house.tap.read_bytes(), house.platform.kept()
    assert SECOND.hashed_id(CANARY).encode() in received  # the tap sees what comes
    assert SECOND.hashed_id(CANARY).encode() in kept
    assert CANARY.encode() not in received
    assert CANARY.encode() not in kept
    row = house.platform.trail()[-1]
    assert (row.actor_name, row.subject) == ("anna", SECOND.hashed_id(CANARY))
    assert json.loads(row.detail) == {"via": "gateway-page"}
    told = json.dumps(house.gateway.lines).encode()
    spool = b"".join(p.read_bytes() for p in house.gateway.folder.rglob("*") if p.is_file())
    assert CANARY.encode() not in told + spool  # nor does the gateway keep it


def test_the_command_asks_with_the_hash_alone(house: House) -> None:
    arguments = ("hash", "--stdin", "--config", str(house.gateway.config), "--studies")
    told = house.gateway.run(*arguments, stdin=f"{CANARY}\nNOBODY-1\n")
    assert told.splitlines() == [f"{SECOND.hashed_id(CANARY)}\t1", f"{SECOND.hashed_id('NOBODY-1')}\t0"]
    row = house.platform.trail()[-1]
    assert (row.actor_kind, json.loads(row.detail)["via"]) == ("gateway", "gateway-command")
    assert CANARY.encode() not in house.tap.read_bytes()


def test_a_code_slipped_into_another_browser_is_refused(house: House) -> None:
    """Signing somebody in as somebody else: the attacker's code and state meet another browser's cookie."""
    _, attackers = house.begin()
    victim, _ = house.begin()
    where, code = house.code(attackers)
    assert where == f"{house.gateway.url}/signed-in"
    status, headers, page = house.ask(
        "GET", f"/signed-in?{urlencode({'code': code, 'state': attackers['state']})}", cookie=victim
    )
    assert status == 403
    assert "did not begin in this browser" in page
    assert not any(name == "set-cookie" for name, _ in headers)


def test_a_code_is_worth_nothing_twice_or_for_another_sign_in(house: House) -> None:
    cookie, asked = house.begin()
    other, others = house.begin()
    _, code = house.code(asked)
    back = f"/signed-in?{urlencode({'code': code, 'state': others['state']})}"
    assert house.ask("GET", back, cookie=other)[0] == 403  # its challenge is another one's
    back = f"/signed-in?{urlencode({'code': code, 'state': asked['state']})}"
    assert house.ask("GET", back, cookie=cookie)[0] == 403  # the try before has used it up
    cookie, asked = house.begin()
    _, code = house.code(asked)
    back = f"/signed-in?{urlencode({'code': code, 'state': asked['state']})}"
    assert house.ask("GET", back, cookie=cookie)[0] == 200
    assert house.ask("GET", back, cookie=cookie)[0] == 403
    assert [row.outcome for row in house.platform.trail("calculator-sign-in")][-2:] == ["refused", "success"]


def test_nothing_in_a_request_says_where_a_code_goes(house: House) -> None:
    _, asked = house.begin()
    evil = {"redirect_uri": "https://evil.example", "url": "https://evil.example", "next": "//evil.example"}
    status, headers, page = Session(house.platform, "anna").post(
        "/gateway-sign-in/confirm", {**asked, **evil}
    )
    assert status == 200
    assert headers["refresh"].startswith(f"0; url={house.gateway.url}/signed-in?code=")
    assert "evil" not in page.decode() + str(dict(headers))


def test_who_may_not_calculate_gets_no_code(house: House) -> None:
    _, asked = house.begin()
    assert Session(house.platform, "otto").post("/gateway-sign-in/confirm", asked)[0] == 403
    anonymous = Session(house.platform).get(f"/gateway-sign-in/confirm?{urlencode(asked)}")
    assert anonymous[0] == 303
    assert anonymous[1]["location"].startswith("/sign-in?")


def test_only_pages_of_its_own_and_signed_in_people_ask(house: House) -> None:
    ask = {"ids": "1"}
    assert house.ask("POST", "/", ask)[0] == 401
    assert house.ask("POST", "/", ask, **{"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert house.ask("POST", "/", ask, Origin="https://evil.example")[0] == 403
    assert house.ask("GET", "/", Host="evil.example")[0] == 421
    cookie, asked = house.begin()
    _, code = house.code(asked)
    back = f"/signed-in?{urlencode({'code': code, 'state': asked['state']})}"
    _, headers, _ = house.ask("GET", back, cookie=cookie)
    (session,) = [v.split(";")[0] for n, v in headers if n == "set-cookie" and "penstock-calculator" in v]
    status, _, page = house.ask("POST", "/", ask, session)
    assert status == 422
    assert "not of this session" in page
    token = re.search(r'name="csrf" value="([^"]+)"', house.ask("GET", "/", cookie=session)[2])
    assert token is not None
    for nasty in ("<script>alert(1)</script>", "' OR 1=1 --", "x\r\nSet-Cookie: a=b", "{{ 7*7 }}"):
        status, headers, page = house.ask(
            "POST", "/", {"ids": nasty, "csrf": token[1], "column": ""}, session
        )
        assert status == 200
        assert "<script>alert" not in page
        assert not any(name == "set-cookie" for name, _ in headers)
    house.ask("POST", "/sign-out", {"csrf": token[1]}, session)
    assert house.ask("POST", "/", {**ask, "csrf": token[1]}, session)[0] == 401


def test_hashed_ids_are_there_while_the_platform_is_away(house: House, browser: Browser) -> None:
    """Last of this file: it stops the platform."""
    browser.go(house.gateway.url)
    house.platform.stop()
    browser.one("#ids").send_keys(CANARY + "\n")
    assert browser.has("The hashed IDs are right, but the studies are not known.", "#result")
    assert SECOND.hashed_id(CANARY) in browser.text("#result")
