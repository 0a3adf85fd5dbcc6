"""S3 as destination, by obstore: PREFIX/<hashed ID>/<study>/<series>/<object>.dcm, by new UIDs.

An object up to one part goes in one request, a longer one in parts as it is read. Each request bears a SHA-256 that the
server checks. It counts as stored when the ETag is the MD5 of what was sent; where the server's ETags are something else
(encryption with a key service), when the object reads back with the digest of what was sent.
"""

from __future__ import annotations

import configparser
import hashlib
import re
import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from engine.config import S3Destination
from engine.errors import ConfigError, PenstockError, TransportError
from engine.spool.killpoint import reached
from engine.spool.release import ReceiptKind
from engine.uploader import secret_files
from engine.uploader.carrier import Load, LocalFault, Reply
from engine.uploader.folder import names_of
from engine.uploader.outgoing import OutgoingObject
from engine.uploader.trouble import Troubles
from engine.uploader.verdicts import Outcome, Verdict

if TYPE_CHECKING:
    from obstore.store import S3Store

PART = 8 << 20
_PARTS_AT_ONCE = 2
_CREDENTIALS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
}
# What the text of an error of obstore's says, the most telling first. The text itself names the object, and is never told.
_SAYS = (
    (re.compile(r"certificate.*(expired|NotValidYet)", re.IGNORECASE | re.DOTALL), "certificate-expired"),
    (re.compile(r"NotValidForName", re.IGNORECASE), "host-mismatch"),
    (re.compile(r"UnknownIssuer|invalid peer certificate", re.IGNORECASE), "ca-unknown"),
    (re.compile(r"dns error|failed to lookup", re.IGNORECASE), "name"),
    (re.compile(r"\b(503|429|507|SlowDown)\b"), "busy"),
    (re.compile(r"NoSuchBucket"), "bucket"),
    (
        re.compile(r"connection (refused|reset)|tcp connect|error trying to connect", re.IGNORECASE),
        "unreachable",
    ),
    (re.compile(r"timed? ?out|deadline", re.IGNORECASE), "silent"),
    (
        re.compile(
            r"\b40[13]\b|PermissionDenied|Unauthenticated|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch"
        ),
        "forbids",
    ),
    (re.compile(r"incomplete|connection closed|error sending request", re.IGNORECASE), "broke-off"),
)


class S3Carrier:
    """One object a request. Raises ConfigError where obstore is not installed, or the credentials or the CA cannot be used."""

    receipt = ReceiptKind.S3

    def __init__(self, settings: S3Destination, troubles: Troubles) -> None:
        self._settings = settings
        self._troubles = troubles
        self.load = Load(settings.requests_in_flight, 1, 1)
        try:
            import obstore
            from obstore.exceptions import BaseError
        except ImportError as problem:
            raise ConfigError(
                "no-obstore",
                f'{troubles.section}: the kind "s3" needs the package obstore',
                hint="run: pip install 'dicom-penstock[s3]'",
            ) from problem
        self._obstore = obstore
        self._failures = (BaseError, OSError, ValueError, NotImplementedError)  # it raises Python's own, too
        self._store = self._open()

    def renew(self) -> None:
        """See Carrier."""
        self._store = self._open()

    async def close(self) -> None:
        """See Carrier: nothing is held open."""

    async def send(self, objects: Sequence[OutgoingObject]) -> Reply:
        """See Carrier; one object."""
        [item] = objects
        names = names_of(item)
        if names is None:
            return Reply([Verdict(Outcome.REFUSED, "unfit-name")])
        prefix = self._settings.prefix.strip("/")
        path = "/".join(([prefix] if prefix else []) + list(names)) + ".dcm"
        reading = _Reading(item)
        try:
            e_tag = await self._put(path, reading)
            reached("sent-before-receipt")
            sent_at = time.time()
            confirmed = e_tag == reading.e_tag or await self._reads_back(path, item.digest)
        except self._failures as problem:
            if reading.fault is not None:
                raise reading.fault from problem
            return Reply(trouble=self._explain(problem))
        verdict = Verdict(Outcome.RECEIPT) if confirmed else Verdict(Outcome.AGAIN, "digest-mismatch")
        return Reply([verdict], sent_at=sent_at)

    async def _put(self, path: str, reading: _Reading) -> str:
        """Store the object; the server's ETag without quotation marks."""
        attributes = {"Content-Type": "application/dicom"}
        if reading.size <= PART:
            put = await self._obstore.put_async(
                self._store, path, reading.whole(), attributes=attributes, use_multipart=False
            )
        else:
            put = await self._obstore.put_async(
                self._store,
                path,
                reading.parts(),
                attributes=attributes,
                use_multipart=True,
                chunk_size=PART,
                max_concurrency=_PARTS_AT_ONCE,
            )
        return (put.get("e_tag") or "").strip('"')

    async def _reads_back(self, path: str, digest: str) -> bool:
        found = await self._obstore.get_async(self._store, path)
        hasher = blake3()
        async for piece in found.stream(min_chunk_size=1 << 20):
            hasher.update(piece)
        return hasher.hexdigest() == digest

    def _open(self) -> S3Store:
        from obstore.store import S3Store

        settings, section = self._settings, self._troubles.section
        options: dict[str, Any] = {"connect_timeout": "15s", "timeout": "120s"}
        if settings.plain_http:
            options["allow_http"] = True
        if settings.ca is not None:
            try:
                options["root_certificate"] = settings.ca.read_bytes()
            except OSError as problem:
                raise ConfigError("tls-file", f"{section}.ca: cannot read {settings.ca}") from problem
        config: dict[str, Any] = {
            "region": settings.region,
            "checksum_algorithm": "sha256",
            **self._credentials(),
        }
        if settings.endpoint is not None:
            config["endpoint"] = settings.endpoint
        try:
            return S3Store(
                settings.bucket,
                config=config,  # type: ignore[arg-type]
                client_options=options,  # type: ignore[arg-type]
                retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=20)},
            )
        except self._failures as problem:
            raise ConfigError(
                "s3-settings", f"{section}: cannot be used as it is", hint=f"check {section}.ca and .endpoint"
            ) from problem

    def _credentials(self) -> dict[str, str]:
        path, name = self._settings.credentials_file, self._settings.credentials_profile
        if path is None:
            return {}
        key = f"{self._troubles.section}.credentials_file"
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(secret_files.read(key, path))
        except configparser.Error as problem:
            raise ConfigError("secret-file", f"{key}: {path} is not as ~/.aws/credentials") from problem
        there = dict(parser[name]) if parser.has_section(name) else {}
        found = {ours: there[theirs] for theirs, ours in _CREDENTIALS.items() if there.get(theirs)}
        if not {"access_key_id", "secret_access_key"} <= found.keys():
            raise ConfigError(
                "secret-file",
                f"{key}: {path} has no [{name}] with aws_access_key_id and aws_secret_access_key",
            )
        return found

    def _explain(self, problem: Exception) -> TransportError:
        if isinstance(problem, FileNotFoundError):
            return self._troubles.of("bucket")
        if isinstance(problem, PermissionError):
            return self._troubles.of("forbids")
        text = str(problem)
        said = next((kind for pattern, kind in _SAYS if pattern.search(text)), "failed")
        return self._troubles.of(said)


class _Reading:
    """One object being read, and what S3 will call its MD5 (RFC 1864 for one request; of the parts' MD5s, and their number, for
    several).
    """

    def __init__(self, item: OutgoingObject) -> None:
        self._item = item
        self.size = item.size
        self.fault: LocalFault | None = None
        self.e_tag = ""

    def whole(self) -> bytes:
        """All of a small object. Raises LocalFault."""
        try:
            content = b"".join(self._item.chunks())
        except (OSError, PenstockError) as problem:
            raise LocalFault(self._item, problem) from problem
        self.e_tag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return content

    async def parts(self) -> AsyncIterator[bytes]:
        """The object in pieces of PART bytes; a fault stays in `fault`, for the exception goes through another language."""
        digests: list[bytes] = []
        part = bytearray()
        try:
            for piece in self._item.chunks():
                part += piece
                while len(part) >= PART:
                    yield self._part(part[:PART], digests)
                    del part[:PART]
        except (OSError, PenstockError) as problem:
            self.fault = LocalFault(self._item, problem)
            raise
        if part:
            yield self._part(part, digests)
        of_all = hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()
        self.e_tag = f"{of_all}-{len(digests)}"

    @staticmethod
    def _part(part: bytearray, digests: list[bytes]) -> bytes:
        digests.append(hashlib.md5(part, usedforsecurity=False).digest())
        return bytes(part)
