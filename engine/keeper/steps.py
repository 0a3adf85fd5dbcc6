"""What is due with the platform, one step at a time: a fresh certificate, and the hash secret in force. Calls block."""

from __future__ import annotations

import time
from collections.abc import Callable

from engine import log
from engine.enrolment.folder import IdentityFolder
from engine.enrolment.platform import KEY_BYTES, Platform
from engine.enrolment.request import belongs_together, new_request
from engine.enrolment.trouble import trouble
from engine.keeper.page import SIZE, SecretPage, wipe
from engine.pseudonymize.identity import HashSecret

_LOG = log.get("keeper")


class Steps:
    """Works on one identity and one page of keys. `wants_secret` is False where the secret comes from a file."""

    def __init__(
        self,
        identity: IdentityFolder,
        page: SecretPage,
        *,
        wants_secret: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._identity, self._page = identity, page
        self._wants_secret, self._clock = wants_secret, clock
        self._platform = Platform(identity)

    def take(self) -> bool:
        """Whatever is due; True if the keys in the page are others than before.

        Raises TransportError when the platform does not answer as it should, ConfigError when the identity cannot be
        used. What was done before that stays done.
        """
        self._renew_if_due()
        status = self._platform.status()
        held = self._page.key_ids
        if not self._wants_secret or (held and held[0] == status.key_id):
            return False
        keys = bytearray(SIZE)
        try:
            key_ids = self._platform.secrets(keys)
            for at, key_id in enumerate(key_ids):
                if HashSecret(bytes(keys[at * KEY_BYTES : (at + 1) * KEY_BYTES])).key_id != key_id:
                    raise trouble("platform-answer")
            self._page.fill(keys, key_ids)
        finally:
            wipe(keys)
        _LOG.info("secret-held", key_id=key_ids[0], versions=len(key_ids), locked=self._page.locked)
        return True

    def _renew_if_due(self) -> None:
        if self._clock() < self._identity.validity().renew_at:
            return
        request = new_request()
        renewed = self._platform.renew(request.csr)
        certificate = renewed.certificate.encode("ascii")
        if not belongs_together(request.key, certificate):
            raise trouble("platform-answer")
        self._identity.renew(request.key, certificate, renewed.ca.encode("ascii"))
        _LOG.info("certificate-renewed", ends=int(self._identity.validity().ends))
