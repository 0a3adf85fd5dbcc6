"""`penstock batch --dry-run`: nothing is written, and a person sees what would be."""

from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from engine.dicom.sample import Shape, write
from engine.pseudonymize.identity import HashSecret
from tests.support.batch import UNSEEN, Place, penstock, written

SMALL = Shape(slices=3, size=16)
NASTY = "<script>alert('x')</script>"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    HashSecret(bytes(range(32))).write(tmp_path / "secret")
    (tmp_path / "in").mkdir()
    return Place(tmp_path / "in", tmp_path / "out", tmp_path / "secret")


def rehearse(place: Place, *more: object) -> int:
    return penstock("batch", place.source, "--dry-run", "--secret-file", place.secret, *more)


def told(place: Place, capsys: pytest.CaptureFixture[str], *more: object) -> dict[str, Any]:
    rehearse(place, "--json", *more)
    document = json.loads(capsys.readouterr().out)
    assert isinstance(document, dict)
    return document


def changed(path: Path, **values: Any) -> Dataset:
    ds = pydicom.dcmread(path)
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    ds.save_as(path)
    return ds


def test_nothing_is_written_and_originals_stay(place: Place) -> None:
    paths = write(place.source, 1, SMALL)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}
    around = sorted(place.source.parent.iterdir())
    assert rehearse(place) == 0
    assert penstock("batch", place.source, place.out, "--dry-run", "--secret-file", place.secret) == 0
    assert sorted(place.source.parent.iterdir()) == around and not place.out.exists()
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths} == before


def test_what_is_shown_is_what_a_batch_then_does(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    [path, *_] = write(place.source, 1, SMALL)
    document = told(place, capsys)
    [study] = document["studies"]
    shown = {row["attribute"]: (row["before"], row["after"]) for row in study["identity"]}
    assert place.run() == 0
    original, output = pydicom.dcmread(path), pydicom.dcmread(written(place.out)[0])
    for keyword in (
        "PatientName",
        "PatientID",
        "AccessionNumber",
        "StudyDate",
        "PatientBirthDate",
        "StudyID",
    ):
        assert shown[keyword] == (str(original[keyword].value), str(output[keyword].value))
    assert shown["StudyInstanceUID"] == (original.StudyInstanceUID, study["new_study"])
    assert study["new_study"] != output.StudyInstanceUID, "the key of a dry run is thrown away"
    whats = {tuple(change["where"]): change["what"] for change in study["changes"]}
    for element in original:
        if element.tag.is_private or element.keyword not in {keyword for (keyword,) in filter(_flat, whats)}:
            continue
        now = output.get(element.keyword)
        expected = (
            "removed" if element.keyword not in output else "emptied" if now in (None, "") else "replaced"
        )
        assert whats[element.keyword,] == expected, element.keyword
    assert whats["PatientIdentityRemoved",] == "added"
    assert not any("Modality" in where for where in whats), "what stays is not shown"


def _flat(where: tuple[str, ...]) -> bool:
    return len(where) == 1


def test_nested_and_private_attributes_are_shown_with_their_places(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    write(place.source, 1, SMALL)
    [study] = told(place, capsys)["studies"]
    found = {" ".join(change["where"]): change for change in study["changes"]}
    nested = found["ReferencedImageSequence ReferencedSOPInstanceUID"]
    assert (nested["what"], nested["action"]) == ("replaced", "new-uid")
    assert nested["after"].startswith("2.25.") and nested["before"] != nested["after"]
    assert {change["action"] for where, change in found.items() if where.startswith("(0019,")} == {"private"}


def test_refused_objects_stand_in_their_study_with_reasons(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *_ = write(place.source, 1, SMALL)
    changed(first, BurnedInAnnotation="YES")
    (place.source / "text").write_text("no object")
    (place.source / "link").symlink_to("nowhere")
    document = told(place, capsys)
    [study] = document["studies"]
    assert [(one["path"], one["code"], one["tag"]) for one in study["refused"]] == [
        (first.name, "burned-in", "(0028,0301)")
    ]
    assert {one["code"] for one in document["refused_elsewhere"]} == {"not-dicom", "broken-link"}
    assert document["refused_by_code"] == {"broken-link": 1, "burned-in": 1, "not-dicom": 1}
    assert (document["objects"], document["files"]) == (SMALL.objects - 1, SMALL.objects + 2)


def test_only_the_first_studies_are_shown_and_all_are_counted(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(1, 5):
        write(place.source / str(seed), seed, SMALL)
    document = told(place, capsys, "--limit", 2)
    assert (len(document["studies"]), document["studies_not_shown"]) == (2, 2)
    assert document["objects"] == 4 * SMALL.objects


def test_the_screen_warns_and_says_what_happens_to_pixels(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = write(place.source, 1, SMALL)
    changed(paths[0], StudyDescription="\x1b[31mred")
    assert rehearse(place) == 0
    out = capsys.readouterr().out
    assert "identities of patients" in out and "nothing is written" in out
    assert f"{SMALL.objects} kept as they are" in out
    assert re.search(r"PatientName +\S.*[0-9a-f]{32}", out)
    assert "\x1b[31m" not in out


def test_the_profile_that_is_asked_for_is_the_one_that_is_shown(
    place: Place, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    [path, *_] = write(place.source, 1, SMALL)
    changed(path, BurnedInAnnotation="YES")
    (tmp_path / "unseen.toml").write_text(UNSEEN)
    assert told(place, capsys, "--profile", tmp_path / "unseen.toml")["refused"] == 0
    research = told(place, capsys, "--profile", "research")
    assert research["profile"]["name"] == "research"
    dates = {
        change["where"][0]: change["action"]
        for study in research["studies"]
        for change in study["changes"]
        if change["what"] == "replaced" and change["where"][0].endswith("Date")
    }
    assert dates["StudyDate"] == "shift-date"


class _Page(HTMLParser):
    """What a browser would load or run, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_for_its_owner_alone_loads_nothing_and_escapes_everything(
    place: Place, tmp_path: Path
) -> None:
    paths = write(place.source, 1, SMALL)
    for path in paths:
        changed(path, StudyDescription=NASTY, PatientName=NASTY)
    (place.source / "<b onclick=x>.txt").write_text("no object")
    html = tmp_path / "page.html"
    html.write_text("old")
    html.chmod(0o644)
    assert rehearse(place, "--html", html) == 1
    assert html.stat().st_mode & 0o777 == 0o600
    source = html.read_text(encoding="utf-8")
    page = _Page()
    page.feed(source)
    assert page.tags.isdisjoint({"script", "img", "link", "iframe", "b"})
    assert page.attributes.isdisjoint({"src", "href", "onclick"})
    assert "http://" not in source and "https://" not in source and "@import" not in source
    assert NASTY in page.text and "<b onclick=x>.txt" in page.text
    assert "identities of patients" in page.text and "default-src 'none'" in source


def test_a_page_in_the_input_folder_is_refused(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    write(place.source, 1, SMALL)
    assert rehearse(place, "--html", place.source / "page.html") == 2
    assert "would lie in the input folder" in capsys.readouterr().err
    assert not (place.source / "page.html").exists()


def test_a_page_that_cannot_be_written_is_named(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    write(place.source, 1, SMALL)
    assert rehearse(place, "--html", "/nowhere/page.html") == 2
    assert "/nowhere/page.html cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--limit", "2"], ["--html", "page.html"], []])
def test_wrong_uses_end_with_two(place: Place, options: list[str]) -> None:
    write(place.source, 1, SMALL)
    out = [place.out] if options else []
    assert penstock("batch", place.source, *out, "--secret-file", place.secret, *options) == 2
    assert not place.out.exists()


def test_an_input_that_is_empty_or_missing_ends_with_two(place: Place) -> None:
    assert rehearse(place) == 2
    os.rmdir(place.source)
    assert rehearse(place) == 2
