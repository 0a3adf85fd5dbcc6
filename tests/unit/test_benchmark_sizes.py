"""What the benchmarks of sizes and workers are made of: whole objects, and a model that says what it says."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from benchmarks import inputs, scale, shapes
from tests.support.rewritten import planned, worker


@pytest.mark.parametrize(
    ("make", "size"),
    [(shapes.ct, 526_000), (shapes.mr, 130_000), (shapes.mammography, 30_000_000), (shapes.tiny, 8_000)],
)
def test_a_made_object_has_its_size_and_passes_the_default_profile(
    tmp_path: Path, make: shapes.Make, size: int
) -> None:
    path = tmp_path / "made.dcm"
    make(path)
    assert path.stat().st_size == pytest.approx(size, rel=0.15)
    assert pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID
    plan, written = planned(path.read_bytes(), worker("default"))
    assert plan.pixels == "kept"
    assert len(written) == plan.size


def test_distinct_copies_differ_in_their_uids_alone(tmp_path: Path) -> None:
    inputs.distinct(inputs.ct_slice(tmp_path), tmp_path / "copies", 7, studies=3)
    found = [pydicom.dcmread(path) for path in sorted((tmp_path / "copies").iterdir())]
    assert len({ds.SOPInstanceUID for ds in found}) == 7
    assert len({ds.StudyInstanceUID for ds in found}) == 3
    assert len({ds.PixelData for ds in found}) == 1
    assert all(ds.SOPInstanceUID == ds.file_meta.MediaStorageSOPInstanceUID for ds in found)


@pytest.mark.parametrize(
    ("workers", "serial", "gain"), [(64, 0.0, 64.0), (64, 1.0, 1.0), (2, 0.5, 4 / 3), (1, 0.3, 1.0)]
)
def test_the_model_is_amdahls_law(workers: int, serial: float, gain: float) -> None:
    assert scale.speedup(workers, serial) == pytest.approx(gain)
