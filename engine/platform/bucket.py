"""Objects in a bucket of S3 or of a server that speaks it, by obstore.

An object lies in the storage folder's `incoming` while it arrives, encrypted; it is uploaded before it is indexed, and the
local file goes afterwards. So the bucket has everything that the index names, and a crash leaves a local file that says
what to clear up. Each upload bears a SHA-256 that the server checks.
"""

from __future__ import annotations

import configparser
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from engine.config.objects import ObjectsConfig
from engine.errors import ConfigError, SpoolError

PART = 8 << 20
_PARTS_AT_ONCE = 2
_UPLOADS_AT_ONCE = 4
_CREDENTIALS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
}


class Bucket:
    """The objects of one platform in a bucket. Methods block; any thread may call them.

    All raise SpoolError("bucket-failed", retryable) when the bucket cannot be reached or refuses; the error tells no key.
    """

    def __init__(self, store: S3Store, prefix: str) -> None:
        self._store, self._prefix = store, prefix

    @classmethod
    def open(cls, settings: ObjectsConfig) -> Bucket:
        """Raises ConfigError when the settings or the files that they name cannot be used."""
        bucket, prefix = settings.place
        options: dict[str, Any] = {"connect_timeout": "15s", "timeout": "120s"}
        if settings.plain_http:
            options["allow_http"] = True
        if settings.ca:
            options["root_certificate"] = _read("objects.ca", Path(settings.ca), secret=False)
        config: dict[str, Any] = {
            "region": settings.region,
            "checksum_algorithm": "sha256",
            **_credentials(settings),
        }
        if settings.endpoint:
            config["endpoint"] = settings.endpoint
        try:
            store = S3Store(
                bucket,
                config=config,  # type: ignore[arg-type]
                client_options=options,  # type: ignore[arg-type]
                retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=30)},
            )
        except BaseError:
            problem = ConfigError(
                "objects-settings",
                "[objects] cannot be used as it is",
                hint="look at objects.endpoint and objects.ca",
            )
        else:
            return cls(store, prefix)
        raise problem  # outside, since the cause may show credentials

    def put(self, files: Sequence[Path]) -> None:
        """Upload files under their names; all are there when this returns, some perhaps when it raises."""
        if not files:
            return
        with ThreadPoolExecutor(min(_UPLOADS_AT_ONCE, len(files))) as pool:
            list(pool.map(self._put, files))

    def has(self, object_id: str) -> bool:
        """Whether an object of this id is there."""
        try:
            obstore.head(self._store, self._key(object_id))
        except FileNotFoundError:
            return False
        except BaseError as problem:
            raise _failed(problem) from None
        return True

    def read(self, object_id: str) -> BucketSource:
        """An object to be read from its beginning. Raises SpoolError("object-missing")."""
        try:
            return BucketSource(obstore.get(self._store, self._key(object_id)))
        except FileNotFoundError:
            problem = SpoolError("object-missing", f"the stored object {object_id} is not there any more")
        except BaseError as refused:
            problem = _failed(refused)
        raise problem

    def remove(self, object_id: str) -> None:
        """Remove an object that has no row; nothing happens where it is not there."""
        try:
            with suppress(FileNotFoundError):
                obstore.delete(self._store, self._key(object_id))
        except BaseError as problem:
            raise _failed(problem) from None

    def _put(self, file: Path) -> None:
        try:
            obstore.put(
                self._store, self._key(file.name), file, chunk_size=PART, max_concurrency=_PARTS_AT_ONCE
            )
        except BaseError as problem:
            raise _failed(problem) from None

    def _key(self, object_id: str) -> str:
        return "/".join(filter(None, (self._prefix, object_id[:2], object_id)))


class BucketSource:
    """One object as a stream; `size` is what the bucket says that it has."""

    def __init__(self, found: obstore.GetResult) -> None:
        self.size = int(found.meta["size"])
        self._pieces: Iterator[Any] = iter(found.stream(min_chunk_size=1 << 18))
        self._held = bytearray()

    def read(self, most: int) -> bytes:
        """The next bytes: as many as asked for, fewer at the end alone."""
        try:
            while len(self._held) < most and (piece := next(self._pieces, None)) is not None:
                self._held += piece
        except BaseError as problem:
            raise _failed(problem) from None
        taken = bytes(self._held[:most])
        del self._held[:most]
        return taken

    def close(self) -> None:
        """Let the connection go."""
        self._pieces = iter(())


def _failed(problem: BaseException) -> SpoolError:
    return SpoolError(
        "bucket-failed",
        f"the platform's bucket cannot be used: {type(problem).__name__}",
        hint="look at [objects] and at the server; gateways try again by themselves",
        retryable=True,
    )


def _credentials(settings: ObjectsConfig) -> dict[str, str]:
    if not settings.credentials_file:
        return {}
    key, path = "objects.credentials_file", Path(settings.credentials_file)
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(_read(key, path, secret=True).decode("utf-8"))
    except (configparser.Error, UnicodeDecodeError):
        parser = configparser.ConfigParser()
    name = settings.credentials_profile
    there = dict(parser[name]) if parser.has_section(name) else {}
    found = {ours: there[theirs] for theirs, ours in _CREDENTIALS.items() if there.get(theirs)}
    if not {"access_key_id", "secret_access_key"} <= found.keys():
        raise ConfigError(
            "secret-file", f"{key}: {path} has no [{name}] with aws_access_key_id and aws_secret_access_key"
        )
    return found


def _read(key: str, path: Path, *, secret: bool) -> bytes:
    try:
        if secret and path.stat().st_mode & 0o077:
            raise ConfigError(
                "secret-file-mode", f"{key}: {path} can be read by others", hint=f"chmod 600 {path}"
            )
        return path.read_bytes()
    except OSError as problem:
        raise ConfigError("objects-file", f"{key}: cannot read {path}: {problem.strerror}") from problem
