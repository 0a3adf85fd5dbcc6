"""OpenID providers for tests: a real one in a process of its own, and one over TLS that can be made to lie."""

from __future__ import annotations

import base64
import http.client
import http.server
import json
import secrets
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from engine.demo.process import free_port

PATIENCE = 30.0


@contextmanager
def real_provider(*people: dict[str, object]) -> Iterator[str]:
    """`oidc-provider-mock` on a free port of the loopback; its issuer. `people` are claims with a `sub`."""
    port = free_port()
    users = [part for one in people for part in ("--user-claims", json.dumps(one))]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), *users]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            assert process.poll() is None and time.monotonic() < deadline, "the provider did not start"
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE)


def consent(url: str, subject: str, **form: str) -> str:
    """What a person does at the real provider's page: the query that their browser is sent back with."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
    body = urlencode({"sub": subject, **form})
    head = {"content-type": "application/x-www-form-urlencoded"}
    connection.request("POST", f"{parts.path}?{parts.query}", body, head)
    answer = connection.getresponse()
    place = answer.getheader("location") or ""
    connection.close()
    assert answer.status in {302, 303}, answer.status
    return urlsplit(place).query


class LyingProvider:
    """An honest provider over TLS until `claims`, `sign`, `discovery` or `status` are changed.

    `claims` changes the ID token's claims; `sign` makes the token of the claims; codes are good once.
    """

    def __init__(self, certificate: tuple[Path, Path]) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.claims: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
        self.sign: Callable[[dict[str, Any]], str | None] = self.signed
        self.discovery: dict[str, Any] = {}
        self.status = 200
        self.asked: list[tuple[str, dict[str, list[str]], str]] = []
        self._codes: dict[str, dict[str, str]] = {}
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.answer(self, "")

            def do_POST(self) -> None:
                provider.answer(self, self.rfile.read(int(self.headers["content-length"])).decode())

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.issuer = f"https://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def code(self, url: str) -> str:
        """What the person's browser brings back from this authorization URL."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        return urlencode({"code": code, "state": query["state"]})

    def signed(self, claims: dict[str, Any]) -> str:
        """An ID token as it should be."""
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)

    def answer(self, handler: http.server.BaseHTTPRequestHandler, body: str) -> None:
        """One request."""
        path = urlsplit(handler.path).path
        self.asked.append((path, parse_qs(body), handler.headers.get("authorization", "")))
        told: object = {"error": "unknown"}
        status = self.status
        if path == "/.well-known/openid-configuration":
            told = self._discovered()
        elif path == "/keys":
            told = KeySet([self.key]).as_dict(private=False)
        elif path == "/token":
            told = self._token(parse_qs(body))
            status = status if told else 400
        data = json.dumps(told).encode()
        handler.send_response(status)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def _discovered(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": self.issuer + "/authorize",
            "token_endpoint": self.issuer + "/token",
            "jwks_uri": self.issuer + "/keys",
            **self.discovery,
        }

    def _token(self, form: dict[str, list[str]]) -> dict[str, Any] | None:
        query = self._codes.pop(form["code"][0], None)
        if query is None or form["redirect_uri"][0] != query["redirect_uri"]:
            return None
        if (
            query["code_challenge_method"] != "S256"
            or _challenge(form["code_verifier"][0]) != query["code_challenge"]
        ):
            return None
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": query["client_id"],
            "sub": "4711",
            "iat": now,
            "exp": now + 300,
            "nonce": query["nonce"],
            "preferred_username": "Jane",
            "groups": ["radiology-admins"],
        }
        token = self.sign(self.claims(claims))
        return {"access_token": "x", "token_type": "Bearer", **({"id_token": token} if token else {})}


def _challenge(verifier: str) -> str:
    import hashlib

    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
