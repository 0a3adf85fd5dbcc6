"""A batch run over a folder that also tells which input became which output, which a run forgets on purpose."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import orjson
from blake3 import blake3

from engine.batch import Report, Request, run
from engine.batch.compare import pieces
from engine.profile import compiled
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.plan import ObjectPlan, PassKey
from engine.pseudonymize.rewrite import Pseudonymizer

SECRET = bytes(range(32))


class Recording(Pseudonymizer):
    """The real one; it also writes down the digest of the bytes that each input becomes."""

    log = -1

    def plan(self, fd: int, size: int, pass_key: PassKey) -> ObjectPlan:
        made = super().plan(fd, size, pass_key)
        digest = blake3()
        for piece in pieces(made, fd):
            digest.update(piece)
        source = os.readlink(f"/proc/self/fd/{fd}")
        os.write(self.log, f"{digest.hexdigest()} {source}\n".encode())
        return made


@dataclass(frozen=True)
class Recorded:
    """One run. `output_of`: input → its output; several inputs may have one. `refused`: path below the source → code."""

    report: Report
    refused: dict[str, str]
    output_of: dict[Path, Path]
    outputs: list[Path]


def recorded(source: Path, folder: Path, profile: str) -> Recorded:
    """Everything below `source` in one run of two workers, its outputs in `folder`."""
    log = folder / "log"
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    request = Request(
        source=source,
        out=folder / "out",
        profile=compiled(profile),
        secret=HashSecret(SECRET),
        workers=2,
        keep_same_uid=True,
    )
    report = run(request, make=type("Logged", (Recording,), {"log": descriptor}))
    os.close(descriptor)
    outputs = sorted(request.out.rglob("*.dcm"))
    by_digest = {blake3(path.read_bytes()).hexdigest(): path for path in outputs}
    output_of = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        digest, path = line.split(" ", 1)
        if digest in by_digest:
            output_of[Path(path)] = by_digest[digest]
    told = orjson.loads((request.out / "quarantine.json").read_bytes())
    refused = {entry["path"]: entry["code"] for entry in told["refused"]}
    return Recorded(report, refused, output_of, outputs)
