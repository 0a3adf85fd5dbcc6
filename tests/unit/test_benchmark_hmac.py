"""The benchmark of the batcher measures what it says, and will not measure wrong digests."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import hmac_batch
from benchmarks.result import ratio


def test_each_subject_has_a_rate_a_round_and_the_target_is_ours_to_the_standard_librarys(
    tmp_path: Path,
) -> None:
    result = hmac_batch.run(tmp_path, 3, 1)
    ours, standard, other = result.rows
    assert all(len(row.values) == 3 and min(row.values) > 0 for row in (ours, standard, other))
    assert result.targets[0].seen == ratio(ours, standard)
    assert result.targets[0].wanted == 8


def test_wrong_digests_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hmac_batch, "ours", lambda _key, messages: [bytes(32) for _ in messages])
    with pytest.raises(AssertionError, match="do not agree"):
        hmac_batch.measure(1, 1)
