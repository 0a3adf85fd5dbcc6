"""OpenID Connect, the side of the relying party: discovery, the code's exchange, and the ID token's verification.

Authorization code flow with PKCE (RFC 7636) and a nonce. The ID token must be signed by a key that the provider
publishes, asymmetrically; what it says is believed only after issuer, audience, times and nonce were checked.
"""

from __future__ import annotations

import base64
import hashlib
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode

import aiohttp
import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from engine.config.oidc import OidcConfig, is_protected
from engine.errors import ConfigError
from engine.platform.errors import AccountError

# Signatures that nobody can make who only knows the public key or the client's secret.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_PATIENCE = aiohttp.ClientTimeout(total=10)
_MOST_BYTES = 1 << 20
_KEEP_SECONDS = 600.0
_LEEWAY_SECONDS = 60
_OLDEST_TOKEN_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Discovered:
    """What a provider says of itself, as far as it is used."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class Provider:
    """One configured provider. Use it on one event loop at a time; what it has fetched is kept for ten minutes."""

    def __init__(self, config: OidcConfig) -> None:
        self.config = config
        self._secret = read_secret(config.client_secret_file)
        self._tls = _context(config.ca)
        self._discovered: tuple[float, Discovered] | None = None
        self._keys: tuple[float, KeySet] | None = None

    async def authorization_url(self, state: str, nonce: str, verifier: str) -> str:
        """Where to send the browser. Raises AccountError("oidc-provider")."""
        discovered = await self._discover()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self.config.client_id,
            "redirect_uri": self.config.redirect_uri,
            "scope": " ".join(self.config.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in discovered.authorization_endpoint else "?"
        return f"{discovered.authorization_endpoint}{joint}{urlencode(query)}"

    async def claims(self, code: str, nonce: str, verifier: str) -> dict[str, Any]:
        """The verified claims of the ID token that the code is good for.

        Raises AccountError: "oidc-provider" when the provider fails or refuses the code, "oidc-token" when what it
        gave cannot be believed.
        """
        discovered = await self._discover()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.config.redirect_uri,
            "code_verifier": verifier,
        }
        answer = await self._fetch("POST", discovered.token_endpoint, form, self._login())
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise AccountError("oidc-token", "the provider gave no ID token")
        return await self._verified(token, nonce, discovered)

    async def _verified(self, token: str, nonce: str, discovered: Discovered) -> dict[str, Any]:
        decoded = _decoded(token, await self._key_set(discovered))
        if decoded is None:  # perhaps by a key that is newer than what was kept
            self._keys = None
            decoded = _decoded(token, await self._key_set(discovered))
        if decoded is None:
            raise AccountError("oidc-token", "the ID token has no signature of the provider")
        claims = dict(decoded.claims)
        try:
            _wanted(self.config, nonce).validate(claims)
        except JoseError as problem:
            why = type(problem).__name__
            raise AccountError("oidc-token", f"the ID token cannot be believed: {why}") from None
        _check_party(claims, self.config.client_id)
        return claims

    async def _discover(self) -> Discovered:
        now = time.monotonic()
        if self._discovered is not None and now - self._discovered[0] < _KEEP_SECONDS:
            return self._discovered[1]
        told = await self._fetch("GET", self.config.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if told.get("issuer") != self.config.issuer:
            raise AccountError("oidc-provider", "the provider says that it is another issuer")
        found = [told.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        places = [
            place for place in found if isinstance(place, str) and is_protected(place.partition("?")[0])
        ]
        if len(places) != len(found):
            raise AccountError("oidc-provider", "the provider does not say where to go, or not by https")
        discovered = Discovered(*places)
        self._discovered = (now, discovered)
        return discovered

    async def _key_set(self, discovered: Discovered) -> KeySet:
        now = time.monotonic()
        if self._keys is not None and now - self._keys[0] < _KEEP_SECONDS:
            return self._keys[1]
        told = await self._fetch("GET", discovered.jwks_uri)
        try:
            keys = KeySet.import_key_set(told)  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError) as problem:
            raise AccountError("oidc-provider", "the provider's keys cannot be read") from problem
        self._keys = (now, keys)
        return keys

    def _login(self) -> dict[str, str]:
        """client_secret_basic: RFC 6749, 2.3.1, wants both parts encoded as in a form."""
        both = f"{quote_plus(self.config.client_id)}:{quote_plus(self._secret)}"
        return {"authorization": "Basic " + base64.b64encode(both.encode()).decode("ascii")}

    async def _fetch(
        self,
        method: str,
        url: str,
        form: Mapping[str, str] | None = None,
        login: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        try:
            async with (
                aiohttp.ClientSession(timeout=_PATIENCE, trust_env=False) as session,
                session.request(
                    method,
                    url,
                    ssl=self._tls,
                    allow_redirects=False,
                    headers={"accept": "application/json", **(login or {})},
                    data=form,
                ) as answer,
            ):
                body = await answer.content.read(_MOST_BYTES + 1)
                while len(body) <= _MOST_BYTES and not answer.content.at_eof():
                    body += await answer.content.read(_MOST_BYTES + 1)
                status = answer.status
        except (aiohttp.ClientError, OSError) as problem:
            raise AccountError(
                "oidc-provider",
                f"the OpenID provider cannot be reached: {type(problem).__name__}",
                hint="try again, or sign in with a password",
            ) from None  # the cause names addresses and perhaps a code
        if status != 200 or len(body) > _MOST_BYTES:
            raise AccountError("oidc-provider", f"the OpenID provider answered with status {status}")
        try:
            told = orjson.loads(body)
        except orjson.JSONDecodeError:
            told = None
        if not isinstance(told, dict):
            raise AccountError("oidc-provider", "the OpenID provider did not answer with JSON")
        return told


def _wanted(config: OidcConfig, nonce: str) -> jwt.JWTClaimsRegistry:
    now = int(time.time())
    return jwt.JWTClaimsRegistry(
        now=now,
        leeway=_LEEWAY_SECONDS,
        iss={"essential": True, "value": config.issuer},
        aud={"essential": True, "value": config.client_id},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True, "value": nonce},
    )


def _check_party(claims: Mapping[str, Any], client_id: str) -> None:
    """OpenID Connect Core 3.1.3.7, rules 4 and 5, and how old a token may be."""
    audience = claims["aud"]
    several = isinstance(audience, list) and len(audience) > 1
    if claims.get("azp", None if several else client_id) != client_id:
        raise AccountError("oidc-token", "the ID token was made for another party")
    if claims["iat"] < time.time() - _OLDEST_TOKEN_SECONDS:
        raise AccountError("oidc-token", "the ID token is old")
    if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
        raise AccountError("oidc-token", "the ID token names nobody")


def _decoded(token: str, keys: KeySet) -> jwt.Token | None:
    """The token if one of the keys has signed it."""
    try:
        return jwt.decode(token, keys, algorithms=list(ALGORITHMS))
    except (JoseError, ValueError):  # the latter: no key of this id, or nothing that is a token
        return None


def read_secret(path: Path) -> str:
    """The client's secret from its file. Raises ConfigError ("oidc-secret")."""
    hint = "the file holds the secret that the provider gave, and only its owner may read it: chmod 600"
    try:
        mode = path.stat().st_mode
        secret = path.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(
            "oidc-secret", f"cannot read the client's secret from {path}", hint=hint
        ) from problem
    if mode & 0o077 or not secret or len(secret) > 4096:
        raise ConfigError(
            "oidc-secret", f"the client's secret {path} can be read by others, or is none", hint=hint
        )
    return secret


def _context(ca: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (ssl.SSLError, OSError) as problem:
        raise ConfigError("oidc-ca", f"cannot use the CA of the OpenID provider, {ca}") from problem
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
