"""Delegated sign-in: no open redirect, no code that works twice, elsewhere, later or for somebody else."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import pytest
from sqlalchemy import insert

from engine.platform.accounts.person import Person
from engine.platform.audit import Actor
from engine.platform.calculators.registry import CODE_SECONDS, Calculators, Ticket, challenge_of, check_url
from engine.platform.database.gateways import GATEWAYS
from engine.platform.errors import AccountError
from engine.platform.permissions import Role
from tests.support.people import People

pytest_plugins = ("tests.support.databases", "tests.support.people_fixtures")

GATEWAY, ELSEWHERE = "0123456789abcdef", "fedcba9876543210"
URL = "https://gateway.hospital.example:8445"
BY = Actor("gateway", "gw", "192.0.2.9")
VERIFIER, STATE = secrets.token_urlsafe(32), secrets.token_urlsafe(32)


@dataclass
class Room:
    people: People
    calculators: Calculators

    def person(self, name: str = "jane", *roles: str, tenant: str = "alpha") -> Person:
        account = self.people.make(name, *(roles or ("calculator",)), tenant=tenant)
        return Person(account.account_id, account.name, account.tenant, account.roles, "", "", "192.0.2.7")

    def code(self, person: Person, verifier: str = VERIFIER) -> str:
        challenge = challenge_of(verifier)
        return self.calculators.code(self.calculators.asking(GATEWAY, STATE, challenge), person, challenge)

    def redeem(
        self, code: str, verifier: str = VERIFIER, tenant: str = "alpha", gateway: str = GATEWAY
    ) -> Ticket:
        return self.calculators.redeem(tenant, gateway, code, verifier, BY)


@pytest.fixture
def room(people: People) -> Room:
    with people.database.begin() as connection:
        for gateway_id, tenant in ((GATEWAY, "alpha"), (ELSEWHERE, "beta")):
            row = {"name": "gw", "epoch": 1, "state": "enrolled", "enrolled": 1, "expires": 2}
            connection.execute(insert(GATEWAYS).values(gateway_id=gateway_id, tenant=tenant, **row))
    made = Calculators(people.database, people.audit, 3600, clock=people.clock)
    made.announce("alpha", GATEWAY, URL, BY)
    made.announce("beta", ELSEWHERE, "https://elsewhere.example", BY)
    return Room(people, made)


def _refused(work: object, code: str = "code-refused") -> None:
    with pytest.raises(AccountError) as refused:
        work()  # type: ignore[operator]
    assert refused.value.code == code


def test_a_code_makes_a_ticket_that_stands_for_the_person(room: Room) -> None:
    person = room.person()
    ticket = room.redeem(room.code(person))
    assert (ticket.name, ticket.account_id) == ("jane", person.account_id)
    held = room.calculators.holder("alpha", GATEWAY, ticket.token, "192.0.2.9")
    assert (held.account_id, held.tenant, held.has(Role.CALCULATOR)) == (person.account_id, "alpha", True)
    assert ticket.token not in repr(ticket)
    (row,) = room.people.rows(event="calculator-sign-in")
    assert (row.actor_name, row.outcome) == ("jane", "success")


def test_a_code_is_good_once_and_for_a_minute(room: Room) -> None:
    person = room.person()
    code = room.code(person)
    room.redeem(code)
    _refused(lambda: room.redeem(code))
    late = room.code(person)
    room.people.clock.pass_(CODE_SECONDS + 1)
    _refused(lambda: room.redeem(late))
    assert [row.outcome for row in room.people.rows(event="calculator-sign-in")] == [
        "success",
        "refused",
        "refused",
    ]


def test_a_code_that_leaked_is_of_no_use(room: Room) -> None:
    person = room.person()
    for wrong in (
        {"verifier": secrets.token_urlsafe(32)},
        {"verifier": ""},
        {"gateway": ELSEWHERE, "tenant": "beta"},
        {"tenant": "beta"},
    ):
        code = room.code(person)
        _refused(lambda code=code, wrong=wrong: room.redeem(code, **wrong))
        _refused(lambda code=code: room.redeem(code))  # a wrong try uses it up
    _refused(lambda: room.redeem("' OR 1=1 --"))


def test_nobody_gets_a_code_for_another_institution_or_without_the_role(room: Room) -> None:
    stranger, auditor = room.person("bob", tenant="beta"), room.person("otto", "auditor")
    for person in (stranger, auditor):
        _refused(lambda person=person: room.code(person), "not-allowed")
    assert [row.outcome for row in room.people.rows("beta", "calculator-sign-in")] == ["refused"]


def test_who_is_disabled_or_loses_the_role_meanwhile_is_out(room: Room) -> None:
    person, other = room.person(), room.person("anne")
    room.people.make("boss")
    accounts, by = room.people.accounts, Actor("person", "boss")
    code, ticket = room.code(person), room.redeem(room.code(other))
    accounts.disable("alpha", person.account_id, by=by)
    _refused(lambda: room.redeem(code))
    accounts.set_roles("alpha", other.account_id, ["researcher"], by=by)
    _refused(lambda: room.calculators.holder("alpha", GATEWAY, ticket.token, ""), "session-ended")


def test_a_ticket_ends_and_belongs_to_one_gateway(room: Room) -> None:
    ticket = room.redeem(room.code(room.person()))
    for tenant, gateway in (("beta", ELSEWHERE), ("alpha", ELSEWHERE), ("beta", GATEWAY)):
        _refused(
            lambda tenant=tenant, gateway=gateway: room.calculators.holder(tenant, gateway, ticket.token, ""),
            "session-ended",
        )
    room.calculators.end(ELSEWHERE, ticket.token)  # not its own: nothing happens
    assert room.calculators.holder("alpha", GATEWAY, ticket.token, "").name == "jane"
    room.people.clock.pass_(3601)
    _refused(lambda: room.calculators.holder("alpha", GATEWAY, ticket.token, ""), "session-ended")
    fresh = room.redeem(room.code(room.person("anne")))
    room.calculators.end(GATEWAY, fresh.token)
    _refused(lambda: room.calculators.holder("alpha", GATEWAY, fresh.token, ""), "session-ended")


@pytest.mark.parametrize(
    ("gateway", "state", "challenge"),
    [
        ("0" * 16, STATE, challenge_of(VERIFIER)),
        ("' OR 1=1 --", STATE, challenge_of(VERIFIER)),
        (GATEWAY, "", challenge_of(VERIFIER)),
        (GATEWAY, "x\r\nSet-Cookie: a=b", challenge_of(VERIFIER)),
        (GATEWAY, STATE + "&next=//evil", challenge_of(VERIFIER)),
        (GATEWAY, STATE, "<script>"),
    ],
)
def test_a_request_of_nobody_leads_nowhere(room: Room, gateway: str, state: str, challenge: str) -> None:
    _refused(lambda: room.calculators.asking(gateway, state, challenge), "calculator-unknown")


def test_the_address_is_the_announced_one(room: Room) -> None:
    assert room.calculators.asking(GATEWAY, STATE, challenge_of(VERIFIER)).url == URL
    room.calculators.announce("alpha", GATEWAY, "https://moved.example", BY)
    assert room.calculators.asking(GATEWAY, STATE, challenge_of(VERIFIER)).host == "moved.example"
    room.calculators.announce("alpha", GATEWAY, "https://moved.example", BY)  # told again: no news
    assert len(room.people.rows(event="calculator-announced")) == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://gateway.example",
        "javascript:alert(1)",
        "https://",
        "https://user@gateway.example",
        "https://gateway.example/path",
        "https://gateway.example?x=1",
        "https://gateway.example#x",
        "https://gate way.example",
        "https://gateway.example\r\nSet-Cookie: a=b",
        "https://gateway.example:0",
        "https://gateway.example:99999",
        "https://gateway.example\\@evil.example",
        "https://" + "a" * 300 + ".example",
    ],
)
def test_an_address_that_is_more_than_a_host_is_refused(url: str) -> None:
    _refused(lambda: check_url(url), "calculator-url")


def test_nothing_in_the_database_signs_anybody_in(room: Room) -> None:
    code = room.code(room.person())
    ticket = room.redeem(room.code(room.person("anne")))
    from engine.platform.database.calculators import CALCULATOR_CODES, CALCULATOR_TICKETS

    with room.people.database.read() as connection:
        rows = [
            *connection.execute(CALCULATOR_CODES.select()),
            *connection.execute(CALCULATOR_TICKETS.select()),
        ]
    assert len(rows) == 2
    assert not any(secret in repr(rows) for secret in (code, ticket.token, VERIFIER))
