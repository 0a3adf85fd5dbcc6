"""Row 10: one object of many gigabytes, encapsulated, many frames."""

from __future__ import annotations

import http.client
import shutil
import ssl
import struct
import threading
from io import BytesIO
from pathlib import Path
from typing import Final

from blake3 import blake3
from pydicom.uid import RLELossless

from engine.demo import stage
from engine.demo.reader import Reader
from engine.demo.stage import CALLED, CALLING, HOST, Stage
from engine.dicom import sample
from engine.process import resident_bytes
from engine.scu.association import Target
from engine.sender.load import Load
from engine.sender.load import run as send
from tests.reliability.book import Measure, Run
from tests.support import travel
from tests.support.killing import processes

MEGABYTE: Final = 1 << 20
FRAGMENT: Final = 16 * MEGABYTE
AT_ONCE: Final = 4 * MEGABYTE
MOST_MB = 256
EVERY = 0.05
PATIENCE = 3600.0
ROOM = 2.3  # times the object: the spool's copy, the platform's, and some air
PIXEL_DATA = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff"
EMPTY_TABLE = b"\xfe\xff\x00\xe0" + bytes(4)
DELIMITER = b"\xfe\xff\xdd\xe0" + bytes(4)


def huge(run: Run) -> None:
    """`run.count` MB. The file is sparse: what travels are fragments of zeros, with a number in each."""
    free = shutil.disk_usage(run.work).free
    if free < run.count * MEGABYTE * ROOM:
        run.fail(f"only {free >> 20} MB are free here")
        return
    path = run.work / "huge.dcm"
    body = make(path, run.count, run.seed)
    limits: dict[str, dict[str, int | float]] = {
        "spool": {"max_bytes": 2 * run.count * MEGABYTE + (64 << 20)}
    }
    laid = stage.build(run.work / "stage", gateway=limits)
    peaks: dict[str, float] = {}
    over = threading.Event()
    with stage.running(laid):
        watching = threading.Thread(target=_watch, args=(laid, peaks, over))
        watching.start()
        try:
            _travel(run, laid, path, body)
        finally:
            over.set()
            watching.join()
    run.figures.update({f"{role}_peak_MB": round(peak, 1) for role, peak in sorted(peaks.items())})
    run.must(max(peaks.values()) <= MOST_MB, f"a process held {max(peaks.values()):.0f} MB")


def make(path: Path, megabytes: int, seed: int) -> int:
    """Writes the object; how many bytes its pixel data element has, which is its last."""
    (ds,) = [one for one in sample.study(seed, sample.Shape(slices=1, size=16)) if one.InstanceNumber == 1][
        :1
    ]
    ds.file_meta.TransferSyntaxUID = RLELossless
    fragments = -(-megabytes * MEGABYTE // FRAGMENT)
    ds.NumberOfFrames = fragments
    del ds.PixelData
    head = BytesIO()
    ds.save_as(head, enforce_file_format=True)
    with path.open("wb") as file:
        start = file.write(head.getvalue())
        file.write(PIXEL_DATA + EMPTY_TABLE)
        for number in range(fragments):
            file.write(struct.pack("<HHII", 0xFFFE, 0xE000, FRAGMENT, number))
            file.seek(FRAGMENT - 4, 1)
        file.write(DELIMITER)
        return file.tell() - start


def _travel(run: Run, laid: Stage, path: Path, body: int) -> None:
    told = send(Load(Target(HOST, laid.gateway_port, CALLED, CALLING, PATIENCE), (path,)))
    if told["objects"] != 1:
        run.fail(f"the object was not taken: {told['refused']}")
        return
    hashed_id = laid.secret.hashed_id(travel.patient_id(path))
    with Reader(laid.platform_url, laid.certificates) as reader:
        travel.wait("the object on the platform", lambda: bool(reader.studies(hashed_id)), PATIENCE)
        study = str(reader.studies(hashed_id)[0]["study_instance_uid"])
        (one,) = reader.instances(study)
    travel.emptied(laid)
    run.figures["object_bytes"] = path.stat().st_size
    run.figures["received_MB_s"] = path.stat().st_size / 1e6 / float(told["seconds"])
    stored = _digest(laid, study, str(one["sop_instance_uid"]), body)
    run.must(stored == _digest_of_file(path, body), "the pixels have changed")
    run.done = run.count


def _digest_of_file(path: Path, body: int) -> str:
    hasher = blake3()
    with path.open("rb") as file:
        file.seek(-body, 2)
        while piece := file.read(AT_ONCE):
            hasher.update(piece)
    return hasher.hexdigest()


def _digest(laid: Stage, study: str, sop: str, body: int) -> str:
    """BLAKE3 of the last `body` bytes of an object as the platform gives it, read piece by piece."""
    context = ssl.create_default_context(cafile=str(laid.certificates.ca))
    context.load_cert_chain(laid.certificates.client_certificate, laid.certificates.client_key)
    connection = http.client.HTTPSConnection(HOST, laid.platform_port, timeout=PATIENCE, context=context)
    try:
        connection.request("GET", f"/penstock/v1/studies/{study}/instances/{sop}")
        answer = connection.getresponse()
        assert answer.status == http.HTTPStatus.OK and answer.length is not None
        skip = answer.length - body
        assert skip > 0 and len(answer.read(skip)) == skip
        hasher = blake3()
        while piece := answer.read(AT_ONCE):
            hasher.update(piece)
        return hasher.hexdigest()
    finally:
        connection.close()


def _watch(laid: Stage, peaks: dict[str, float], over: threading.Event) -> None:
    while not over.wait(EVERY):
        found = processes(laid) | {"platform": [laid.platform.pid]}
        for role, pids in found.items():
            for pid in pids:
                peaks[role] = max(peaks.get(role, 0.0), resident_bytes(pid) / 1e6)


MEASURE = Measure(
    name="huge",
    row="10",
    what="one multi-frame object of 10 GB, encapsulated",
    goal="≤ 256 MB resident in each process; the digest is right",
    unit="MB",
    full=10_240,
    few=64,
    do=huge,
    note="""
An RLE object in fragments of 16 MB, sent by C-STORE through the gateway to the platform. Every process's resident memory is
read twenty times a second. What the platform stores is read back and its pixel data compared by BLAKE3.
""",
)
