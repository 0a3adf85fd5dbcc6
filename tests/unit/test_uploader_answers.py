"""Answers of STOW-RS servers, in JSON and in XML, and what is none; private files; a courier's fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.uploader import secret_files
from engine.uploader.answers import NotAResponse, binary, items, number, parse, text
from engine.uploader.dicom import verdict_on
from engine.uploader.freshness import Freshness
from engine.uploader.receipt_keys import KeyStore
from engine.uploader.verdicts import Outcome, Sent, Verdict, judge, referenced

SENT = Sent("2.25.1", "ab" * 32, 1000)
JSON = """{"00081198": {"vr": "SQ"}, "00081199": {"vr": "SQ", "Value": [
  {"00081150": {"vr": "UI", "Value": ["1.2"]}, "00081155": {"vr": "UI", "Value": ["2.25.1"]}, %s}]}}"""
XML = """<?xml version="1.0" encoding="utf-8"?>
<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">
  <DicomAttribute tag="00080005" vr="CS" keyword="SpecificCharacterSet"><Value number="1">ISO_IR 100</Value></DicomAttribute>
  <DicomAttribute tag="00081198" vr="SQ" keyword="FailedSOPSequence" />
  <DicomAttribute tag="00081199" vr="SQ" keyword="ReferencedSOPSequence"><Item number="1">
    <DicomAttribute tag="00081155" vr="UI" keyword="ReferencedSOPInstanceUID"><Value number="1">2.25.1</Value></DicomAttribute>
    %s
  </Item></DicomAttribute>
</NativeDicomModel>"""


def one(status: int, content: str) -> Verdict:
    [verdict] = judge(status, content.encode(), [SENT], referenced)
    return verdict


@pytest.mark.parametrize("status", [200, 202, 409])
@pytest.mark.parametrize(
    ("form", "warning"),
    [
        (JSON, '"00081196": {"vr": "US", "Value": [45056]}'),
        (XML, '<DicomAttribute tag="00081196" vr="US"><Value number="1">45056</Value></DicomAttribute>'),
    ],
    ids=["json", "xml"],
)
def test_a_reference_with_200_is_a_receipt_and_its_warning_a_remark(
    status: int, form: str, warning: str
) -> None:
    plain = '"00080000": {"vr": "UL"}' if form is JSON else ""
    receipt = Verdict(Outcome.RECEIPT), Verdict(Outcome.RECEIPT, remark="B000")
    untold = Verdict(Outcome.UNTOLD), Verdict(Outcome.UNTOLD)
    assert (one(status, form % plain), one(status, form % warning)) == (receipt if status == 200 else untold)


def test_another_object_is_not_meant() -> None:
    assert one(200, XML.replace("2.25.1", "2.25.2") % "") == Verdict(Outcome.AGAIN, "no-receipt")


def test_a_failure_in_xml_is_read() -> None:
    reason = '<DicomAttribute tag="00081197" vr="US"><Value number="1">43264</Value></DicomAttribute>'
    swapped = (
        XML.replace("00081199", "00081190").replace("00081198", "00081199").replace("00081190", "00081198")
    )
    assert one(409, swapped % reason) == Verdict(Outcome.REFUSED, "failure-a900")


@pytest.mark.parametrize(
    "content",
    [
        b"<html><body>Welcome</body></html>",
        b"<NativeDicomModel>",
        b"<NativeDicomModel/><x/>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><NativeDicomModel>&a;</NativeDicomModel>',
        b"<NativeDicomModel>" + b"<DicomAttribute tag='1' vr='SQ'><Item>" * 40,
        b"<" + bytes(100),
    ],
)
def test_xml_that_is_no_response_is_refused(content: bytes) -> None:
    with pytest.raises(NotAResponse):
        parse(content)


def test_values_of_the_wrong_type_are_none() -> None:
    item = parse(b'{"1": {"Value": [true]}, "2": {"Value": ["x"]}, "3": {"InlineBinary": "%%%"}, "4": 7}')
    assert (number(item, "1"), number(item, "2"), number(item, "9"), text(item, "1")) == (
        None,
        None,
        None,
        "",
    )
    assert (binary(item, "3"), binary(item, "4"), items(item, "9")) == (b"", b"", [])


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (0x0000, Verdict(Outcome.RECEIPT)),
        (0xB000, Verdict(Outcome.RECEIPT, remark="B000")),
        (0x0001, Verdict(Outcome.RECEIPT, remark="0001")),
        (0xA900, Verdict(Outcome.REFUSED, "status-a900")),
        (0xC000, Verdict(Outcome.REFUSED, "status-c000")),
        (0x0122, Verdict(Outcome.REFUSED, "status-0122")),
        (0x0110, Verdict(Outcome.AGAIN, "status-0110")),
        (0xFE00, Verdict(Outcome.AGAIN, "status-fe00")),
    ],
)
def test_a_c_store_status_is_judged_by_its_class(status: int, verdict: Verdict) -> None:
    assert verdict_on(status) == verdict


def secret(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_password_and_a_token_become_headers(tmp_path: Path) -> None:
    assert secret_files.basic("me", "x", secret(tmp_path, b"a:b\n")) == {"authorization": "Basic bWU6YTpi"}
    assert secret_files.bearer("x", secret(tmp_path, b"abc.DEF-1_=\n")) == {
        "authorization": "Bearer abc.DEF-1_="
    }


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        (b"word", 0o640, "can be read by others"),
        (b"", 0o600, "is empty or too long"),
        (b"\n", 0o600, "is empty"),
        (b"\xff\xfe", 0o600, "is not UTF-8"),
        (b"x" * 20_000, 0o600, "too long"),
        (b"two words", 0o600, "does not hold one token"),
        (b"a\r\nX-Evil: 1", 0o600, "does not hold one token"),
    ],
)
def test_a_secret_that_cannot_be_used_is_named_without_its_content(
    tmp_path: Path, content: bytes, mode: int, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        secret_files.bearer("destination[a].token_file", secret(tmp_path, content, mode))
    assert "destination[a].token_file" in str(caught.value) and "Evil" not in str(caught.value)
    with pytest.raises(ConfigError, match="cannot be read"):
        secret_files.read("x", tmp_path / "none")


def test_files_that_change_are_noticed_once(tmp_path: Path) -> None:
    path = secret(tmp_path, b"one")
    freshness = Freshness([path, tmp_path / "absent"])
    assert not freshness.changed()
    (tmp_path / "new").write_bytes(b"another")
    (tmp_path / "new").rename(path)
    assert freshness.changed() and not freshness.changed()
    path.unlink()
    assert freshness.changed()


def test_a_remembered_key_is_its_platforms_alone(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    store.remember("https://a", bytes(32))
    assert (store.remembered("https://a"), store.remembered("https://b")) == (bytes(32), None)
    [path] = (tmp_path / "receipt-keys").iterdir()
    path.write_text("short")
    assert store.remembered("https://a") is None
