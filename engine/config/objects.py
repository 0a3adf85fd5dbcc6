"""`[objects]` of the platform: a bucket for the encrypted objects, instead of the storage folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, structs

from engine.config.sections import Section

_URL = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>[A-Za-z0-9!_.*'()=/-]{1,512}))?/?"
)
_FILE = Meta(description="the path of a file, or empty")


class ObjectsConfig(Section, frozen=True, kw_only=True):
    """`[objects]`: S3, or a server that speaks it. Without `url` objects lie in the storage folder.

    Without `credentials_file` (AWS's own format, mode 0600) the usual ways of AWS are tried: environment, web identity, the
    machine's role.
    """

    url: Annotated[str, Meta(description="s3://BUCKET/PREFIX, or empty for the storage folder")] = ""
    endpoint: Annotated[str, Meta(description="https://HOST of a server other than AWS, or empty")] = ""
    region: Annotated[str, Meta(pattern="^[a-z0-9-]{1,40}$", description="a region")] = "us-east-1"
    plain_http: bool = False
    ca: Annotated[str, _FILE] = ""
    credentials_file: Annotated[str, _FILE] = ""
    credentials_profile: Annotated[
        str, Meta(pattern="^[A-Za-z0-9_.-]{1,64}$", description="a section's name")
    ] = "default"

    def __post_init__(self) -> None:
        if self.url and (not _URL.fullmatch(self.url) or ".." in self.url.split("/")):
            raise ValueError("url must be s3://BUCKET or s3://BUCKET/PREFIX")
        if self.endpoint:
            parts = urlsplit(self.endpoint)
            if parts.scheme != ("http" if self.plain_http else "https") or not parts.hostname:
                raise ValueError(
                    "endpoint must begin with https://, or with http:// where plain_http is true"
                )
            if parts.username is not None or parts.password is not None or parts.path.strip("/"):
                raise ValueError("endpoint must be a host alone, without a user or a path")

    @property
    def place(self) -> tuple[str, str]:
        """Bucket and prefix ("" for none). Call it only with a `url`."""
        found = _URL.fullmatch(self.url)
        if found is None:
            raise ValueError("there is no bucket")
        return found["bucket"], (found["prefix"] or "").strip("/")

    def placed(self, folder: Path) -> ObjectsConfig:
        """The same with whole paths; relative ones count from `folder`."""
        whole = {
            name: str(folder / getattr(self, name))
            for name in ("ca", "credentials_file")
            if getattr(self, name)
        }
        return structs.replace(self, **whole) if whole else self
