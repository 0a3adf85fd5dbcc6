"""New UIDs without a rewriter, for those who only have to name a study: the same as the native core gives."""

from __future__ import annotations

import hmac


def new_uid(pass_key: bytes, old: str) -> str:
    """`2.25.` and the first 128 bits of HMAC-SHA-256(`pass_key`, `old`) as a UUID of version 8 (PS3.5 B.2), in decimal;
    "" for ""."""
    if not old:
        return ""
    octets = bytearray(hmac.digest(pass_key, old.encode("ascii", "replace"), "sha256")[:16])
    octets[6] = octets[6] & 0x0F | 0x80
    octets[8] = octets[8] & 0x3F | 0x80
    return f"2.25.{int.from_bytes(octets, 'big')}"
