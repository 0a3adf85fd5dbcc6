"""How `penstock profile` shows things: JSON objects for scripts, tables for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from engine.cli.output import print_table, visible

if TYPE_CHECKING:
    from engine.profile import CompiledProfile
    from engine.profile.compare import Difference
    from engine.profile.ctp import Import
    from engine.profile.explain import Explanation

SHOWN_NAMES = 12


def _counts(profile: CompiledProfile) -> dict[str, int]:
    """How many standard attributes get each action at the top level."""
    from engine.profile.actions import CODES

    names = {code: name for name, code in CODES.items()}
    return dict(Counter(names[rule[2]] for rule in profile.spec.rules).most_common())


def as_document(profile: CompiledProfile) -> dict[str, Any]:
    """A compiled profile as a JSON object."""
    from engine.dicom.dictionary import keyword_of

    said = profile.profile
    return {
        "profile": said.name,
        "description": said.description,
        "base": said.base,
        "options": list(said.options),
        "unknown": {
            "standard": said.unknown.standard,
            "private": said.unknown.private,
            "unparsable": said.unknown.unparsable,
        },
        "issuer": said.issuer,
        "digest": profile.digest,
        "rules": [
            {
                "line": rule.line,
                "level": rule.level.name.lower(),
                "selects": _selects(rule),
                "action": rule.action,
                **({"nested": rule.nested} if rule.nested else {}),
                **({"value": rule.value} if rule.value is not None else {}),
                **({"conditional": True} if rule.when is not None else {}),
                **({"why": rule.why} if rule.why else {}),
            }
            for rule in said.rules
        ],
        "actions": _counts(profile),
        "private_kept": len(profile.spec.private),
        "inserted": [keyword_of(tag) for tag, _, _ in profile.spec.insertions],
    }


def _selects(rule: Any) -> str:
    from engine.dicom.dictionary import keyword_of

    if rule.path is not None:
        return "/".join(keyword_of(tag) for tag in rule.path)
    if rule.tag is not None:
        return keyword_of(rule.tag)
    if rule.private is not None:
        return f"({rule.private.group:04X},xx{rule.private.element:02X}) {rule.private.creator}"
    if rule.group is not None:
        mask, value = rule.group
        return (
            f"({value >> 24:02X}xx,{value & 0xFFFF:04X})" if mask & 0xFFFF else f"({value >> 24:02X}xx,xxxx)"
        )
    return f"VR {rule.vr}"


def print_profile(profile: CompiledProfile) -> None:
    """The profile for a person: what it says, and how often it does what."""
    document = as_document(profile)
    click.echo(f"{document['profile']}: {visible(document['description'])}")
    click.echo(f"base {document['base']}; options: {', '.join(document['options']) or 'none'}")
    click.echo("unknown: " + ", ".join(f"{key} {value}" for key, value in document["unknown"].items()))
    click.echo(f"digest {document['digest']}\n")
    if document["rules"]:
        rows = [
            (r["line"], r["selects"], r["action"], r.get("nested", ""), r.get("why", ""))
            for r in document["rules"]
        ]
        print_table("Rules of its own", ("line", "selects", "action", "nested", "why"), rows)
        click.echo("")
    print_table(
        "Standard attributes by action, at the top level",
        ("action", "attributes"),
        document["actions"].items(),
    )
    if document["private_kept"]:
        others = document["unknown"]["private"]
        click.echo(f"\nprivate attributes named: {document['private_kept']}; all others: {others}")


def explanation(name: str, found: Explanation) -> dict[str, Any]:
    """An explanation as a JSON object."""
    decision = found.decision
    return {
        "profile": name,
        "tag": found.tag,
        "keyword": found.keyword,
        "vr": found.vr,
        "retired": found.retired,
        "top": decision.top,
        "nested": decision.nested,
        "decided_by": decision.level.name.lower(),
        "source": decision.source,
        "code": decision.code,
        "value": found.value.decode("ascii", "backslashreplace"),
        "by_iod": found.by_iod,
        "considered": [{"level": level, "rule": rule} for level, rule in found.considered],
    }


def print_explanation(name: str, found: Explanation) -> None:
    """The explanation for a person: the decision first, then what else had a say."""
    told = explanation(name, found)
    retired = ", retired" if told["retired"] else ""
    click.echo(
        f"{told['tag']} {told['keyword'] or 'unknown attribute'} (VR {told['vr']}{retired}) under {visible(name)}\n"
    )
    if told["by_iod"]:
        counted = ", ".join(f"{action} in {count}" for action, count in told["by_iod"].items())
        click.echo(f"  at the top level   by IOD: {counted} SOP classes; {told['top']} in any other")
    else:
        click.echo(f"  at the top level   {told['top']}")
    click.echo(f"  inside sequences   {told['nested']}")
    if told["value"]:
        click.echo(f"  value written      {visible(told['value'])}")
    click.echo(f"  decided by         {told['decided_by']}: {visible(told['source'])}\n")
    if told["considered"]:
        rows = [(row["level"], row["rule"]) for row in told["considered"]]
        print_table("What had a say, the strongest first", ("level", "rule"), rows)


def difference(row: Difference) -> dict[str, str]:
    """A difference as a JSON object."""
    return {"where": row.where, "keyword": row.keyword, "a": row.left, "b": row.right}


def print_differences(file: str, left: str, right: str, rows: Sequence[Difference]) -> None:
    """The differences for a person, under the file's name if there is one."""
    if not rows:
        click.echo(f"{visible(file) + ': ' if file else ''}no difference")
        return
    cells = [
        (row.where, row.keyword if row.keyword != row.where else "", row.left, row.right) for row in rows
    ]
    print_table(file, ("where", "attribute", visible(left), visible(right)), cells)


def print_statement(document: Mapping[str, Any]) -> None:
    """The conformance statement as text; lists are cut where they are long: --json has all of them."""
    click.echo(f"Conformance statement of profile {document['profile']} (PS3.15 E.1.3)\n")
    click.echo(f"Base        {document['base']}, edition {document['edition']}")
    click.echo(f"Digest      {document['digest']}")
    for claim in document["claims"]:
        click.echo(f"Claims      {claim['code']} {claim['meaning']}")
    for broken in document["deviations"]:
        click.echo(
            f"Deviation   {broken['attribute']}: {broken['action']} where {broken['asked']} is asked (line {broken['line']})"
        )
    click.echo(
        f"Private     {len(document['private']['kept'])} kept by name; all others: {document['private']['others']}\n"
    )
    rows = [(action, len(names), _some(names)) for action, names in document["attributes"].items()]
    print_table("What happens to attributes at the top level", ("action", "number", "attributes"), rows)
    click.echo("")
    inserted = [(row["attribute"], _words(row["value"])) for row in document["inserted"]]
    print_table("What is written", ("attribute", "value"), inserted)
    for heading, text in (
        ("Dummy values", document["dummies"]["how"]),
        ("Cleaning", document["cleaning"]),
        ("Encrypted Attributes", document["encrypted_attributes"]),
        ("Referential integrity", document["referential_integrity"]),
        (
            "Transfer syntaxes",
            f"{len(document['transfer_syntaxes'])}: {_some(document['transfer_syntaxes'])}",
        ),
    ):
        click.echo(f"\n{heading}\n  {text}")
    click.echo("\nRestrictions")
    for restriction in document["restrictions"]:
        click.echo(f"  {restriction}")


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN_NAMES
    return ", ".join(names[:SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


def _words(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(f"{item['CodeValue']} {item['CodeMeaning']}" for item in value)
    return str(value)


def say_import(done: Import) -> None:
    """On standard error: what of a script did not come along, and what came along changed."""
    for entry, why in done.not_imported:
        click.echo(f"not imported: {visible(entry)}: {visible(why)}", err=True)
    for entry, what in done.differences:
        click.echo(f"differs: {visible(entry)}: {visible(what)}", err=True)
    click.echo(f"{done.imported} entries imported, {len(done.not_imported)} not", err=True)
