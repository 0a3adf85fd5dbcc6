"""Decodes a value by Specific Character Set (0008,0005), PS3.5 6.1.2, strictly.

Two identifiers that differ must never become the same text, so nothing is replaced and nothing is guessed:
what the declared character sets do not cover is refused. The tables are pydicom's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine.errors import Refusal

ESC = b"\x1b"
# Each begins with an escape sequence, except perhaps the first.
FRAGMENT = re.compile(rb"\x1b?[^\x1b]+|\x1b")
# PS3.5 6.1.2.5.3: after one of these, the first character set holds again. (The VR PN has more.)
RESET = re.compile(rb"[\t\n\f\r\\]")
# Common in files, and clear: "ISO-IR 100", "ISO IR 100", "ISO_2022_IR_87".
LOOSE_TERM = re.compile(r"ISO[ _-]+(2022[ _-]+)?(IR[ _-]+)?(\d+)")
# Python's codecs for these read the escape sequence themselves.
READ_ESCAPES = frozenset({"iso2022_jp", "iso2022_jp_2"})
# A return to ISO 646 needs no declaration: to ASCII, or to JIS X 0201, with which Japanese software ends
# Kanji.
TO_ASCII = b"\x1b(B"
TO_ROMAJI = b"\x1b(J"


def decode(raw: bytes, charset: Sequence[str] | str) -> str:
    """The text of `raw`. `charset` holds the values of (0008,0005), or all of it with backslashes between.

    Raises Refusal("undecodable-text"), which does not show the value.
    """
    # Every defined term leaves ASCII as it is, and nearly every identifier is ASCII: spare pydicom's import.
    if raw.isascii() and ESC not in raw:
        return raw.decode("ascii")
    codecs = _codecs(charset)
    try:
        if len(codecs) == 1 and codecs[0] in _stand_alone():
            return raw.decode(codecs[0])
        return "".join(_decode_fragment(fragment, codecs) for fragment in FRAGMENT.findall(raw))
    except UnicodeDecodeError:
        refusal = _refusal("the text is not in its Specific Character Set")
    # Not raised above, where the exception that carries the value would become its context.
    raise refusal


def _decode_fragment(fragment: bytes, codecs: list[str]) -> str:
    if not fragment.startswith(ESC):
        return fragment.decode(codecs[0])
    length = 4 if fragment[1:3] in (b"$(", b"$)") else 3
    codec = _codec_of_escape(fragment[:length], codecs)
    if codec in READ_ESCAPES:
        return fragment.decode(codec)
    text = fragment[length:]
    reset = RESET.search(text)
    end = reset.start() if reset else len(text)
    return text[:end].decode(codec) + text[end:].decode(codecs[0])


def _codec_of_escape(escape: bytes, codecs: list[str]) -> str:
    from pydicom.charset import CODES_TO_ENCODINGS

    if escape == TO_ASCII:
        # G0 alone: what the first character set has in G1, the upper half, is still there.
        return codecs[0]
    if escape == TO_ROMAJI:
        return "shift_jis"
    codec = CODES_TO_ENCODINGS.get(escape)
    if codec not in codecs:
        raise _refusal("the text switches to a character set that its Specific Character Set does not name")
    return str(codec)


def _codecs(charset: Sequence[str] | str) -> list[str]:
    """Python's names of the character sets, the first for what comes before an escape sequence."""
    from pydicom.charset import python_encoding

    terms = charset.split("\\") if isinstance(charset, str) else list(charset)
    codecs = []
    for term in terms or [""]:
        codec = python_encoding.get(_defined_term(term.strip(" \0").upper()))
        if codec is None:
            raise _refusal("the Specific Character Set is not one of the standard's")
        codecs.append(codec)
    # PS3.3 C.12.1.1.2: these stand alone. First they silence the others, later they have no meaning.
    return codecs[:1] if codecs[0] in _stand_alone() else codecs


def _defined_term(term: str) -> str:
    from pydicom.charset import python_encoding

    loose = LOOSE_TERM.fullmatch(term)
    if term in python_encoding or not loose:
        return term
    return f"ISO 2022 IR {loose[3]}" if loose[1] else f"ISO_IR {loose[3]}"


def _stand_alone() -> frozenset[str]:
    from pydicom.charset import STAND_ALONE_ENCODINGS, python_encoding

    return frozenset(python_encoding[term] for term in STAND_ALONE_ENCODINGS)


def _refusal(message: str) -> Refusal:
    return Refusal("undecodable-text", message)
