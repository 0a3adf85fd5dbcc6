"""Who may associate, and when nobody may."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.gateway import SpoolConfig
from engine.config.receiver import PeerConfig, ReceiverConfig
from engine.receiver.admission import Gate, Rejection, who
from engine.receiver.request import Caller
from engine.spool.budget import Budget

PACS = PeerConfig(ae_title="PACS", network="10.1.0.0/16")
ANY = PeerConfig(ae_title="*", network="192.168.7.7")


def caller(called: str = "PENSTOCK", calling: str = "PACS", version: int = 1) -> Caller:
    return Caller(version, called, calling, b"")


@pytest.mark.parametrize(
    ("called", "calling", "address", "expected"),
    [
        ("PENSTOCK", "PACS", "10.1.2.3", 0),
        ("PENSTOCK", "WHOEVER", "192.168.7.7", 1),
        ("PENSTOCK", "PACS", "10.2.0.1", Rejection.CALLING_NOT_RECOGNIZED),
        ("PENSTOCK", "OTHER", "10.1.2.3", Rejection.CALLING_NOT_RECOGNIZED),
        ("PENSTOCK", "", "192.168.7.7", Rejection.CALLING_NOT_RECOGNIZED),
        ("PENSTOCK", "pacs", "10.1.2.3", Rejection.CALLING_NOT_RECOGNIZED),
        ("OTHER", "PACS", "10.1.2.3", Rejection.CALLED_NOT_RECOGNIZED),
        ("", "PACS", "10.1.2.3", Rejection.CALLED_NOT_RECOGNIZED),
        ("OTHER", "STRANGER", "10.1.2.3", Rejection.CALLING_NOT_RECOGNIZED),
        ("PENSTOCK", "PACS", "::ffff:10.1.2.3", 0),
    ],
)
def test_a_caller_is_known_by_its_title_and_its_network(
    called: str, calling: str, address: str, expected: Rejection | int
) -> None:
    assert who(ReceiverConfig(peers=(PACS, ANY)), caller(called, calling), address) == expected


def test_a_fresh_install_refuses_everybody() -> None:
    assert who(ReceiverConfig(), caller(), "127.0.0.1") == Rejection.CALLING_NOT_RECOGNIZED


def test_another_protocol_version_is_rejected() -> None:
    answer = who(ReceiverConfig(peers=(PACS,)), caller(version=2), "10.1.2.3")
    assert answer == Rejection.PROTOCOL_VERSION
    assert who(ReceiverConfig(peers=(PACS,)), caller(version=3), "10.1.2.3") == 0


def test_the_gate_closes_at_the_high_mark_and_opens_again_below_the_low_one(tmp_path: Path) -> None:
    budget = Budget.attach(tmp_path, "receiver", 1000)
    gate = Gate(SpoolConfig(path=tmp_path, max_bytes=1000, high_water=0.8, low_water=0.5), budget)
    told = []
    for step in (700, 99, 1, -299, -1, 300, 1):
        if step > 0:
            budget.reserve(step)
        else:
            budget.release(-step)
        told.append((budget.used(), gate.is_open()))
    assert told == [
        (700, True),
        (799, True),
        (800, False),
        (501, False),
        (500, False),
        (800, False),
        (801, False),
    ]
    budget.release(302)
    assert gate.is_open()
