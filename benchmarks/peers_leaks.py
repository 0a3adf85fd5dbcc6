"""One peer over a folder of small objects, in the peers' own environment; nothing of Penstock is imported here.

    build/peers/bin/python benchmarks/peers_leaks.py NAME SOURCE TARGET

Each file by itself: what one refuses does not keep it from the others. Prints JSON: the peer's version, and for each file that
it did not write the class of the error.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

from peers import PEERS, Anonymize  # type: ignore[import-not-found]  # the file beside this one


def _deid() -> Anonymize:
    from deid.config import DeidRecipe  # type: ignore[import-not-found]
    from deid.dicom import replace_identifiers  # type: ignore[import-not-found]

    recipe = DeidRecipe()

    def run(source: Path, target: Path) -> None:
        replace_identifiers(
            [str(source)], deid=recipe, save=True, output_folder=str(target.parent), remove_private=True
        )

    return run


MAKERS = {**PEERS, "deid": _deid}


def main(name: str, source: Path, target: Path) -> dict[str, object]:
    """Runs the peer over every file of `source`."""
    anonymize = MAKERS[name]()
    refused: dict[str, str] = {}
    for path in sorted(source.iterdir()):
        output = target / path.name
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                anonymize(path, output)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 (some end themselves or panic; each is a refusal of that one file)
            refused[path.name] = type(error).__name__
        if not output.is_file():
            refused.setdefault(path.name, "no output")
    return {"version": version(name), "refused": refused}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable()
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))
