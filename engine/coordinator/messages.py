"""What coordinator and workers say to each other: lists of small values in MessagePack, one list a datagram.
Never pixels.

A worker answers a list of jobs with a list of results in the same order.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.spool.passfile import Study


class Job(msgspec.Struct, frozen=True, array_like=True):
    """What a worker is asked."""


class SurveyJob(Job, frozen=True, array_like=True, tag="survey"):
    """Read the original UIDs of an object in received/."""

    identifier: str


class PlanJob(Job, frozen=True, array_like=True, tag="plan"):
    """Plan an object of a pass; `key` is the pass key, 32 bytes, `profile` the digest of the pass's profile, `key_id` names
    the hash secret that the pass was begun under ("" is the one in force).
    """

    identifier: str
    pass_id: str
    key: bytes
    profile: str = ""
    key_id: str = ""


class FoundJob(Job, frozen=True, array_like=True, tag="found"):
    """Make a pass, durably."""

    pass_id: str
    study: Study


class CompareJob(Job, frozen=True, array_like=True, tag="compare"):
    """Are the bytes of an object in received/ those of `first` of the pass?"""

    identifier: str
    pass_id: str
    first: str


class PersistJob(Job, frozen=True, array_like=True, tag="persist"):
    """Make every plan of a pass durable."""

    pass_id: str


class Result(msgspec.Struct, frozen=True, array_like=True):
    """What a worker answers."""


class Surveyed(Result, frozen=True, array_like=True, tag="surveyed"):
    """Original UIDs; size in bytes; `received` is when the file was finished, in seconds since 1970; `way` is
    by which profile the object is treated and where it goes (`Routes.of`)."""

    identifier: str
    study: str
    sop: str
    size: int
    received: float
    way: str


class Planned(Result, frozen=True, array_like=True, tag="planned"):
    """The new UIDs, and sizes in bytes of the plan's file and of the output."""

    identifier: str
    pass_id: str
    hashed_id: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    plan_bytes: int
    output_bytes: int
    seconds: float


class Founded(Result, frozen=True, array_like=True, tag="founded"):
    """The pass is durable; its key."""

    pass_id: str
    key: bytes


class Compared(Result, frozen=True, array_like=True, tag="compared"):
    """`same` is None when the first object is gone."""

    identifier: str
    pass_id: str
    same: bool | None


class Persisted(Result, frozen=True, array_like=True, tag="persisted"):
    """`damaged`: objects (with their sizes) whose plan is missing or does not match its checksum."""

    pass_id: str
    damaged: dict[str, int]


class Refused(Result, frozen=True, array_like=True, tag="refused"):
    """No rule covers the object. `pass_id` is "" if it is still in received/."""

    identifier: str
    pass_id: str
    code: str
    message: str
    hint: str
    offset: int | None
    tag_number: int | None


class Gone(Result, frozen=True, array_like=True, tag="gone"):
    """The original is not where the job said: delivered and deleted, or moved, before a restart."""

    identifier: str
    pass_id: str


class Later(Result, frozen=True, array_like=True, tag="later"):
    """The disk did not let it be done (`number` is the errno); the same job may go well later."""

    number: int


class Ready(Result, frozen=True, array_like=True, tag="ready"):
    """The first word of a worker: it can plan. `key_id` names the hash secret in force, `former` those that passes may
    have been begun under.
    """

    key_id: str
    former: tuple[str, ...] = ()


class Unable(Result, frozen=True, array_like=True, tag="unable"):
    """The only word of a worker that cannot begin: the secret or the profile is unusable."""

    code: str
    message: str
    hint: str


AnyJob = SurveyJob | PlanJob | FoundJob | CompareJob | PersistJob
AnyResult = Surveyed | Planned | Founded | Compared | Persisted | Refused | Gone | Later | Ready | Unable

DATAGRAM: Final = 160_000  # bytes; the kernel's default send buffer is 212,992
encode: Final = msgspec.msgpack.Encoder().encode
decode_jobs: Final = msgspec.msgpack.Decoder(list[AnyJob]).decode
decode_results: Final = msgspec.msgpack.Decoder(list[AnyResult]).decode
