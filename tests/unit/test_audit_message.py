"""Exported audit messages: by the schema of PS3.15 A.5.1, with codes that exist, in frames that RFC 5425 knows."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree
from pydicom.sr.codedict import codes

from engine.platform.audit.chain import Entry
from engine.platform.audit.events import EVENTS, Code
from engine.platform.audit.message import message
from engine.platform.audit.syslog import framed
from tests.support.syslog import parse_frames

SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).parents[1] / "support" / "audit_message.rng"))
ENTRY = Entry(
    chain="alpha",
    number=7,
    time=1_800_000_000_123_456,
    event="sign-in",
    outcome="success",
    actor_kind="person",
    actor_name="jane",
    actor_address="192.0.2.7",
    subject="jane",
    detail='{"method":"password","tries":3}',
    previous="0" * 64,
    mark="f" * 64,
)


def _valid(entry: Entry) -> etree._Element:
    root = etree.fromstring(message(entry))
    assert SCHEMA.validate(root), SCHEMA.error_log
    return root


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("kind", ["person", "gateway", "anonymous", "system"])
def test_every_event_of_everybody_is_valid_by_the_schema(event: str, kind: str) -> None:
    empty = replace(ENTRY, subject="", actor_name="", actor_address="", detail="{}", chain="")
    for outcome in ("success", "refused", "failed"):
        for entry in (ENTRY, empty):
            _valid(replace(entry, event=event, actor_kind=kind, outcome=outcome))


def test_a_message_says_what_happened_to_whom_by_whom_and_when() -> None:
    root = _valid(ENTRY)
    told = root[0]
    assert told.get("EventDateTime") == "2027-01-15T08:00:00.123456+00:00"
    assert (told.get("EventActionCode"), told.get("EventOutcomeIndicator")) == ("E", "0")
    assert [one.get("csd-code") for one in told if one.get("csd-code")] == ["110114", "110122"]
    person, platform = root.findall("ActiveParticipant")
    assert (person.get("UserID"), person.get("NetworkAccessPointID")) == ("jane", "192.0.2.7")
    assert (person.get("UserIsRequestor"), platform.get("UserIsRequestor")) == ("true", "false")
    assert root.find("AuditSourceIdentification").get("AuditEnterpriseSiteID") == "alpha"
    account, row = root.findall("ParticipantObjectIdentification")
    assert account.get("ParticipantObjectID") == "jane"
    assert row.get("ParticipantObjectID") == "urn:penstock:audit:alpha:7"
    details = {
        one.get("type"): base64.b64decode(one.get("value")) for one in row.findall("ParticipantObjectDetail")
    }
    assert details["mark"] == b"f" * 64 and details["tries"] == b"3"


def test_a_message_is_one_line() -> None:
    assert b"\n" not in message(ENTRY)


def test_a_refusal_is_no_success() -> None:
    assert _valid(replace(ENTRY, outcome="refused"))[0].get("EventOutcomeIndicator") == "4"
    assert _valid(replace(ENTRY, outcome="failed"))[0].get("EventOutcomeIndicator") == "8"


def test_the_schema_finds_what_is_wrong() -> None:
    root = etree.fromstring(message(ENTRY))
    root[0].set("EventOutcomeIndicator", "5")
    assert not SCHEMA.validate(root)
    root = etree.fromstring(message(ENTRY))
    root.remove(root.find("AuditSourceIdentification"))
    assert not SCHEMA.validate(root)


def _known(group: str) -> set[tuple[str, str]]:
    collection = getattr(codes, group)
    return {(getattr(collection, name).value, getattr(collection, name).meaning) for name in collection.dir()}


def test_every_code_is_one_of_the_standards() -> None:
    events, kinds = _known("cid400"), _known("cid401")

    def told(code: Code) -> tuple[str, str]:
        return code.value, code.meaning

    assert {told(event.event) for event in EVENTS.values()} <= events
    assert {told(event.kind) for event in EVENTS.values() if event.kind is not None} <= kinds


def test_text_cannot_leave_its_attribute() -> None:
    """What stands in the trail is limited already; the XML does not rely on it."""
    evil = '"/><evil/>&<![CDATA['
    root = _valid(replace(ENTRY, subject=evil, actor_name=evil, detail="{}"))
    assert root.find(".//evil") is None
    assert root.find("ActiveParticipant").get("UserID") == evil


def test_a_frame_is_as_long_as_it_says_and_its_header_is_of_rfc_5424() -> None:
    entries = [
        replace(ENTRY, number=number, outcome=("success", "refused")[number % 2]) for number in range(1, 4)
    ]
    stream = b"".join(framed(entry, "platform.example.org", 4711) for entry in entries)
    parsed = parse_frames(stream)
    assert [one.priority for one in parsed] == [84, 85, 84]  # security or authorization, warning or notice
    for entry, one in zip(entries, parsed, strict=True):
        assert (one.version, one.host, one.app, one.process) == (
            1,
            "platform.example.org",
            "penstock",
            "4711",
        )
        assert one.message_id == "DICOM+RFC3881" and one.time == "2027-01-15T08:00:00.123456Z"
        assert one.message == message(entry)


@pytest.mark.parametrize("host", ["", "a b", "ü", "x\n", "h" * 300])
def test_a_host_name_that_no_header_can_hold_breaks_no_header(host: str) -> None:
    (one,) = parse_frames(framed(ENTRY, host, 1))
    assert re.fullmatch(r"[!-~]{1,255}", one.host)
