"""Every real file is rewritten into one that pydicom and DCMTK read without new complaints and whose pixels are
the same bytes, or it stands, with its reason, on the reviewed list of refusals."""

from __future__ import annotations

import csv
import multiprocessing
import os
from pathlib import Path

import orjson
import pytest

from tests.support import complaints
from tests.support.recorded import Recorded, recorded

pytestmark = pytest.mark.corpus

REFUSALS = Path(__file__).with_name("refusals.json")
NOT_OBJECTS = {"README.md": "not-dicom", "INDEX.csv": "not-dicom"}
BROKEN = ("parse_stop", "past_end", "past end", "truncated")


def reviewed(kind: str) -> dict[str, str]:
    """The reviewed list: path → code. `structure`: refused whatever the profile; `pixels`: refused by `default` since
    their pixels may show who the patient is."""
    lists = orjson.loads(REFUSALS.read_bytes())
    assert set(lists) == {"structure", "pixels"}
    found = lists[kind]
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def rewritten(by_default: Recorded) -> Recorded:
    return by_default


def test_the_refused_files_are_those_of_the_reviewed_list(rewritten: Recorded) -> None:
    assert rewritten.refused == reviewed("structure") | NOT_OBJECTS


def test_the_shipped_profile_refuses_besides_what_its_pixels_may_tell(corpus: Path, tmp_path: Path) -> None:
    by_default = recorded(corpus, tmp_path, "default")
    assert by_default.refused == reviewed("structure") | reviewed("pixels") | NOT_OBJECTS
    codes = {"burned-in", "secondary-capture", "screen-save", "ultrasound-regions", "mask-compressed"}
    assert set(reviewed("pixels").values()) <= codes


def test_a_whole_file_that_pydicom_reads_without_force_is_not_on_the_list(corpus: Path) -> None:
    with (corpus / "INDEX.csv").open(encoding="utf-8", newline="") as file:
        rows = {f"{row['repo']}/{row['path']}": row for row in csv.DictReader(file)}
    for path, code in reviewed("structure").items():
        row = rows[path]
        whole = row["readable_noforce"] == "1" and not any(word in row["odd"] for word in BROKEN)
        assert not whole or code == "dicomdir", path


def test_every_other_file_has_an_output_with_the_planned_bytes(corpus: Path, rewritten: Recorded) -> None:
    inputs = {Path(folder) / name for folder, _, names in os.walk(corpus) for name in names}
    missing = [
        path
        for path in inputs - set(rewritten.output_of)
        if str(path.relative_to(corpus)) not in rewritten.refused
    ]
    assert missing == []
    assert set(rewritten.outputs) == set(rewritten.output_of.values())
    assert rewritten.report.written == len(rewritten.outputs)
    assert rewritten.report.files == len(inputs)
    assert rewritten.report.finished


def _read(pair: tuple[Path, Path]) -> tuple[Path, frozenset[str], bool]:
    """What pydicom newly complains about in an output, and whether the pixels are the same bytes."""
    source, output = pair
    said = complaints.of_pydicom(output)
    if said:
        said -= complaints.of_pydicom(source, force=True)
    return source, said, complaints.same_pixels(source, output)


@pytest.fixture(scope="module")
def read_by_pydicom(rewritten: Recorded) -> list[tuple[Path, frozenset[str], bool]]:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(_read, sorted(rewritten.output_of.items()), chunksize=16)


def test_pydicom_reads_every_output_without_new_complaints(
    read_by_pydicom: list[tuple[Path, frozenset[str], bool]],
) -> None:
    assert {source: said for source, said, _ in read_by_pydicom if said} == {}


def test_pixel_data_is_the_same_bytes(read_by_pydicom: list[tuple[Path, frozenset[str], bool]]) -> None:
    assert [source for source, _, same in read_by_pydicom if not same] == []


def test_dcmdump_reads_every_output_without_new_complaints(rewritten: Recorded) -> None:
    if not complaints.have_dcmdump():
        pytest.skip("no dcmdump (Debian's dcmtk) here")
    said = {path: words for path, words in complaints.dcmdump(rewritten.outputs).items() if words}
    inputs = [source for source, output in rewritten.output_of.items() if output in said]
    before = complaints.dcmdump(inputs)
    new: dict[str, frozenset[str]] = {}
    for source in inputs:
        words = said[rewritten.output_of[source]] - before[source]
        if words:
            new[str(source)] = words
    assert new == {}
