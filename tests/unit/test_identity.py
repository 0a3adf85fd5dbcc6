"""The keyed hashes of patients and studies are those that architecture and shipped vectors promise."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import pickle
import unicodedata
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Refusal
from engine.pseudonymize.identity import HashSecret, canonical, canonical_text

KEY = bytes(range(32))
VECTORS: dict[str, Any] = json.loads(
    files("engine.pseudonymize").joinpath("vectors.json").read_text(encoding="utf-8")
)


@pytest.fixture
def secret() -> HashSecret:
    return HashSecret(KEY)


def keyed(purpose: bytes, *parts: str) -> bytes:
    """The architecture's formula, by the standard library alone."""
    return hmac.new(KEY, purpose + b"\0".join(part.encode() for part in parts), hashlib.sha256).digest()


def test_the_vectors_name_their_secret_and_its_key_id() -> None:
    shipped = HashSecret(bytes.fromhex(VECTORS["secret"]))
    assert shipped.key_id == VECTORS["key_id"]
    assert shipped.key_id == hashlib.sha256(b"penstock key id" + shipped.key).hexdigest()[:8]


@pytest.mark.parametrize("vector", VECTORS["identifiers"], ids=lambda v: f"{v['hash']}-{v['value']!a:.20}")
def test_every_shipped_vector_of_an_identifier_holds(vector: dict[str, str]) -> None:
    shipped = HashSecret(bytes.fromhex(VECTORS["secret"]))
    hashes: dict[str, Callable[..., str]] = {
        "hashed_id": shipped.hashed_id,
        "accession": shipped.accession,
        "study_id": shipped.study_id,
        "hashed_study": shipped.hashed_study,
    }
    issuer = {"issuer": vector["issuer"]} if "issuer" in vector else {}
    assert hashes[vector["hash"]](vector["value"], **issuer) == vector["result"]


@pytest.mark.parametrize("vector", VECTORS["canonical"], ids=lambda v: "-".join(v["charset"]) or "none")
def test_every_shipped_vector_of_a_canonical_text_holds(vector: dict[str, Any]) -> None:
    raw = bytes.fromhex(vector["bytes"])
    assert canonical(raw, vector["charset"]) == vector["text"]
    assert canonical(raw, "\\".join(vector["charset"])) == vector["text"]


def test_the_vectors_cover_each_hash_and_what_makes_identifiers_hard() -> None:
    assert {v["hash"] for v in VECTORS["identifiers"]} == {
        "hashed_id",
        "accession",
        "study_id",
        "hashed_study",
    }
    assert any("issuer" in v for v in VECTORS["identifiers"])
    assert any(v["value"] != unicodedata.normalize("NFC", v["value"]) for v in VECTORS["identifiers"])
    assert any("ISO 2022 IR 87" in v["charset"] for v in VECTORS["canonical"])


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])).filter(canonical_text))
def test_each_hash_is_the_architectures_formula(value: str) -> None:
    secret, text = HashSecret(KEY), canonical_text(value)
    assert secret.hashed_id(value) == keyed(b"patient-id\0", text).hex()[:32]
    assert secret.hashed_id(value, " issuer ") == keyed(b"patient-id\0", "issuer", text).hex()[:32]
    assert secret.accession(value) == base64.b32encode(keyed(b"accession\0", text)).decode()[:16]
    assert secret.study_id(value) == base64.b32encode(keyed(b"study-uid\0", text)).decode()[:16]
    assert secret.hashed_study(value) == keyed(b"patient-of-study\0", text).hex()[:32]


@given(st.text())
def test_doing_the_canonical_form_twice_changes_nothing(value: str) -> None:
    once = canonical_text(value)
    assert canonical_text(once) == once
    assert once.strip(" \0") == once


def test_another_secret_gives_another_hash(secret: HashSecret) -> None:
    other = HashSecret.generate()
    assert other.key != secret.key
    assert other.hashed_id("12345678") != secret.hashed_id("12345678")
    assert other.key_id != secret.key_id


def test_an_issuer_without_text_is_no_issuer(secret: HashSecret) -> None:
    assert secret.hashed_id("1", " \0") == secret.hashed_id("1", None) == secret.hashed_id("1")
    assert secret.hashed_id("1", "A") != secret.hashed_id("1")


@pytest.mark.parametrize("empty", ["", " ", "\0", " \0 \0"])
def test_an_empty_identifier_is_refused_and_never_hashed_to_a_common_value(
    secret: HashSecret, empty: str
) -> None:
    for hashed in (secret.hashed_id, secret.accession, secret.study_id, secret.hashed_study):
        with pytest.raises(Refusal, match="no identifier") as caught:
            hashed(empty)
        assert caught.value.code == "identity-empty"


def test_a_nul_inside_cannot_move_text_between_issuer_and_patient_id(secret: HashSecret) -> None:
    for value, issuer in (("b\0c", "a"), ("c", "a\0b"), ("a\0b", None)):
        with pytest.raises(Refusal) as caught:
            secret.hashed_id(value, issuer)
        assert caught.value.code == "identity-nul"


def test_half_of_a_surrogate_pair_is_refused_without_showing_the_value(secret: HashSecret) -> None:
    with pytest.raises(Refusal) as caught:
        secret.hashed_id("PAT-4711\udcff")
    assert caught.value.code == "undecodable-text"
    assert "4711" not in str(caught.value)
    assert caught.value.__context__ is None  # the codec's exception holds the value


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_secret_of_another_size_cannot_be_made(size: int) -> None:
    with pytest.raises(ValueError, match=f"32 bytes, not {size}"):
        HashSecret(bytes(size))


def test_a_secret_does_not_show_itself(secret: HashSecret) -> None:
    shown = repr(secret) + str(secret) + f"{secret}"
    assert secret.key_id in shown
    assert KEY.hex() not in shown
    assert repr(KEY) not in shown


@pytest.mark.parametrize(
    "spread", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"]
)
def test_a_secret_is_not_pickled_or_copied_by_accident(
    secret: HashSecret, spread: Callable[[object], object]
) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        spread(secret)
