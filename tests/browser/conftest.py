"""One platform with people and studies, and one Chromium, for all tests of pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.browser import CHROMIUM, DRIVER, Browser, chromium
from tests.support.web_platform import PASSWORD, SECOND, TENANT, Session, WebPlatform

PATIENT = "00123456"


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebPlatform]:
    made = WebPlatform(tmp_path_factory.mktemp("platform"))
    try:
        for number in range(6):
            made.store(number, PATIENT, f"2.25.70{number // 3}", SECOND)
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def folder_of_downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="session")
def chrome(platform: WebPlatform, folder_of_downloads: Path) -> Iterator[Browser]:
    if not (CHROMIUM.exists() and DRIVER.exists()):
        pytest.skip("needs Debian's chromium and chromium-driver: scripts/system-packages installs them")
    with chromium(platform.certificate, downloads=folder_of_downloads) as made:
        yield made


@pytest.fixture
def browser(chrome: Browser) -> Iterator[Browser]:
    """Signed out, with a desk's screen; nothing may be on its console at the end."""
    chrome.driver.delete_all_cookies()
    chrome.emulate(1280, 900)
    chrome.complaints()
    yield chrome
    assert chrome.complaints() == []


@pytest.fixture
def sign_in(browser: Browser, platform: WebPlatform) -> Callable[[str], Browser]:
    """Signs a person in, in the browser."""

    def signed_in(name: str) -> Browser:
        browser.driver.delete_all_cookies()
        browser.go(f"{platform.url}/sign-in")
        browser.fill("institution", TENANT)
        browser.fill("name", name)
        browser.fill("password", PASSWORD)
        browser.one("main form button").click()
        browser.wait(lambda: "/sign-in" not in browser.driver.current_url)
        browser.wait(lambda: browser.script("return document.readyState") == "complete")
        return browser

    return signed_in


@pytest.fixture(scope="session")
def session_of(platform: WebPlatform) -> Callable[[str], Session]:
    """A person's session without a browser, one for all tests."""
    known: dict[str, Session] = {}

    def of(name: str) -> Session:
        if name not in known:
            known[name] = Session(platform, name)
        return known[name]

    return of


@pytest.fixture
def downloads(folder_of_downloads: Path) -> Path:
    """Where files that are saved go."""
    return folder_of_downloads
