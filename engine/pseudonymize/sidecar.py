"""The sidecar: a plan on disk beside the untouched original, until the receipt.

Layout: magic, length of the JSON (uint32 little endian), JSON, head, tail, BLAKE3 of all before it (32 bytes). A sidecar that does
not match its checksum counts as lost, and is made again from the original.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Any

import orjson
from blake3 import blake3

from engine.errors import SpoolError
from engine.pseudonymize.plan import ZEROS, ObjectPlan

MAGIC = b"PENSTK1\n"
_LENGTH = struct.Struct("<I")
_DIGEST = 32


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A plan as read back, with the size in bytes of the original that it was made for."""

    plan: ObjectPlan
    source_size: int

    def check_source(self, source: int) -> None:
        """Makes sure that the file descriptor `source` is the original this plan was made for: same size, and the body begins
        where the plan says, so that no byte of an original's head can be sent as a kept span.

        Raises SpoolError `source-changed`.
        """
        plan, end = self.plan, self.source_size
        if os.fstat(source).st_size != end:
            raise SpoolError("source-changed", "the original is not as long as its plan says")
        kept = [(offset, length) for offset, length in plan.spans if offset != ZEROS]
        if any(offset < 0 or length < 0 or offset + length > end for offset, length in kept):
            raise SpoolError("source-changed", "the plan keeps bytes that the original does not have")
        begin = plan.body_header
        if plan.spans and (
            plan.spans[0] not in kept or not begin or _read(source, plan, len(begin)) != begin
        ):
            raise SpoolError(
                "source-changed", "the original's body does not begin where its plan says", tag=plan.body_tag
            )


def _read(source: int, plan: ObjectPlan, count: int) -> bytes:
    return os.pread(source, count, plan.spans[0][0])


def encode(plan: ObjectPlan, source_size: int) -> bytes:
    """The sidecar's bytes for a plan of an original of `source_size` bytes."""
    told = orjson.dumps(
        {
            "source_size": source_size,
            "head": len(plan.head),
            "tail": len(plan.tail),
            "spans": plan.spans,
            "body_tag": plan.body_tag,
            "body_header": plan.body_header.hex(),
            "size": plan.size,
            "transfer_syntax": plan.transfer_syntax,
            "sop_class_uid": plan.sop_class_uid,
            "sop_instance_uid": plan.sop_instance_uid,
            "study_instance_uid": plan.study_instance_uid,
            "series_instance_uid": plan.series_instance_uid,
            "hashed_id": plan.hashed_id,
            "counts": plan.counts,
            "pixels": plan.pixels,
        }
    )
    content = b"".join((MAGIC, _LENGTH.pack(len(told)), told, plan.head, plan.tail))
    return content + blake3(content).digest()


def decode(data: bytes) -> Sidecar:
    """Reads a sidecar. Raises SpoolError `sidecar-damaged`, which means: make it again."""
    begin = len(MAGIC) + _LENGTH.size
    if len(data) < begin + _DIGEST or not data.startswith(MAGIC):
        raise SpoolError("sidecar-damaged", "a sidecar has no beginning of one", retryable=True)
    if blake3(memoryview(data)[:-_DIGEST]).digest() != data[-_DIGEST:]:
        raise SpoolError("sidecar-damaged", "a sidecar does not match its checksum", retryable=True)
    (length,) = _LENGTH.unpack_from(data, len(MAGIC))
    try:
        return _sidecar(orjson.loads(memoryview(data)[begin : begin + length]), data, begin + length)
    except (KeyError, TypeError, ValueError):
        raise SpoolError("sidecar-damaged", "a sidecar is one of another version", retryable=True) from None


def _sidecar(told: dict[str, Any], data: bytes, head_at: int) -> Sidecar:
    """Raises KeyError, TypeError or ValueError for a sidecar whose checksum is right and whose content is not this version's."""
    tail_at = head_at + told["head"]
    if tail_at + told["tail"] + _DIGEST != len(data):
        raise ValueError("the lengths do not add up")
    return Sidecar(
        ObjectPlan(
            head=data[head_at:tail_at],
            spans=tuple((offset, size) for offset, size in told["spans"]),
            tail=data[tail_at : tail_at + told["tail"]],
            body_tag=told["body_tag"],
            body_header=bytes.fromhex(told["body_header"]),
            size=told["size"],
            transfer_syntax=told["transfer_syntax"],
            sop_class_uid=told["sop_class_uid"],
            sop_instance_uid=told["sop_instance_uid"],
            study_instance_uid=told["study_instance_uid"],
            series_instance_uid=told["series_instance_uid"],
            hashed_id=told["hashed_id"],
            counts=told["counts"],
            pixels=told["pixels"],
        ),
        told["source_size"],
    )
