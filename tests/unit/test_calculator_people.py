"""Sign-ins and sessions of the gateway's calculator, and who may come at all."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message

from engine.calculator.app import sign_in_address
from engine.calculator.asking import Ticket
from engine.calculator.gate import Gate
from engine.calculator.people import IDLE_SECONDS, SIGN_IN_SECONDS, People
from engine.config import CalculatorConfig
from engine.platform.calculators.registry import challenge_of

TICKET = Ticket("secret-ticket", "anna", "Hospital X", 3600)
URL = "https://gateway.example:8445"
SETTINGS = CalculatorConfig(
    url=URL, certificate=Path("c"), key=Path("k"), networks=("10.0.0.0/8", "2001:db8::/32")
)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_sign_in_belongs_to_its_browser_and_state_and_can_be_taken_once() -> None:
    people = People()
    cookie, made = people.begin()
    other_cookie, other = people.begin()
    assert people.take(other_cookie, made.state) is None
    assert people.take("", made.state) is None
    assert people.take(cookie, other.state) is None
    assert people.take(cookie, "") is None
    assert people.take(cookie, made.state) is made
    assert people.take(cookie, made.state) is None


def test_a_sign_in_that_took_too_long_is_none() -> None:
    clock = Clock()
    people = People(clock)
    cookie, made = people.begin()
    clock.now += SIGN_IN_SECONDS
    assert people.take(cookie, made.state) is None


def test_gateway_and_platform_make_the_same_challenge() -> None:
    _, made = People().begin()
    assert made.challenge == challenge_of(made.verifier)
    assert made.verifier not in repr(made)


def test_a_session_ends_when_idle_when_its_ticket_ends_and_when_left() -> None:
    clock = Clock()
    people = People(clock)
    idle, left = people.enter(TICKET), people.enter(TICKET)
    people.leave(left)
    assert people.find(left) is None
    clock.now += IDLE_SECONDS - 1
    assert people.find(idle) is not None
    clock.now += IDLE_SECONDS
    assert people.find(idle) is None
    busy = people.enter(TICKET)
    for _ in range(4):
        clock.now += 899
        assert people.find(busy) is not None
    clock.now += 899
    assert people.find(busy) is None


def test_nothing_secret_shows_in_a_repr() -> None:
    people = People()
    session = people.find(people.enter(TICKET))
    assert session is not None
    assert session.csrf not in repr(session)
    assert "secret-ticket" not in repr(session) + repr(TICKET)


@pytest.mark.parametrize(
    ("address", "admitted"),
    [
        ("10.2.3.4", True),
        ("::ffff:10.2.3.4", True),
        ("2001:db8::7", True),
        ("192.0.2.1", False),
        ("::1", False),
        ("", False),
        ("testclient", False),
    ],
)
def test_only_the_hospitals_networks_are_admitted(address: str, admitted: bool) -> None:
    assert SETTINGS.admits(address) is admitted


@pytest.mark.parametrize(
    ("method", "address", "headers", "status"),
    [
        ("GET", "10.0.0.1", {"host": "gateway.example:8445"}, 200),
        ("GET", "10.0.0.1", {"host": "GATEWAY.example:8445"}, 200),
        ("GET", "192.0.2.1", {"host": "gateway.example:8445"}, 403),
        ("GET", "10.0.0.1", {"host": "evil.example"}, 421),
        ("GET", "10.0.0.1", {}, 421),
        ("POST", "10.0.0.1", {"host": "gateway.example:8445", "sec-fetch-site": "same-origin"}, 200),
        ("POST", "10.0.0.1", {"host": "gateway.example:8445", "origin": URL}, 200),
        ("POST", "10.0.0.1", {"host": "gateway.example:8445", "sec-fetch-site": "cross-site", "origin": URL}, 403),
        ("POST", "10.0.0.1", {"host": "gateway.example:8445", "sec-fetch-site": "same-site"}, 403),
        ("POST", "10.0.0.1", {"host": "gateway.example:8445", "origin": "null"}, 403),
        ("POST", "10.0.0.1", {"host": "gateway.example:8445"}, 403),
    ],
)  # fmt: skip
def test_the_gate_lets_the_hospitals_browsers_in(
    method: str, address: str, headers: dict[str, str], status: int
) -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": "/",
        "client": (address, 1),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(Gate(PlainTextResponse("in"), settings=SETTINGS)(scope, receive, send))
    assert sent[0]["status"] == status
    told = dict(sent[0]["headers"])
    assert told[b"cache-control"] == b"no-store"
    assert b"default-src 'none'" in told[b"content-security-policy"]


def test_people_sign_in_at_the_platforms_host() -> None:
    assert sign_in_address("https://platform.example:8443/dicom-web", 8444) == "https://platform.example:8444"
    assert sign_in_address("https://[2001:db8::1]:8443", 8444) == "https://[2001:db8::1]:8444"


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://gateway.example"},
        {"url": "https://gateway.example/calculator"},
        {"url": "https://a:b@gateway.example"},
        {"sign_in": "platform.example"},
        {"networks": ()},
        {"networks": ("10.0.0.1/8",)},
        {"networks": ("hospital",)},
    ],
)
def test_a_wrong_section_is_refused(wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {
        "url": URL,
        "certificate": Path("c"),
        "key": Path("k"),
        "networks": ("10.0.0.0/8",),
    }
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CalculatorConfig(**{**given, **wrong})
