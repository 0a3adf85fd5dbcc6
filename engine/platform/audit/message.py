"""Rows of the trail as audit messages of DICOM PS3.15 A.5: XML by the schema of A.5.1, which extends RFC 3881."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, tostring

import orjson

from engine.platform.audit.chain import Entry
from engine.platform.audit.events import EVENTS, Code, SubjectKind

_OUTCOMES = {"success": "0", "refused": "4", "failed": "8"}
_APPLICATION = Code("110150", "Application")
_APPLICATION_SERVER = "4"
# How a subject is told: its type, its role, and the code of what kind of identifier it is (CID 404 or RFC 3881).
_URI = ("12", "RFC-3881", "URI")
_USER = ("11", "RFC-3881", "User Identifier")
_SUBJECTS: dict[SubjectKind, tuple[str, str, tuple[str, str, str]]] = {
    "account": ("1", "11", _USER),
    "token": ("2", "13", _URI),
    "gateway": ("2", "13", ("110182", "DCM", "Node ID")),
    "hashed-id": ("1", "1", ("2", "RFC-3881", "Patient Number")),
    "study": ("2", "3", ("110180", "DCM", "Study Instance UID")),
    "secret": ("2", "13", _URI),
    "route": ("2", "13", _URI),
    "system": ("2", "13", _URI),
}
SOURCE = "penstock-platform"
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'


def message(entry: Entry) -> bytes:
    """The message as one line of XML in UTF-8. Its last object is the row itself, with its place and its mark."""
    event = EVENTS[entry.event]
    root = Element("AuditMessage")
    when = datetime.fromtimestamp(entry.time / 1e6, UTC).isoformat(timespec="microseconds")
    told = SubElement(
        root,
        "EventIdentification",
        EventActionCode=event.action,
        EventDateTime=when,
        EventOutcomeIndicator=_OUTCOMES[entry.outcome],
    )
    _code(told, "EventID", event.event)
    if event.kind is not None:
        _code(told, "EventTypeCode", event.kind)
    SubElement(told, "EventOutcomeDescription").text = f"{entry.event}: {entry.outcome}"
    _participants(root, entry)
    _source(root, entry)
    if entry.subject:
        kind, role, identifier = _SUBJECTS[event.subject]
        _object(root, entry.subject, kind, role, identifier, entry.subject)
    row = f"urn:penstock:audit:{entry.chain}:{entry.number}"
    itself = _object(root, row, "2", "13", _URI, "audit row")
    details = {
        **orjson.loads(entry.detail),
        "event": entry.event,
        "previous": entry.previous,
        "mark": entry.mark,
    }
    for name, value in details.items():
        encoded = base64.b64encode(str(value).encode()).decode("ascii")
        SubElement(itself, "ParticipantObjectDetail", type=name, value=encoded)
    return _DECLARATION + bytes(tostring(root, encoding="UTF-8"))


def _participants(root: Element, entry: Entry) -> None:
    name = entry.actor_name or entry.actor_kind
    actor = SubElement(root, "ActiveParticipant", UserID=name, UserIsRequestor="true")
    if entry.actor_address:
        actor.set("NetworkAccessPointID", entry.actor_address)
        actor.set("NetworkAccessPointTypeCode", "2")
    if entry.actor_kind in {"gateway", "system"}:
        _code(actor, "RoleIDCode", _APPLICATION)
    if entry.actor_kind != "system":
        platform = SubElement(root, "ActiveParticipant", UserID=SOURCE, UserIsRequestor="false")
        _code(platform, "RoleIDCode", _APPLICATION)


def _source(root: Element, entry: Entry) -> None:
    source = SubElement(root, "AuditSourceIdentification", AuditSourceID=SOURCE)
    if entry.chain:
        source.set("AuditEnterpriseSiteID", entry.chain)
    SubElement(source, "AuditSourceTypeCode", {"csd-code": _APPLICATION_SERVER})


def _object(
    root: Element, identity: str, kind: str, role: str, identifier: tuple[str, str, str], name: str
) -> Element:
    made = SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=identity,
        ParticipantObjectTypeCode=kind,
        ParticipantObjectTypeCodeRole=role,
    )
    value, scheme, meaning = identifier
    given = {"csd-code": value, "codeSystemName": scheme, "originalText": meaning}
    SubElement(made, "ParticipantObjectIDTypeCode", given)
    SubElement(made, "ParticipantObjectName").text = name
    return made


def _code(parent: Element, name: str, code: Code) -> None:
    given = {"csd-code": code.value, "codeSystemName": "DCM", "originalText": code.meaning}
    SubElement(parent, name, given)
