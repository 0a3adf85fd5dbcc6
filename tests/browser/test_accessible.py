"""What everybody needs of every page: names for what can be used, contrast, order, and a screen as small as a phone's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.browser import Browser
from tests.support.web_platform import WebPlatform

SignIn = Callable[[str], Browser]
PAGES = (
    ("", "/sign-in"),
    ("anna", "/calculator"),
    ("anna", "/account"),
    ("rosa", "/studies"),
    ("rosa", "/studies/2.25.700"),
    ("ada", "/gateways"),
    ("ada", "/accounts"),
    ("otto", "/audit"),
)
# What is wrong with the page, as sentences.
FAULTS = (Path(__file__).parent / "faults.js").read_text("utf-8")
STILL = {"prefers-reduced-motion": "reduce"}  # a colour on its way to another one is neither


def _open(sign_in: SignIn, browser: Browser, platform: WebPlatform, name: str, path: str) -> None:
    if name:
        sign_in(name)
    browser.go(f"{platform.url}{path}")
    browser.one("h1")
    browser.script("for (const one of document.querySelectorAll('details')) one.open = true")


@pytest.mark.parametrize(("name", "path"), PAGES)
def test_every_page_can_be_read_and_used_by_everybody(
    sign_in: SignIn, browser: Browser, platform: WebPlatform, name: str, path: str
) -> None:
    _open(sign_in, browser, platform, name, path)
    for features in (
        {"prefers-color-scheme": "light"},
        {"prefers-color-scheme": "dark"},
        {"prefers-contrast": "more"},
        {"prefers-contrast": "more", "prefers-color-scheme": "dark"},
    ):
        browser.emulate(1280, 900, features=STILL | features)
        assert browser.script(FAULTS) == [], features


@pytest.mark.parametrize(("name", "path"), PAGES)
def test_every_page_fits_a_phone(
    sign_in: SignIn, browser: Browser, platform: WebPlatform, name: str, path: str
) -> None:
    browser.emulate(360, 740, mobile=True)
    _open(sign_in, browser, platform, name, path)
    wide = browser.script(
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert wide <= 0
    small = browser.script(
        "return [...document.querySelectorAll('main button, main .button, main input:not([type=hidden])')]"
        ".filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 24"
        " && !one.closest('label')).map((one) => one.outerHTML.slice(0, 80))"
    )
    assert small == []  # WCAG 2.2, 2.5.8


def test_a_fault_would_be_found(browser: Browser, platform: WebPlatform) -> None:
    browser.go(f"{platform.url}/sign-in")
    browser.script(
        "document.querySelector('label[for=name]').remove(); document.querySelector('h1').style.color = '#cccccc'"
    )
    found = " ".join(browser.script(FAULTS))
    assert "no name" in found
    assert "contrast" in found
