"""Tokens are used once, epochs rise, and the older instance is out. On SQLite and on PostgreSQL."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from functools import partial

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import select

from engine.enrolment.token import Token
from engine.platform.database import Database
from engine.platform.database.gateways import AUTHORITY, GATEWAY_TOKENS
from engine.platform.gateways.authority import GatewayAuthority, Subject, rewrap
from engine.platform.gateways.errors import EnrolmentError
from engine.platform.gateways.registry import Terms
from engine.platform.keys import MasterKey
from tests.support.enrolling import ADMIN, DAY, MASTER, OTHER, PIN, TENANT, Room, csr, named, room

pytest_plugins = ("tests.support.databases",)


@pytest.fixture
def made(database: Database) -> Room:
    return room(database)


def secret_of(made: Room, **chosen: object) -> bytes:
    return Token.parse(made.gateways.new_token(TENANT, ADMIN, **chosen)).secret  # type: ignore[arg-type]


def refused(code: str, work: Callable[[], object]) -> EnrolmentError:
    with pytest.raises(EnrolmentError) as caught:
        work()
    assert caught.value.code == code
    return caught.value


def test_a_token_enrols_one_gateway_of_its_institution(made: Room) -> None:
    done = made.gateways.enrol(secret_of(made), named("radiology-1"), "192.0.2.9")
    assert (done.subject.tenant, done.subject.name, done.subject.epoch) == (TENANT, "radiology-1", 1)
    assert not done.replaced
    certificate = x509.load_pem_x509_certificate(done.issued.certificate)
    organization = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert [one.value for one in organization] == [TENANT]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
        f"urn:penstock:gateway:{done.subject.gateway_id}:1"
    ]
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(made.gateways.authority.certificate))
    listed = made.gateways.all(TENANT)
    assert [(one.name, one.epoch, str(one.state)) for one in listed] == [("radiology-1", 1, "enrolled")]
    assert made.gateways.all(OTHER) == []
    assert [event for event, _, _ in made.trail()] == ["token-created", "token-used", "gateway-enrolled"]


def test_the_database_has_no_token_and_no_bare_key(made: Room) -> None:
    text = made.gateways.new_token(TENANT, ADMIN)
    with made.database.read() as connection:
        row = connection.execute(select(GATEWAY_TOKENS)).one()
        kept = connection.execute(select(AUTHORITY)).one()
    assert Token.parse(text).secret.hex() not in repr(tuple(row)) and text not in repr(tuple(row))
    assert "PRIVATE" not in kept.certificate and len(kept.wrapped_key) == 40


def test_an_institution_without_a_secret_gets_its_first_by_its_first_token(made: Room) -> None:
    assert made.vault.versions(TENANT) == []
    for _ in range(2):
        made.gateways.new_token(TENANT, ADMIN)
    assert [one.number for one in made.vault.versions(TENANT)] == [1]
    assert made.vault.versions(OTHER) == []


def test_a_used_token_is_refused_and_the_refusal_is_on_record(made: Room) -> None:
    secret = secret_of(made)
    made.gateways.enrol(secret, named())
    problem = refused("token-used", lambda: made.gateways.enrol(secret, named(), "198.51.100.7"))
    assert "tell the platform's administrator" in problem.hint
    assert made.trail()[-1][:2] == ("token-used", "refused")
    assert made.gateways.all(TENANT)[0].epoch == 1


def test_of_many_that_race_for_one_token_one_enrols(made: Room) -> None:
    secret = secret_of(made)
    outcomes: list[str] = []
    barrier = threading.Barrier(6)

    def race(number: int) -> None:
        barrier.wait()
        try:
            made.gateways.enrol(secret, named(f"gateway-{number}"))
        except EnrolmentError as problem:
            outcomes.append(problem.code)
        else:
            outcomes.append("enrolled")

    threads = [threading.Thread(target=race, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["enrolled"] + ["token-used"] * 5
    assert len(made.gateways.all(TENANT)) == 1


def test_of_many_tokens_for_one_name_the_epochs_are_all_different(made: Room) -> None:
    secrets = [secret_of(made) for _ in range(5)]
    epochs: list[int] = []

    def enrol(secret: bytes) -> None:
        epochs.append(made.gateways.enrol(secret, named("same")).subject.epoch)

    threads = [threading.Thread(target=enrol, args=(secret,)) for secret in secrets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(epochs) == [1, 2, 3, 4, 5]
    assert len(made.gateways.all(TENANT)) == 1


def test_an_expired_token_is_refused(made: Room) -> None:
    secret = secret_of(made, lifetime=60.0)
    made.clock.now += 61
    refused("token-expired", lambda: made.gateways.enrol(secret, named()))
    assert made.gateways.tokens(TENANT)[0].state == "expired"


def test_a_token_lives_for_an_hour_at_the_most(made: Room) -> None:
    for lifetime in (0.0, -1.0, 3600.1, float("nan")):
        refused("token-lifetime", partial(made.gateways.new_token, TENANT, ADMIN, lifetime))


def test_a_forged_token_is_refused_and_the_refusal_is_on_record(made: Room) -> None:
    refused("token-unknown", lambda: made.gateways.enrol(Token.new(PIN).secret, named(), "198.51.100.7"))
    assert made.trail("") == [("token-used", "refused", "")]


def test_a_token_can_be_withdrawn_by_its_own_institution_only(made: Room) -> None:
    secret = secret_of(made)
    token_id = made.gateways.tokens(TENANT)[0].token_id
    assert not made.gateways.withdraw_token(OTHER, token_id, ADMIN)
    assert made.gateways.withdraw_token(TENANT, token_id, ADMIN)
    assert not made.gateways.withdraw_token(TENANT, token_id, ADMIN)
    refused("token-withdrawn", lambda: made.gateways.enrol(secret, named()))


def test_a_token_for_one_name_gives_that_name_and_no_other(made: Room) -> None:
    secret = secret_of(made, gateway="mri-2")
    refused("token-gateway", lambda: made.gateways.enrol(secret, named("mri-1")))
    done = made.gateways.enrol(secret, named())  # the refused request did not use it up
    assert done.subject.name == "mri-2"


def test_a_request_for_another_institution_is_refused(made: Room) -> None:
    secret = secret_of(made)
    refused("csr-institution", lambda: made.gateways.enrol(secret, named("x", OTHER)))
    assert made.gateways.all() == []
    assert made.gateways.enrol(secret, named("x", TENANT)).subject.tenant == TENANT


BAD_REQUESTS = [
    (b"", "csr-malformed"),
    (b"not a request at all", "csr-malformed"),
    (b"x" * 10_000, "csr-malformed"),
    (csr((NameOID.COMMON_NAME, "a b")), "gateway-name"),
    (csr((NameOID.COMMON_NAME, "../../etc")), "gateway-name"),
    (csr((NameOID.COMMON_NAME, "a\r\nSet-Cookie: x")), "gateway-name"),
    (csr((NameOID.COMMON_NAME, "'; DROP TABLE gateways; --")), "gateway-name"),
    (csr((NameOID.COMMON_NAME, "x"), (NameOID.COMMON_NAME, "y")), "csr-name"),
    (csr((NameOID.COUNTRY_NAME, "DE")), "csr-name"),
]


def test_what_is_no_request_is_refused_and_leaves_the_token_usable(made: Room) -> None:
    secret = secret_of(made)
    for request, code in BAD_REQUESTS:
        refused(code, partial(made.gateways.enrol, secret, request))
        assert made.trail()[-1][:2] == ("token-used", "refused")
        assert made.gateways.tokens(TENANT)[0].state == "open"


def test_a_request_that_is_not_signed_by_its_key_is_refused(made: Room) -> None:
    der = bytearray(
        ssl.PEM_cert_to_DER_cert(named("x").decode().replace("CERTIFICATE REQUEST", "CERTIFICATE"))
    )
    der[-5] ^= 1
    pem = ssl.DER_cert_to_PEM_cert(bytes(der)).replace("CERTIFICATE", "CERTIFICATE REQUEST").encode()
    secret = secret_of(made)
    refused("csr-signature", lambda: made.gateways.enrol(secret, pem))


def test_a_second_enrolment_raises_the_epoch_and_fences_the_first(made: Room) -> None:
    first = made.gateways.enrol(secret_of(made), named("mri")).subject
    second = made.gateways.enrol(secret_of(made), named("mri"))
    assert (second.subject.gateway_id, second.subject.epoch, second.replaced) == (first.gateway_id, 2, True)
    assert ("gateway-fenced", "success", "mri") in made.trail()
    refused("gateway-fenced", lambda: made.gateways.renew(first, named()))
    assert made.gateways.renew(second.subject, named()).expires > 0


def test_gateways_of_two_institutions_may_have_one_name(made: Room) -> None:
    mine = made.gateways.enrol(secret_of(made), named("mri")).subject
    token = Token.parse(made.gateways.new_token(OTHER, ADMIN))
    theirs = made.gateways.enrol(token.secret, named("mri")).subject
    assert theirs.epoch == mine.epoch == 1 and theirs.gateway_id != mine.gateway_id
    stolen = Subject(OTHER, "mri", mine.gateway_id, 1)
    refused("gateway-unknown", lambda: made.gateways.renew(stolen, named()))


def test_a_revoked_gateway_is_refused_until_it_enrols_anew(made: Room) -> None:
    subject = made.gateways.enrol(secret_of(made), named("mri")).subject
    assert not made.gateways.revoke(OTHER, "mri", ADMIN)
    assert made.gateways.revoke(TENANT, "mri", ADMIN) and not made.gateways.revoke(TENANT, "mri", ADMIN)
    refused("gateway-revoked", lambda: made.gateways.renew(subject, named()))
    again = made.gateways.enrol(secret_of(made), named("mri")).subject
    assert again.epoch == 2
    refused("gateway-fenced", lambda: made.gateways.renew(subject, named()))


def test_an_epoch_that_was_never_given_is_unknown(made: Room) -> None:
    subject = made.gateways.enrol(secret_of(made), named("mri")).subject
    ahead = Subject(TENANT, "mri", subject.gateway_id, 7)
    refused("gateway-unknown", lambda: made.gateways.renew(ahead, named()))


def test_a_renewal_is_for_the_same_names_only(made: Room) -> None:
    subject = made.gateways.enrol(secret_of(made), named("mri")).subject
    refused("csr-institution", lambda: made.gateways.renew(subject, named("ct")))
    refused("csr-institution", lambda: made.gateways.renew(subject, named("mri", OTHER)))


def test_without_web_or_a_ca_there_are_no_tokens_and_the_reason_is_told(database: Database) -> None:
    made = room(database, Terms(DAY, None, b"PEM"))
    assert "web" in refused("no-web", lambda: made.gateways.new_token(TENANT, ADMIN)).message
    made.gateways.terms = Terms(DAY, PIN, None)
    assert "server_ca" in refused("no-server-ca", lambda: made.gateways.new_token(TENANT, ADMIN)).hint
    made.gateways.terms = Terms(DAY, PIN, b"PEM")
    refused("institution-unknown", lambda: made.gateways.new_token("nobody", ADMIN))


def test_the_authority_is_made_once_and_moves_to_another_master_key(database: Database) -> None:
    first = GatewayAuthority.load_or_make(database, MASTER)
    assert GatewayAuthority.load_or_make(database, MASTER).certificate == first.certificate
    new = MasterKey(bytes(reversed(range(32))))
    with database.begin() as connection:
        assert rewrap(connection, MASTER, new) == 1
    moved = GatewayAuthority.load_or_make(database, new)
    issued = moved.issue(
        Subject(TENANT, "x", "0" * 16, 1), ec.generate_private_key(ec.SECP256R1()).public_key(), DAY
    )
    certificate = x509.load_pem_x509_certificate(issued.certificate)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(first.certificate))
