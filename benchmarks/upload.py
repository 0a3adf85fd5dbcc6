"""The last leg alone: a spool full of objects that are ready, the uploader, TLS, and the platform that encrypts them."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.inputs import ct_slice, huge_object
from benchmarks.processes import Usage, usage
from benchmarks.result import Result, Row, Target
from engine.demo import stage
from engine.demo.stage import Stage
from engine.errors import PenstockError
from engine.profile import compiled
from engine.pseudonymize import sidecar
from engine.pseudonymize.rewrite import Pseudonymizer
from engine.spool.layout import Spool, new_pass_id, object_id

MOST_SECONDS = 600.0
HUGE_BYTES = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Upload:
    """From the moment that the uploader works to an empty spool; `usage` of uploader and platform."""

    objects: int
    size: int
    seconds: float
    usage: list[Usage]

    def cpu(self, name: str) -> float:
        """Processor milliseconds an object of the process called `name`, its start included."""
        return sum(process.cpu for process in self.usage if process.name == name) / self.objects * 1e3


def fill(scene: Stage, source: Path, objects: int) -> int:
    """Puts copies of a file into one pass, each with a plan of its own; the bytes that have to be sent."""
    spool = Spool.open(scene.spool)
    pass_id, association = new_pass_id(), secrets.token_hex(8)
    for name in ("in", "out"):
        (spool.folder_of(pass_id) / name).mkdir(mode=0o700, parents=True)
    pseudonymizer = Pseudonymizer(compiled("default"), scene.secret)
    size = source.stat().st_size
    total = 0
    for number in range(objects):
        identifier = object_id(association, number)
        original = spool.original(pass_id, identifier)
        if objects == 1:
            os.link(source, original)
        else:
            original.write_bytes(source.read_bytes())
        descriptor = os.open(original, os.O_RDONLY)
        try:
            plan = pseudonymizer.plan(
                descriptor, size, secrets.token_bytes(32)
            )  # a pass key each: new UIDs each
        finally:
            os.close(descriptor)
        spool.plan(pass_id, identifier).write_bytes(sidecar.encode(plan, size))
        total += plan.size
    os.sync()
    return total


def upload(folder: Path, source: Path, objects: int) -> Upload:
    """Sends `objects` copies. RuntimeError if it takes too long."""
    scene = stage.build(folder)
    size = fill(scene, source, objects)
    command = [sys.executable, "-m", "engine.supervisor.child", "uploader"]
    command += ["--config", str(scene.folder / "gateway.toml"), "--parent", str(os.getpid())]
    scene.start_platform()
    process = None
    try:
        before = usage(scene.platform.pid, "platform")
        with (folder / "uploader.log").open("wb") as log:
            process = subprocess.Popen(command, stderr=log)
        while not (scene.spool / "run" / "uploader.json").exists() and process.poll() is None:
            time.sleep(0.002)
        began = time.monotonic()
        _wait_until_empty(scene, process, began + MOST_SECONDS)
        seconds = time.monotonic() - began
        taken = usage(process.pid, "uploader") + _since(before, usage(scene.platform.pid, "platform"))
        return Upload(objects, size, seconds, taken)
    finally:
        if process is not None:
            process.terminate()
            process.wait(60)
        try:
            scene.platform.stop()
        except PenstockError:
            scene.platform.kill()


def _wait_until_empty(scene: Stage, process: subprocess.Popen[bytes], until: float) -> None:
    folders = list(scene.spool.glob("open/*/in"))
    while any(next(folder.iterdir(), None) for folder in folders):
        if time.monotonic() > until or process.poll() is not None:
            raise RuntimeError("the uploader does not send: " + (scene.folder / "uploader.log").read_text())
        time.sleep(0.02)


def _since(before: list[Usage], now: list[Usage]) -> list[Usage]:
    spent = {process.pid: process.cpu for process in before}
    return [
        Usage(process.name, process.pid, process.peak_rss, process.cpu - spent.get(process.pid, 0.0))
        for process in now
    ]


def run(work: Path, rounds: int, objects: int) -> Result:
    """`objects` copies of the CT slice, `rounds` times, then one object of 2 GB."""
    piece = ct_slice(work)
    uploads = [upload(work / f"upload-{number}", piece.path, objects) for number in range(rounds)]
    huge_object(work / "huge.dcm", HUGE_BYTES)
    huge = upload(work / "upload-huge", work / "huge.dcm", 1)
    (work / "huge.dcm").unlink()
    rate = Row(
        "from a full spool to an empty one",
        "objects/s",
        tuple(u.objects / u.seconds for u in uploads),
    )
    speed = Row("the same in bytes", "MB/s", tuple(u.size / u.seconds / 1e6 for u in uploads))
    cpu = [
        Row(f"processor time, {name}", "ms/object", tuple(u.cpu(name) for u in uploads))
        for name in ("uploader", "platform")
    ]
    peaks = [
        Row(f"peak RSS, {process.name}", "MB", (process.peak_rss / 1e6,), note)
        for one, note in ((uploads[-1], f"{objects} objects"), (huge, "one object of 2 GB"))
        for process in one.usage
    ]
    one = Row("one object of 2 GB", "MB/s", (huge.size / huge.seconds / 1e6,))
    return Result(
        name="upload",
        title="Uploader to platform, one machine",
        text=(
            f"{objects} objects ({piece.name}, {piece.size:,} bytes) wait in the spool with their plans. TLS 1.3 with "
            "client certificates, BLAKE3 on both sides, AES-256-GCM at rest, every object fsynced and indexed before its "
            "receipt, its original deleted after it. Both processes share the cores; processor time includes the uploader's start."
        ),
        rows=(rate, speed, *cpu, one, *peaks),
        targets=(
            Target("objects a second", 500.0, rate.median, "objects/s"),
            Target("the largest process", 200.0, max(row.median for row in peaks), "MB", most=True),
        ),
    )
