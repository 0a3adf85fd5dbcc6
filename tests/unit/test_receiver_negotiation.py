"""What the receiver makes of association requests, decoded by its own code and answered by pynetdicom's."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import UID, AllTransferSyntaxes
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_items import (
    AsynchronousOperationsWindowSubItem,
    SCP_SCU_RoleSelectionSubItem,
    SOPClassExtendedNegotiationSubItem,
    UserIdentitySubItemAC,
    UserIdentitySubItemRQ,
)
from pynetdicom.sop_class import _STORAGE_CLASSES

from engine.receiver.negotiation import (
    MAX_WINDOW,
    Negotiated,
    application_context_is_dicom,
    is_stored,
    negotiate,
)
from engine.receiver.request import MAX_ITEMS, RequestError, decode_request, read_caller
from tests.support.receiver import CT, EXPLICIT, IMPLICIT, VERIFICATION, request

BIG_ENDIAN = "1.2.840.10008.1.2.2"
JPEG = "1.2.840.10008.1.2.4.70"
J2K = "1.2.840.10008.1.2.4.90"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPIP = "1.2.840.10008.1.2.4.94"
Contexts = Sequence[tuple[str, Sequence[str]]]


def negotiated(contexts: Contexts, *extra: object) -> Negotiated:
    pdu = request(contexts, extra=extra).encode()
    return negotiate(read_caller(pdu), decode_request(pdu), 131072)


def answer(agreed: Negotiated) -> A_ASSOCIATE_AC:
    ac = A_ASSOCIATE_AC()
    ac.decode(agreed.answer)
    return ac


def results(contexts: Contexts) -> list[tuple[int, int, str]]:
    ac = answer(negotiated(contexts))
    return [(item.context_id, item.result, str(item.transfer_syntax)) for item in ac.presentation_context]


@pytest.mark.parametrize("uid", sorted(_STORAGE_CLASSES.values()))
def test_every_storage_class_is_accepted(uid: str) -> None:
    assert is_stored(uid)


@pytest.mark.parametrize(
    "uid",
    [
        "1.2.840.10008.1.20.1",  # Storage Commitment Push Model
        "1.2.840.10008.5.1.4.1.2.2.1",  # Study Root FIND
        "1.2.840.10008.5.1.4.1.2.2.2",  # Study Root MOVE
        "1.2.840.10008.5.1.4.31",  # Modality Worklist
        "1.2.840.10008.3.1.2.3.3",  # MPPS
        "1.2.840.10008.5.1.4.38.1",  # Hanging Protocol: no patient, no study
        "1.2.840.10008.1.3.10",  # Media Storage Directory
    ],
)
def test_what_is_no_storage_of_composite_objects_is_not_accepted(uid: str) -> None:
    assert results([(uid, [IMPLICIT])]) == [(1, 3, IMPLICIT)]


@pytest.mark.parametrize("uid", ["1.3.12.2.1107.5.9.1", "1.2.840.113619.4.27", "2.25.123"])
def test_private_classes_are_accepted(uid: str) -> None:
    assert results([(uid, [EXPLICIT])]) == [(1, 0, EXPLICIT)]


@pytest.mark.parametrize("syntax", [s for s in AllTransferSyntaxes if "JPIP" not in s.keyword])
def test_every_transfer_syntax_that_can_be_read_is_accepted(syntax: UID) -> None:
    odd = syntax.startswith(("1.2.840.10008.1.2.6", "1.2.840.10008.1.2.7", "1.2.840.10008.1.20"))
    assert results([(CT, [syntax])])[0][1] == (4 if odd else 0)


@pytest.mark.parametrize("syntax", [JPIP, "1.2.840.113619.5.2", "1.2.3"])
def test_a_transfer_syntax_that_nobody_here_can_read_is_not_accepted(syntax: str) -> None:
    assert results([(CT, [syntax])])[0][:2] == (1, 4)
    assert results([(CT, [syntax, EXPLICIT])]) == [(1, 0, EXPLICIT)]


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.8.99", "1.2.840.10008.1.2.4.999"])
def test_a_compression_that_is_newer_than_our_tables_is_accepted(syntax: str) -> None:
    assert results([(CT, [syntax])]) == [(1, 0, syntax)]


@pytest.mark.parametrize(
    ("proposed", "chosen"),
    [
        ([EXPLICIT, IMPLICIT], EXPLICIT),
        ([IMPLICIT, EXPLICIT], IMPLICIT),
        ([JPEG, IMPLICIT], JPEG),
        ([BIG_ENDIAN, IMPLICIT], IMPLICIT),
        ([BIG_ENDIAN], BIG_ENDIAN),
        ([EXPLICIT, BIG_ENDIAN, IMPLICIT], EXPLICIT),
        ([DEFLATED, J2K], DEFLATED),
    ],
)
def test_the_senders_order_decides_and_big_endian_comes_last(proposed: list[str], chosen: str) -> None:
    assert results([(CT, proposed)]) == [(1, 0, chosen)]


def test_verification_is_accepted_in_uncompressed_syntaxes_only() -> None:
    assert results([(VERIFICATION, [JPEG])])[0][1] == 4
    assert results([(VERIFICATION, [JPEG, IMPLICIT])]) == [(1, 0, IMPLICIT)]


def test_each_context_gets_an_answer_and_only_accepted_ones_count() -> None:
    agreed = negotiated([(CT, [IMPLICIT]), ("1.2.840.10008.1.20.1", [IMPLICIT]), (CT, [JPEG])])
    assert {number: c.transfer_syntax for number, c in agreed.contexts.items()} == {1: IMPLICIT, 5: JPEG}
    assert [item.context_id for item in answer(agreed).presentation_context] == [1, 3, 5]


def test_the_answer_repeats_the_titles_and_names_our_maximum_length() -> None:
    agreed = negotiated([(CT, [IMPLICIT])])
    ac = answer(agreed)
    assert (ac.reserved_aet, ac.reserved_aec) == ("PENSTOCK", "TESTER")
    assert ac.user_information.maximum_length == 131072
    assert agreed.max_length == 16384
    assert ac.application_context_name == "1.2.840.10008.3.1.1.1"


@pytest.mark.parametrize(
    ("invoked", "granted"), [(1, 1), (4, 4), (MAX_WINDOW, MAX_WINDOW), (1000, MAX_WINDOW), (0, MAX_WINDOW)]
)
def test_the_window_of_asynchronous_operations_is_bounded(invoked: int, granted: int) -> None:
    item = AsynchronousOperationsWindowSubItem()
    item.maximum_number_operations_invoked = invoked
    item.maximum_number_operations_performed = 5
    agreed = negotiated([(CT, [IMPLICIT])], item)
    window = answer(agreed).user_information.async_ops_window
    assert (window.maximum_number_operations_invoked, window.maximum_number_operations_performed) == (
        granted,
        1,
    )
    assert agreed.window == granted


def test_a_window_that_was_not_asked_for_is_not_answered() -> None:
    agreed = negotiated([(CT, [IMPLICIT])])
    assert answer(agreed).user_information.async_ops_window is None
    assert agreed.window == 1


@pytest.mark.parametrize(
    ("kind", "wanted", "confirmed"), [(1, 1, True), (2, 1, True), (1, 0, False), (3, 1, False), (4, 1, False)]
)
def test_a_user_identity_is_confirmed_if_that_was_asked(kind: int, wanted: int, confirmed: bool) -> None:
    item = UserIdentitySubItemRQ()
    item.user_identity_type = kind
    item.positive_response_requested = wanted
    item.primary_field = b"somebody"
    item.secondary_field = b"secret" if kind == 2 else b""
    found = answer(negotiated([(CT, [IMPLICIT])], item)).user_information.user_identity
    assert isinstance(found, UserIdentitySubItemAC) == confirmed
    if found is not None:
        assert found.server_response == b""


def test_role_selection_and_extended_negotiation_get_no_answer() -> None:
    role = SCP_SCU_RoleSelectionSubItem()
    role.sop_class_uid, role.scu_role, role.scp_role = UID(CT), 0, 1
    extended = SOPClassExtendedNegotiationSubItem()
    extended.sop_class_uid, extended.service_class_application_information = UID(CT), b"\2\0\3\0\1\0"
    agreed = negotiated([(CT, [IMPLICIT])], role, extended)
    assert agreed.contexts[1].abstract_syntax == CT
    assert answer(agreed).user_information.role_selection == {}
    assert answer(agreed).user_information.ext_neg == []


def with_items(*items: bytes) -> bytes:
    """A request whose variable part is `items`."""
    body = bytes(request([(CT, [IMPLICIT])]).encode()[6:74]) + b"".join(items)
    return struct.pack(">BBI", 1, 0, len(body)) + body


def item(kind: int, data: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(data)) + data


CONTEXT = item(0x20, b"\1\0\0\0" + item(0x30, CT.encode()) + item(0x40, IMPLICIT.encode()))
APPLICATION = item(0x10, b"1.2.840.10008.3.1.1.1")
USER = item(0x50, item(0x51, b"\0\0\x40\0") + item(0x52, b"1.2.3"))


@pytest.mark.parametrize("number", [0, 2, 254])
def test_an_even_context_id_is_an_error(number: int) -> None:
    rq = decode_request(
        with_items(APPLICATION, CONTEXT.replace(b"\1\0\0\0", bytes((number, 0, 0, 0)), 1), USER)
    )
    with pytest.raises(RequestError, match="odd and unique"):
        negotiate(read_caller(request([(CT, [IMPLICIT])]).encode()), rq, 16384)


def test_a_context_id_used_twice_is_an_error() -> None:
    pdu = with_items(APPLICATION, CONTEXT, CONTEXT, USER)
    with pytest.raises(RequestError, match="odd and unique"):
        negotiate(read_caller(pdu), decode_request(pdu), 16384)


def test_a_request_without_contexts_is_an_error() -> None:
    pdu = with_items(APPLICATION, USER)
    with pytest.raises(RequestError, match="no presentation context"):
        negotiate(read_caller(pdu), decode_request(pdu), 16384)


def test_a_request_without_user_information_gets_an_answer() -> None:
    pdu = with_items(APPLICATION, CONTEXT)
    agreed = negotiate(read_caller(pdu), decode_request(pdu), 16384)
    assert (agreed.max_length, agreed.window, list(agreed.contexts)) == (0, 1, [1])


@pytest.mark.parametrize("where", ["outside", "in the context", "in the user information"])
def test_items_of_unknown_type_are_passed_over(where: str) -> None:
    new = item(0x99, b"from the future")
    context = item(0x20, CONTEXT[4:] + new) if where == "in the context" else CONTEXT
    user = item(0x50, new + USER[4:]) if where == "in the user information" else USER
    pdu = with_items(*([new] if where == "outside" else []), APPLICATION, context, user)
    assert negotiate(read_caller(pdu), decode_request(pdu), 16384).contexts[1].abstract_syntax == CT


def test_another_application_context_is_noticed() -> None:
    rq = decode_request(with_items(item(0x10, b"1.2.3"), CONTEXT, USER))
    assert not application_context_is_dicom(rq)
    assert not application_context_is_dicom(decode_request(with_items(CONTEXT, USER)))


@pytest.mark.parametrize(
    "pdu",
    [
        with_items(APPLICATION, CONTEXT, USER)[:-1],
        with_items(APPLICATION, CONTEXT, USER) + b"\x50\0",
        with_items(APPLICATION, CONTEXT, struct.pack(">BBH", 0x50, 0, 65535)),
        with_items(APPLICATION, item(0x20, b"\1\0")),
        with_items(APPLICATION, item(0x20, b"\1\0\0\0" + struct.pack(">BBH", 0x30, 0, 9))),
        with_items(APPLICATION, CONTEXT, item(0x50, item(0x51, b"\0"))),
        with_items(APPLICATION, CONTEXT, item(0x50, item(0x53, b"\0"))),
        with_items(APPLICATION, CONTEXT, item(0x50, item(0x54, b"\0\x50"))),
    ],
)
def test_a_request_that_ends_inside_something_is_refused(pdu: bytes) -> None:
    with pytest.raises(RequestError):
        negotiate(read_caller(pdu), decode_request(pdu), 16384)


def test_a_request_shorter_than_its_fixed_fields_is_refused() -> None:
    with pytest.raises(RequestError, match="shorter"):
        read_caller(bytes(73))


def test_more_items_than_an_association_can_use_are_refused() -> None:
    syntaxes = b"".join(item(0x40, b"1.2") for _ in range(MAX_ITEMS))
    with pytest.raises(RequestError, match="more items"):
        decode_request(
            with_items(APPLICATION, item(0x20, b"\1\0\0\0" + item(0x30, CT.encode()) + syntaxes), USER)
        )
    with pytest.raises(RequestError, match="more items"):
        decode_request(with_items(APPLICATION, *([CONTEXT] * 129), USER))


@pytest.mark.parametrize("title", [b"A\\B", b"\xff\xfe", b"A\nB", b"\x1b[31m", b" " * 16, bytes(16)])
def test_an_ae_title_that_is_none_reads_as_empty(title: bytes) -> None:
    pdu = bytearray(request([(CT, [IMPLICIT])]).encode())
    pdu[26:42] = title.ljust(16)
    assert read_caller(bytes(pdu)).calling == ""


def with_abstract_syntax(uid: bytes) -> bytes:
    context = item(0x20, b"\1\0\0\0" + item(0x30, uid) + item(0x40, IMPLICIT.encode()))
    return with_items(APPLICATION, context, USER)


@pytest.mark.parametrize("uid", [b"../../etc/passwd", b"", b"1.2/3"])
def test_an_abstract_syntax_that_is_no_uid_is_not_accepted(uid: bytes) -> None:
    pdu = with_abstract_syntax(uid)
    assert negotiate(read_caller(pdu), decode_request(pdu), 16384).contexts == {}


def test_an_abstract_syntax_that_is_longer_than_a_uid_is_refused() -> None:
    with pytest.raises(RequestError):
        decode_request(with_abstract_syntax(b"1." * 40))


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_damaged_request_is_answered_or_refused_and_nothing_else(data: st.DataObject) -> None:
    pdu = bytearray(request([(CT, [IMPLICIT, EXPLICIT]), (VERIFICATION, [IMPLICIT])]).encode())
    for _ in range(data.draw(st.integers(1, 6))):
        pdu[data.draw(st.integers(6, len(pdu) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(74, len(pdu)))
    whole = bytes(pdu[:cut])
    try:
        agreed = negotiate(read_caller(whole), decode_request(whole), 16384)
    except RequestError:
        return
    ac = A_ASSOCIATE_AC()
    ac.decode(agreed.answer)
    assert isinstance(ac, A_ASSOCIATE_AC) and not isinstance(ac, A_ASSOCIATE_RQ)
