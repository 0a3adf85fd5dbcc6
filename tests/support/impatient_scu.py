"""pynetdicom's SCU in a process of its own that gives a lost answer up after five seconds;
pynetdicom's own 30 s would be longer than the quiet time of a test.

    python tests/support/impatient_scu.py HOST PORT CALLED CALLING PATH…

Prints the status of each object on a line; -1 stands for one without an answer.
"""

from __future__ import annotations

import os
import sys

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE

SECONDS = 5.0


def main(host: str, port: str, called: str, calling: str, *paths: str) -> None:
    datasets = [pydicom.dcmread(path) for path in paths]
    ae = AE(ae_title=calling)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = SECONDS
    for sop_class in sorted({ds.SOPClassUID for ds in datasets}):
        ae.add_requested_context(sop_class, [ExplicitVRLittleEndian])
    association = ae.associate(host, int(port), ae_title=called)
    for ds in datasets:
        answer = association.send_c_store(ds) if association.is_established else Dataset()
        print(int(answer.get("Status", -1)), flush=True)
    if association.is_established:
        association.release()
    sys.stdout.flush()
    os._exit(0)  # pynetdicom's threads would wait for the lost connection


if __name__ == "__main__":
    main(*sys.argv[1:])
