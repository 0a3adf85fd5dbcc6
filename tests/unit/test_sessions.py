"""Sessions: how they begin, how long they live, and everything that ends them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from engine.platform.audit import SYSTEM
from engine.platform.database.people import SESSIONS
from engine.platform.errors import AccountError
from engine.platform.permissions import Role
from tests.support.people import ADDRESS, PASSWORD, People

pytest_plugins = ("tests.support.databases", "tests.support.people_fixtures")


def _alive(people: People, token: str) -> bool:
    return people.accounts.sessions.find(token) is not None


def test_a_session_says_who_it_is(people: People) -> None:
    account = people.make("jane", "administrator", "auditor")
    person = people.accounts.sessions.find(people.sign_in().token, ADDRESS)
    assert person is not None
    assert (person.account_id, person.name, person.tenant) == (account.account_id, "jane", "alpha")
    assert person.roles == {Role.ADMINISTRATOR, Role.AUDITOR}
    assert person.actor.address == ADDRESS and len(person.csrf) == 64


def test_the_database_holds_no_token_and_no_csrf_token(people: People) -> None:
    people.make()
    token = people.sign_in().token
    person = people.accounts.sessions.find(token)
    assert person is not None
    with people.database.read() as connection:
        kept = str(connection.execute(select(SESSIONS)).all())
    assert token not in kept and person.csrf not in kept and person.session_id in kept
    assert not _alive(people, person.session_id), "what the database holds must not open a session"


def test_tokens_are_long_and_never_the_same(people: People) -> None:
    people.make()
    tokens = {people.sign_in().token for _ in range(5)}
    assert len(tokens) == 5 and {len(token) for token in tokens} == {43}


def test_a_session_ends_when_nobody_uses_it(people: People) -> None:
    people.make()
    token = people.sign_in().token
    for _ in range(5):
        people.clock.pass_(1700)
        assert _alive(people, token)
    people.clock.pass_(1801)
    assert not _alive(people, token)


def test_a_session_ends_in_the_end_however_busy_it_is(people: People) -> None:
    people.make()
    token = people.sign_in().token
    for _ in range(42):
        people.clock.pass_(1000)
        assert _alive(people, token)
    people.clock.pass_(1201)
    assert not _alive(people, token)


def test_a_session_that_has_ended_cannot_be_woken(people: People) -> None:
    people.make()
    token = people.sign_in().token
    people.clock.pass_(1801)
    assert not _alive(people, token)
    people.accounts.sessions.sweep()
    people.clock.pass_(-1801)
    assert not _alive(people, token)


def test_signing_out_ends_the_session_and_a_replay_of_its_token_is_nobody(people: People) -> None:
    people.make()
    first, second = people.sign_in().token, people.sign_in().token
    person = people.accounts.sessions.find(first)
    assert person is not None
    people.signing_in.end(person)
    assert not _alive(people, first) and _alive(people, second)
    assert people.rows(event="sign-out")[-1].subject == "jane"


def test_signing_in_again_ends_the_session_that_the_browser_had(people: People) -> None:
    people.make()
    old = people.sign_in().token
    new = people.signing_in.by_password("alpha", "jane", PASSWORD, address=ADDRESS, old_token=old).token
    assert not _alive(people, old) and _alive(people, new)


def test_a_token_that_somebody_planted_is_not_taken_over(people: People) -> None:
    """Session fixation: what the browser brings never becomes the session."""
    people.make()
    planted = "A" * 43
    token = people.signing_in.by_password("alpha", "jane", PASSWORD, address=ADDRESS, old_token=planted).token
    assert token != planted and not _alive(people, planted)


@pytest.mark.parametrize("change", ["roles", "password", "disable", "sign-out"])
def test_every_session_ends_when_the_account_changes(people: People, change: str) -> None:
    people.make("jane")
    bob = people.make("bob", "auditor")
    tokens = [people.sign_in("bob").token for _ in range(3)]
    others = people.sign_in("jane").token
    accounts = people.accounts
    changes: dict[str, Callable[[], object]] = {
        "roles": lambda: accounts.set_roles("alpha", bob.account_id, ["researcher"], by=SYSTEM),
        "password": lambda: accounts.set_password("alpha", bob.account_id, "another long phrase", by=SYSTEM),
        "disable": lambda: accounts.disable("alpha", bob.account_id, by=SYSTEM),
        "sign-out": lambda: accounts.sign_out("alpha", bob.account_id, by=SYSTEM),
    }
    changes[change]()
    assert not any(_alive(people, token) for token in tokens)
    assert _alive(people, others)


def test_a_new_password_of_ones_own_ends_all_sessions_but_gives_a_new_one(people: People) -> None:
    people.make()
    first, second = people.sign_in().token, people.sign_in().token
    person = people.accounts.sessions.find(first)
    assert person is not None
    begun = people.signing_in.change_password(person, PASSWORD, "another long phrase")
    assert [_alive(people, token) for token in (first, second, begun.token)] == [False, False, True]
    with pytest.raises(AccountError):
        people.sign_in()
    people.sign_in(password="another long phrase")


def test_a_new_password_needs_the_present_one(people: People) -> None:
    people.make()
    person = people.accounts.sessions.find(people.sign_in().token)
    assert person is not None
    with pytest.raises(AccountError) as refused:
        people.signing_in.change_password(person, "not the present one", "another long phrase")
    assert refused.value.code == "password-wrong"
    assert people.rows(event="account-password")[-1].outcome == "refused"
    people.sign_in()


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "A" * 1_000_000, "\0" * 43, "\ud800" * 43, "ü" * 43])
def test_a_forged_token_is_nobody(people: People, token: str) -> None:
    people.make()
    people.sign_in()
    assert not _alive(people, token)


def test_each_session_has_a_csrf_token_of_its_own(people: People) -> None:
    people.make()
    persons = [people.accounts.sessions.find(people.sign_in().token) for _ in range(3)]
    assert len({person.csrf for person in persons if person}) == 3


def test_a_token_does_not_show_in_a_representation(people: People) -> None:
    people.make()
    begun = people.sign_in()
    assert begun.token not in repr(begun)


def test_sessions_that_ended_by_themselves_are_removed_when_others_begin(people: People) -> None:
    people.make()
    for _ in range(3):
        people.sign_in()
    people.clock.pass_(50_000)
    for _ in range(62):
        people.sign_in()
    with people.database.read() as connection:
        started = {row.started for row in connection.execute(select(SESSIONS))}
    assert started == {people.clock.now}
