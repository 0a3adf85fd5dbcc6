"""The project's answer key: every plant. Their number and the kinds of places are promises, tested beside it."""

from __future__ import annotations

from tests.leaks import attributes, nested, outside, own, private, special, uids

PLANTS = (
    *outside.PLANTS,
    *attributes.PLANTS,
    *uids.PLANTS,
    *nested.PLANTS,
    *private.PLANTS,
    *own.PLANTS,
    *special.PLANTS,
)
PLACES = tuple(dict.fromkeys(plant.place for plant in PLANTS))
