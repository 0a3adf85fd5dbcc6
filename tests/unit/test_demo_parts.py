"""The parts of the demonstration, each on its own: what starts and ends processes, what lays out, what compares."""

from __future__ import annotations

import signal
import socket
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from engine.config import load_gateway, load_platform
from engine.demo import compare, stage
from engine.demo.process import PartError, Process, free_port, listens
from engine.demo.show import left_in
from engine.dicom import sample

SMALL = sample.Shape(slices=2, size=32)


def test_a_command_that_ends_too_early_is_named_with_its_last_words(tmp_path: Path) -> None:
    process = Process("gateway", ["no-such-command"], tmp_path / "log")
    process.start()
    with pytest.raises(PartError, match="gateway: ended with exit code 2 before listening") as failed:
        process.wait_until(lambda: False, "listening", 100.0)
    assert any("no-such-command" in line for line in failed.value.tail)
    assert failed.value.describe()["part"] == "gateway"


def test_a_command_that_has_ended_well_is_not_waited_for_either(tmp_path: Path) -> None:
    process = Process("platform", ["hash", "--help"], tmp_path / "log")
    process.start()
    assert process.wait(100.0) == 0
    with pytest.raises(PartError, match="ended with exit code 0"):
        process.wait_until(lambda: False, "listening", 100.0)
    assert process.stop() == 0


def test_a_command_that_never_gets_ready_is_given_up_and_ended(tmp_path: Path) -> None:
    path = sample.write(tmp_path, shape=SMALL)[0]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        process = Process("sender", ["send", "127.0.0.1", str(port), str(path)], tmp_path / "log")
        process.start()
        with pytest.raises(PartError, match="sender: not done after 0 s"):
            process.wait_until(lambda: False, "done", 0.0)
        assert process.running
        process.kill()
        assert process.wait() == -signal.SIGKILL


def test_a_command_that_was_not_started_has_no_pid(tmp_path: Path) -> None:
    process = Process("gateway", ["--help"], tmp_path / "log")
    assert not process.running and process.tail() == []
    with pytest.raises(PartError, match="was not started"):
        _ = process.pid
    process.signal(signal.SIGTERM)
    process.kill()


def test_a_free_port_is_free_and_a_listener_is_heard() -> None:
    port = free_port()
    assert not listens(port)
    with socket.create_server(("127.0.0.1", port)):
        assert listens(port)


def test_the_stage_has_configurations_that_load_and_files_that_only_we_can_read(tmp_path: Path) -> None:
    laid = stage.build(tmp_path / "stage", gateway={"spool": {"max_bytes": 12_345}, "pool": {"workers": 3}})
    gateway, platform = (
        load_gateway(laid.folder / "gateway.toml"),
        load_platform(laid.folder / "platform.toml"),
    )
    assert gateway.spool.max_bytes == 12_345 and gateway.pool.workers == 3
    assert gateway.receiver.port == laid.gateway_port != laid.platform_port == platform.platform.port
    assert gateway.receiver.peers[0].admits(stage.CALLING, "127.0.0.1")
    assert (laid.folder / "hash-secret").stat().st_mode & 0o077 == 0
    assert laid.secret.key_id == laid.secret.key_id


def test_a_folder_with_a_quote_in_its_name_is_written_as_it_is(tmp_path: Path) -> None:
    laid = stage.build(tmp_path / 'a "quoted" \\ name')
    uploader = load_gateway(laid.folder / "gateway.toml").uploader
    assert uploader is not None and uploader.ca == laid.certificates.ca


def test_a_gateway_that_enrols_has_no_secret_and_no_certificate_of_its_own(tmp_path: Path) -> None:
    laid = stage.build(tmp_path / "stage", enrolled=True)
    gateway, platform = (
        load_gateway(laid.folder / "gateway.toml"),
        load_platform(laid.folder / "platform.toml"),
    )
    assert not (laid.folder / "hash-secret").exists() and gateway.identity.secret_file is None
    assert gateway.enrolment is not None and not gateway.enrolment.is_enrolled
    assert platform.web is not None and platform.web.port == laid.web_port != 0


def _pair(change: bool = True) -> compare.Pair:
    before = list(sample.study(1, SMALL))[1]
    after = pydicom.dcmread(BytesIO(_bytes(before)))
    if change:
        kept = {"SOPClassUID", "Modality", "SeriesNumber", "InstanceNumber", "PixelData"}
        for element in list(after):
            if element.keyword not in kept and element.tag.group != 0x0028:
                del after[element.tag]
        after.file_meta.MediaStorageSOPInstanceUID = after.SOPInstanceUID = "2.25.1"
        after.StudyInstanceUID, after.PatientID = "2.25.2", "0123456789abcdef"
    return compare.Pair(before, after, _bytes(after))


def _bytes(ds: pydicom.Dataset) -> bytes:
    out = BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def test_an_identity_that_is_left_anywhere_is_found() -> None:
    assert compare.leaks(_pair()) == []
    untouched = compare.leaks(_pair(change=False))
    assert {"Mustermann", "MRN-04700001", "OLD-000001"} <= set(untouched)


def test_attributes_stand_side_by_side_and_what_is_gone_is_a_dash() -> None:
    lines = {line.name: line for line in compare.side_by_side(_pair())}
    assert lines["Patient's Name"].after == compare.ABSENT
    assert "Mustermann" in lines["Patient's Name"].before
    pixels = lines["Pixel data, BLAKE3"]
    assert pixels.before == pixels.after
    assert lines["Modality"].before == lines["Modality"].after == "CT"


@pytest.mark.parametrize(
    ("objects", "hashed_id", "wrong"),
    [
        (1, "0123456789abcdef", "references"),
        (2, "0123456789abcdef", "all 2 objects"),
        (1, "another", "keyed hash"),
    ],
)
def test_what_does_not_hold_is_said(objects: int, hashed_id: str, wrong: str) -> None:
    failed = [check.what for check in compare.checks([_pair()], objects, hashed_id) if not check.holds]
    assert any(wrong in what for what in failed)


def test_other_pixels_are_noticed() -> None:
    pair = _pair()
    pair.after.PixelData = bytes(len(pair.after.PixelData))
    failed = [check.what for check in compare.checks([pair], 1, "0123456789abcdef") if not check.holds]
    assert "every pixel is what it was" in failed


def test_files_left_in_a_spool_are_found_in_every_state(tmp_path: Path) -> None:
    for name in (
        "received/a.dcm",
        "open/p/key",
        "open/p/out/a.plan",
        "quarantine/a.json",
        "run/counters",
        "ledger.sqlite",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert sorted(path.name for path in left_in(tmp_path)) == ["a.dcm", "a.json", "a.plan", "key"]
