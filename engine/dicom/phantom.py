"""Pixels for the sample study: a chest, as simple as it can be and still be recognised in a viewer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.int16]

# Hounsfield units (PS3.3 C.11.1.1.2 with Rescale Type HU), and the offset at which they are stored.
AIR, LUNG, FAT, TISSUE, BLOOD, BONE = -1000, -850, -90, 40, 55, 650
INTERCEPT = -1024


class Chest:
    """A body of ellipses, cut across (`axial`) or seen from the front (`localizer`)."""

    def __init__(self, size: int, seed: int) -> None:
        """`size`: rows and columns of every image, 16 or more; the same `seed` gives the same pixels."""
        if size < 16:
            raise ValueError(f"an image of {size} rows cannot show a chest: 16 or more")
        axis = np.linspace(-1.0, 1.0, size, dtype=np.float32)
        self._y, self._x = np.meshgrid(axis, axis, indexing="ij")
        self._seed = seed

    def axial(self, index: int, slices: int) -> Pixels:
        """Slice `index` (0 is the highest) of `slices`, size × size, stored values (HU - INTERCEPT)."""
        depth = (index + 0.5) / slices
        swell = float(np.sin(np.pi * depth))
        image = np.full(self._x.shape, AIR, dtype=np.float32)
        self._paint(image, 0.0, 0.0, 0.86, 0.62, FAT)
        self._paint(image, 0.0, 0.0, 0.80, 0.56, TISSUE)
        for side in (-1, 1):
            self._paint(image, side * 0.38, -0.04, 0.12 + 0.20 * swell, 0.14 + 0.26 * swell, LUNG)
        self._paint(image, 0.10, -0.12, 0.05 + 0.17 * swell, 0.06 + 0.14 * swell, BLOOD)
        self._paint(image, 0.0, 0.36, 0.10, 0.09, BONE)
        self._paint(image, 0.0, 0.36, 0.035, 0.035, TISSUE)
        if abs(depth - 0.4) < 0.06:
            self._paint(image, -0.42, 0.05, 0.04, 0.04, TISSUE)
        return self._stored(image, index)

    def localizer(self) -> Pixels:
        """The projection from the front, size × size, stored values."""
        image = np.full(self._x.shape, AIR, dtype=np.float32)
        self._paint(image, 0.0, 0.1, 0.80, 1.2, TISSUE)
        for side in (-1, 1):
            self._paint(image, side * 0.38, 0.0, 0.28, 0.62, LUNG + 500)
        self._paint(image, 0.0, 0.0, 0.08, 1.2, BONE)
        return self._stored(image, -1)

    def _paint(self, image: NDArray[np.float32], x: float, y: float, a: float, b: float, value: int) -> None:
        image[((self._x - x) / a) ** 2 + ((self._y - y) / b) ** 2 <= 1.0] = value

    def _stored(self, image: NDArray[np.float32], index: int) -> Pixels:
        noise = np.random.default_rng((self._seed, index + 1)).normal(0.0, 12.0, image.shape)
        return np.clip(image + noise - INTERCEPT, 0, 4095).astype("<i2")
