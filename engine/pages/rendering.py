"""Templates to pages. Escaping is always on; a name that a template does not get is an error, not a gap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from engine.pages.assets import Assets
from engine.version import VERSION

_TEMPLATES = Path(__file__).parent / "templates"
NO_STORE: Mapping[str, str] = {"cache-control": "no-store", "pragma": "no-cache"}


@dataclass(frozen=True, slots=True)
class Place:
    """A link of the navigation."""

    name: str
    label: str
    href: str


@dataclass(frozen=True, slots=True)
class View:
    """What every page shows around its content. `person` is "" when nobody is signed in; `here` is a Place's name."""

    institution: str = ""
    person: str = ""
    csrf: str = ""
    places: tuple[Place, ...] = ()
    here: str = ""
    sign_out: str = "/sign-out"


class Pages:
    """The templates of this folder and of `folders`, which may use each other's."""

    def __init__(self, *folders: Path) -> None:
        self.assets = Assets()
        self._templates = Environment(
            loader=FileSystemLoader([*folders, _TEMPLATES]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(count=count, size=size, moment=moment, day=day)
        self._templates.globals.update(asset=self.assets.href, version=VERSION)

    def answer(
        self,
        template: str,
        view: View,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: object,
    ) -> HTMLResponse:
        """The page, never kept by a cache: it may show what was typed."""
        text = self._templates.get_template(template).render(view=view, **values)
        return HTMLResponse(text, status, {**NO_STORE, **(headers or {})})


def count(number: int) -> str:
    """12,345"""
    return f"{number:,}"


def size(length: int) -> str:
    """A number of bytes as people say it: 530 KB, 1.2 GB (units of 1,000)."""
    amount = float(length)
    for unit in ("bytes", "KB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if amount >= 10 or unit == "bytes" else f"{amount:.1f} {unit}"


def _time(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)


def moment(microseconds: int) -> Markup:
    """A time element; `microseconds` since 1970. The script shows it in the reader's own time zone."""
    time = _time(microseconds)
    return Markup('<time datetime="{}" data-moment>{} UTC</time>').format(
        time.isoformat(timespec="seconds"), time.strftime("%Y-%m-%d %H:%M")
    )


def day(microseconds: int) -> str:
    """2026-11-22, in UTC."""
    return _time(microseconds).strftime("%Y-%m-%d")
