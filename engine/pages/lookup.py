"""The Patient Hash Calculator itself: hashed IDs of a list under every version of the hash secret."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.errors import Refusal
from engine.pages.lists import Entry
from engine.pseudonymize.identity import HashSecret


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an institution's hash secret. New objects get hashes of the `current` one."""

    number: int
    secret: HashSecret
    current: bool


@dataclass(frozen=True, slots=True)
class HashedID:
    """A hashed ID, and under which version of the hash secret it holds."""

    value: str
    version: int
    key_id: str
    current: bool


@dataclass(frozen=True, slots=True)
class StudyFound:
    """One study under a hashed ID. `received` is whole microseconds since 1970, of its latest object."""

    study_instance_uid: str
    modalities: tuple[str, ...]
    objects: int
    received: int


@dataclass(frozen=True, slots=True)
class Found:
    """What the platform has under one hashed ID: how many, and the latest studies."""

    studies: int = 0
    objects: int = 0
    latest: tuple[StudyFound, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """What is told about one Patient ID; the current version comes first. `problem` says why there is no hash."""

    line: int
    patient_id: str = field(repr=False)
    hashed: tuple[HashedID, ...]
    warnings: tuple[str, ...] = ()
    problem: str = ""
    found: Mapping[str, Found] | None = None

    @property
    def studies(self) -> int | None:
        """Studies under all versions, None if nobody was asked."""
        return None if self.found is None else sum(one.studies for one in self.found.values())

    @property
    def objects(self) -> int:
        return 0 if self.found is None else sum(one.objects for one in self.found.values())


def calculate(entries: Iterable[Entry], versions: Sequence[Version], issuer: str | None = None) -> list[Row]:
    """A row for each entry. `issuer` holds for entries without one of their own; None: issuers do not count."""
    ordered = sorted(versions, key=lambda version: (not version.current, -version.number))
    return [_row(entry, ordered, issuer) for entry in entries]


def _row(entry: Entry, versions: Sequence[Version], issuer: str | None) -> Row:
    problem = entry.problem
    hashed: list[HashedID] = []
    if not problem:
        try:
            counted = None if issuer is None else entry.issuer or issuer
            for version in versions:
                value = version.secret.hashed_id(entry.value, counted)
                hashed.append(HashedID(value, version.number, version.secret.key_id, version.current))
        except Refusal as refusal:
            hashed, problem = [], refusal.message
    return Row(entry.line, entry.value, tuple(hashed), entry.warnings, problem)


def hashed_ids(rows: Iterable[Row]) -> list[str]:
    """Every hashed ID once, in the rows' order: all that a platform is ever asked for."""
    return list(dict.fromkeys(one.value for row in rows for one in row.hashed))


def with_found(rows: Iterable[Row], found: Mapping[str, Found]) -> list[Row]:
    """The rows with what the platform has of each."""
    return [
        Row(
            row.line,
            row.patient_id,
            row.hashed,
            row.warnings,
            row.problem,
            {one.value: found.get(one.value, Found()) for one in row.hashed},
        )
        for row in rows
    ]
