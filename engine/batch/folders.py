"""The two folders of a run, looked at before anything is made."""

from __future__ import annotations

import os
from pathlib import Path

from engine.errors import ConfigError


def check_source(source: Path) -> None:
    """ConfigError, naming the folder and the way out, unless `source` can be walked."""
    try:
        with os.scandir(source):
            pass
    except FileNotFoundError as error:
        raise ConfigError(
            "input-missing", f"the input folder {source} does not exist", hint="correct the first argument"
        ) from error
    except NotADirectoryError as error:
        raise ConfigError(
            "input-not-a-folder",
            f"the input {source} is not a folder",
            hint="name the folder that it lies in",
        ) from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "unknown error"
        raise ConfigError(
            "input-unreadable",
            f"the input folder {source} cannot be read: {reason}",
            hint="give yourself the right to read it",
        ) from error


def check_folders(source: Path, out: Path) -> None:
    """ConfigError, naming the folder and the way out, unless `source` can be walked and neither lies in the
    other."""
    check_source(source)
    whole, into = Path(os.path.realpath(source)), Path(os.path.realpath(out))
    if whole == into:
        raise ConfigError(
            "folders-nested",
            f"{out} is the input folder as well as the output folder",
            hint="name an output folder outside of the input folder: originals are never touched",
        )
    if whole in into.parents:
        raise ConfigError(
            "folders-nested",
            f"the output folder {out} lies in the input folder {source}",
            hint="name an output folder elsewhere: a later run would take its outputs for inputs",
        )
    if into in whole.parents:
        raise ConfigError(
            "folders-nested",
            f"the input folder {source} lies in the output folder {out}",
            hint="name an output folder elsewhere: originals and outputs must not mix",
        )
