"""OUT/receipts: what was done, for each study and for the whole batch; nothing in it names anybody.

    OUT/receipts/<new Study Instance UID>.json      no-study.json for objects without one
    OUT/receipts/batch.json                         an earlier batch's becomes batch-<its id>.json

They are written when a run ends, finished or not, and again by the run that takes it up; each covers the whole batch so far. A
reader sees an old one or a new one, never half of one. They are durable before the run key is destroyed."""

from __future__ import annotations

import contextlib
from pathlib import Path

import orjson

from engine.batch.tallies import Tallies
from engine.pseudonymize.receipt import Tally, Treatment, document

FOLDER = "receipts"
BATCH = "batch.json"
_PART = ".part"


def write_receipts(out: Path, batch: str, tallies: Tallies, treatment: Treatment, *, complete: bool) -> Path:
    """Writes all receipts of the batch with the id `batch`; their folder. The caller syncs the file system. OSError as it
    fails."""
    folder = out / FOLDER
    folder.mkdir(exist_ok=True)
    whole, studies = Tally(), 0
    for sums in tallies.sums():
        for study, tally in sums.items():
            whole.merge(tally)
            if study is None:
                continue
            studies += 1
            about = {"batch": batch, "study": study, "hashed_ids": sorted(tally.hashed_ids)}
            told = document(
                tally, treatment, scope="study", about=about, complete=complete, exact=tallies.exact
            )
            _write(folder, f"{study or 'no-study'}.json", told)
        whole.hashed_ids.clear()  # they stand in the receipts of the studies
    _keep_earlier(folder, batch)
    about_batch = {"batch": batch, "studies": studies}
    told = document(
        whole, treatment, scope="batch", about=about_batch, complete=complete, exact=tallies.exact
    )
    _write(folder, BATCH, told)
    return folder


def _write(folder: Path, name: str, told: dict[str, object]) -> None:
    part = folder / _PART
    try:
        part.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        part.replace(folder / name)
    except OSError:
        part.unlink(missing_ok=True)  # a full disk leaves no half receipt
        raise


def _keep_earlier(folder: Path, batch: str) -> None:
    """Another batch into the same folder does not take the receipt of the first away."""
    earlier = folder / BATCH
    with contextlib.suppress(FileNotFoundError):
        number = _id_of(earlier.read_bytes())
        if number != batch:
            earlier.replace(folder / f"batch-{number}.json")


def _id_of(data: bytes) -> str:
    """The batch that a receipt is of; "unknown" for what is no receipt of ours."""
    with contextlib.suppress(orjson.JSONDecodeError, TypeError, KeyError):
        number = orjson.loads(data)["batch"]
        if isinstance(number, str) and number.isalnum():
            return number
    return "unknown"
