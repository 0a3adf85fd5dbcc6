"""What an AE title may be."""

from __future__ import annotations


def check_ae_title(title: str) -> None:
    """PS3.8 9.3.2 and PS3.5 6.2 (AE): 1 to 16 printable ASCII characters, no backslash, not spaces alone.

    Raises ValueError.
    """
    if not 1 <= len(title) <= 16 or not title.strip(" "):
        raise ValueError("ae_title must have 1 to 16 characters, not only spaces")
    if any(not " " <= c <= "~" or c == "\\" for c in title):
        raise ValueError("ae_title may have printable ASCII characters only, and no backslash")
