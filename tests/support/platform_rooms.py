"""The platform's rooms and both applications in this process, as the serving process puts them together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette

from engine.config import load_platform
from engine.platform.accounts.passwords import Passwords
from engine.platform.app import make_app, make_web_app
from engine.platform.assembly import AUDIT_KEY, assembled, open_database
from engine.platform.audit import AuditKey
from engine.platform.keys import MasterKey, SigningKey
from engine.platform.parts import Platform
from engine.platform.storage import Storage
from tests.support.platform_process import Pki

_OIDC = """
[web.oidc]
issuer = "https://login.example.org"
client_id = "penstock"
client_secret_file = "oidc-secret"
url = "https://localhost"
"""


@dataclass
class Rooms:
    """`machines` is the application behind client certificates, `web` people's."""

    platform: Platform
    machines: Starlette
    web: Starlette


@contextmanager
def rooms(folder: Path, database_url: str = "", *, oidc: str = _OIDC) -> Iterator[Rooms]:
    """An empty platform in a folder; passwords cost next to nothing. `oidc` is its `[web.oidc]`."""
    pki = Pki(folder / "tls")
    MasterKey.write_new(folder / "master-key")
    secret = folder / "oidc-secret"
    secret.touch(0o600)
    secret.write_text("of the client\n")
    config_file = folder / "platform.toml"
    config_file.write_text(
        f'[platform]\ncertificate = "{pki.server[0]}"\nkey = "{pki.server[1]}"\nclient_ca = "{pki.ca}"\n'
        f'storage = "storage"\nmaster_key_file = "master-key"\ndatabase = "{database_url}"\n[web]\n' + oidc
    )
    config = load_platform(config_file)
    storage = Storage.open(config.platform.storage)
    open_database(config).close()
    AuditKey.load_or_make(storage.root / AUDIT_KEY)
    signing = SigningKey.load_or_make(storage.root / "signing-key")
    with assembled(config, storage, MasterKey.load(folder / "master-key"), signing, 8443) as platform:
        platform.accounts.passwords = Passwords(memory_kib=8, passes=1)
        yield Rooms(platform, make_app(platform), make_web_app(platform))
