"""What pydicom can write survives a rewrite that changes nothing; a rewrite by `default` changes no shape the second time."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given
from pydicom.dataset import Dataset

from engine._native.program import Program
from engine._native.reader import Refused, walk
from engine._native.rewriter import Rewriter
from engine.dicom import dictionary
from engine.profile import compiled
from tests.support.datasets import SYNTAXES, Syntax, read
from tests.support.rewriting import PASS_KEY, keep_all, rewrite, rewrite_growing, rewrite_with
from tests.support.strategies import examples, pydicom_datasets, written

every_syntax = pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)

SQ_TAGS = frozenset(row.tag for row in dictionary.attributes().values() if row.vr == "SQ")


@every_syntax
@examples(25)
@given(dataset=pydicom_datasets())
def test_a_rewrite_that_keeps_everything_changes_nothing(syntax: Syntax, dataset: Dataset) -> None:
    data = written(dataset, syntax)
    plan = rewrite(keep_all(), data, syntax)
    assert plan.head == data
    assert read(plan.head, syntax) == read(data, syntax)


@every_syntax
@examples(10)
@given(dataset=pydicom_datasets())
def test_so_does_one_through_windows_that_grow(syntax: Syntax, dataset: Dataset) -> None:
    data = written(dataset, syntax)
    rewriter = Rewriter(keep_all(), encode_value)
    rewriter.set_pass_key(PASS_KEY)
    assert rewrite_growing(rewriter, data, syntax, 1).head == data


def encode_value(action: int, tag: int, value: bytes, charset: bytes) -> bytes:
    return b"X" * 16 if value.strip(b" \0") else b""


@cache
def default() -> Program:
    return compiled("default").program


def shape(head: bytes, syntax: Syntax) -> list[tuple[int, str, int]]:
    return [(row[1], row[2], row[4]) for row in walk(head, 0, syntax.bits, SQ_TAGS)]


@every_syntax
@examples(25)
@given(dataset=pydicom_datasets())
def test_a_second_rewrite_by_default_changes_no_shape(syntax: Syntax, dataset: Dataset) -> None:
    rewriter = Rewriter(default(), encode_value)
    rewriter.set_pass_key(PASS_KEY)
    more: dict[str, Any] = {"shift_days": -100}
    try:
        once = rewrite_with(rewriter, written(dataset, syntax), syntax, **more).head
    except Refused as problem:
        assert problem.code == "by-profile"  # noqa: PT017
        return
    twice = rewrite_with(rewriter, once, syntax, **more).head
    assert shape(twice, syntax) == shape(once, syntax)
