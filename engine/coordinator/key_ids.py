"""What the coordinator hears of hash secrets, by their key ids: it never has one itself."""

from __future__ import annotations

import os
import selectors
import signal
from dataclasses import replace

from engine.coordinator.messages import Ready
from engine.coordinator.pool import LocalPool, Member
from engine.coordinator.routes import Treatments
from engine.errors import PenstockError
from engine.keeper import notice
from engine.keeper.states import OUT
from engine.process import StopRequest
from engine.spool.layout import Spool


def first_ready(pool: LocalPool, selector: selectors.BaseSelector, asked: StopRequest) -> Ready | None:
    """Waits until one worker has the hash secret. None when the stop was asked for before: the workers are killed then,
    they have nothing in hand.
    """
    selector.register(asked, selectors.EVENT_READ, asked)
    try:
        while not asked.made:
            for key, _ in selector.select():
                if not isinstance(key.data, Member):
                    asked.acknowledge()
                    continue
                for _, result in pool.read(key.data):
                    if isinstance(result, Ready):
                        return result
    finally:
        selector.unregister(asked)
    for member in pool.members:
        os.kill(member.pid, signal.SIGKILL)
    return None


def told_by_keeper(spool: Spool, treatments: Treatments) -> Treatments:
    """The treatments with the secret that is in force now: new passes take it, open ones keep theirs.

    Raises PenstockError when this gateway was fenced or revoked. The workers must forget the secret then, and they do so
    by ending.
    """
    told = notice.read(spool.run)
    if told is None:
        return treatments
    if told.state in OUT:
        raise PenstockError(
            f"gateway-{told.state}",
            f"the gateway {told.sentence}",
            hint=told.trouble.hint if told.trouble else "",
        )
    if not told.key_ids or told.key_ids == (treatments.key_id, *treatments.former):
        return treatments
    return replace(treatments, key_id=told.key_ids[0], former=told.key_ids[1:])
