"""Named points at which a test may kill the process, to show that a restart takes up from there.

`PENSTOCK_KILL_POINT=<name>:<file>`: the first process that reaches the point and can create the file dies by
SIGKILL. The file keeps the point from firing again after the restart, and tells the test that it fired.
Without the variable a point is one comparison."""

from __future__ import annotations

import os
import signal
from typing import Final

POINTS: Final = frozenset(
    {
        "received-before-answer",  # receiver: durable in received/, Success not sent
        "pass-made-before-name",  # worker: key and study durable in a hidden folder
        "pass-named",  # worker: the pass has its name
        "admitted-before-job",  # coordinator: in the pass, no worker told
        "plan-written-before-name",  # worker: the temporary plan is complete
        "plan-named-before-result",  # worker: the plan is there, the coordinator not told
        "refused-before-move",  # coordinator or uploader: the reason is written, the object not moved
        "persisted-before-seal",  # coordinator: every plan durable, the key still there
        "key-destroyed",  # coordinator: sealed, the study file still there
        "sent-before-receipt",  # uploader: the request is out, no answer
        "receipt-before-delete",  # uploader: the receipt is in the ledger, the original there
        "original-deleted-before-plan",  # uploader: half of a release
    }
)
_NAME, _, _MARK = os.environ.get("PENSTOCK_KILL_POINT", "").partition(":")


def reached(name: str) -> None:
    """Dies here if this is the point that was asked for, and the first time."""
    if name == _NAME and name in POINTS:
        try:
            os.close(os.open(_MARK, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
