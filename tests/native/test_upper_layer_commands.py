"""The codec of command sets, checked against pynetdicom's."""

from __future__ import annotations

import struct
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pynetdicom.dimse_messages import C_ECHO_RQ, C_STORE_RQ, C_STORE_RSP, DIMSEMessage
from pynetdicom.dimse_primitives import C_ECHO, C_STORE
from pynetdicom.dsutils import decode
from pynetdicom.pdu_primitives import P_DATA

from engine._native.upper_layer import MalformedCommand, command_pdus, command_set, decode_command

CT = "1.2.840.10008.5.1.4.1.1.2"


def encoded(message: DIMSEMessage) -> bytes:
    """The command set as pynetdicom sends it."""
    primitives: list[P_DATA] = list(message.encode_msg(1, 0))
    return bytes(primitives[0].presentation_data_value_list[0][1][1:])


def by_pynetdicom(data: bytes) -> Dataset:
    return decode(BytesIO(data), is_implicit_vr=True, is_little_endian=True)


def element(number: int, value: bytes, group: int = 0) -> bytes:
    return struct.pack("<HHI", group, number, len(value)) + value


def us(number: int, value: int) -> bytes:
    return element(number, struct.pack("<H", value))


MINIMUM = us(0x0100, 1) + us(0x0800, 1)


@pytest.mark.parametrize("instance", ["1.2.3", "1.2.34", "2.25." + "9" * 39, "1." + "2" * 62])
def test_a_store_request_of_pynetdicom_is_understood(instance: str) -> None:
    primitive = C_STORE()
    primitive.MessageID = 513
    primitive.AffectedSOPClassUID = CT
    primitive.AffectedSOPInstanceUID = instance
    primitive.Priority = 0
    primitive.DataSet = BytesIO(b"ab")
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    command = decode_command(encoded(message))
    assert (command.field, command.message_id, command.data_set_type) == (1, 513, 1)
    assert (command.sop_class_uid, command.sop_instance_uid) == (CT, instance)


def test_an_echo_request_of_pynetdicom_is_understood() -> None:
    primitive = C_ECHO()
    primitive.MessageID = 65535
    primitive.AffectedSOPClassUID = "1.2.840.10008.1.1"
    message = C_ECHO_RQ()
    message.primitive_to_message(primitive)
    command = decode_command(encoded(message))
    assert (command.field, command.message_id, command.data_set_type) == (0x30, 65535, 0x0101)


def test_a_store_response_of_pynetdicom_is_understood() -> None:
    primitive = C_STORE()
    primitive.MessageIDBeingRespondedTo = 9
    primitive.AffectedSOPClassUID = CT
    primitive.AffectedSOPInstanceUID = "1.2.3"
    primitive.Status = 0xA700
    primitive.ErrorComment = "no room"
    message = C_STORE_RSP()
    message.primitive_to_message(primitive)
    command = decode_command(encoded(message))
    assert (command.field, command.responded_to, command.status) == (0x8001, 9, 0xA700)
    assert command.comment.rstrip() == b"no room"


@pytest.mark.parametrize(("comment", "instance"), [("odd", "1.2.3"), ("even", "1.2.34"), ("", "")])
def test_what_is_encoded_here_pynetdicom_decodes(comment: str, instance: str) -> None:
    data = command_set(
        (
            (0x0002, CT),
            (0x0100, 0x8001),
            (0x0120, 77),
            (0x0800, 0x0101),
            (0x0900, 0xA900),
            (0x0902, comment),
            (0x1000, instance),
        )
    )
    ds = by_pynetdicom(data)
    assert ds.CommandGroupLength == len(data) - 12
    assert (ds.AffectedSOPClassUID, ds.CommandField, ds.MessageIDBeingRespondedTo) == (CT, 0x8001, 77)
    assert (ds.CommandDataSetType, ds.Status, ds.ErrorComment or "") == (0x0101, 0xA900, comment)
    assert (ds.AffectedSOPInstanceUID or "") == instance


@pytest.mark.parametrize("max_length", [8, 9, 16, 17, 100, 16384, 0])
def test_a_command_is_cut_to_the_peers_maximum_length(max_length: int) -> None:
    elements = ((0x0002, CT), (0x0100, 1), (0x0110, 5), (0x0800, 1), (0x1000, "1.2.3.4.5"))
    wire, command = command_pdus(3, elements, max_length), b""
    ends = []
    while wire:
        kind, _, length, item, context, control = struct.unpack(">BBIIBB", wire[:12])
        assert (kind, context, item) == (4, 3, length - 4)
        assert max_length == 0 or length <= max_length
        command += wire[12 : 6 + length]
        ends.append(control)
        wire = wire[6 + length :]
    assert command == command_set(elements)
    assert ends == [1] * (len(ends) - 1) + [3]


def test_a_maximum_length_without_room_is_an_error() -> None:
    with pytest.raises(ValueError, match="no room"):
        command_pdus(1, ((0x0100, 1),), 7)


@pytest.mark.parametrize(
    "uid",
    ["1.2.3\\4", "", "1.2 .3", "1.2.3\n", "1" * 65, "1.2.\0003", "\u0661.2", "\x1b[31m", "1.2.3\x7f"],
)
def test_a_uid_that_is_none_reads_as_empty(uid: str) -> None:
    value = uid.encode()
    command = decode_command(
        us(0x0100, 1) + us(0x0800, 1) + element(0x1000, value + b"\0" * (len(value) % 2))
    )
    assert command.sop_instance_uid == ""


@pytest.mark.parametrize("uid", ["dccc9599087131742838cc1162a630fe", "../../etc/passwd", "1.2.03", "x" * 64])
def test_a_uid_that_breaks_its_rules_harmlessly_is_kept_as_it_is(uid: str) -> None:
    value = uid.encode()
    command = decode_command(
        us(0x0100, 1) + us(0x0800, 1) + element(0x1000, value + b"\0" * (len(value) % 2))
    )
    assert command.sop_instance_uid == uid


def test_padding_of_a_uid_is_dropped_be_it_nul_or_space() -> None:
    command = decode_command(
        element(0x0002, b"1.2.3\0") + us(0x0100, 1) + us(0x0800, 1) + element(0x1000, b"1.2.4 ")
    )
    assert (command.sop_class_uid, command.sop_instance_uid) == ("1.2.3", "1.2.4")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "missing"),
        (us(0x0100, 1), "missing"),
        (us(0x0800, 1), "missing"),
        (MINIMUM + b"\0" * 7, "inside an element header"),
        (MINIMUM + element(0x0900, b"")[:-1] + b"\1", "longer"),
        (MINIMUM + struct.pack("<HHI", 0, 0x0900, 0xFFFFFFFF), "longer"),
        (MINIMUM + struct.pack("<HHI", 0, 0x0900, 3) + b"ab", "longer"),
        (us(0x0800, 1) + us(0x0100, 1), "ascending"),
        (us(0x0100, 1) + us(0x0100, 1) + us(0x0800, 1), "ascending"),
        (MINIMUM + element(0x0010, b"ab", group=8), "group"),
        (element(0x0100, b"\1") + us(0x0800, 1), "2 bytes"),
        (element(0x0100, b"\1\0\0\0") + us(0x0800, 1), "2 bytes"),
    ],
)
def test_a_malformed_command_set_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(MalformedCommand, match=why):
        decode_command(data)


def test_a_comment_is_never_longer_than_its_vr_allows() -> None:
    assert decode_command(MINIMUM + element(0x0902, b"x" * 1000)).comment == b"x" * 64


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_decoded_or_refused(noise: bytes) -> None:
    for data in (noise, MINIMUM + noise):
        try:
            command = decode_command(data)
        except MalformedCommand:
            continue
        told = command.sop_class_uid + command.sop_instance_uid
        assert told.isascii() and told.isprintable() and " " not in told and "\\" not in told
