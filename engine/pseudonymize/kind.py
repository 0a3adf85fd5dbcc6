"""What is the same for all objects that say the same of themselves: decided once, found again for each object of a series."""

from __future__ import annotations

from dataclasses import dataclass

from engine._native.program import ACTIONS
from engine._native.rewriter import Rewriter
from engine.dicom.file_meta import FileMeta
from engine.pseudonymize.identities import PATIENT_NAME, STUDY_UID, Identity
from engine.pseudonymize.leak_scan import INSERTED
from engine.pseudonymize.pixels import Mask
from engine.pseudonymize.source import SERIES_UID, SOP_INSTANCE, Source

_NEW_UID = ACTIONS["new-uid"]
_REMEMBERED = 256
_LONGEST_KEY = 4096
"""Bytes: what is longer is no fact that many objects share, and a cache of such keys would have no bound."""

Key = tuple[bytes, str, str, int]


@dataclass(slots=True)
class Kind:
    """`name` is the patient's, a raw value; `replaces` are the UIDs that get new values by the profile, `scans_meta` says whether
    the instance UID of the file meta is looked for in the output."""

    rewriter: Rewriter
    mask: Mask | None
    identity: Identity
    name: bytes
    sop_class: bytes
    sop_class_uid: str
    hashed_id: str
    meta: FileMeta
    replaces: frozenset[int]
    scans_meta: bool
    _pass_key: bytes = b""
    _uids: tuple[str, str] = ("", "")

    def study_and_series(self, source: Source, pass_key: bytes) -> tuple[str, str]:
        """The new UIDs, "" where the profile makes no new one or the object has none; `rewriter` holds the pass key."""
        if pass_key != self._pass_key:
            study, series = (self._new(source, tag) for tag in (STUDY_UID, SERIES_UID))
            self._pass_key, self._uids = pass_key, (study, series)
        return self._uids

    def _new(self, source: Source, tag: int) -> str:
        old = source.values.get(tag) if tag in self.replaces else None
        return self.rewriter.new_uid(old).decode("ascii") if old else ""


def key_of(source: Source) -> Key:
    """All that a kind follows from."""
    meta = source.meta
    return source.values.key, meta.transfer_syntax, meta.sop_class_uid, meta.syntax


def make(source: Source, sop_class: bytes, rewriter: Rewriter, mask: Mask | None, identity: Identity) -> Kind:
    """The kind of an object, whose SOP Class UID is `sop_class`."""
    explained = {tag: rewriter.program.explain(tag) for tag in (SOP_INSTANCE, STUDY_UID, SERIES_UID)}
    instance = explained[SOP_INSTANCE]
    return Kind(
        rewriter=rewriter,
        mask=mask,
        identity=identity,
        name=source.values.get(PATIENT_NAME) or b"",
        sop_class=sop_class,
        sop_class_uid=sop_class.decode("ascii", "replace"),
        hashed_id=identity.hashed_id.decode("ascii"),
        meta=FileMeta(sop_class, source.meta.transfer_syntax.encode("ascii")),
        replaces=frozenset(tag for tag, rule in explained.items() if rule and rule["top"] == _NEW_UID),
        scans_meta=bool(instance and int(instance["marks"]) & INSERTED),
    )


class Kinds:
    """The kinds met lately."""

    def __init__(self) -> None:
        self._known: dict[Key, Kind] = {}

    def get(self, key: Key) -> Kind | None:
        return self._known.get(key)

    def put(self, key: Key, kind: Kind) -> None:
        """Remembers a kind, unless it holds what is of one object only, or is too long to be met again."""
        if kind.identity.of_object or len(key[0]) > _LONGEST_KEY:
            return
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[key] = kind
