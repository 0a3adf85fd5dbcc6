"""SHA-256 and HMAC-SHA-256 give what the standards and Python's own give, whichever backend works."""

from __future__ import annotations

import hashlib
import hmac
import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine._native import digest


@pytest.fixture(params=["portable", "sha-ni"])
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Runs the test once with each backend that this processor has, and puts the chosen one back."""
    chosen = digest.backend()
    try:
        digest.select(request.param)
    except ValueError:
        pytest.skip("this processor has no SHA extensions")
    yield request.param
    digest.select(chosen)


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def expected(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


# NIST's examples for FIPS 180-4 (the secure hash standard): one block, two blocks, two blocks of another
# shape, and a million bytes.
FIPS_180_4 = [
    (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
        b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ),
    (
        b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
    ),
    (b"a" * 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
]

# RFC 4231, section 4: test cases 1 to 7 (case 5 is truncated there to 128 bits).
RFC_4231 = [
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    (
        bytes(range(1, 26)),
        b"\xcd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
    (b"\x0c" * 20, b"Test With Truncation", "a3b6167473100ee06e0c796c2955552b"),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        b"\xaa" * 131,
        (
            b"This is a test using a larger than block-size key and a larger than block-size data. "
            b"The key needs to be hashed before being used by the HMAC algorithm."
        ),
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
]


@pytest.mark.parametrize(
    ("message", "result"), FIPS_180_4, ids=["empty", "abc", "448-bits", "896-bits", "million"]
)
@pytest.mark.usefixtures("backend")
def test_the_examples_of_fips_180_4(message: bytes, result: str) -> None:
    assert digest.sha256(message).hex() == result


@pytest.mark.parametrize(("key", "message", "result"), RFC_4231, ids=[f"case-{i}" for i in range(1, 8)])
@pytest.mark.usefixtures("backend")
def test_the_examples_of_rfc_4231(key: bytes, message: bytes, result: str) -> None:
    assert digest.hmac_sha256(key, message).hex()[: len(result)] == result
    assert [one.hex()[: len(result)] for one in digest.many(key, [message, message, message])] == [result] * 3


@pytest.mark.usefixtures("backend")
def test_sha256_of_every_length_up_to_300_is_hashlibs() -> None:
    for size in range(301):
        message = noise(size, size)
        assert digest.sha256(message) == hashlib.sha256(message).digest(), size


@pytest.mark.usefixtures("backend")
def test_hmac_of_every_length_up_to_300_is_that_of_the_standard_library() -> None:
    messages = [noise(size, size) for size in range(301)]
    wanted = [expected(b"key", message) for message in messages]
    assert digest.many(b"key", messages) == wanted
    assert [digest.hmac_sha256(b"key", message) for message in messages] == wanted


@pytest.mark.usefixtures("backend")
def test_hmac_of_every_length_paired_with_every_block_count_is_right() -> None:
    """`many` hashes two messages at a time, and their block counts may differ: 0, 55 | 56, 119 | 120 and 200
    bytes are the borders.
    """
    borders = [0, 1, 54, 55, 56, 57, 63, 64, 65, 118, 119, 120, 127, 128, 200]
    messages = [
        noise(size, i) for i, size in enumerate(size for a in borders for b in borders for size in (a, b))
    ]
    assert digest.many(b"k" * 32, messages) == [expected(b"k" * 32, message) for message in messages]


@pytest.mark.parametrize("size", [0, 1, 32, 63, 64, 65, 128, 1000])
@pytest.mark.usefixtures("backend")
def test_a_key_of_any_length_is_used_as_rfc_2104_says(size: int) -> None:
    key = noise(size, 7)
    assert digest.hmac_sha256(key, b"message") == expected(key, b"message")


@pytest.mark.usefixtures("backend")
def test_a_prefix_counts_as_if_it_were_joined_to_the_message_wherever_the_border_lies() -> None:
    whole = noise(260, 3)
    for size in (0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 260):
        wanted = expected(b"key", whole[:size])
        for border in range(size + 1):
            prefix, message = whole[:border], whole[border:size]
            assert digest.hmac_sha256(b"key", message, prefix=prefix) == wanted, (size, border)


@pytest.mark.parametrize("size", [16_383, 16_384, 1_000_003])
@pytest.mark.usefixtures("backend")
def test_messages_on_both_sides_of_giving_up_the_gil_are_right(size: int) -> None:
    message = noise(size)
    assert digest.sha256(message) == hashlib.sha256(message).digest()
    assert digest.hmac_sha256(b"key", message) == expected(b"key", message)
    assert digest.many(b"key", [message, b"", message]) == [
        expected(b"key", message),
        expected(b"key", b""),
        expected(b"key", message),
    ]


def test_a_length_of_more_than_32_bits_is_counted_whole() -> None:
    message = bytes(2**29)  # 2^32 bits; never written, so it takes no memory
    assert digest.sha256(message) == hashlib.sha256(message).digest()


@given(key=st.binary(max_size=200), messages=st.lists(st.binary(max_size=400), max_size=9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_many_is_the_standard_librarys_hmac_of_each(backend: str, key: bytes, messages: list[bytes]) -> None:
    assert digest.backend() == backend
    assert digest.many(key, messages) == [expected(key, message) for message in messages]


def test_many_takes_any_iterable_and_keeps_its_order() -> None:
    messages = [b"one", b"two", b"three"]
    wanted = [expected(b"key", message) for message in messages]
    assert digest.many(b"key", tuple(messages)) == wanted
    assert digest.many(b"key", (message for message in messages)) == wanted
    assert digest.many(b"key", []) == []


@pytest.mark.parametrize("wrong", ["text", bytearray(b"b"), memoryview(b"m"), 5, None], ids=repr)
def test_a_message_that_is_not_bytes_is_named_by_its_position(wrong: Any) -> None:
    with pytest.raises(TypeError, match=f"message 1 is {type(wrong).__name__}, not bytes"):
        digest.many(b"key", [b"right", wrong, b"right"])


@pytest.mark.parametrize("wrong", ["text", bytearray(b"b"), 5, None], ids=repr)
def test_a_key_or_a_single_message_that_is_not_bytes_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError):
        digest.many(wrong, [b"message"])
    with pytest.raises(TypeError):
        digest.hmac_sha256(wrong, b"message")
    with pytest.raises(TypeError):
        digest.hmac_sha256(b"key", wrong)
    with pytest.raises(TypeError):
        digest.hmac_sha256(b"key", b"message", prefix=wrong)
    with pytest.raises(TypeError):
        digest.sha256(wrong)


def test_messages_that_are_no_iterable_are_a_type_error() -> None:
    with pytest.raises(TypeError):
        digest.many(b"key", 5)  # type: ignore[arg-type]


def test_a_text_that_is_not_encoded_does_not_pass_for_a_list_of_messages() -> None:
    with pytest.raises(TypeError, match="message 0 is str"):
        digest.many(b"key", "text")  # type: ignore[arg-type]


def test_a_backend_that_does_not_exist_is_refused_and_the_old_one_stays() -> None:
    before = digest.backend()
    with pytest.raises(ValueError, match="no digest backend 'md5'"):
        digest.select("md5")
    assert digest.backend() == before


def test_messages_stay_alive_while_another_thread_empties_the_list() -> None:
    """The GIL is away while they are hashed; what is free is given to somebody else at once."""
    messages = [bytes([i]) * 2**20 for i in range(64)]
    wanted = [expected(b"key", message) for message in messages]
    begun = threading.Event()
    results: list[list[bytes]] = []

    def work() -> None:
        begun.set()
        results.append(digest.many(b"key", messages))

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    messages.clear()
    others = [b"\xff" * 2**20 for _ in wanted]
    thread.join()
    assert len(others) == len(wanted)
    # Nothing, if the list was emptied before the call looked at it.
    assert results in ([wanted], [[]])
