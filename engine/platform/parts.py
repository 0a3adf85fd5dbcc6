"""What the routes of both listeners work with; one for each serving process."""

from __future__ import annotations

from dataclasses import dataclass

from engine.config import PlatformConfig
from engine.platform.accounts import Accounts
from engine.platform.accounts.oidc_signing_in import OidcSigningIn
from engine.platform.accounts.signing_in import SigningIn
from engine.platform.audit import Audit
from engine.platform.commit import Committer
from engine.platform.database import Database
from engine.platform.gateways.registry import Gateways
from engine.platform.gateways.standing import Standing
from engine.platform.institutions import Institutions
from engine.platform.keys import MasterKey, SigningKey
from engine.platform.library import Library
from engine.platform.storage import Storage
from engine.platform.vault import Vault


@dataclass(frozen=True)
class Platform:
    """The rooms of the platform. `settings` is the whole configuration."""

    settings: PlatformConfig
    database: Database
    storage: Storage
    master: MasterKey
    signing: SigningKey
    committer: Committer
    library: Library
    institutions: Institutions
    vault: Vault
    audit: Audit
    accounts: Accounts
    signing_in: SigningIn
    oidc: OidcSigningIn | None
    gateways: Gateways
    standing: Standing
