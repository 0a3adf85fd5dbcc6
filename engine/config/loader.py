"""From a TOML file to a frozen configuration, or to an error that names file, key and what may be there."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from engine.config import enrolment, explain
from engine.config.gateway import GatewayConfig, ProfileConfig, is_profile_file
from engine.config.platform import PlatformConfig
from engine.errors import ConfigError

C = TypeVar("C", GatewayConfig, PlatformConfig)


def load_gateway(path: str | Path) -> GatewayConfig:
    """The gateway's configuration. Relative paths in it count from the file's folder. Raises ConfigError."""
    path = Path(path)
    config = _load(path, GatewayConfig)
    folder = path.absolute().parent

    def place(name: str | None) -> str | None:
        return str(folder / name) if name is not None and is_profile_file(name) else name

    return msgspec.structs.replace(
        config,
        profile=ProfileConfig(name=place(config.profile.name) or config.profile.name),
        routes=tuple(msgspec.structs.replace(one, profile=place(one.profile)) for one in config.routes),
        destinations=tuple(
            msgspec.structs.replace(one, profile=place(one.profile)) for one in config.destinations
        ),
    )


def load_platform(path: str | Path) -> PlatformConfig:
    """The platform's configuration. Relative paths in it count from the file's folder. Raises ConfigError."""
    path = Path(path)
    config = _load(path, PlatformConfig)
    password = config.platform.database_password_file
    place = str(path.absolute().parent / password) if password else ""
    server = msgspec.structs.replace(config.platform, database_password_file=place)
    placed = config.objects.placed(path.absolute().parent)
    return msgspec.structs.replace(config, platform=server, objects=placed)


def _load(path: Path, kind: type[C]) -> C:
    data = _read(path)
    unknown = explain.unknown_key(data, kind)
    if unknown is not None:
        raise ConfigError("config-unknown-key", f"{path}: {unknown.message}", hint=unknown.hint)
    folder = path.absolute().parent
    if kind is GatewayConfig:
        data = enrolment.complete(data, folder)

    def make_path(kind: type, value: Any) -> Path:
        if kind is not Path:
            raise NotImplementedError(f"no way to make {kind.__name__} of a TOML value")
        if not isinstance(value, str) or not value or "\0" in value:
            raise ValueError("expected a path")
        return folder / value

    try:
        return msgspec.convert(data, kind, dec_hook=make_path)
    except msgspec.ValidationError as error:
        fault = explain.wrong_value(str(error), data, kind)
        raise ConfigError("config-wrong-value", f"{path}: {fault.message}", hint=fault.hint) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError as error:
        hint = "give the path of the configuration with --config"
        raise ConfigError("config-missing", f"{path}: there is no such file", hint=hint) from error
    except OSError as error:
        hint = "it must be a file that this user may read"
        raise ConfigError(
            "config-unreadable", f"{path}: cannot be read: {error.strerror}", hint=hint
        ) from error
    except UnicodeDecodeError as error:
        hint = "a configuration is a TOML file"
        raise ConfigError("config-not-toml", f"{path}: is not UTF-8 text", hint=hint) from error
    except tomllib.TOMLDecodeError as error:
        hint = "see https://toml.io for the format"
        raise ConfigError("config-not-toml", f"{path}: is not TOML: {error}", hint=hint) from error
