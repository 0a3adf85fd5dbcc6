"""The folder of an enrolled gateway: who it is, who the platform is, and its key. Every change is one rename.

    FOLDER/ 0700    gateway.pem 0600   private key, certificate      (one file, so that they change together)
                    ca.pem             who vouches for the platform
                    platform.json      the platform's address, and as whom it knows this gateway

The hash secret is not here, and nowhere on this machine's disks.
"""

from __future__ import annotations

import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography import x509

from engine.config import EnrolmentConfig
from engine.errors import ConfigError
from engine.syncing import sync_folder


class Enrolled(msgspec.Struct, frozen=True):
    """What the platform said. `url` is where objects go; `enrolled` in seconds since 1970; `receipt_key` is the public
    key that the platform signs receipts with, 64 hexadecimal digits.
    """

    url: str
    institution: str
    gateway: str
    gateway_id: str
    epoch: int
    enrolled: float
    receipt_key: str = ""


@dataclass(frozen=True, slots=True)
class Validity:
    """From when to when the certificate holds, seconds since 1970."""

    begins: float
    ends: float

    @property
    def renew_at(self) -> float:
        """When two thirds of its life are over."""
        return self.begins + (self.ends - self.begins) * 2 / 3


class IdentityFolder:
    """Reads and replaces what lies in the folder. Raises ConfigError where that cannot be done."""

    def __init__(self, folder: Path) -> None:
        self.paths = EnrolmentConfig(folder=folder)

    def prepare(self) -> None:
        """Make the folder, private, and see that files can be written there: before a token is used up."""
        folder = self.paths.folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            about = folder.stat()
            if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) & 0o077:
                raise ConfigError(
                    "identity-open-to-others",
                    f"others may read or change what lies in {folder}",
                    hint=f"run: chmod 700 {folder} (as its owner), or choose another folder",
                )
            with tempfile.TemporaryFile(dir=folder) as probe:
                probe.write(b"\0")
        except OSError as problem:
            raise _unwritable(folder, problem) from problem

    def enrolled(self) -> Enrolled:
        """What the platform said. Raises ConfigError("not-enrolled") or ("identity-damaged")."""
        if not self.paths.is_enrolled:
            raise ConfigError(
                "not-enrolled",
                f"there is no identity in {self.paths.folder}",
                hint=f"penstock enroll URL TOKEN --folder {self.paths.folder}",
            )
        try:
            return msgspec.json.decode(self.paths.platform.read_bytes(), type=Enrolled)
        except (OSError, msgspec.DecodeError) as problem:
            raise _damaged(self.paths.platform) from problem

    def validity(self) -> Validity:
        """Of the certificate. Raises ConfigError("identity-damaged")."""
        try:
            whole = self.paths.credential.read_bytes()
            certificate = x509.load_pem_x509_certificate(whole[whole.index(b"-----BEGIN CERTIFICATE") :])
        except (OSError, ValueError) as problem:
            raise _damaged(self.paths.credential) from problem
        return Validity(
            certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
        )

    def write(self, told: Enrolled, key: bytes, certificate: bytes, ca: bytes) -> None:
        """Everything of a new enrolment, the credential last: with it the gateway is enrolled."""
        try:
            _replace(self.paths.ca, ca, 0o600)
            _replace(self.paths.platform, msgspec.json.encode(told) + b"\n", 0o600)
            _replace(self.paths.credential, key + certificate, 0o600)
        except OSError as problem:
            raise _unwritable(self.paths.folder, problem) from problem

    def renew(self, key: bytes, certificate: bytes, ca: bytes) -> None:
        """A new key with its certificate, in one rename; who reads meanwhile gets the old pair or the new one. An empty
        `ca` leaves what is there.
        """
        try:
            if ca and ca != self.paths.ca.read_bytes():
                _replace(self.paths.ca, ca, 0o600)
            _replace(self.paths.credential, key + certificate, 0o600)
        except OSError as problem:
            raise _unwritable(self.paths.folder, problem) from problem


def _replace(path: Path, content: bytes, mode: int) -> None:
    """The file has the new content, durable, or the old one."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).rename(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _unwritable(folder: Path, problem: OSError) -> ConfigError:
    return ConfigError(
        "identity-unwritable",
        f"cannot write to {folder}: {problem.strerror}",
        hint="choose a folder that you may write to, with --folder",
    )


def _damaged(path: Path) -> ConfigError:
    return ConfigError(
        "identity-damaged",
        f"{path} cannot be read as it was written",
        hint="enrol this gateway again: penstock enroll URL TOKEN --replace",
    )
