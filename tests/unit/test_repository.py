"""What the repository itself must be: complete, portable, and free of what belongs to one machine."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 1_000_000
THIS_FILE = Path(__file__).resolve()

# Each of these is a leak, or a thing that works on one machine only.
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.~}])/(?:work|home/\w+|root)/(?!\.\.)"),
    "the host of a package registry": re.compile(
        r"\b(?:files\.pythonhosted|pypi|test\.pypi|registry\.npmjs|deb\.debian|conda\.anaconda)\.(?:org|io|com)\b"
    ),
    "a private key": re.compile(r"-----BEGIN (?:RSA |EC )?PRIVATE KEY-----"),
    "a merge conflict": re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE),
}


def _tracked() -> list[Path]:
    """What git has, or would be given; everything below the root where there is no git."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    if listing.returncode:
        skipped = {".venv", "build", "dist", "__pycache__"}
        return [p for p in ROOT.rglob("*") if p.is_file() and not skipped & set(p.relative_to(ROOT).parts)]
    names = listing.stdout.decode().split("\0")
    return sorted(ROOT / name for name in names if name and (ROOT / name).is_file())


def _text(path: Path) -> str | None:
    data = path.read_bytes()
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_repository_holds_nothing_of_one_machine(what: str) -> None:
    found = []
    for path in _tracked():
        text = _text(path)
        if path == THIS_FILE or text is None:
            continue
        for match in FORBIDDEN[what].finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(f"{path.relative_to(ROOT)}:{line}: {what}: {match.group(0)!r}")
    assert found == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a path of one machine", 'open("/home/someone/x")'),
        ("a path of one machine", "cd /root/project"),
        ("the host of a package registry", "see https://pypi.org/project/x"),
        ("a private key", "-----BEGIN PRIVATE KEY-----"),
        ("a merge conflict", "a\n<<<<<<< HEAD\n"),
    ],
)
def test_what_is_forbidden_would_be_found(what: str, text: str) -> None:
    assert FORBIDDEN[what].search(text)


@pytest.mark.parametrize(
    "text", ["../work/file", "https://example.org/home/", "the network/root/leaf", "/root"]
)
def test_what_is_harmless_is_not_found(text: str) -> None:
    assert not FORBIDDEN["a path of one machine"].search(text)


def test_no_file_is_large() -> None:
    large = [str(p.relative_to(ROOT)) for p in _tracked() if p.stat().st_size > MOST_BYTES]
    assert large == []


def test_text_files_end_with_a_newline_and_have_no_windows_line_ends() -> None:
    odd = []
    for path in _tracked():
        text = _text(path)
        if text and (not text.endswith("\n") or "\r\n" in text):
            odd.append(str(path.relative_to(ROOT)))
    assert odd == []


@pytest.mark.parametrize(
    "name", ["scripts/setup", "scripts/test", "scripts/demo", "scripts/check", ".ci/run"]
)
def test_a_script_can_be_run_as_it_is(name: str) -> None:
    path = ROOT / name
    assert os.access(path, os.X_OK)
    assert path.read_text(encoding="utf-8").startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n", str(path)], check=True)


@pytest.mark.parametrize(
    "name",
    ["README.md", "CHANGELOG.md", "LICENSE", "docs/index.md", "docs/architecture.md", "docs/dependencies.md"],
)
def test_a_newcomer_finds(name: str) -> None:
    assert (ROOT / name).stat().st_size > 200


def test_the_licence_is_apache_2_and_names_the_authors() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "Version 2.0, January 2004" in text
    assert "Copyright 2026 The Penstock authors" in text


def test_every_dependency_has_its_reason_written_down() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted += extra
    told = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").lower()
    names = {re.split(r"[^A-Za-z0-9_.-]", entry, maxsplit=1)[0].lower() for entry in wanted}
    assert [name for name in sorted(names) if f"`{name}`" not in told] == []


def test_links_between_documents_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    broken = [
        f"{page.relative_to(ROOT)} → {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_page_of_the_documentation_is_reached_from_its_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert sorted(name for name in pages if f"({name})" not in index) == []
