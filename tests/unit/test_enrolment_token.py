"""A token survives copying, and what is none is told from one."""

from __future__ import annotations

import base64

import pytest

from engine.enrolment.token import PREFIX, Token, digest_of
from engine.errors import ConfigError

PIN = bytes(range(32))


def test_a_token_comes_back_from_its_text() -> None:
    token = Token.new(PIN)
    again = Token.parse(token.text)
    assert (again.secret, again.pin, again.digest) == (token.secret, PIN, digest_of(token.secret))
    assert len(token.secret) == 24 and token.text.startswith(PREFIX)


def test_white_space_of_a_line_that_was_broken_does_not_count() -> None:
    text = Token.new(PIN).text
    assert Token.parse(f"  {text[:30]}\r\n {text[30:]}\n").text == text


def test_two_tokens_differ_and_neither_shows_itself() -> None:
    one, other = Token.new(PIN), Token.new(PIN)
    assert one.secret != other.secret
    assert one.secret.hex() not in repr(one) and repr(one) == "Token(…)"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "begins with"),
        ("hello", "begins with"),
        (PREFIX, "too short"),
        (PREFIX + "A" * 76, "too short"),
        (PREFIX + "A" * 84, "too long"),
        (PREFIX + "A" * 1000, "begins with"),
        (PREFIX + "é" * 80, "no token has"),
        (PREFIX + "A+/A" * 20, "no token has"),
        (PREFIX + "A" * 79, "no token has"),
    ],
)
def test_what_is_no_token_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        Token.parse(text)
    assert caught.value.code == "token-malformed"


def test_any_slip_in_copying_is_found() -> None:
    text = Token.new(PIN).text
    for at in range(len(PREFIX), len(text)):
        other = "A" if text[at] != "A" else "B"
        with pytest.raises(ConfigError, match="not as they were"):
            Token.parse(text[:at] + other + text[at + 1 :])


def test_a_pin_of_another_length_makes_no_token() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Token.new(b"short")


def test_the_text_holds_secret_and_pin_and_nothing_else() -> None:
    token = Token.new(PIN)
    whole = base64.urlsafe_b64decode(token.text.removeprefix(PREFIX))
    assert whole[:24] == token.secret and whole[24:56] == PIN and len(whole) == 60
