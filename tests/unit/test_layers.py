"""The house has floors, and imports go downwards only; read from the source, so lazy imports count too."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "engine"
NATIVE = ROOT / "_native"

# From the top of the house to its ground. Rooms on one floor never import each other.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("cli",),
    ("tuning",),  # it tries the whole: gateway, platform and sender, as `demo` sets them up
    ("supervisor", "demo", "doctor"),
    ("receiver", "coordinator", "uploader", "platform", "batch", "sender", "calculator"),
    ("keeper", "pages"),
    ("enrolment",),
    ("pseudonymize",),
    ("profile", "scu"),
    ("spool", "dicom"),
    ("metrics", "log", "process", "allocator", "syncing"),
    ("config",),
    ("errors", "version"),
    ("_native",),
)
FLOOR = {room: height for height, rooms in enumerate(reversed(FLOORS)) for room in rooms}
MOST_LINES = 400
SHORT_METHOD = 5  # statements


def _modules() -> list[Path]:
    return sorted(ENGINE.rglob("*.py"))


def _room(path: Path) -> str:
    return path.relative_to(ENGINE).parts[0].removesuffix(".py")


def _package(path: Path) -> list[str]:
    return list(path.relative_to(ROOT).parts[:-1])


def imported_rooms(source: str, package: list[str]) -> Iterator[tuple[int, str]]:
    """Line and room for each import of a part of the engine, wherever in the module it stands.

    `package` is the dotted path of the module's own package, for relative imports.
    """
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = package[: len(package) - node.level + 1]
                base = ".".join([*up, base] if base else up)
            names = [f"{base}.{alias.name}" for alias in node.names] if base == "engine" else [base]
        elif isinstance(node, ast.Call) and _is_import_module(node.func) and node.args:
            first = node.args[0]
            names = [first.value] if isinstance(first, ast.Constant) and isinstance(first.value, str) else []
        for name in names:
            parts = name.split(".")
            if parts[0] == "engine" and len(parts) > 1:
                yield getattr(node, "lineno", 0), parts[1]


def _is_import_module(function: ast.expr) -> bool:
    named = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return named in {"import_module", "__import__"}


def wrong_imports(source: str, room: str, package: list[str]) -> list[str]:
    """What the module of `room` imports and may not, as sentences."""
    found = []
    for line, other in imported_rooms(source, package):
        if other == room:
            continue
        if other not in FLOOR:
            found.append(f"line {line}: {room} imports {other}, which has no floor in this table")
        elif FLOOR[other] >= FLOOR[room]:
            found.append(f"line {line}: {room} imports {other}, which is not below it")
    return found


def test_every_room_has_a_floor() -> None:
    rooms = {_room(path) for path in _modules()} - {"__init__", "__main__"}
    assert rooms <= set(FLOOR), f"give these a place in FLOORS: {sorted(rooms - set(FLOOR))}"


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(ENGINE)))
def test_imports_go_downwards(path: Path) -> None:
    room = _room(path)
    if room in {"__init__", "__main__"}:
        assert list(imported_rooms(path.read_text(encoding="utf-8"), ["engine"])) == []
        return
    assert wrong_imports(path.read_text(encoding="utf-8"), room, _package(path)) == []


@pytest.mark.parametrize(
    ("source", "room"),
    [
        ("import engine.cli", "spool"),
        ("from engine.receiver import main", "uploader"),
        ("from engine import supervisor", "coordinator"),
        ("def later():\n    from engine.dicom.sample import study", "spool"),
        ("from ..profile import load", "dicom"),
        ("import importlib\nimportlib.import_module('engine.batch')", "pseudonymize"),
        ("from engine.attic import x", "cli"),
    ],
)
def test_an_import_that_climbs_is_found(source: str, room: str) -> None:
    assert len(wrong_imports(source, room, ["engine", room])) == 1


@pytest.mark.parametrize(
    ("source", "room"),
    [
        ("from engine.errors import ConfigError", "config"),
        ("from engine._native.digest import many", "metrics"),
        ("from .budget import Budget", "spool"),
        ("import asyncio", "receiver"),
        ("from engine.platform.server import run", "cli"),
    ],
)
def test_an_import_that_descends_is_fine(source: str, room: str) -> None:
    assert wrong_imports(source, room, ["engine", room]) == []


@pytest.mark.parametrize("path", sorted(NATIVE.glob("*.p*")), ids=lambda path: path.name)
def test_the_native_cores_import_nothing_of_the_engine(path: Path) -> None:
    wanted = re.findall(
        r"^\s*(?:from|c?import)\s+engine\.(\w+)", path.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert set(wanted) <= {"_native"}


def _sources() -> list[Path]:
    hand_written = [*_modules(), *NATIVE.glob("*.p*"), *NATIVE.glob("*.[ch]"), *ROOT.glob("tests/**/*.py")]
    hand_written += [*ROOT.glob("benchmarks/**/*.py"), *ROOT.glob("scripts/*.py")]
    return sorted(path for path in hand_written if "__pycache__" not in path.parts)


def _is_generated(text: str) -> bool:
    return re.search(r"generated by|made by `?scripts/generate", text[:600], re.IGNORECASE) is not None


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_holds_one_concept(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if _is_generated(text):
        return
    lines = text.count("\n")
    assert lines <= MOST_LINES, f"{lines} lines: split it"


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _public(tree: ast.Module) -> Iterator[tuple[str, Definition]]:
    def walk(nodes: list[ast.stmt], prefix: str) -> Iterator[tuple[str, Definition]]:
        for node in nodes:
            if not isinstance(node, Definition):
                continue
            if node.name.startswith("_"):
                continue
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from walk(node.body, f"{prefix}{node.name}.")

    return walk(tree.body, "")


def _undocumented(source: str) -> list[str]:
    tree = ast.parse(source)
    missing = [] if ast.get_docstring(tree) or not source.strip() else ["the module"]
    for name, node in _public(tree):
        if not ast.get_docstring(node) and not _explains_itself(node, method="." in name):
            missing.append(name)
    return missing


def _explains_itself(node: Definition, *, method: bool) -> bool:
    """A property, an override and a short method of a documented class say themselves what they are; so does
    an enumeration.
    """
    decorators = [ast.unparse(d).split("(")[0].rsplit(".", 1)[-1] for d in node.decorator_list]
    if not {"property", "setter", "overload", "override"}.isdisjoint(decorators):
        return True
    if isinstance(node, ast.ClassDef):
        return any("Enum" in ast.unparse(base) for base in node.bases)
    return method and len(node.body) <= SHORT_METHOD


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(ENGINE)))
def test_everything_public_says_what_it_is(path: Path) -> None:
    assert _undocumented(path.read_text(encoding="utf-8")) == []


def test_a_missing_docstring_is_found() -> None:
    method = "    def b(self):\n" + "        x = 1\n" * 6 + "    def _c(self): ...\n    def e(self): ...\n"
    source = f'"""Module."""\nclass A:\n    """A."""\n{method}def d(): ...\n'
    assert _undocumented(source) == ["A.b", "d"]


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(ENGINE)))
def test_nothing_is_left_for_later(path: Path) -> None:
    """No marker of unfinished work; a reader who meets one cannot tell whether the code can be trusted."""
    source = path.read_text(encoding="utf-8")
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    left = [comment for comment in comments if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", comment)]
    assert left == []
