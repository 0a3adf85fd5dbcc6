"""What the receiver says, read by pynetdicom."""

from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace

import pytest
from pydicom import Dataset
from pynetdicom.dsutils import decode
from pynetdicom.pdu import A_ABORT_RQ, A_ASSOCIATE_RJ, A_RELEASE_RP, P_DATA_TF

from engine.receiver import replies
from engine.receiver.admission import Rejection
from engine.receiver.replies import Refused

OPERATION = SimpleNamespace(
    context_id=5, message_id=7, sop_class="1.2.840.10008.5.1.4.1.1.2", sop_instance="1.2.3"
)


def command(pdu: bytes) -> Dataset:
    """The command set of one P-DATA-TF PDU, which must be in context 5 and whole."""
    read = P_DATA_TF()
    read.decode(pdu)
    (item,) = read.presentation_data_value_items
    assert item.presentation_context_id == 5
    assert item.presentation_data_value[0] == 3
    return decode(BytesIO(item.presentation_data_value[1:]), is_implicit_vr=True, is_little_endian=True)


def test_success_repeats_what_was_stored() -> None:
    ds = command(replies.store_response(OPERATION, None, 0))
    assert (ds.CommandField, ds.MessageIDBeingRespondedTo, ds.CommandDataSetType) == (0x8001, 7, 0x0101)
    assert (ds.Status, ds.AffectedSOPInstanceUID) == (0, "1.2.3")
    assert ds.AffectedSOPClassUID == OPERATION.sop_class
    assert "ErrorComment" not in ds


@pytest.mark.parametrize("refused", Refused)
def test_a_refusal_has_a_status_and_a_comment_that_fits(refused: Refused) -> None:
    ds = command(replies.store_response(OPERATION, refused, 0))
    assert ds.Status == refused.status
    assert refused.comment == ds.ErrorComment
    assert len(refused.comment) <= 64


def test_each_reason_not_to_understand_has_a_status_of_its_own() -> None:
    statuses = [refused.status for refused in Refused if refused.status >> 12 == 0xC]
    assert len(statuses) == len(set(statuses)) > 3


def test_uids_that_the_request_lacked_are_left_out() -> None:
    operation = SimpleNamespace(context_id=5, message_id=7, sop_class="", sop_instance="")
    ds = command(replies.store_response(operation, Refused.NO_UID, 0))
    assert "AffectedSOPClassUID" not in ds
    assert "AffectedSOPInstanceUID" not in ds


def test_an_echo_is_answered() -> None:
    ds = command(replies.echo_response(5, 3, "1.2.840.10008.1.1", 0))
    assert (ds.CommandField, ds.MessageIDBeingRespondedTo, ds.Status) == (0x8030, 3, 0)
    assert ds.AffectedSOPClassUID == "1.2.840.10008.1.1"


def test_an_operation_that_we_do_not_have_is_named_as_such() -> None:
    ds = command(replies.unrecognized(5, 3, 0x0020, 0))
    assert (ds.CommandField, ds.MessageIDBeingRespondedTo, ds.Status) == (0x8020, 3, 0x0211)


@pytest.mark.parametrize("rejection", Rejection)
def test_rejections_are_those_of_the_standard(rejection: Rejection) -> None:
    pdu = A_ASSOCIATE_RJ()
    pdu.decode(replies.reject(*rejection.value))
    assert (pdu.result, pdu.source, pdu.reason_diagnostic) == rejection.value
    assert pdu.reason_str  # raises for a combination that the standard does not have


@pytest.mark.parametrize(("source", "reason"), [(0, 0), (2, 1), (2, 2), (2, 6)])
def test_an_abort_names_its_source_and_reason(source: int, reason: int) -> None:
    pdu = A_ABORT_RQ()
    pdu.decode(replies.abort(source, reason))
    assert (pdu.source, pdu.reason_diagnostic) == (source, reason)


def test_the_release_response_is_the_standards() -> None:
    assert A_RELEASE_RP().encode() == replies.A_RELEASE_RP
