"""Failures that a platform cannot put a name to: it could not read the object, so it does not know its UID."""

from __future__ import annotations

import orjson
import pytest

from engine.uploader.verdicts import Outcome, Sent, judge

DIGEST = "ab" * 32


def _answer(stored: list[str], failed: list[tuple[str, int, str]]) -> bytes:
    def block(**elements: object) -> dict[str, object]:
        return {f"0{tag[1:]}": {"Value": [value]} for tag, value in elements.items()}

    receipts = [block(_0081155=uid, _0990010="PENSTOCK", _0991001=DIGEST, _0991002=10) for uid in stored]
    failures = [
        block(_0081155=uid, _0081197=reason, _0990010="PENSTOCK", _0991006=code)
        for uid, reason, code in failed
    ]
    data_set = {"00081199": {"Value": receipts}, "00081198": {"Value": failures}}
    return orjson.dumps({tag: element for tag, element in data_set.items() if element["Value"]})


def _sent(*uids: str) -> list[Sent]:
    return [Sent(uid, DIGEST, 10) for uid in uids]


@pytest.mark.parametrize("named", ["", "1.2.another"])
def test_an_object_sent_alone_takes_the_failure_that_names_nobody(named: str) -> None:
    (verdict,) = judge(409, _answer([], [(named, 0xA900, "missing-attribute")]), _sent("1.2.3"))
    assert (verdict.outcome, verdict.reason) == (Outcome.REFUSED, "missing-attribute")


def test_the_one_that_is_neither_stored_nor_named_takes_it() -> None:
    answer = _answer(["1", "3"], [("", 0xC000, "not-dicom")])
    outcomes = [verdict.outcome for verdict in judge(202, answer, _sent("1", "2", "3"))]
    assert outcomes == [Outcome.UNTOLD, Outcome.REFUSED, Outcome.UNTOLD]


def test_two_that_are_left_over_are_not_guessed_between() -> None:
    answer = _answer(["1"], [("", 0xC000, "not-dicom")])
    outcomes = [verdict.outcome for verdict in judge(202, answer, _sent("1", "2", "3"))]
    assert outcomes == [Outcome.UNTOLD] * 3


def test_a_failure_that_names_another_object_of_the_request_is_that_ones() -> None:
    answer = _answer([], [("2", 0xA900, "missing-attribute")])
    outcomes = [verdict.outcome for verdict in judge(409, answer, _sent("1", "2"))]
    assert outcomes == [Outcome.UNTOLD, Outcome.REFUSED]


def test_where_all_is_stored_a_missing_receipt_is_no_failure() -> None:
    (verdict,) = judge(200, _answer([], []), _sent("1"))
    assert verdict.outcome is Outcome.AGAIN
