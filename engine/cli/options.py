"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from engine.errors import ConfigError

if TYPE_CHECKING:
    from engine.platform.administration import Administration
    from engine.pseudonymize.identity import HashSecret

F = TypeVar("F", bound=Callable[..., Any])

SECRET_FILE_VARIABLE = "PENSTOCK_SECRET_FILE"  # noqa: S105 - a path, not the secret


def secret_file_option(function: F) -> F:
    """Gives a command `--secret-file`, as the argument `secret_file: Path | None`; see `load_secret`."""
    return click.option(
        "--secret-file",
        type=click.Path(path_type=Path),
        envvar=SECRET_FILE_VARIABLE,
        metavar="FILE",
        help=f"The hash secret's file.  [default: what {SECRET_FILE_VARIABLE} names]",
    )(function)


def config_option(function: F) -> F:
    """Gives a command `--config` of the gateway, as the argument `config_file: Path`."""
    return _config_of("gateway")(function)


def platform_config_option(function: F) -> F:
    """Gives a command `--config` of the platform, as the argument `config_file: Path`."""
    return _config_of("platform")(function)


def _config_of(whose: str) -> Callable[[F], F]:
    return click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        required=True,
        metavar="FILE",
        help=f"The {whose}'s configuration.",
    )


def load_secret(path: Path | None) -> HashSecret:
    """The hash secret of a command. Raises ConfigError, which says how to make one."""
    from engine.pseudonymize.identity import HashSecret

    if path is None:
        hint = f"make one with: penstock secret new FILE; name it by --secret-file or {SECRET_FILE_VARIABLE}"
        raise ConfigError("secret-missing", "there is no hash secret", hint=hint)
    return HashSecret.load(path)


def administration_of(config_file: Path) -> AbstractContextManager[Administration]:
    """The platform of this configuration, opened for a command. Raises ConfigError."""
    from engine.config import load_platform
    from engine.platform.administration import administration

    return administration(load_platform(config_file))


def secret_of_gateway(config_file: Path) -> HashSecret:
    """The hash secret that this gateway uses: from its file, or from its keeper. Raises ConfigError."""
    from engine.config import load_gateway
    from engine.keeper.client import fetch_secret
    from engine.pseudonymize.identity import HashSecret
    from engine.spool.layout import Spool

    config = load_gateway(config_file)
    if config.identity.secret_file is not None:
        return HashSecret.load(config.identity.secret_file)
    return fetch_secret(Spool.open(config.spool.path, create=False).run)
