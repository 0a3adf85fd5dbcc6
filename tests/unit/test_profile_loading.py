"""A profile that is wrong is refused with its line, its key and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.profile import load, shipped
from engine.profile.loader import loads

HEADER = 'profile = "mine"\nbase = "ps3.15@2026c/basic"\n'


def _error(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loads(text, "mine.toml")
    return str(caught.value)


def test_the_shipped_profiles_have_the_names_of_their_files() -> None:
    assert {"default", "keep-all"} <= set(shipped())
    assert all(load(name).name == name for name in shipped())


def test_a_profile_is_loaded_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(HEADER + '[[rule]]\ntag = "(0008,1010)"\naction = "keep"\n')
    profile = load(str(path))
    assert (profile.name, profile.rules[0].tag, profile.rules[0].line) == ("mine", 0x00081010, 3)


def test_a_name_that_is_not_shipped_lists_those_that_are() -> None:
    with pytest.raises(ConfigError) as caught:
        load("defualt")
    assert "default" in str(caught.value)
    assert "defualt" in str(caught.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(str(path))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "parts"),
    [
        (HEADER + 'colour = "red"', 3, ["colour", "unknown key", "options"]),
        ('profile = "My Profile"\nbase = "ps3.15@2026c/basic"', 1, ["profile", "small letters"]),
        ('base = "ps3.15@2026c/basic"', 0, ["profile", "name"]),
        ('profile = "mine"\nbase = "ps3.15@2011/basic"', 2, ["base", "ps3.15@2026c/basic"]),
        ('profile = "mine"', 0, ["base"]),
        (HEADER + 'options = ["dates"]', 3, ["options", "dates", "modified-dates"]),
        (HEADER + 'options = "uids"', 3, ["options", "list"]),
        (HEADER + 'options = ["uids", "uids"]', 3, ["options", "twice"]),
        (HEADER + 'options = ["full-dates", "modified-dates"]', 3, ["exclude each other"]),
        ('profile = "mine"\nbase = "none"\noptions = ["uids"]', 3, ["options need"]),
        (HEADER + 'unknown = { standard = "shred" }', 3, ["unknown", "standard", "remove"]),
        (HEADER + 'unknown = { unparsable = "keep" }', 3, ["unparsable", "quarantine"]),
        (HEADER + 'unknown = { curves = "keep" }', 3, ["unknown key curves"]),
        (HEADER + 'unknown = "keep"', 3, ["table"]),
        (HEADER + 'issuer = "yes"', 3, ["issuer", "true or false"]),
        (HEADER + "description = 7", 3, ["description", "string"]),
        (HEADER + "rule = 7", 3, ["[[rule]]"]),
    ],
)
def test_a_wrong_key_at_the_top_is_named_with_its_line(text: str, line: int, parts: list[str]) -> None:
    told = _error(text)
    assert told.startswith(f"mine.toml:{line}: ")
    assert [part for part in parts if part not in told] == []


@pytest.mark.parametrize(
    ("rule", "line", "parts"),
    [
        ('tag = "PatientNam"\naction = "keep"', 5, ["rule.tag", "PatientNam", "did you mean PatientName"]),
        ('tag = "(0010,0099)"\naction = "keep"', 5, ["unknown attribute", "PS3.6"]),
        ('tag = "(0019,100C)"\naction = "keep"', 5, ["private = {"]),
        ('tag = "(6002,1500)"\naction = "keep"', 5, ["group ="]),
        ("tag = 0x00100010\naction = 'keep'", 5, ["as a string"]),
        ('tag = "StationName"\naction = "shred"', 6, ["rule.action", "shred", "remove"]),
        ('tag = "StationName"', 4, ["rule.action", "an action is needed"]),
        ('tag = "StationName"\naction = "keep"\nnested = "shred"', 7, ["rule.nested", "shred"]),
        ('tag = "StationName"\naction = "shift-date"', 6, ["StationName", "SH", "shift-date", "DA"]),
        ('tag = "StationName"\naction = "new-uid"', 6, ["new-uid", "UI"]),
        ('tag = "Rows"\naction = "clean-text"', 6, ["Rows", "US", "clean-text"]),
        ('tag = "StationName"\naction = "hash"', 6, ["cannot be hashed", "PatientID"]),
        ('tag = "SelectorOBValue"\naction = "replace-document"', 6, ["EncapsulatedDocument"]),
        ('tag = "StudyDate"\naction = "generalise-age"', 6, ["generalise-age", "AS"]),
        ('tag = "StationName"\naction = "recurse"', 6, ["recurse", "SQ"]),
        ('tag = "StationName"\naction = "replace"', 6, ["replace needs a value"]),
        ('tag = "StationName"\naction = "keep"\nvalue = "x"', 7, ["only replace"]),
        ('tag = "StationName"\naction = "replace"\nvalue = "seventeen letters"', 7, ["17", "16", "SH"]),
        ('tag = "StationName"\naction = "replace"\nvalue = "Zürich"', 7, ["ASCII"]),
        ('tag = "StationName"\naction = "replace"\nvalue = 7', 7, ["string"]),
        ('tag = "Rows"\naction = "replace"\nvalue = "7"', 7, ["number"]),
        ('tag = "Rows"\naction = "replace"\nvalue = 70000', 7, ["70000", "US"]),
        ('tag = "Rows"\naction = "replace"\nvalue = 1.5', 7, ["whole number"]),
        ('action = "keep"', 4, ["exactly one of", "none"]),
        ('tag = "Rows"\nvr = "US"\naction = "keep"', 4, ["exactly one of", "tag and vr"]),
        ('tag = "Rows"\naction = "keep"\nwhenever = 1', 7, ["rule.whenever", "unknown key"]),
        ('path = "PatientID"\naction = "keep"', 5, ["path"]),
        ('path = "PatientID/StationName"\naction = "keep"', 5, ["PatientID is no sequence"]),
        ('path = "OtherPatientIDsSequence/Nonsense"\naction = "keep"', 5, ["Nonsense"]),
        ('vr = "XX"\naction = "keep"', 5, ["rule.vr", "DA"]),
        ('vr = "LO"\naction = "shift-date"', 6, ["VR LO", "shift-date"]),
        ('group = "0010"\naction = "keep"', 5, ["rule.group", "60xx"]),
        ('group = "60xx,9999"\naction = "keep"', 5, ["rule.group", "60xx,9999"]),
        ('private = { group = 0x0019, element = 0x0C }\naction = "keep"', 5, ["rule.private", "creator"]),
        ('private = { group = 0x0018, creator = "A", element = 1 }\naction = "keep"', 5, ["odd"]),
        ('private = { group = 0x0019, creator = " ", element = 1 }\naction = "keep"', 5, ["creator"]),
        ('private = { group = 0x0019, creator = "A", element = 256 }\naction = "keep"', 5, ["low byte"]),
        ('private = { group = 0x0019, creator = "A", element = 1, vr = "XX" }\naction = "keep"', 5, ["XX"]),
        ('private = { group = 0x0019, creator = "A", element = true }\naction = "keep"', 5, ["low byte"]),
    ],
)
def test_a_wrong_rule_is_named_with_its_line(rule: str, line: int, parts: list[str]) -> None:
    told = _error(HEADER + "# a comment = with an equals sign\n[[rule]]\n" + rule)
    assert told.startswith(f"mine.toml:{line}: ")
    assert [part for part in parts if part not in told] == []


def test_two_rules_for_the_same_attribute_are_an_error_that_names_both_lines() -> None:
    told = _error(
        HEADER
        + '[[rule]]\ntag = "StationName"\naction = "keep"\n[[rule]]\ntag = "(0008,1010)"\naction = "empty"'
    )
    assert "mine.toml:6" in told
    assert "line 3" in told


def test_syntax_errors_tell_where() -> None:
    told = _error('profile = "mine"\nbase = = 3')
    assert "mine.toml" in told
    assert "line 2" in told


def test_a_second_rule_is_counted_from_its_own_header() -> None:
    text = (
        HEADER
        + '[[rule]]\ntag = "StationName"\naction = "keep"\n\n'
        + '  [[ rule ]]  # the other\n  tag = "Rowz"\naction = "keep"\n'
    )
    assert _error(text).startswith("mine.toml:8: rule.tag")
