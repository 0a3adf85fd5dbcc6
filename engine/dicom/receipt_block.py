"""The private block in which a Penstock platform answers STOW-RS: a receipt in an item of Referenced SOP Sequence, a reason
in one of Failed SOP Sequence. docs/platform.md describes it.
"""

from __future__ import annotations

from typing import Final

CREATOR: Final = "PENSTOCK"
CREATOR_TAG: Final = "00990010"
DIGEST: Final = "00991001"  # LO  BLAKE3 digest of the object's bytes as received, 64 hexadecimal digits
LENGTH: Final = "00991002"  # UV  their number
RECEIVED: Final = "00991003"  # UV  when they were received, microseconds since 1970
SIGNATURE: Final = "00991004"  # OB  Ed25519 signature of `signed_message`, 64 bytes
KEY_ID: Final = "00991005"  # LO  the id of the key that signed
REASON: Final = "00991006"  # LO  why an object was not taken, as a code word


def signed_message(sop_instance_uid: str, digest: str, length: int, received: int) -> bytes:
    """The bytes that a receipt's signature covers: five lines of ASCII."""
    return f"penstock receipt 1\n{sop_instance_uid}\n{digest}\n{length}\n{received}\n".encode("ascii")
