"""Tables that remember studies, patients and objects have a bound: what goes through them by the hundred thousand leaves no more
memory behind than what filled them.

Memory is counted in blocks of Python's allocator: exact, and the same on every machine."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import sys
from collections.abc import Callable

from engine._native.program import ACTIONS
from engine._native.survey import survey
from engine.coordinator.custody import REMEMBERED, Arrival, Custody
from engine.coordinator.decisions import Found, Persist, Seal
from engine.coordinator.members import Members
from engine.profile import compiled
from engine.pseudonymize.identities import _REMEMBERED, PATIENT_ID, STUDY_UID, Identities
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.rewrite import Pseudonymizer
from engine.spool.layout import object_id
from engine.uploader.backlog import Backlog
from engine.uploader.outgoing import Key
from tests.support.datasets import EXPLICIT, Element, encode, part10

THROUGH = 200_000
BLOCKS = 20  # that an identity and a cleaned value are, with their keys
STRAY = 2000  # blocks that the test itself and the interpreter may hold


def blocks_after(do: Callable[[int], None], counts: range) -> int:
    """Blocks that are held when `do` was called with every number."""
    for number in counts:
        do(number)
    gc.collect()
    return sys.getallocatedblocks()


def test_two_hundred_thousand_studies_leave_no_more_behind_than_those_remembered() -> None:
    """Each is received, opens a pass, is planned and sealed; the second study in ten has two objects."""
    names = itertools.count()
    members = Members(lambda _: [])
    custody = Custody(1.0, 60.0, members, lambda: f"{next(names):032x}", lambda: ((), ()))

    def one(number: int) -> None:
        now = number * 10.0
        for index in range(2 if number % 10 == 1 else 1):
            identifier = object_id(f"{number:016x}", 1 + index)
            custody.arrived([identifier], now)
            decisions = custody.surveyed(
                Arrival(identifier, f"study-{number}", f"1.2.{number}.{index}", 10), now
            )
            for found in decisions:
                if isinstance(found, Found):
                    custody.founded(found.pass_id)
            for known in list(custody.passes):
                custody.planned(identifier, known)
        (persist,) = custody.tick(now + 5.0)
        assert isinstance(persist, Persist)
        assert custody.persisted(persist.pass_id, {}) == [Seal(persist.pass_id)]

    full = blocks_after(one, range(2 * REMEMBERED))
    assert blocks_after(one, range(2 * REMEMBERED, THROUGH)) <= full + STRAY
    assert not custody.passes and not custody.unresolved


def test_six_thousand_kinds_of_objects_leave_no_more_behind_than_those_remembered() -> None:
    by = Pseudonymizer(compiled("default"), HashSecret(bytes(32)))
    descriptor = os.memfd_create("object")

    def one(number: int) -> None:
        head = [
            Element(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.2"),
            Element(0x00080018, "UI", b"1.9.%d" % number),
            Element(PATIENT_ID, "LO", b"P%d" % number),
            Element(STUDY_UID, "UI", b"1.2.%d" % number),
        ]
        data = part10(encode(head, EXPLICIT), EXPLICIT.uid)
        os.pwrite(descriptor, data, 0)
        by.plan(descriptor, len(data), bytes(32))

    try:
        full = max(blocks_after(one, range(start, start + 250)) for start in range(0, 2_000, 250))
        most = max(blocks_after(one, range(start, start + 250)) for start in range(2_000, 6_000, 250))
    finally:
        os.close(descriptor)
    assert most <= full + STRAY


def test_two_hundred_thousand_patients_leave_no_more_behind_than_those_remembered() -> None:
    identities = Identities(HashSecret(bytes(32)), issuer=False)
    clean = ACTIONS["clean-text"]

    def one(number: int) -> None:
        data = encode(
            [Element(PATIENT_ID, "LO", b"P%d" % number), Element(STUDY_UID, "UI", b"1.2.%d" % number)],
            EXPLICIT,
        )
        identities.of(survey(data, len(data), 0, EXPLICIT.bits, (PATIENT_ID, STUDY_UID)), b"1.9")
        identities.encode(clean, 0x0008103E, b"Head %d" % number, b"")

    before, step = blocks_after(one, range(1)), THROUGH // 20
    most = max(blocks_after(one, range(start, start + step)) for start in range(0, THROUGH, step))
    assert most - before <= BLOCKS * _REMEMBERED + STRAY


def test_members_of_passes_are_put_out_of_memory() -> None:
    members = Members(lambda _: [], most=1000)

    def one(number: int) -> None:
        members.add(f"pass-{number // 100}", f"1.2.{number}", f"object-{number}")
        members.trim()

    full = blocks_after(one, range(2000))
    assert blocks_after(one, range(2000, THROUGH)) <= full + STRAY


def test_objects_that_went_out_are_forgotten_by_the_backlog() -> None:
    backlog = Backlog()

    def one(number: int) -> None:
        backlog.offer([Key("0" * 32, f"{number:016x}-00000001")])
        key = backlog.take()
        assert key is not None
        backlog.strike(key, number)
        backlog.done(key)

    async def through() -> None:
        full = blocks_after(one, range(1000))
        assert blocks_after(one, range(1000, THROUGH)) <= full + STRAY

    asyncio.run(through())
    assert len(backlog) == 0
