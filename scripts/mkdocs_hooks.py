"""For `mkdocs`: README and CHANGELOG are pages too, files that pages link to come along, and index.md gives the order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parents[1]
PAGES: Final = {"README.md": "overview.md", "CHANGELOG.md": "changelog.md"}  # of the root → of the site
LINK: Final = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?(?=\))")
ROW: Final = re.compile(r"^\| \[([^\]]+)\]\(([^)]+\.md)\) \|", re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The pages in the order of the table in index.md."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    rows = [{name: target} for name, target in ROW.findall(index)]
    nav: list[Any] = [
        {"Documentation": "index.md"},
        {"overview": "overview.md"},
        *rows,
        {"changelog": "changelog.md"},
    ]
    config.nav = nav
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the two pages of the root, and what all pages link to outside docs/."""
    for source, target in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, target, content=_from_root(text)))
    wanted = {link for file in files.documentation_pages() for link in _outside(file.content_string)}
    for path in sorted(wanted):
        if (ROOT / path).is_file() and path not in PAGES:
            files.append(File.generated(config, f"source/{path}", abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:  # noqa: ARG001 - mkdocs' signature
    """Links that leave docs/ lead to what `on_files` has added; what is not there stays as it is, and is found broken."""

    def inside(match: re.Match[str]) -> str:
        path, anchor = match[1], match[2] or ""
        if not path.startswith("../"):
            return match[0]
        outside = path.removeprefix("../")
        return PAGES.get(outside, f"source/{outside}") + anchor

    return LINK.sub(inside, markdown)


def _from_root(text: str) -> str:
    """The text of a file in the root with links as a page in docs/ has them."""

    def moved(match: re.Match[str]) -> str:
        path, anchor = match[1], match[2] or ""
        return (path.removeprefix("docs/") if path.startswith("docs/") else f"../{path}") + anchor

    return LINK.sub(moved, text)


def _outside(text: str) -> set[str]:
    return {match[1].removeprefix("../") for match in LINK.finditer(text) if match[1].startswith("../")}
