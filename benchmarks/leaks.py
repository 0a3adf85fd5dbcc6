"""`python -m benchmarks.leaks`: the answer key of tests/leaks under Penstock and its peers, side by side, as docs/peers.md.

Every plant is in an object of its own, in each transfer syntax that can hold it. Judged is what each program writes with the
settings that its documentation begins with, on the bytes of the output.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
import orjson

from engine.errors import Refusal
from engine.version import VERSION
from tests.leaks.answer_key import PLACES, PLANTS
from tests.leaks.objects import carrier, content
from tests.leaks.plant import Plant
from tests.support.rewritten import rewritten

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / "build" / "peers" / "bin" / "python"
PEERS = ("dcmanon", "deid", "dicognito", "dicom-anonymizer")
OURS = "penstock"
INTRODUCTION = """\
# The answer key, side by side

{plants} planted identifiers in {places} kinds of place (`tests/leaks/`), each in an object of its own, in every transfer syntax
that can hold it: {objects} objects. Judged on the bytes of what each program writes with the settings that its documentation
begins with (`deid`: its own recipe, and private attributes removed). Made by `scripts/compare-peers`; edit nothing here.

A program that refuses an object leaks nothing of it, and nobody gets it either. Penstock's refusals are those of the leak scan
(the patient's own name where the name of a model should stand), of documents, of text in compressed frames and of bytes that no
element explains: they wait in quarantine with a reason.
"""
SURVIVES, REFUSED, GONE = "survives", "refused", "gone"


@dataclass
class Verdicts:
    """What became of each plant under one program: by plant, the fate in each encoding."""

    name: str
    version: str
    fates: dict[str, dict[str, str]] = field(default_factory=dict)

    def of(self, plant: Plant) -> str:
        """The worst fate of a plant: it survives somewhere, it is refused somewhere, it is gone everywhere."""
        fates = self.fates[plant.id].values()
        return next((fate for fate in (SURVIVES, REFUSED) if fate in fates), GONE)

    def count(self, fate: str) -> int:
        return sum(self.of(plant) == fate for plant in PLANTS)

    def objects(self, fate: str) -> int:
        return sum(found == fate for fates in self.fates.values() for found in fates.values())


def files() -> Iterator[tuple[str, Plant, str]]:
    """(file name, plant, encoding) of every object."""
    for plant in PLANTS:
        for encoding in sorted(plant.syntaxes):
            yield f"{plant.id}--{encoding}.dcm", plant, encoding


def _judged(name: str, version: str, target: Path, refused: dict[str, str]) -> Verdicts:
    verdicts = Verdicts(name, version)
    for file, plant, encoding in files():
        fate = REFUSED if file in refused else _fate(plant, (target / file).read_bytes())
        verdicts.fates.setdefault(plant.id, {})[encoding] = fate
    return verdicts


def _fate(plant: Plant, output: bytes) -> str:
    return SURVIVES if plant.survives_in(content(output)) else GONE


def _ours(source: Path, target: Path) -> Verdicts:
    refused: dict[str, str] = {}
    for file, _, _ in files():
        try:
            (target / file).write_bytes(rewritten((source / file).read_bytes(), "default"))
        except Refusal as refusal:
            refused[file] = refusal.code
    return _judged(OURS, VERSION, target, refused)


def _peers(name: str, source: Path, target: Path) -> Verdicts:
    command: list[str | Path] = [PYTHON, ROOT / "benchmarks" / "peers_leaks.py", name, source, target]
    done = subprocess.run(command, capture_output=True, check=True, timeout=1800)
    told = orjson.loads(done.stdout)
    return _judged(name, told["version"], target, told["refused"])


def compare(folder: Path) -> list[Verdicts]:
    """All programs over the same objects, which are written to `folder`."""
    source = folder / "source"
    source.mkdir()
    for file, plant, encoding in files():
        (source / file).write_bytes(carrier([plant], encoding))
    found = []
    for name in (OURS, *PEERS):
        click.echo(f"{name} …", err=True)
        target = folder / name
        target.mkdir()
        found.append(_ours(source, target) if name == OURS else _peers(name, source, target))
    return found


def page(all_verdicts: list[Verdicts]) -> str:
    """The tables, as Markdown."""
    objects = sum(1 for _ in files())
    names = [verdicts.name for verdicts in all_verdicts]
    lines = [
        *INTRODUCTION.format(plants=len(PLANTS), places=len(PLACES), objects=objects).splitlines(),
        "",
        "| program | version | plants that survive | plants in refused objects | refused objects | objects that give one away |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {v.name} | {v.version} | **{v.count(SURVIVES)}** of {len(PLANTS)} | {v.count(REFUSED)} | {v.objects(REFUSED)} | "
        f"{v.objects(SURVIVES)} of {objects} |"
        for v in all_verdicts
    ]
    lines += [
        "",
        "## By kind of place",
        "",
        "Plants that survive, of those that there are; `r`: besides, some are in objects that are refused.",
        "",
        f"| place | plants | {' | '.join(names)} |",
        f"| --- | ---: | {' | '.join('---:' for _ in names)} |",
    ]
    for place in PLACES:
        plants = [plant for plant in PLANTS if plant.place == place]
        cells = [_cell(Counter(verdicts.of(plant) for plant in plants)) for verdicts in all_verdicts]
        lines.append(f"| {place} | {len(plants)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(fates: Counter[str]) -> str:
    survive = f"**{fates[SURVIVES]}**" if fates[SURVIVES] else "0"
    return survive + (" r" if fates[REFUSED] else "")


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=ROOT / "docs" / "peers.md",
    help="The page to write [default: docs/peers.md].",
)
def main(output: Path) -> None:
    """Compares Penstock with its peers on the answer key."""
    with tempfile.TemporaryDirectory(prefix="penstock-peers-") as folder:
        output.write_text(page(compare(Path(folder))), encoding="utf-8")
    click.echo(f"written: {output}", err=True)


if __name__ == "__main__":
    main()
