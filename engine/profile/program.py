"""The compile target: what `engine._native.rewriter.Program` is made from, field by field, as plain data.

Kept apart from the native class so that a profile can be compiled, explained and compared without running
anything. Meaning of the fields and actions for the rewriter:

- `rules`: (tag, VR, action at the top level, action when nested, argument) for every standard attribute. The
  argument of "replace" is the index of its value in `constants`; of date and age actions the index of what to write
  where a value cannot be read; of "clean-text" that of what to write where nothing is left (0: nothing); of
  "replace-document" that of the document; otherwise 0.
- `repeating`: (mask, value, VR, top, nested, argument): the rule for a tag where `tag & mask == value`.
- `constants`: ASCII, not padded; numbers little endian. `constants[0]` is empty.
- `private`: (group, creator, low byte of the element, VR, action, argument). Every other private element is
  removed, with its block's creator if nothing of the block is left.
- `vr_rules`: for an explicit VR that is not the dictionary's: DA, DT, TM, PN, UI only.
- `insertions`: (tag, VR, value) at the top level, in tag order, in place of what is there. A value is bytes,
  a list of items (each a list of (tag, VR, bytes)) for SQ, "hashed-id" or "study-id".
- `paths`: (tags from the top level down, action, argument); stronger than every rule above.
- `public_schemes`: coding schemes whose codes stay where codes are cleaned; `concepts`: (scheme, code, action) for
  content items with that concept name.
- `flags`: "unknown_standard", "unknown_private": action codes for what no rule covers.
- `identifiers`: tags whose values name the patient; the leak scan looks for them in the output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

TagRule = tuple[int, str, int, int, int]
RepeatingRule = tuple[int, int, str, int, int, int]
PrivateRule = tuple[int, bytes, int, str, int, int]
Item = list[tuple[int, str, bytes]]
Insertion = tuple[int, str, "bytes | str | list[Item]"]
ConceptRule = tuple[bytes, bytes, int]
PathRule = tuple[tuple[int, ...], int, int]


@dataclass(frozen=True, slots=True)
class ProgramSpec:
    """Arguments of the native `Program`, by name."""

    rules: list[TagRule]
    repeating: list[RepeatingRule]
    constants: list[bytes]
    private: list[PrivateRule]
    vr_rules: Mapping[str, tuple[int, int]]
    insertions: list[Insertion]
    paths: list[PathRule]
    issuer: bool
    flags: Mapping[str, int]
    identifiers: list[int]
    public_schemes: list[bytes]
    concepts: list[ConceptRule]

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments for `Program`."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
