"""Which profile an object gets: that of its caller's route, else the gateway's. Compiled before the workers
are forked, so they share its memory.

A pass is for one study *and* one profile: the same study from two callers with different profiles is two
passes, so that no pass treats its objects in two ways. `group` and `split` make one name of both, by which
custody groups objects."""

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
    """`profiles` by their digests; `default` is the digest of the gateway's own; `by_title` has a digest for
    each calling AE title with a route."""

    profiles: Mapping[str, CompiledProfile]
    default: str
    by_title: Mapping[str, str]

    @classmethod
    def compile(cls, config: GatewayConfig) -> Routes:
        """Raises ConfigError for a profile that cannot be used."""
        profiles: dict[str, CompiledProfile] = {}

        def digest_of(name: str) -> str:
            profile = load(name)
            compiled = compile_profile(replace(profile, issuer=profile.issuer or config.identity.issuer))
            _ = compiled.program
            return profiles.setdefault(compiled.digest, compiled).digest

        default = digest_of(config.profile.name)
        by_title = {
            title: digest
            for route in config.routes
            for digest in [digest_of(route.profile)]
            for title in route.titles
        }
        return cls(profiles, default, by_title)

    def of(self, calling_ae_title: str) -> str:
        """The digest of the profile for what this caller sent; "" is nobody in particular."""
        return self.by_title.get(calling_ae_title, self.default)


@dataclass(frozen=True, slots=True)
class Treatments:
    """What a gateway can do to a pass: by one of the profiles `names` (digest → name), under the hash secret
    `key_id`.
    """

    names: Mapping[str, str]
    key_id: str

    @classmethod
    def by(cls, routes: Routes, key_id: str) -> Treatments:
        return cls({digest: profile.name for digest, profile in routes.profiles.items()}, key_id)

    def about(self, group_name: str, now: float) -> Study:
        """What is written down of a new pass for this group; `now` in seconds since 1970."""
        digest, study = split(group_name)
        return Study(study, VERSION + _BETWEEN + digest, self.key_id, now, self.names[digest])

    def can_go_on(self, study: Study) -> bool:
        """Whether a pass that was begun so can be ended so."""
        version, _, digest = study.profile.partition(_BETWEEN)
        return version == VERSION and digest in self.names and study.key_id == self.key_id


def group(digest: str, study: str) -> str:
    """One name for what shares passes."""
    return digest + _BETWEEN + study


def split(group_name: str) -> tuple[str, str]:
    """(digest of the profile, original Study Instance UID)."""
    digest, _, study = group_name.partition(_BETWEEN)
    return digest, study


def group_of(study: Study) -> str:
    """The group of a pass that a start found."""
    return group(study.profile.partition(_BETWEEN)[2], study.study)


def treatment_of(study: Study) -> Treatment:
    """The same as receipts tell it."""
    return Treatment(study.profile_name, study.profile.partition(_BETWEEN)[2], study.key_id)
