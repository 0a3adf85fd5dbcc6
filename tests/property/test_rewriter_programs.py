"""Any program on any bytes: a plan, a refusal or a wish for more, and nothing else; under AddressSanitizer (scripts/asan-test)
also no byte outside the buffers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine._native.program import Program
from engine._native.reader import NeedMore, Refused, fragments, read_meta, walk
from engine._native.rewriter import Plan, Rewriter
from engine._native.survey import survey
from tests.support.datasets import SYNTAXES, Element, Syntax, encode, exact, part10
from tests.support.outcomes import outcome
from tests.support.rewriting import PASS_KEY, rewrite_growing, rewrite_with
from tests.support.strategies import SEQUENCES, damage, elements, examples, programs

every_syntax = pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)


def encode_value(action: int, tag: int, value: bytes, charset: bytes) -> bytes | None:
    return None if len(value) % 3 == 2 else value[::-1][:64]


def rewriter(program: Program) -> Rewriter:
    made = Rewriter(program, encode_value)
    made.set_pass_key(PASS_KEY)
    return made


def essence(answer: Plan | Refused | NeedMore) -> Any:
    if isinstance(answer, Plan):
        return answer.head, answer.end, answer.counts, answer.body_tag, answer.body_length, answer.leaks
    assert isinstance(answer, Refused)
    return answer.code


@every_syntax
@examples(40)
@given(
    program=programs(),
    tree=st.lists(elements(), max_size=8),
    data=st.data(),
    tail=st.booleans(),
)
def test_any_program_on_any_bytes_gives_one_answer(
    syntax: Syntax, program: Program, tree: list[Element], data: st.DataObject, tail: bool
) -> None:
    source = data.draw(damage(encode(tree, syntax)))
    given: dict[str, Any] = {"tail": tail, "scan": True, "shift_days": -3}
    whole = outcome(rewrite_with, rewriter(program), exact(source), syntax, **given)
    assert not isinstance(whole, NeedMore), "there is no more"
    again = rewriter(program)
    for _ in range(2):
        assert essence(outcome(rewrite_with, again, exact(source), syntax, **given)) == essence(whole)
    first = data.draw(st.integers(0, len(source)))
    assert essence(outcome(rewrite_growing, again, source, syntax, first, **given)) == essence(whole)
    if isinstance(whole, Plan):
        walk(exact(whole.head), 0, syntax.bits, SEQUENCES if not syntax.explicit else ())


@every_syntax
@examples(40)
@given(tree=st.lists(elements(), max_size=6), data=st.data())
def test_the_reader_takes_any_bytes(syntax: Syntax, tree: list[Element], data: st.DataObject) -> None:
    source = data.draw(damage(encode(tree, syntax)))
    outcome(walk, exact(source), 0, syntax.bits, SEQUENCES)
    outcome(survey, exact(source), len(source), 0, syntax.bits, (0x00080005, 0x00080018))
    outcome(fragments, exact(source), 0, 0, len(source), syntax.bits)
    avail = data.draw(st.integers(0, len(source)))
    answer = outcome(survey, exact(source[:avail]), len(source), 0, syntax.bits, (0x00080005,))
    assert not isinstance(answer, NeedMore) or avail < answer.upto <= len(source)
    file = data.draw(damage(part10(source[:100], syntax.uid, sop_class=b"1.2", sop_instance=b"1.2.3")))
    meta = outcome(read_meta, exact(file), len(file))
    assert isinstance(meta, Refused) or getattr(meta, "start", 0) <= len(file)
