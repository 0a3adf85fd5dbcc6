"""What the benchmarks of sizes and workers are made of: whole objects, and a model that says what it says."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from benchmarks import inputs, scale, shapes, sizes
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


def test_a_hundred_thousand_tiny_objects_are_all_read_once_from_the_disk_and_at_most_three_times_from_the_cache(
    tmp_path: Path,
) -> None:
    (tiny,) = [kind for kind in shapes.KINDS if kind.many]
    assert tiny.objects == 100_000
    source = tmp_path / "kind"
    source.mkdir()
    for number in range(11):
        (source / f"{number}.dcm").write_bytes(b"x")
    assert sizes._turns(tiny, source, 5, cold=False) == [source] * 3
    shares = sizes._turns(tiny, source, 5, cold=True)
    names = [path.name for share in shares for path in share.iterdir()]
    assert len(shares) == 5 and len(names) == 11 == len(set(names))
    assert sizes._turns(shapes.KINDS[0], source, 5, cold=True) == [source] * 5


def test_the_benchmark_of_sizes_runs_with_a_few_objects_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = tuple(kind for kind in shapes.KINDS if kind.make in {shapes.mr, shapes.tiny})
    monkeypatch.setattr(sizes, "KINDS", few)
    told = sizes.run(tmp_path, rounds=2, objects=1)
    assert len(told.rows) == 8 and all(value > 0 for row in told.rows for value in row.values)
    assert [path.name for path in tmp_path.iterdir()] == ["out"] or not list(tmp_path.iterdir())
