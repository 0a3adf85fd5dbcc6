"""Accounts: who may have one, what it may be called, and what an administrator may do to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from engine.platform.accounts.names import canonical_name
from engine.platform.accounts.passwords import Passwords, check_new
from engine.platform.audit import SYSTEM, Actor
from engine.platform.database.people import ACCOUNTS
from engine.platform.errors import AccountError
from engine.platform.permissions import Role
from tests.support.people import PASSWORD, People

pytest_plugins = ("tests.support.databases", "tests.support.people_fixtures")

# Each was typed by somebody somewhere. None may become an account, and none may break anything.
BAD_NAMES = [
    "",
    " ",
    "a" * 65,
    "a" * 1_000_000,
    "jane\0",
    "\0",
    "jаne",  # a Cyrillic letter
    "ｊａｎｅ",  # full-width letters
    "jane\u200b",
    "müller",
    "jane doe",
    "jane\r\nSet-Cookie: a=b",
    "'; DROP TABLE accounts; --",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "\ud800",
    ".jane",
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: ascii(name[:20]))
def test_a_name_that_could_mislead_is_refused(people: People, name: str) -> None:
    with pytest.raises(AccountError) as refused:
        people.accounts.create("alpha", name, PASSWORD, ["auditor"], by=SYSTEM)
    assert refused.value.code == "account-name"
    assert not name.strip() or name[:20] not in str(refused.value)
    assert people.accounts.all("alpha") == []


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: ascii(name[:20]))
def test_signing_in_by_such_a_name_is_refused_like_any_other(people: People, name: str) -> None:
    people.make("jane")
    with pytest.raises(AccountError) as refused:
        people.sign_in(name)
    assert refused.value.code == "sign-in-refused"
    row = people.rows(event="sign-in")[-1]
    assert (row.outcome, row.subject, row.actor_name) == ("refused", "", "")
    assert "name_tag" in row.detail and (len(name) < 3 or name[:20] not in row.detail)


@pytest.mark.parametrize("field", ["tenant", "password"])
@pytest.mark.parametrize("value", ["x" * 1_000_000, "\0", "' OR 1=1 --", "a\r\nb", "\ud800", "<b>"])
def test_bad_values_in_the_other_fields_are_refused_too(people: People, field: str, value: str) -> None:
    people.make("jane")
    with pytest.raises(AccountError) as refused:
        people.sign_in("jane", **{field: value})
    assert refused.value.code == "sign-in-refused"


def test_large_and_small_letters_of_a_name_are_the_same_account(people: People) -> None:
    people.make("Jane.Doe@example.org")
    assert people.sign_in(" JANE.doe@EXAMPLE.org ").account.name == "jane.doe@example.org"
    with pytest.raises(AccountError) as refused:
        people.make("JANE.DOE@example.org")
    assert refused.value.code == "account-exists"
    assert canonical_name("\u212aane") is None  # the sign of Kelvin becomes a k in small letters


def test_two_institutions_may_each_have_an_account_of_the_same_name(people: People) -> None:
    first, second = people.make("jane"), people.make("jane", "auditor", tenant="beta")
    assert first.account_id != second.account_id
    assert people.sign_in(tenant="beta").account.roles == {Role.AUDITOR}


def test_an_account_of_an_institution_that_is_not_there_is_refused(people: People) -> None:
    with pytest.raises(AccountError) as refused:
        people.make(tenant="gamma")
    assert refused.value.code == "no-institution"


@pytest.mark.parametrize(
    "roles", [[], ["gateway"], ["anyone"], ["administrator", "king"], ["administrator,auditor"]]
)
def test_roles_that_no_account_can_have_are_refused(people: People, roles: list[str]) -> None:
    with pytest.raises(AccountError) as refused:
        people.accounts.create("alpha", "jane", PASSWORD, roles, by=SYSTEM)
    assert refused.value.code == "account-roles"


def test_an_administrator_of_another_institution_finds_no_such_account(people: People) -> None:
    account = people.make("jane")
    people.make("eve", tenant="beta")
    changes: list[Callable[[], object]] = [
        lambda: people.accounts.get("beta", account.account_id),
        lambda: people.accounts.set_roles("beta", account.account_id, ["auditor"], by=SYSTEM),
        lambda: people.accounts.set_password("beta", account.account_id, "another long phrase", by=SYSTEM),
        lambda: people.accounts.disable("beta", account.account_id, by=SYSTEM),
        lambda: people.accounts.enable("beta", account.account_id, by=SYSTEM),
        lambda: people.accounts.sign_out("beta", account.account_id, by=SYSTEM),
    ]
    for change in changes:
        with pytest.raises(AccountError) as refused:
            change()
        assert refused.value.code == "no-account"
    assert people.accounts.get("alpha", account.account_id) == account
    assert [one.name for one in people.accounts.all("beta")] == ["eve"]
    people.sign_in()


def test_the_last_administrator_can_be_neither_disabled_nor_demoted(people: People) -> None:
    jane, other = people.make("jane"), people.make("bob", "auditor")
    people.make("eve", tenant="beta")  # another institution's administrator does not count
    changes: list[Callable[[], object]] = [
        lambda: people.accounts.disable("alpha", jane.account_id, by=SYSTEM),
        lambda: people.accounts.set_roles("alpha", jane.account_id, ["auditor"], by=SYSTEM),
    ]
    for change in changes:
        with pytest.raises(AccountError) as refused:
            change()
        assert refused.value.code == "last-administrator"
    people.accounts.set_roles("alpha", other.account_id, ["administrator"], by=SYSTEM)
    people.accounts.disable("alpha", jane.account_id, by=SYSTEM)
    assert people.accounts.get("alpha", jane.account_id).disabled


def test_a_disabled_account_signs_in_no_more_until_it_is_enabled(people: People) -> None:
    people.make("jane")
    bob = people.make("bob", "calculator")
    people.accounts.disable("alpha", bob.account_id, by=SYSTEM)
    with pytest.raises(AccountError) as refused:
        people.sign_in("bob")
    assert refused.value.code == "sign-in-refused"
    people.accounts.enable("alpha", bob.account_id, by=SYSTEM)
    people.sign_in("bob")


def test_each_change_has_its_row_and_who_did_it(people: People) -> None:
    by = Actor("person", "jane", "192.0.2.1")
    people.make("jane")
    bob = people.accounts.create("alpha", "bob", PASSWORD, ["auditor"], by=by)
    people.accounts.set_roles("alpha", bob.account_id, ["researcher", "auditor"], by=by)
    people.accounts.set_password("alpha", bob.account_id, "another long phrase", by=by)
    people.accounts.disable("alpha", bob.account_id, by=by)
    people.accounts.enable("alpha", bob.account_id, by=by)
    people.accounts.sign_out("alpha", bob.account_id, by=by)
    rows = [row for row in people.rows() if row.actor_name == "jane"]
    assert [row.event for row in rows] == [
        "account-created",
        "account-roles",
        "account-password",
        "account-disabled",
        "account-enabled",
        "account-signed-out",
    ]
    assert {(row.subject, row.outcome, row.actor_address) for row in rows} == {
        ("bob", "success", "192.0.2.1")
    }
    assert rows[1].detail == '{"roles":"auditor,researcher"}'
    assert not any("phrase" in row.detail for row in people.rows())


def test_a_change_that_is_refused_leaves_no_row_of_success(people: People) -> None:
    jane = people.make("jane")
    before = people.rows()
    with pytest.raises(AccountError):
        people.accounts.disable("alpha", jane.account_id, by=SYSTEM)
    assert people.rows() == before


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "password-short"),
        ("x" * 257, "password-long"),
        ("correct horse\0battery", "password-characters"),
        ("password12345", "password-common"),
        ("P@ssw0rd!!2024", "password-common"),
        ("Radiology2026!", "password-common"),
        ("aaaaaaaaaaaaaa", "password-common"),
        ("123456789012", "password-common"),
        ("abcabcabcabc", "password-common"),
        ("qwertzuiop123", "password-common"),
        ("jane-jane-jane", "password-common"),
        ("alpha2026alpha", "password-common"),
        ("🏥" * 12, "password-common"),
    ],
)
def test_a_password_that_anybody_would_try_is_refused(password: str, code: str) -> None:
    with pytest.raises(AccountError) as refused:
        check_new(password, "jane", "alpha")
    assert refused.value.code == code
    assert password not in str(refused.value)


@pytest.mark.parametrize("password", [PASSWORD, "Zwölf Boxkämpfer", "🏥 piano lantern", "x9$Kq2!mWz0&"])
def test_a_good_password_is_taken(password: str) -> None:
    check_new(password, "jane", "alpha")


def test_a_password_is_the_same_however_its_letters_are_composed() -> None:
    passwords = Passwords()
    hashed = passwords.hashed("Zwölf Boxkämpfer")
    assert passwords.verify(hashed, "Zwo\u0308lf Boxka\u0308mpfer")
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$") and "Box" not in hashed


def test_a_hash_of_weaker_parameters_is_made_anew_at_the_next_sign_in(people: People) -> None:
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    people.accounts.passwords = Passwords()
    people.make("jane")
    with people.database.begin() as connection:
        connection.execute(ACCOUNTS.update().values(password=weak))
    people.sign_in()
    with people.database.read() as connection:
        now = connection.execute(select(ACCOUNTS.c.password)).scalar_one()
    assert now != weak and not people.accounts.passwords.outdated(now)
    people.sign_in()


def test_unknown_names_cost_the_same_work_as_known_ones(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.make("jane")
    bob = people.make("bob", "auditor")
    people.accounts.disable("alpha", bob.account_id, by=SYSTEM)
    people.accounts.create("alpha", "sso", None, ["auditor"], by=SYSTEM)
    hashes: list[str] = []
    hasher = people.accounts.passwords._hasher
    real = hasher.verify

    class Spy:
        def verify(self, encoded: str, password: bytes) -> bool:
            hashes.append(encoded.rsplit("$", 2)[0])
            return real(encoded, password)

    monkeypatch.setattr(people.accounts.passwords, "_hasher", Spy())
    for tenant, name in (
        ("alpha", "jane"),
        ("alpha", "bob"),
        ("alpha", "sso"),
        ("alpha", "nobody"),
        ("gamma", "jane"),
        ("alpha", "jаne"),
    ):
        with pytest.raises(AccountError) as refused:
            people.sign_in(name, "a wrong password", tenant=tenant)
        assert str(refused.value) == "the institution, the name or the password is not right"
    assert len(hashes) == 6 and len(set(hashes)) == 1  # one verification each, of the same parameters


@pytest.mark.parametrize("identifier", ["", "0" * 31, "\0" * 32, "\ud800", "' OR '1'='1", "0" * 1_000_000])
def test_an_identifier_that_no_account_has_is_not_found(people: People, identifier: str) -> None:
    people.make("jane")
    for tenant in ("alpha", "\ud800", "\0"):
        with pytest.raises(AccountError) as refused:
            people.accounts.disable(tenant, identifier, by=SYSTEM)
        assert refused.value.code == "no-account"
    assert people.accounts.all("\ud800") == []
    with pytest.raises(AccountError) as refused:
        people.make("bob", tenant="\ud800")
    assert refused.value.code == "no-institution"


def test_the_institution_may_be_left_out_where_there_is_only_one(people: People) -> None:
    people.make("jane")
    with pytest.raises(AccountError):
        people.sign_in(tenant="")
    with people.database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM institutions WHERE name = 'beta'")
    assert people.sign_in(tenant="").account.tenant == "alpha"
