"""Enrolled gateways: the platform's own authority, tokens, epochs, and who is refused.

authority     the CA, its key under the master key       csr        what a certificate request may ask for
registry      tokens, enrolment, renewal, revocation     standing   who may speak now: epochs, with a cache of a second
guard         refuses before a body is read              routes     the endpoints
server_ca     what gateways are given to know the platform by
"""

from __future__ import annotations

from engine.platform.gateways.registry import Gateways
from engine.platform.gateways.rows import Gateway, TokenRow

__all__ = ["Gateway", "Gateways", "TokenRow"]
