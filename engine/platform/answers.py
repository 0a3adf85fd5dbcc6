"""JSON answers, and which HTTP status an error has."""

from __future__ import annotations

import orjson
from starlette.responses import Response

from engine.errors import PenstockError

RETRY_SECONDS = 5
_STATUS = {
    "content-type": 415,
    "multipart": 400,
    "query": 400,
    "no-tenant": 403,
    "not-found": 404,
    "not-acceptable": 406,
    "idle": 408,
    "too-large": 413,
    "object-altered": 500,
    "object-missing": 500,
    "data-key": 500,
}


def json_answer(body: object, status: int = 200) -> Response:
    """A JSON answer that nobody may keep."""
    return Response(orjson.dumps(body), status, {"cache-control": "no-store"}, media_type="application/json")


def problem_answer(problem: PenstockError, *, close: bool = False) -> Response:
    """What the client is told of a foreseen error. `close`: the request's body was not read to its end."""
    status = 503 if problem.retryable else _STATUS.get(problem.code, 500)
    answer = json_answer({"error": problem.describe()}, status)
    if problem.retryable:
        answer.headers["retry-after"] = str(RETRY_SECONDS)
    if close:
        answer.headers["connection"] = "close"
    return answer
