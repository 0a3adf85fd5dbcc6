"""What a profile says of text burned into pixels: which objects pass, which are masked, which are quarantined (design:
rule 13)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

POLICIES = ("quarantine", "keep")
"""`quarantine`: what may carry burned-in text is quarantined unless a device rule says where it stands. `keep`: pixels
pass unseen; for sites that clean them elsewhere."""

Region = tuple[int, int, int, int]
"""(left, top, width, height) in pixels; a width or height of 0 reaches to the edge."""


@dataclass(frozen=True, slots=True)
class DeviceRule:
    """Where devices write into their images. Empty strings and 0 mean any; `manufacturer` and `model` are beginnings,
    without regard to case. No `regions`: such images carry no text."""

    modality: str = ""
    manufacturer: str = ""
    model: str = ""
    rows: int = 0
    columns: int = 0
    regions: tuple[Region, ...] = ()
    why: str = ""

    def fits(self, modality: str, manufacturer: str, model: str, rows: int, columns: int) -> bool:
        """Whether an object of this device and size is meant."""
        return (
            self.modality in ("", modality)
            and manufacturer.casefold().startswith(self.manufacturer.casefold())
            and model.casefold().startswith(self.model.casefold())
            and self.rows in (0, rows)
            and self.columns in (0, columns)
        )


@dataclass(frozen=True, slots=True)
class PixelRules:
    """A profile's `[pixels]`: the policy, and device rules, the first that fits decides."""

    policy: str = "quarantine"
    devices: tuple[DeviceRule, ...] = ()


class PixelRulesError(ValueError):
    """What is wrong with a `[pixels]` table; the loader adds file and line."""


_RULE_KEYS = {"modality", "manufacturer", "model", "rows", "columns", "regions", "why"}


def parse_pixels(table: Mapping[str, Any]) -> PixelRules:
    """Reads `[pixels]`: `policy`, `shipped_devices` (true unless said otherwise) and `[[pixels.device]]`, which go
    before the shipped ones. Raises PixelRulesError."""
    for key in table:
        if key not in ("policy", "shipped_devices", "device"):
            raise PixelRulesError(f"unknown key {key}; [pixels] has policy, shipped_devices, device")
    policy = table.get("policy", "quarantine")
    if policy not in POLICIES:
        raise PixelRulesError(f"policy is one of {', '.join(POLICIES)}")
    own = table.get("device", [])
    if not isinstance(own, list):
        raise PixelRulesError("devices are written as [[pixels.device]]")
    with_shipped = table.get("shipped_devices", True)
    if not isinstance(with_shipped, bool):
        raise PixelRulesError("shipped_devices is true or false")
    return PixelRules(policy, tuple(map(_device, own)) + (shipped_devices() if with_shipped else ()))


@cache
def shipped_devices() -> tuple[DeviceRule, ...]:
    """The starter table of device signatures."""
    text = files(__package__).joinpath("data", "devices.toml").read_text(encoding="utf-8")
    return tuple(map(_device, tomllib.loads(text)["device"]))


def _device(table: object) -> DeviceRule:
    if not isinstance(table, dict):
        raise PixelRulesError("devices are written as [[pixels.device]]")
    for key, value in table.items():
        if key not in _RULE_KEYS:
            raise PixelRulesError(f"unknown key device.{key}; a device has {', '.join(sorted(_RULE_KEYS))}")
        if key in ("rows", "columns"):
            if type(value) is not int or not 0 <= value <= 65535:
                raise PixelRulesError(f"device.{key} is a number of pixels, 0 to 65535")
        elif key != "regions" and not isinstance(value, str):
            raise PixelRulesError(f"device.{key} is a string")
    if not (table.get("manufacturer") or table.get("model") or table.get("modality")):
        raise PixelRulesError("a device rule names a modality, a manufacturer or a model")
    regions = table.get("regions", [])
    if not isinstance(regions, list) or not all(_is_region(region) for region in regions):
        raise PixelRulesError("device.regions are [left, top, width, height], each 0 to 65535 pixels")
    return DeviceRule(**{**table, "regions": tuple(tuple(region) for region in regions)})


def _is_region(region: object) -> bool:
    return (
        isinstance(region, list)
        and len(region) == 4
        and all(type(number) is int and 0 <= number <= 65535 for number in region)
    )
