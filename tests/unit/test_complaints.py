"""The comparison of complaints that the corpus is judged by: it has to find what is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

from tests.support.complaints import dcmdump, have_dcmdump, of_pydicom, same_pixels


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return Path(shutil.copy(str(get_testdata_file("CT_small.dcm")), tmp_path / "whole.dcm"))


@pytest.fixture
def cut(whole: Path) -> Path:
    path = whole.with_name("cut.dcm")
    path.write_bytes(whole.read_bytes()[:2000])
    return path


def test_dcmdump_complains_about_the_damaged_file_alone(whole: Path, cut: Path) -> None:
    if not have_dcmdump():
        pytest.skip("no dcmdump (Debian's dcmtk) here")
    more = [Path(shutil.copy(whole, whole.with_name(f"{number}.dcm"))) for number in range(5)]
    said = dcmdump([*more, cut, whole])
    assert said.keys() == {*more, cut, whole}
    assert [path for path, words in said.items() if words] == [cut]


def test_pydicom_complains_about_the_damaged_file_alone(whole: Path, cut: Path) -> None:
    assert of_pydicom(whole) == frozenset()
    cut.write_bytes(whole.read_bytes().replace(b"1.3.6.1.4.1.5962.1.2.1.", b"1.3.6.1.4.1.5962.1.two."))
    assert len(of_pydicom(cut)) == 1
    cut.write_bytes(b"no DICOM")
    assert len(of_pydicom(cut)) == 1


def test_words_do_not_depend_on_names_and_numbers(whole: Path, cut: Path) -> None:
    if not have_dcmdump():
        pytest.skip("no dcmdump (Debian's dcmtk) here")
    other = whole.with_name("other-name.dcm")
    cut.write_bytes(whole.read_bytes()[:-1000])
    other.write_bytes(whole.read_bytes()[:-2000])
    said = dcmdump([cut, other])
    assert said[cut] == said[other] != frozenset()


def test_one_changed_pixel_is_found(whole: Path) -> None:
    other = whole.with_name("other.dcm")
    shutil.copy(whole, other)
    assert same_pixels(whole, other)
    raw = bytearray(whole.read_bytes())
    raw[-1000] ^= 1
    other.write_bytes(raw)
    assert not same_pixels(whole, other)


def test_lost_pixels_are_found(whole: Path) -> None:
    ds = pydicom.dcmread(whole)
    del ds.PixelData
    ds.save_as(whole.with_name("bare.dcm"))
    assert not same_pixels(whole, whole.with_name("bare.dcm"))
