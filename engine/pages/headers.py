"""Headers that every page carries, at the platform and at gateways."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

# No script, style, frame or form target of anybody else's, and none inline.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_ALL = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


def secure(headers: MutableHeaders) -> None:
    """Add what is missing. An answer that says nothing about caching is kept by nobody."""
    for name, value in _ALL.items():
        headers.setdefault(name, value)
    headers.setdefault("cache-control", "no-store")


def securing(send: Send) -> Send:
    """`send`, with these headers on every answer that begins."""

    async def secured(message: Message) -> None:
        if message["type"] == "http.response.start":
            message.setdefault("headers", [])
            secure(MutableHeaders(scope=message))
        await send(message)

    return secured
