"""`penstock batch` from the command line: what it writes, what it refuses, and what it says."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from engine.dicom.sample import Shape, identities, write
from engine.pseudonymize.identity import HashSecret
from tests.support.batch import UNSEEN, Place, penstock, written
from tests.support.complaints import of_pydicom

SMALL = Shape(slices=12, size=32)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    secret = tmp_path / "secret"
    HashSecret(bytes(range(32))).write(secret)
    source = tmp_path / "in"
    source.mkdir()
    return Place(source, tmp_path / "out", secret)


def read(paths: list[Path]) -> list[Dataset]:
    return [pydicom.dcmread(path) for path in paths]


def quarantined(out: Path) -> dict[str, Any]:
    document = orjson.loads((out / "quarantine.json").read_bytes())
    assert isinstance(document, dict)
    return document


def refused(out: Path) -> dict[str, str]:
    return {entry["path"]: entry["code"] for entry in quarantined(out)["refused"]}


def test_a_study_stays_one_study_over_all_workers(place: Place) -> None:
    for seed in (1, 2, 3):
        write(place.source / f"study{seed}", seed, SMALL)
    assert place.run("--workers", 4) == 0
    outputs = read(written(place.out))
    assert len(outputs) == 3 * SMALL.objects
    assert len({ds.SOPInstanceUID for ds in outputs}) == len(outputs)
    by_study: dict[str, set[str]] = {}
    for ds in outputs:
        by_study.setdefault(ds.StudyInstanceUID, set()).add(ds.FrameOfReferenceUID)
    assert [len(frames) for frames in by_study.values()] == [1, 1, 1]


def test_outputs_lie_under_hashed_id_study_series_and_object(place: Place) -> None:
    [first, *_] = write(place.source, 1, SMALL)
    assert place.run() == 0
    hashed = HashSecret.load(place.secret).hashed_id(pydicom.dcmread(first).PatientID)
    for path in written(place.out):
        ds = pydicom.dcmread(path)
        names = (ds.PatientID, ds.StudyInstanceUID, ds.SeriesInstanceUID, f"{ds.SOPInstanceUID}.dcm")
        assert path.relative_to(place.out).parts == names
        assert ds.PatientID == hashed


def test_no_identity_is_left_anywhere_in_the_output_folder(place: Place) -> None:
    sources = write(place.source, 1, SMALL)
    known = {word.encode() for path in sources for word in identities(pydicom.dcmread(path)) if len(word) > 5}
    assert place.run() == 0
    for path in place.out.rglob("*"):
        told = os.fsencode(path.relative_to(place.out)) + (path.read_bytes() if path.is_file() else b"")
        assert [word for word in known if word in told] == []


def test_originals_are_only_read(place: Place) -> None:
    paths = write(place.source, 1, SMALL)
    before = {path: (hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns) for path in paths}
    assert place.run() == 0
    assert before == {
        path: (hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns)
        for path in place.source.rglob("*.dcm")
    }


def test_pixels_are_the_same_bytes(place: Place) -> None:
    sources = sorted(pydicom.dcmread(path).PixelData for path in write(place.source, 1, SMALL))
    assert place.run() == 0
    assert sorted(ds.PixelData for ds in read(written(place.out))) == sources


def test_bodies_keep_their_place_in_a_page_when_that_is_asked_for(place: Place) -> None:
    sources = {ds.PixelData: ds for ds in read(write(place.source, 1, Shape(slices=3, size=64)))}
    assert place.run("--page-align") == 0
    outputs = read(written(place.out))
    assert len(outputs) == len(sources)
    for ds in outputs:
        before, after = sources[ds.PixelData], ds
        assert before["PixelData"].file_tell is not None
        assert after["PixelData"].file_tell % 4096 == before["PixelData"].file_tell % 4096


def test_a_finished_run_leaves_outputs_an_empty_report_and_nothing_else(place: Place) -> None:
    write(place.source, 1, SMALL)
    assert place.run() == 0
    assert quarantined(place.out) == {"refused": [], "notices": [], "finished": True}
    assert (place.out / "quarantine.json").stat().st_mode & 0o777 == 0o600
    assert not (place.out / ".penstock").exists()
    assert {path.suffix for path in place.out.rglob("*") if path.is_file()} == {".dcm", ".json"}


def test_a_second_run_is_a_second_copy_with_new_uids(place: Place) -> None:
    write(place.source, 1, SMALL)
    assert place.run() == 0
    first = {path: path.read_bytes() for path in written(place.out)}
    assert place.run() == 0
    outputs = read(written(place.out))
    assert len(outputs) == 2 * SMALL.objects
    assert len({ds.SOPInstanceUID for ds in outputs}) == 2 * SMALL.objects
    assert len({ds.StudyInstanceUID for ds in outputs}) == 2
    assert len({ds.PatientID for ds in outputs}) == 1
    assert all(path.read_bytes() == data for path, data in first.items())


def test_each_refused_file_is_named_with_its_reason_and_not_copied(place: Place) -> None:
    [whole, *_] = write(place.source / "MILLER^ANNA", 1, SMALL)
    (place.source / "note.txt").write_bytes(b"not DICOM at all" * 20)
    (place.source / "empty.dcm").write_bytes(b"")
    (place.source / "cut.dcm").write_bytes(whole.read_bytes()[:-100])
    shutil.copy(str(get_testdata_file("DICOMDIR")), place.source / "DICOMDIR")
    assert place.run("--workers", 2) == 1
    assert refused(place.out) == {
        "note.txt": "not-dicom",
        "empty.dcm": "empty",
        "cut.dcm": "truncated",
        "DICOMDIR": "dicomdir",
    }
    for entry in quarantined(place.out)["refused"]:
        assert set(entry) == {"path", "code", "reason", "hint", "tag", "offset"}
        assert entry["reason"]
    [cut] = [entry for entry in quarantined(place.out)["refused"] if entry["path"] == "cut.dcm"]
    assert cut["tag"] == "(7FE0,0010)"
    assert cut["offset"] == len(whole.read_bytes()) - 100
    assert len(written(place.out)) == SMALL.objects
    assert not (place.out / ".penstock").exists()


def test_doubles_give_one_output_and_are_counted(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    [first, *_] = write(place.source, 1, SMALL)
    shutil.copy(first, place.source / "double.dcm")
    assert place.run("--json") == 0
    told = orjson.loads(capsys.readouterr().out)
    assert (told["written"], told["duplicates"], told["files"]) == (SMALL.objects, 1, SMALL.objects + 1)
    assert len(written(place.out)) == SMALL.objects


def test_one_uid_with_two_contents_is_refused_once(place: Place) -> None:
    [first, *_] = write(place.source, 1, SMALL)
    ds = pydicom.dcmread(first)
    ds.PixelData = bytes(len(ds.PixelData))
    ds.save_as(place.source / "other.dcm")
    assert place.run("--workers", 2) == 1
    [(name, code)] = refused(place.out).items()
    assert code == "same-uid"
    assert name in {first.name, "other.dcm"}
    assert len(written(place.out)) == SMALL.objects


def test_one_uid_with_two_contents_can_be_kept_twice(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    [first, *_] = write(place.source, 1, SMALL)
    ds = pydicom.dcmread(first)
    ds.PixelData = bytes(len(ds.PixelData))
    ds.save_as(place.source / "other.dcm")
    assert place.run("--same-uid", "keep", "--json") == 0
    told = orjson.loads(capsys.readouterr().out)
    assert (told["written"], told["same_uid"], told["notices"]) == (SMALL.objects + 1, 1, {"same-uid": 1})
    assert [path.name.count(".2.dcm") for path in written(place.out)].count(1) == 1
    assert quarantined(place.out)["notices"][0]["path"] in {first.name, "other.dcm"}
    assert len({ds.StudyInstanceUID for ds in read(written(place.out))}) == 1


def test_json_is_one_document_and_nothing_else(place: Place) -> None:
    write(place.source, 1, SMALL)
    (place.source / "note.txt").write_bytes(b"x" * 300)
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli", *map(str, place.arguments("--json", "--workers", 2))],
        capture_output=True,
        check=False,
    )
    told = orjson.loads(done.stdout)
    assert (done.returncode, done.stderr) == (1, b"")
    assert told["written"] == SMALL.objects
    assert told["refused_by_code"] == {"not-dicom": 1}
    assert told["studies"] == 1
    assert told["bytes_read"] == sum(path.stat().st_size for path in place.source.glob("*.dcm"))
    assert told["bytes_written"] == sum(path.stat().st_size for path in written(place.out))
    assert told["seconds"] > 0
    assert told["actions"]["new-uid"] > 0
    assert told["profile"]["name"] == "default"
    assert len(told["profile"]["digest"]) == 64
    assert told["key_id"] == HashSecret.load(place.secret).key_id


def test_people_are_told_how_much_was_done_and_no_file_is_named(place: Place) -> None:
    write(place.source / "MILLER^ANNA", 1, SMALL)
    (place.source / "MILLER^ANNA" / "MILLER.txt").write_bytes(b"x" * 300)
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli", *map(str, place.arguments())], capture_output=True, check=False
    )
    assert done.returncode == 1
    assert f"{SMALL.objects} objects of 1 study written" in done.stdout.decode()
    assert "1 refused: not-dicom" in done.stdout.decode()
    assert str(place.out / "quarantine.json") in done.stdout.decode()
    assert b"MILLER" not in done.stdout + done.stderr
    assert done.stderr == b""


def test_a_terminal_gets_a_progress_bar(place: Place) -> None:
    write(place.source, 1, SMALL)
    words = [sys.executable, "-m", "engine.cli", *map(str, place.arguments("--workers", 2))]
    ours, theirs = os.openpty()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    told = b""
    try:
        while part := os.read(ours, 1 << 16):
            told += part
    except OSError:
        pass  # EIO: Linux says so that the other end of a terminal was closed
    assert process.wait() == 0
    for word in (b"objects/s", b"MB/s", b"0 refused", b"left", b"13 of 13"):
        assert word in told


def test_links_that_lead_in_circles_are_noticed_and_lose_nothing(place: Place) -> None:
    write(place.source / "study", 1, SMALL)
    (place.source / "study" / "up").symlink_to(place.source)
    assert place.run() == 0
    assert len(written(place.out)) == SMALL.objects
    [notice] = quarantined(place.out)["notices"]
    assert (notice["path"], notice["code"]) == ("study/up", "directory-loop")


def test_names_that_are_no_text_are_treated_and_shown(place: Place) -> None:
    [first, *_] = write(place.source, 1, SMALL)
    first.rename(place.source / os.fsdecode(b"M\xfcller.dcm"))
    (place.source / os.fsdecode(b"\xff\n\x1b.dcm")).write_bytes(b"")
    assert place.run() == 1
    assert refused(place.out) == {"\\xff\n\x1b.dcm": "empty"}
    assert len(written(place.out)) == SMALL.objects


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (["--secret-file", "missing"], "missing"),
        (["--profile", "no-such-profile"], "no-such-profile"),
        (["--workers", "0"], "--workers"),
    ],
)
def test_wrong_options_end_with_two_and_make_nothing(
    place: Place, change: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(place.source, 1, SMALL)
    assert place.run(*change) == 2
    assert named in capsys.readouterr().err
    assert not place.out.exists()


def test_without_a_secret_it_says_how_to_make_one(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PENSTOCK_SECRET_FILE", raising=False)
    assert penstock("batch", place.source, place.out) == 2
    assert "penstock secret new" in capsys.readouterr().err


@pytest.mark.parametrize(("source", "out"), [("in", "in/out"), ("in", "."), ("in", "in"), ("gone", "out")])
def test_impossible_folders_end_with_two(
    place: Place, source: str, out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = place.source.parent
    write(place.source, 1, SMALL)
    before = sorted(root.rglob("*"))
    assert penstock("batch", root / source, root / out, "--secret-file", place.secret) == 2
    assert "folder" in capsys.readouterr().err
    assert sorted(root.rglob("*")) == before


def test_an_empty_folder_is_told(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.run() == 2
    assert f"{place.source} holds no files" in capsys.readouterr().err


SHIPPED = (
    "MR_small.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "JPEG2000.dcm",
    "JPEG-lossy.dcm",
    "image_dfl.dcm",
    "reportsi.dcm",
    "rtplan.dcm",
)


@pytest.mark.parametrize("name", SHIPPED)
def test_files_that_pydicom_ships_keep_their_pixels(place: Place, name: str) -> None:
    """Little and big endian, deflated, encapsulated, a report: also where no corpus lies beside the project."""
    original = Path(str(get_testdata_file(name)))
    shutil.copy(original, place.source)
    (place.source.parent / "unseen.toml").write_text(UNSEEN, encoding="utf-8")
    assert place.run("--profile", place.source.parent / "unseen.toml") == 0
    [output] = read(written(place.out))
    before = pydicom.dcmread(original)
    assert output.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
    assert output.get("PixelData") == before.get("PixelData")
    assert of_pydicom(written(place.out)[0]) <= of_pydicom(original)
