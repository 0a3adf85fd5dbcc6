"""Rate limits and lock-out, shared by processes through the database."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select

from engine.platform.accounts.attempts import ACCOUNT, ADDRESS, Attempts, Limit, network
from engine.platform.audit import SYSTEM
from engine.platform.database import Database
from engine.platform.database.people import ATTEMPTS
from engine.platform.errors import AccountError
from tests.support.people import PASSWORD, People

pytest_plugins = ("tests.support.databases", "tests.support.people_fixtures")


def _fail(
    people: People, name: str = "jane", address: str = "192.0.2.7", tenant: str = "alpha"
) -> AccountError:
    with pytest.raises(AccountError) as refused:
        people.sign_in(name, "a wrong password", address=address, tenant=tenant)
    return refused.value


@pytest.mark.parametrize("name", ["jane", "nobody"])
def test_five_wrong_passwords_lock_a_name_out_for_a_minute_known_or_not(people: People, name: str) -> None:
    people.make()
    codes = [_fail(people, name).code for _ in range(6)]
    assert codes == ["sign-in-refused"] * 5 + ["too-many-attempts"]
    people.clock.pass_(59)
    problem = _fail(people, name)
    assert (problem.code, problem.wait) == ("too-many-attempts", 1)
    people.clock.pass_(2)
    assert _fail(people, name).code == "sign-in-refused"


def test_the_right_password_does_not_end_a_lock_out(people: People) -> None:
    people.make()
    for _ in range(5):
        _fail(people)
    with pytest.raises(AccountError) as refused:
        people.sign_in()
    assert refused.value.code == "too-many-attempts"
    people.clock.pass_(61)
    people.sign_in()


def test_each_further_failure_doubles_the_wait_up_to_an_hour(people: People) -> None:
    people.make()
    for _ in range(5):
        _fail(people)
    waits = []
    for _ in range(9):
        problem = _fail(people)
        waits.append(problem.wait)
        people.clock.pass_(problem.wait + 1)
        assert _fail(people).code == "sign-in-refused"
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_a_sign_in_makes_the_count_begin_anew(people: People) -> None:
    people.make()
    for _ in range(3):
        for _ in range(4):
            assert _fail(people).code == "sign-in-refused"
        people.sign_in()


def test_an_administrator_ends_a_lock_out_by_a_new_password(people: People) -> None:
    account = people.make()
    for _ in range(6):
        _fail(people)
    people.accounts.set_password("alpha", account.account_id, "another long phrase", by=SYSTEM)
    people.sign_in(password="another long phrase")


def test_a_lock_out_is_of_one_institution_alone(people: People) -> None:
    people.make()
    people.make(tenant="beta")
    for _ in range(6):
        _fail(people)
    people.sign_in(tenant="beta")


def test_an_address_that_tries_many_names_is_stopped(people: People) -> None:
    people.make()
    for number in range(50):
        assert _fail(people, f"name{number}").code == "sign-in-refused"
    assert _fail(people, "another").code == "too-many-attempts"
    with pytest.raises(AccountError):
        people.sign_in()
    people.sign_in(address="198.51.100.1")


def test_good_sign_ins_do_not_count_against_an_address(people: People) -> None:
    attempts = people.accounts.attempts
    for _ in range(3 * ADDRESS.most):
        attempts.take(ADDRESS, "192.0.2.7")
        attempts.give_back(ADDRESS, "192.0.2.7")


def test_each_refusal_has_its_row_and_no_name_that_was_typed(people: People) -> None:
    people.make()
    for _ in range(6):
        _fail(people)
    _fail(people, "kumquat")
    rows = people.rows(event="sign-in")
    assert [row.detail for row in rows[:6]] == ['{"code":"sign-in-refused"}'] * 5 + [
        '{"code":"too-many-attempts"}'
    ]
    assert all(row.subject == "jane" for row in rows[:6])
    assert rows[6].subject == "" and "kumq" not in rows[6].detail


def test_what_is_counted_is_not_in_the_database(people: People) -> None:
    people.make()
    _fail(people, "kumquat")
    with people.database.read() as connection:
        kept = str(connection.execute(select(ATTEMPTS)).all())
    assert "kumq" not in kept and "192.0.2.7" not in kept


def test_many_at_once_do_not_slip_through(people: People, database_url: str) -> None:
    """As several processes would: each with a database connection of its own."""
    limit = Limit("test", 5, 3600, 60, 60)
    let_in: list[int] = []
    wrong: list[Exception] = []
    refused: list[str] = []

    def attack() -> None:
        database = Database.open(database_url, migrate=False)
        try:
            attempts = Attempts(database, clock=people.clock)
            for number in range(5):
                try:
                    attempts.take(limit, "one")
                    let_in.append(number)
                except AccountError as problem:
                    refused.append(problem.code)
        except Exception as problem:  # noqa: BLE001 - shown below
            wrong.append(problem)
        finally:
            database.close()

    threads = [threading.Thread(target=attack) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(let_in) == limit.most
    assert set(refused) == {"too-many-attempts"}


def test_a_clock_that_is_put_back_does_not_lock_out_for_ever(people: People) -> None:
    people.make()
    for _ in range(6):
        _fail(people)
    people.clock.pass_(-86_400)
    problem = _fail(people)
    assert problem.code == "too-many-attempts"
    people.clock.pass_(problem.wait + 1)
    people.sign_in()


def test_old_counts_are_swept(people: People) -> None:
    people.make()
    _fail(people)
    people.clock.pass_(3 * ACCOUNT.window)
    people.accounts.attempts.sweep()
    with people.database.read() as connection:
        assert connection.execute(select(ATTEMPTS)).all() == []


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_an_ipv6_client_cannot_change_its_address_to_begin_anew(address: str, counted: str) -> None:
    assert network(address) == counted


def test_the_password_of_the_tests_is_a_good_one(people: People) -> None:
    people.make()
    assert people.sign_in(password=PASSWORD).account.name == "jane"
