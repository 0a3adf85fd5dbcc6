"""Which profile an object gets, and where it goes: by its caller's route, else as the gateway has it for everybody. Profiles are
compiled before the workers are forked, so they share its memory.

A pass is for one study, one profile *and* one destination: the same study from two callers with different profiles is two
passes, so that no pass treats its objects in two ways. `group` and `split` make one name of the three, by which custody groups
objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from engine.config import GatewayConfig
from engine.profile import CompiledProfile, compile_profile, load
from engine.pseudonymize.receipt import Treatment
from engine.spool.passfile import Study
from engine.version import VERSION

_BETWEEN: Final = "/"


@dataclass(frozen=True, slots=True)
class Routes:
    """`profiles` by their digests. `default` is the digest of that for callers without a route; `ways` has the group name's
    beginning (digest and destination) for each calling AE title with a route, and for "" as nobody in particular.
    """

    profiles: Mapping[str, CompiledProfile]
    default: str
    ways: Mapping[str, str]

    @classmethod
    def compile(cls, config: GatewayConfig) -> Routes:
        """Raises ConfigError for a profile that cannot be used."""
        profiles: dict[str, CompiledProfile] = {}

        def digest_of(name: str) -> str:
            profile = load(name)
            compiled = compile_profile(replace(profile, issuer=profile.issuer or config.identity.issuer))
            _ = compiled.program
            return profiles.setdefault(compiled.digest, compiled).digest

        ways = {
            title: digest_of(profile) + _BETWEEN + destination
            for title, (profile, destination) in config.ways.items()
        }
        return cls(profiles, ways[""].partition(_BETWEEN)[0], ways)

    def of(self, calling_ae_title: str) -> str:
        """The way of what this caller sent; "" is nobody in particular."""
        return self.ways.get(calling_ae_title) or self.ways[""]


@dataclass(frozen=True, slots=True)
class Treatments:
    """What a gateway can do to a pass: by one of the profiles `names` (digest → name), under the hash secret
    `key_id`; a pass that was begun under a `former` one is ended under it.
    """

    names: Mapping[str, str]
    key_id: str
    former: tuple[str, ...] = ()

    @classmethod
    def by(cls, routes: Routes, key_id: str, former: tuple[str, ...] = ()) -> Treatments:
        return cls({digest: profile.name for digest, profile in routes.profiles.items()}, key_id, former)

    def about(self, group_name: str, now: float) -> Study:
        """What is written down of a new pass for this group; `now` in seconds since 1970."""
        digest, destination, study = split(group_name)
        profile = VERSION + _BETWEEN + digest
        return Study(study, profile, self.key_id, now, self.names[digest], destination)

    def can_go_on(self, study: Study) -> bool:
        """Whether a pass that was begun so can be ended so. Where it goes does not matter here: an uploader that does not know its
        destination keeps it until somebody does.
        """
        version, _, digest = study.profile.partition(_BETWEEN)
        return version == VERSION and digest in self.names and study.key_id in (self.key_id, *self.former)


def group(way: str, study: str) -> str:
    """One name for what shares passes; `way` as `Routes.of` gives it."""
    return way + _BETWEEN + study


def split(group_name: str) -> tuple[str, str, str]:
    """(digest of the profile, destination, original Study Instance UID)."""
    digest, destination, study = group_name.split(_BETWEEN, 2)
    return digest, destination, study


def group_of(study: Study) -> str:
    """The group of a pass that a start found."""
    digest = study.profile.partition(_BETWEEN)[2]
    return group(digest + _BETWEEN + study.destination, study.study)


def treatment_of(study: Study) -> Treatment:
    """The same as receipts tell it."""
    return Treatment(study.profile_name, study.profile.partition(_BETWEEN)[2], study.key_id)
