"""The vault: versions of hash secrets, what a look at the database shows, and what an altered row does."""

from __future__ import annotations

import pickle

import pytest
from sqlalchemy import select, update

from engine.errors import ConfigError, SpoolError, TransportError
from engine.platform.database import Database
from engine.platform.database.vault import VAULT_SECRETS
from engine.platform.institutions import Institutions
from engine.platform.keys import MasterKey
from engine.platform.vault import Vault
from engine.pseudonymize.identity import HashSecret

pytest_plugins = ("tests.support.databases",)


@pytest.fixture
def vault(database: Database) -> Vault:
    for name in ("st-marys", "other"):
        Institutions(database).add(name)
    return Vault(database, MasterKey(bytes(range(32))))


def test_an_institution_has_one_secret_and_then_versions_of_it(vault: Vault) -> None:
    first = vault.create("st-marys")
    assert (first.number, first.current) == (1, True)
    kept = vault.secret("st-marys")
    second = vault.rotate("st-marys")
    told = [(one.number, one.key_id, one.current) for one in vault.versions("st-marys")]
    assert told == [(1, first.key_id, False), (2, second.key_id, True)]
    assert vault.secret("st-marys").key_id == second.key_id != first.key_id
    assert vault.secret("st-marys", 1).key == kept.key


def test_a_look_up_answers_for_every_version(vault: Vault) -> None:
    vault.create("st-marys")
    vault.rotate("st-marys")
    hashes = {vault.secret("st-marys", one.number).hashed_id("12345") for one in vault.versions("st-marys")}
    assert len(hashes) == 2


def test_a_secret_that_is_in_use_is_taken_in_and_gives_the_same_hashes(vault: Vault) -> None:
    used = HashSecret.generate()
    version = vault.import_secret("st-marys", used)
    assert (version.number, version.key_id) == (1, used.key_id)
    assert vault.secret("st-marys").hashed_id("12345") == used.hashed_id("12345")
    with pytest.raises(ConfigError, match="this hash secret already"):
        vault.import_secret("st-marys", used)


def test_tenants_are_apart(vault: Vault) -> None:
    vault.create("st-marys")
    assert vault.versions("other") == []
    with pytest.raises(TransportError, match="no such hash secret"):
        vault.secret("other")
    with pytest.raises(TransportError):
        vault.secret("' OR 1=1 --")
    with pytest.raises(ConfigError, match="no such institution"):
        vault.create("nobody")
    with pytest.raises(ConfigError, match="has a hash secret already"):
        vault.create("st-marys")


def test_the_database_holds_no_secret_in_the_clear(vault: Vault, database: Database) -> None:
    vault.create("st-marys")
    key = vault.secret("st-marys").key
    with database.read() as connection:
        [row] = connection.execute(select(VAULT_SECRETS)).all()
    held = b"|".join(value if isinstance(value, bytes) else str(value).encode() for value in row)
    assert key not in held
    assert key.hex().encode() not in held
    assert len(row.sealed) == 12 + 32 + 16
    assert len(row.wrapped_key) == 40


@pytest.mark.parametrize("change", ["sealed", "nonce", "wrapped_key", "number", "tenant"])
def test_an_altered_or_moved_row_does_not_open(vault: Vault, database: Database, change: str) -> None:
    vault.create("st-marys")
    with database.begin() as connection:
        [row] = connection.execute(select(VAULT_SECRETS)).all()
        values: dict[str, object] = {
            "sealed": {"sealed": row.sealed[:-1] + bytes([row.sealed[-1] ^ 1])},
            "nonce": {"sealed": bytes([row.sealed[0] ^ 1]) + row.sealed[1:]},
            "wrapped_key": {"wrapped_key": row.wrapped_key[:-1] + bytes([row.wrapped_key[-1] ^ 1])},
            "number": {"number": 2},
            "tenant": {"tenant": "other"},
        }[change]
        connection.execute(update(VAULT_SECRETS).values(values))
    with pytest.raises(SpoolError) as caught:
        vault.secret("other" if change == "tenant" else "st-marys")
    assert caught.value.code == ("data-key" if change == "wrapped_key" else "secret-altered")
    assert caught.value.__cause__ is None or change == "wrapped_key"


def test_another_master_key_opens_nothing(vault: Vault, database: Database) -> None:
    vault.create("st-marys")
    with pytest.raises(SpoolError, match="data key"):
        Vault(database, MasterKey(bytes(32))).secret("st-marys")


def test_keys_never_show_themselves(vault: Vault) -> None:
    vault.create("st-marys")
    secret = vault.secret("st-marys")
    assert secret.key.hex() not in repr(secret) + repr(vault) + str(vault.versions("st-marys"))
    with pytest.raises(TypeError):
        pickle.dumps(secret)


@pytest.mark.parametrize("name", ["", "St-Marys", "a" * 64, "x y", "x\n", "../x", "é", "'; DROP TABLE x"])
def test_what_cannot_be_a_name_is_refused(database: Database, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name"):
        Institutions(database).add(name)
    assert Institutions(database).all() == []


def test_institutions_are_added_once_and_listed(database: Database) -> None:
    institutions = Institutions(database)
    institutions.add("b", "Klinik <b>B</b>")
    institutions.add("a")
    with pytest.raises(ConfigError, match="already"):
        institutions.add("a")
    with pytest.raises(ConfigError, match="title"):
        institutions.add("c", "bell\a")
    assert [(one.name, one.title) for one in institutions.all()] == [("a", "a"), ("b", "Klinik <b>B</b>")]
    found = institutions.find("b")
    assert found is not None and found.title == "Klinik <b>B</b>"
    assert institutions.find("c") is None
