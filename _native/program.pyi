"""Manual of the program core: a compiled profile in native form."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

ACTIONS: Final[dict[str, int]]
"""Action numbers by the name that profiles use."""

COMPUTED: Final[dict[str, int]]
"""Insertions whose value is computed for each object: hashed-id, study-id, sop-class-uid, sop-instance-uid."""

VR_RULES: Final[tuple[str, ...]]
"""The VRs for which a rule by declared VR is possible."""

Item = list[tuple[int, str, bytes]]

class Program:
    """A compiled profile. Immutable once made; may be shared by rewriters of one process.

    `rules`: (tag, VR, action at the top level, action when nested, index of a constant), one for every known standard tag.
    `repeating`: (mask, value, VR, top, nested, constant): a rule for tags with `tag & mask == value`.
    `constants`: values for `replace`, without padding, numbers little endian; constant 0 is what rules without one name.
    `private`: (group, creator, element's low byte, VR, action, constant): the safe private elements.
    `vr_rules`: {VR: (action, constant)} where an explicit VR differs from the dictionary's and the tag's rule is keep.
    `insertions`: (tag, VR, value) written at the top level in place of what is there; value: bytes, a list of items, or a
    name of `COMPUTED`. `paths`: (tags from the top level down, action, constant).
    `flags`: unknown_standard, unknown_private, unparsable, group_lengths: action numbers. `identifiers`: tags whose values name the patient.
    `public_schemes`: coding scheme designators whose codes stay where codes are cleaned. `concepts`: (scheme, code, action):
    what happens to SR content items with this concept name under `clean-sr`; action remove, keep, scrub, or clean-text.
    `compounds`: kept as given, for whoever resolves codes by SOP class.

    Raises ValueError for two rules of one tag or path, an unknown action, VR, constant or flag.
    """

    issuer: bool
    compounds: dict[str, Program]
    def __init__(
        self,
        *,
        rules: Iterable[tuple[int, str, int, int, int]],
        repeating: Iterable[tuple[int, int, str, int, int, int]] = (),
        constants: Sequence[bytes] = (b"",),
        private: Iterable[tuple[int, bytes, int, str, int, int]] = (),
        vr_rules: Mapping[str, tuple[int, int]] | None = None,
        insertions: Iterable[tuple[int, str, bytes | str | list[Item]]] = (),
        paths: Iterable[tuple[tuple[int, ...], int, int]] = (),
        issuer: bool = False,
        flags: Mapping[str, int] | None = None,
        compounds: Mapping[str, Program] | None = None,
        identifiers: Iterable[int] = (),
        public_schemes: Sequence[bytes] = (),
        concepts: Iterable[tuple[bytes, bytes, int]] = (),
    ) -> None: ...
    def explain(self, tag: int) -> dict[str, int | str] | None:
        """The row that decides for a tag: vr, top, nested, arg, marks; None for an unknown tag."""
