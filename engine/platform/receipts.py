"""What STOW-RS answers: the Store Instances Response Module (PS3.18 I.2) as DICOM JSON, with receipts in it.

A receipt is a private block (creator PENSTOCK, group 0099) in an item of Referenced SOP Sequence:

    (0099,1001) LO  BLAKE3 digest of the object's bytes as received, 64 hexadecimal digits
    (0099,1002) UV  their number
    (0099,1003) UV  when they were received, microseconds since 1970
    (0099,1004) OB  Ed25519 signature of `signed_message`, 64 bytes
    (0099,1005) LO  the id of the key that signed

In an item of Failed SOP Sequence the block holds (0099,1006) LO, the reason as a code word.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from engine.dicom.receipt_block import signed_message
from engine.errors import Refusal
from engine.platform.index import IndexRow
from engine.platform.keys import SigningKey

# Failure Reason (0008,1197), PS3.18 Table I.2-2.
PROCESSING_FAILURE = 0x0110
DATA_SET_DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000
_REASONS = {"other-digest": PROCESSING_FAILURE, "missing-attribute": DATA_SET_DOES_NOT_MATCH}

Element = dict[str, object]


@dataclass(frozen=True, slots=True)
class Failure:
    """An object that was not stored. The UIDs are "" where the object did not get so far as to name them."""

    refusal: Refusal
    sop_class_uid: str = ""
    sop_instance_uid: str = ""


def response(stored: Sequence[IndexRow], failed: Sequence[Failure], key: SigningKey) -> bytes:
    """The response's body: one item for each object, in the order given."""
    data_set: dict[str, Element] = {}
    if failed:
        data_set["00081198"] = {"vr": "SQ", "Value": [_failure(failure) for failure in failed]}
    if stored:
        data_set["00081199"] = {"vr": "SQ", "Value": [_receipt(row, key) for row in stored]}
    return orjson.dumps(data_set)


def _receipt(row: IndexRow, key: SigningKey) -> dict[str, Element]:
    digest = row.digest.hex()
    signature = key.sign(signed_message(row.sop_instance_uid, digest, row.length, row.received))
    return {
        **_reference(row.sop_class_uid, row.sop_instance_uid),
        "00990010": {"vr": "LO", "Value": ["PENSTOCK"]},
        "00991001": {"vr": "LO", "Value": [digest]},
        "00991002": {"vr": "UV", "Value": [row.length]},
        "00991003": {"vr": "UV", "Value": [row.received]},
        "00991004": {"vr": "OB", "InlineBinary": base64.b64encode(signature).decode("ascii")},
        "00991005": {"vr": "LO", "Value": [key.key_id]},
    }


def _failure(failure: Failure) -> dict[str, Element]:
    reason = _REASONS.get(failure.refusal.code, CANNOT_UNDERSTAND)
    return {
        **_reference(failure.sop_class_uid, failure.sop_instance_uid),
        "00081197": {"vr": "US", "Value": [reason]},
        "00990010": {"vr": "LO", "Value": ["PENSTOCK"]},
        "00991006": {"vr": "LO", "Value": [failure.refusal.code[:64]]},
    }


def _reference(sop_class_uid: str, sop_instance_uid: str) -> dict[str, Element]:
    """Referenced SOP Class and Instance UID; an unknown one is an empty value (PS3.18 F.2.5)."""
    told = {"00081150": sop_class_uid, "00081155": sop_instance_uid}
    return {tag: {"vr": "UI", "Value": [uid]} if uid else {"vr": "UI"} for tag, uid in told.items()}
