"""Content items of structured reports by their concept names (PS3.15 E.3.4, Table E.3.4-1), and the schemes whose codes
stay.

It matters where a profile cleans structured content; without that option a Content Sequence gets dummies throughout.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import orjson

from engine.profile.actions import CODES
from engine.profile.model import Profile
from engine.profile.program import ConceptRule

CLEAN_STRUCTURED_CONTENT = "clean-structured-content"

# Value types whose values the rules by tag treat already: names, dates, UIDs and references (PS3.3 C.17.3).
_BY_TAG = frozenset({"PNAME", "DATE", "TIME", "DATETIME", "UIDREF", "IMAGE", "WAVEFORM", "COMPOSITE"})
# Where one concept has several value types, the action that lets least through holds for all of them.
_STRICTEST_FIRST = ("remove", "scrub", "clean-text", "keep")

# Coding schemes of PS3.16 Table 8-1 that anybody can look up. A code of another scheme may be local, and say anything.
PUBLIC_SCHEMES = (
    "DCM", "SCT", "SRT", "SNM3", "99SDM", "UCUM", "LN", "RADLEX", "RADELEMENT", "NCIt", "UMLS", "FMA", "UBERON", "BARI",
    "BI", "I9C", "I10", "I10P", "I11", "ICD9", "ICD10", "ICDO3", "ISO3166_1", "ISO639_1", "ISO639_2", "RFC3066", "RFC5646",
    "MDC", "MSH", "NDC", "RXNORM", "PUBCHEM_CID", "ACR", "IHERADTF", "IBSI", "NEU", "PATHLEX", "ITIS_TSN", "MGI", "VIM",
    "UNS", "UPC", "NCDR [2.0b]", "CD2", "ASTM-sigpurpose", "IEC61217", "HPC", "ATC",
)  # fmt: skip


@cache
def _rows() -> tuple[tuple[str, str, str, str, Mapping[str, str]], ...]:
    data = orjson.loads((files(__package__) / "data" / "content_items.json").read_bytes())
    return tuple(tuple(row) for row in data["rows"])


def action_of(value_type: str, code: str, options: Mapping[str, str], chosen: frozenset[str]) -> str | None:
    """What happens to an item of this value type, row code and option codes; None where the rules by tag do it."""
    codes = {options[name] for name in chosen if name in options}
    if not codes:
        if code == "X":
            return "remove"
        return None if value_type in _BY_TAG else "scrub"
    if value_type == "UIDREF" and codes == {"K"}:
        return "keep"
    if value_type in _BY_TAG:
        return None
    return "clean-text" if "C" in codes else "keep"


def concept_rules(profile: Profile) -> list[ConceptRule]:
    """(scheme, code, action) for every concept name that the rules by tag do not settle."""
    if CLEAN_STRUCTURED_CONTENT not in profile.options:
        return []
    chosen = frozenset(profile.options)
    found: dict[tuple[str, str], str] = {}
    for scheme, code, value_type, basic, options in _rows():
        action = action_of(value_type, basic, options, chosen)
        before = found.get((scheme, code))
        candidates = [known for known in (action, before) if known is not None]
        if candidates:
            found[scheme, code] = min(candidates, key=_STRICTEST_FIRST.index)
    return [
        (scheme.encode(), code.encode(), CODES[action]) for (scheme, code), action in sorted(found.items())
    ]
