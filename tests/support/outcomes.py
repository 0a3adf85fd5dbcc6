"""What a core answers, as a value: a result, a refusal, or how much more it needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import pytest

from engine._native.reader import NeedMore, Refused

P = ParamSpec("P")
T = TypeVar("T")


def outcome(call: Callable[P, T], *args: P.args, **named: P.kwargs) -> T | Refused | NeedMore:
    """What `call` returns, or the refusal or wish for more that it raises."""
    try:
        return call(*args, **named)
    except (Refused, NeedMore) as problem:
        return problem


def refused(call: Callable[P, object], *args: P.args, **named: P.kwargs) -> Refused:
    """The refusal that `call` must raise."""
    with pytest.raises(Refused) as caught:
        call(*args, **named)
    return caught.value
