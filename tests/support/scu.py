"""pynetdicom's SCU in a process of its own, as a PACS is: sends files, prints the status of each on a line.

    python tests/support/scu.py HOST PORT CALLED CALLING PATH…

-1 stands for an object that got no answer, because the association was refused or lost.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE


def statuses(host: str, port: int, called: str, calling: str, paths: list[str]) -> Iterator[int]:
    """Sends `paths` in their order on one association; the status of each as soon as it is known."""
    datasets = [pydicom.dcmread(path) for path in paths]
    ae = AE(ae_title=calling)
    for sop_class in sorted({ds.SOPClassUID for ds in datasets}):
        ae.add_requested_context(sop_class, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    association = ae.associate(host, port, ae_title=called)
    for ds in datasets:
        answer = association.send_c_store(ds) if association.is_established else Dataset()
        yield int(answer.Status) if "Status" in answer else -1
    if association.is_established:
        association.release()


if __name__ == "__main__":
    for status in statuses(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:]):
        print(status, flush=True)
