"""A rewritten object is as good an instance of its IOD as the original: dciodvfy finds no error that it did not find before.

Up to three files of each SOP class, transfer syntax and repository, because the verifier takes minutes for all;
scripts/verify-iods looks at all.
"""

from __future__ import annotations

import csv
import multiprocessing
import os
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support import iods
from tests.support.recorded import Recorded

pytestmark = pytest.mark.corpus

OF_EACH_KIND = 3
ALL = "PENSTOCK_WHOLE_CORPUS"
# Parts of data sets that pydicom's tests are made of: without a SOP Class UID nothing says which attributes they lack, while the
# output has the one of the file meta group, and everything is found to be missing. And the verifier does not inflate.
UNCHECKED = {
    "CT_small_deflated.dcm",
    "UN_sequence.dcm",
    "bad.dcm",
    "chrSQEncoding.dcm",
    "chrSQEncoding1.dcm",
    "image_dfl.dcm",
    "meta_missing_tsyntax.dcm",
    "nested_priv_SQ.dcm",
    "no_meta_group_length.dcm",
    "priv_SQ.dcm",
}


@pytest.fixture(scope="module")
def chosen(corpus: Path) -> list[Path]:
    """The files to look at: a few of each kind, those of the most headers' bytes first; or all."""
    kinds: dict[tuple[str, ...], list[tuple[int, Path]]] = defaultdict(list)
    with (corpus / "INDEX.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            kind = (row["sop_class_name"], row["ts_name"], row["repo"])
            kinds[kind].append((-int(row["header_bytes"] or 0), corpus / row["repo"] / row["path"]))
    most = None if os.environ.get(ALL) else OF_EACH_KIND
    return [path for found in kinds.values() for _, path in sorted(found)[:most]]


@pytest.fixture(scope="module")
def before(chosen: list[Path]) -> dict[Path, frozenset[str]]:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return dict(zip(chosen, pool.map(iods.errors, chosen, chunksize=8), strict=True))


def _new_errors(run: Recorded, before: dict[Path, frozenset[str]]) -> dict[str, frozenset[str]]:
    """By file, what is wrong with its output and was not with itself."""
    sources = [
        source for source in before if source in run.output_of and not iods.is_unchecked(before[source])
    ]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        after = pool.map(iods.errors, [run.output_of[source] for source in sources], chunksize=8)
    found = zip(sources, after, strict=True)
    return {str(source): new for source, errors in found if (new := errors - before[source])}


def test_the_originals_have_errors_of_their_own(before: dict[Path, frozenset[str]]) -> None:
    assert len(before) > 200
    assert sum(bool(errors) for errors in before.values()) > 50
    unchecked = {path.name for path, errors in before.items() if iods.is_unchecked(errors)}
    assert unchecked <= UNCHECKED
    assert "image_dfl.dcm" in unchecked


def test_default_makes_no_new_errors(by_default: Recorded, before: dict[Path, frozenset[str]]) -> None:
    assert _new_errors(by_default, before) == {}


def test_research_makes_no_new_errors(by_research: Recorded, before: dict[Path, frozenset[str]]) -> None:
    assert _new_errors(by_research, before) == {}
