"""One object in memory, rewritten as the gateway and `batch` do it."""

from __future__ import annotations

import os
from contextlib import closing
from functools import cache

from engine.errors import Refusal
from engine.profile import compiled
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.plan import ObjectPlan, write_plan
from engine.pseudonymize.rewrite import Pseudonymizer

SECRET = bytes(range(32))
PASS_KEY = bytes(range(100, 132))


class _Memory:
    """A file that is nowhere but in memory."""

    def __init__(self, data: bytes = b"") -> None:
        self.fd = os.memfd_create("object", os.MFD_CLOEXEC)
        os.write(self.fd, data)

    def read(self) -> bytes:
        return os.pread(self.fd, os.fstat(self.fd).st_size, 0)

    def close(self) -> None:
        os.close(self.fd)


@cache
def worker(profile: str) -> Pseudonymizer:
    """The worker for a profile, by name or path."""
    return Pseudonymizer(compiled(profile), HashSecret(SECRET))


def planned(data: bytes, by: Pseudonymizer, pass_key: bytes = PASS_KEY) -> tuple[ObjectPlan, bytes]:
    """The plan for an object and the output that it makes. Raises Refusal."""
    with closing(_Memory(data)) as source, closing(_Memory()) as target:
        plan = by.plan(source.fd, len(data), pass_key)
        write_plan(plan, source.fd, target.fd)
        return plan, target.read()


def rewritten(data: bytes, profile: str, pass_key: bytes = PASS_KEY) -> bytes:
    """The output for an object. Raises Refusal."""
    return planned(data, worker(profile), pass_key)[1]


def refusal_of(data: bytes, profile: str) -> str:
    """The code with which an object is refused, "" if it is not."""
    try:
        rewritten(data, profile)
    except Refusal as refusal:
        return refusal.code
    return ""
