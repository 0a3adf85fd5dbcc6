"""`[[destination]]`: where pseudonymized objects go. Several may exist; `[[route]] destination` chooses.

`[uploader]` alone is the destination "platform" of the kind "penstock".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from msgspec import Meta

from engine.config.ae_title import check_ae_title
from engine.config.sections import Bytes, Host, Seconds, Section

PLATFORM: Final = "platform"
"""The name of the destination that `[uploader]` describes."""

MOST: Final = 32
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_RECEIPT_KEY = re.compile(r"[0-9a-f]{64}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9!_.*'()/=-]*")

AtOnce = Annotated[int, Meta(ge=1, le=256, description="requests at the same time")]
ObjectsPerRequest = Annotated[int, Meta(ge=1, le=1000, description="objects in one request")]
ProfileName = Annotated[str, Meta(min_length=1, description="a profile's name or its file")]


class Waits(Section, frozen=True, kw_only=True):
    """How long to wait when nothing gets through: `backoff_first`, then longer each time up to `backoff_max`."""

    backoff_first: Seconds = 0.5
    backoff_max: Seconds = 60.0

    def __post_init__(self) -> None:
        if self.backoff_max < self.backoff_first:
            raise ValueError("backoff_max must not be less than backoff_first")


class UploaderConfig(Waits, frozen=True, kw_only=True):
    """`[uploader]`: the platform, and this gateway's certificate for it.

    `receipt_key` is the platform's public key for receipts (Ed25519, 64 hexadecimal digits). Without it the key is asked for once,
    over the verified connection, and remembered in the spool.
    """

    url: str
    certificate: Path
    key: Path
    ca: Path
    receipt_key: str | None = None
    requests_in_flight: AtOnce = 4
    objects_per_request: ObjectsPerRequest = 16
    bytes_per_request: Bytes = 16 * 1024**2

    def __post_init__(self) -> None:
        super().__post_init__()
        parts = web_address(self.url)
        if parts.scheme != "https":
            raise ValueError("url must begin with https:// and name a host")
        if self.receipt_key is not None and not _RECEIPT_KEY.fullmatch(self.receipt_key):
            raise ValueError("receipt_key must have 64 hexadecimal digits in lower case")


class Named(Waits, frozen=True, kw_only=True):
    """What a `[[destination]]` has. `default`: what callers without a route send goes there. `profile`: how objects for it are
    treated, unless a route says otherwise.
    """

    name: str
    default: bool = False
    profile: ProfileName | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_name(self.name)


class PenstockDestination(UploaderConfig, frozen=True, kw_only=True, tag_field="kind", tag="penstock"):
    """A Penstock platform, as in [uploader]; its receipts are signed."""

    name: str
    default: bool = False
    profile: ProfileName | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_name(self.name)


class StowDestination(Named, frozen=True, kw_only=True, tag_field="kind", tag="stow"):
    """Any STOW-RS server (PS3.18 10.5). `url` is what stands before /studies; http only to this machine and only with `plain_http`.

    Signs in by `username` and `password_file`, by `token_file`, or by a client certificate; the files have mode 0600.
    """

    url: str
    plain_http: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    token_file: Path | None = None
    requests_in_flight: AtOnce = 4
    objects_per_request: ObjectsPerRequest = 16
    bytes_per_request: Bytes = 16 * 1024**2

    def __post_init__(self) -> None:
        super().__post_init__()
        parts = web_address(self.url)
        check_scheme("url", parts, self.plain_http)
        if parts.scheme == "http" and (self.ca or self.certificate):
            raise ValueError("ca and certificate need an url that begins with https://")
        check_pair("certificate", self.certificate, "key", self.key)
        check_pair("username", self.username, "password_file", self.password_file)
        if self.username is not None and (
            not self.username or ":" in self.username or not self.username.isprintable()
        ):
            raise ValueError(
                "username must not be empty and must have no colon and no control character (RFC 7617)"
            )
        if self.username is not None and self.token_file is not None:
            raise ValueError("token_file cannot stand beside username: choose one")


class DicomDestination(Named, frozen=True, kw_only=True, tag_field="kind", tag="dicom"):
    """A C-STORE SCP. With `tls` the connection is TLS by PS3.15 B.12 and B.13, the peer verified by `ca` and `server_name` (its
    host if not given); `certificate` and `key` are for peers that want them.
    """

    host: Host
    port: Annotated[int, Meta(ge=1, le=65535, description="a TCP port")]
    called_ae_title: str
    calling_ae_title: str = "PENSTOCK"
    associations: Annotated[int, Meta(ge=1, le=32, description="associations at the same time")] = 2
    timeout: Annotated[float, Meta(ge=1, le=3600, description="seconds to wait for the peer")] = 60.0
    tls: bool = False
    server_name: Host | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("called_ae_title", "calling_ae_title"):
            try:
                check_ae_title(getattr(self, key))
            except ValueError as error:
                raise ValueError(f"{key}{str(error).removeprefix('ae_title')}") from error
        check_pair("certificate", self.certificate, "key", self.key)
        if self.tls and self.ca is None:
            raise ValueError("ca is missing: with tls = true it says who vouches for the peer")
        given = [name for name in ("server_name", "ca", "certificate") if getattr(self, name) is not None]
        if given and not self.tls:
            raise ValueError(f"{given[0]} needs tls = true")


class FolderDestination(Named, frozen=True, kw_only=True, tag_field="kind", tag="folder"):
    """A folder that exists: PATH/<hashed ID>/<study>/<series>/<object>.dcm by new UIDs."""

    path: Path
    writers: Annotated[int, Meta(ge=1, le=32, description="objects written at the same time")] = 2


class S3Destination(Named, frozen=True, kw_only=True, tag_field="kind", tag="s3"):
    """A bucket of S3 or of a server that speaks it. Without `credentials_file` (AWS's own format, mode 0600) the usual ways of AWS
    are tried: environment, web identity, the machine's role. `endpoint` is for servers other than AWS.
    """

    bucket: str
    prefix: str = ""
    region: Annotated[str, Meta(pattern="^[a-z0-9-]{1,40}$", description="a region")] = "us-east-1"
    endpoint: str | None = None
    plain_http: bool = False
    ca: Path | None = None
    credentials_file: Path | None = None
    credentials_profile: Annotated[
        str, Meta(pattern="^[A-Za-z0-9_.-]{1,64}$", description="a section's name")
    ] = "default"
    requests_in_flight: AtOnce = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _BUCKET.fullmatch(self.bucket):
            raise ValueError(
                "bucket must have 3 to 63 of a-z, 0-9, . and -, beginning and ending with a letter or digit"
            )
        if not _PREFIX.fullmatch(self.prefix) or len(self.prefix) > 512 or ".." in self.prefix.split("/"):
            raise ValueError("prefix may have letters, digits and !-_.*'()=/ only, and no ..")
        if self.endpoint is not None:
            parts = web_address(self.endpoint, "endpoint")
            check_scheme("endpoint", parts, self.plain_http)
            if parts.path.strip("/"):
                raise ValueError("endpoint must be a host alone, without a path")


DestinationConfig = (
    PenstockDestination | StowDestination | DicomDestination | FolderDestination | S3Destination
)


def of_uploader(uploader: UploaderConfig) -> PenstockDestination:
    """The destination that `[uploader]` describes."""
    told = {name: getattr(uploader, name) for name in UploaderConfig.__struct_fields__}
    return PenstockDestination(name=PLATFORM, **told)


def kind_of(destination: DestinationConfig) -> str:
    """Its `kind` in the file."""
    return str(type(destination).__struct_config__.tag)


def section_of(destination: DestinationConfig) -> str:
    """What messages call its table: "uploader" or "destination[name]"."""
    return "uploader" if destination.name == PLATFORM else f"destination[{destination.name}]"


def place_of(destination: DestinationConfig) -> str:
    """Where it is, for people: an address or a path, without any secret."""
    match destination:
        case DicomDestination():
            scheme = "dicom+tls" if destination.tls else "dicom"
            return f"{scheme}://{destination.host}:{destination.port} ({destination.called_ae_title})"
        case FolderDestination():
            return str(destination.path)
        case S3Destination():
            at = f" at {destination.endpoint}" if destination.endpoint else ""
            return f"s3://{destination.bucket}/{destination.prefix}{at}"
        case _:
            return destination.url


def files_of(destination: DestinationConfig) -> Iterator[tuple[str, Path]]:
    """The files that it names, each with its key in full. They are read when the uploader starts."""
    for name in destination.__struct_fields__:
        value = getattr(destination, name)
        if isinstance(value, Path) and name != "path":
            yield f"{section_of(destination)}.{name}", value


def check_names(destinations: tuple[DestinationConfig, ...], *, uploader: bool) -> None:
    """The rules between destinations; `uploader`: there is an [uploader]. Raises ValueError that begins with the key."""
    if len(destinations) > MOST:
        raise ValueError(f"destination: there may be at most {MOST}")
    seen = {PLATFORM: "[uploader]"} if uploader else {}
    for number, one in enumerate(destinations):
        if one.name in seen:
            raise ValueError(f"destination[{number}].name is that of {seen[one.name]} already")
        seen[one.name] = f"destination[{number}]"
    defaults = [number for number, one in enumerate(destinations) if one.default]
    if len(defaults) > 1:
        raise ValueError(
            f"destination[{defaults[1]}].default: destination[{defaults[0]}] is the default already"
        )
    if not seen:
        raise ValueError("uploader is missing: say where objects go by [uploader] or by a [[destination]]")
    if len(destinations) > 1 and not uploader and not defaults:
        raise ValueError(
            "destination[0].default: one of several destinations must be the default; give it default = true"
        )


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError("name must have 1 to 32 of a-z, 0-9 and -, and no - at its ends")


def web_address(url: str, key: str = "url") -> SplitResult:
    """The parts of an address. Raises ValueError that begins with the key."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"{key} is no address") from error
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError(f"{key} must begin with https:// and name a host")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError(f"{key} must have no user, password, query or fragment")
    return parts


def check_scheme(key: str, parts: SplitResult, plain_http: bool) -> None:
    """Without TLS only to this machine, and only if that was asked for. Raises ValueError."""
    if parts.scheme == "https":
        return
    if not plain_http:
        raise ValueError(
            f"{key} must begin with https:// (http:// goes to this machine alone, with plain_http = true)"
        )
    if not _is_this_machine(parts.hostname or ""):
        raise ValueError(
            f"{key} begins with http:// and leads to another machine: plain_http is for this one alone"
        )


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_pair(one: str, first: object, other: str, second: object) -> None:
    """Both or none of two keys. Raises ValueError."""
    if (first is None) != (second is None):
        given, missing = (one, other) if second is None else (other, one)
        raise ValueError(f"{missing} is missing beside {given}")
