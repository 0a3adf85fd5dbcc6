"""Who did what is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["person", "gateway", "anonymous", "system"]
Outcome = Literal["success", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody or something that acts. `name` is an account's or a gateway's; `address` is the network address.

    Somebody who is not signed in is "anonymous" and has no name: what was typed into a name's field may be a
    password or a Patient ID.
    """

    kind: Kind
    name: str = ""
    address: str = ""


SYSTEM = Actor("system", "platform")
