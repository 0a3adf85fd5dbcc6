"""Blanking regions of uncompressed frames: the body becomes kept spans of the source with zeros between them."""

from __future__ import annotations

import numpy as np

from engine._native.survey import Survey
from engine.errors import Refusal
from engine.profile.pixels import Region
from engine.pseudonymize.pixels import (
    ALLOCATED,
    COLUMNS,
    FRAMES,
    PHOTOMETRIC,
    PLANAR,
    ROWS,
    SAMPLES,
    Mask,
    number,
)
from engine.pseudonymize.plan import ZEROS

MOST_SPANS = 200_000
Span = tuple[int, int]


def blanked(mask: Mask, rows: int, columns: int) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Which pixels are blanked: bool, shape (rows, columns)."""
    chosen = np.zeros((rows, columns), dtype=np.bool_)
    for region in mask.regions:
        left, top, width, height = _bounded(region, rows, columns)
        chosen[top : top + height, left : left + width] = True
    return chosen if mask.inside else ~chosen


def _bounded(region: Region, rows: int, columns: int) -> Region:
    left, top, width, height = region
    return left, top, width or columns, height or rows


def masked_spans(
    values: Survey, syntax: int, mask: Mask, at: int, header: bytes, length: int
) -> tuple[Span, ...]:
    """Spans (offset, length in bytes) of a body at `at`, whose element begins with `header` and whose value has `length` bytes,
    with the masked pixels of every frame as (ZEROS, length).

    Raises Refusal `mask-impossible` where the pixels are not laid out in whole bytes a sample, the frames and the length
    disagree, or the rule's regions lie beside the frame; `ultrasound-regions` where they are all of it.
    """
    shape = {
        tag: number(values.raw(tag), syntax) for tag in (ROWS, COLUMNS, SAMPLES, ALLOCATED, PLANAR, FRAMES)
    }
    rows, columns, samples = shape[ROWS], shape[COLUMNS], shape[SAMPLES] or 1
    width, odd = divmod(shape[ALLOCATED], 8)
    count = values.get(FRAMES) or b"1"
    frames = int(count) if count.isdigit() else 0
    subsampled = (values.get(PHOTOMETRIC) or b"").endswith(b"_422")
    frame = rows * columns * samples * width
    if odd or not frame or subsampled or not 0 <= length - frames * frame <= 1:
        raise Refusal(
            "mask-impossible", "the pixels are not laid out so that a region can be blanked", tag=0x7FE00010
        )
    chosen = blanked(mask, rows, columns).ravel()
    if not chosen.any():
        raise Refusal(
            "mask-impossible" if mask.inside else "ultrasound-regions",
            "the regions leave no pixel to be blanked, so they do not tell where the text stands",
            tag=0x7FE00010,
        )
    planes = samples if samples > 1 and shape[PLANAR] == 1 else 1
    step = width * (samples if planes == 1 else 1)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], chosen, [False])).astype(np.int8)))
    if edges.size // 2 * planes * frames > MOST_SPANS:
        raise Refusal("mask-impossible", "the mask falls into too many pieces", tag=0x7FE00010)
    # Words of two pixels: the second byte is the first pixel (PS3.5 8.1.1), so a word goes as a whole.
    words = bool(syntax & 2) and width == 1 and header[4:6] == b"OW"
    first, done = at + len(header), 0
    spans: list[Span] = [(at, len(header))]
    for plane in range(0, frames * frame, rows * columns * step):
        for left, right in edges.reshape(-1, 2).tolist():
            begin, end = plane + left * step, plane + right * step
            if words:
                begin, end = max(begin & ~1, done), min(end + (end & 1), length)
            _extend(spans, first + done, begin - done)
            if end > begin:
                spans.append((ZEROS, end - begin))
            done = max(done, end)
    _extend(spans, first + done, length - done)
    return tuple(spans)


def _extend(spans: list[Span], offset: int, length: int) -> None:
    """Adds a span of the source, joined to the last one where it follows it."""
    if length <= 0:
        return
    last, size = spans[-1]
    if last >= 0 and last + size == offset:
        spans[-1] = (last, size + length)
    else:
        spans.append((offset, length))
