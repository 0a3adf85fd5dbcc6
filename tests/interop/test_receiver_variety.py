"""What senders may choose: sizes of PDUs, private classes, configured transfer syntaxes, several requests at a time."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage, Verification

from engine.config import GatewayConfig
from engine.dicom import sample
from tests.support.cli import penstock
from tests.support.receiver import HOST, config, receiving

PRIVATE = "1.3.12.2.1107.5.9.1"  # Siemens CSA Non-Image Storage


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return sample.write(tmp_path_factory.mktemp("study"), 41, sample.Shape(slices=3, size=1024))


def with_receiver(settings: GatewayConfig, **changes: object) -> GatewayConfig:
    receiver = msgspec.structs.replace(settings.receiver, **changes)
    return msgspec.structs.replace(settings, receiver=receiver)


@pytest.mark.parametrize("size", [4096, 16_384, 131_072, 1 << 20])
def test_pdus_of_any_size_up_to_a_mebibyte(tmp_path: Path, study: list[Path], size: int) -> None:
    with receiving(with_receiver(config(tmp_path), max_pdu=size)) as receiver:
        done = penstock("send", HOST, str(receiver.port), *map(str, study), "--window", "3", "--json")
        assert done.code == 0, done.err
        stored = {bytes(dcmread(path).PixelData) for path in receiver.received()}
        assert stored == {bytes(dcmread(path).PixelData) for path in study}


def test_a_private_class_is_stored(tmp_path: Path, study: list[Path]) -> None:
    ds = dcmread(study[0])
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = PRIVATE
    path = tmp_path / "private.dcm"
    ds.save_as(path)
    with receiving(config(tmp_path)) as receiver:
        done = penstock("send", HOST, str(receiver.port), str(path), "--json")
        assert done.code == 0, done.err
        assert dcmread(receiver.received()[0]).SOPClassUID == PRIVATE


def test_configured_transfer_syntaxes_alone_are_accepted(tmp_path: Path) -> None:
    only = (ExplicitVRLittleEndian, RLELossless)
    with receiving(with_receiver(config(tmp_path), transfer_syntaxes=only)) as receiver:
        ae = AE()
        ae.add_requested_context(CTImageStorage, [ImplicitVRLittleEndian, RLELossless])
        ae.add_requested_context(CTImageStorage, [ImplicitVRLittleEndian])
        ae.add_requested_context(Verification, [ImplicitVRLittleEndian])
        association = ae.associate(HOST, receiver.port, ae_title="PENSTOCK")
        accepted = {(one.abstract_syntax, one.transfer_syntax[0]) for one in association.accepted_contexts}
        assert accepted == {(CTImageStorage, RLELossless), (Verification, ImplicitVRLittleEndian)}
        [refused] = association.rejected_contexts
        assert refused.result == 0x04  # transfer syntaxes not supported
        assert association.send_c_echo().Status == 0
        association.release()


def test_a_transfer_syntax_that_is_no_uid_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="transfer_syntaxes"):
        with_receiver(config(tmp_path), transfer_syntaxes=("Implicit",))
