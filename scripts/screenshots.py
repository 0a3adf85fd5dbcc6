#!/usr/bin/env python3
"""Makes the pictures of docs/calculator.md: a real platform, a real enrolled gateway, a real Chromium.

scripts/screenshots.py [FOLDER]      docs/images is the default
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from PIL import Image  # noqa: E402

from tests.support.blind_gateway import BlindGateway  # noqa: E402
from tests.support.browser import Browser, chromium  # noqa: E402
from tests.support.web_platform import FIRST, PASSWORD, SECOND, TENANT, WebPlatform, settle  # noqa: E402

PATIENT = "00123456"
LIST = ("00123456", "00123457", "00123460", "1.2346E+08", "00123471", "00123488")
STUDIES = (
    (PATIENT, "2.25.225512849461938573", SECOND, 4),
    (PATIENT, "2.25.118230598123750912", SECOND, 2),
    ("00123460", "2.25.301928375019283745", SECOND, 3),
    ("00123471", "2.25.991827364501928374", FIRST, 1),
)


def main(folder: Path) -> None:
    """All pictures into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="penstock-pictures-") as name:
        scratch = Path(name)
        platform = WebPlatform(scratch / "platform")
        try:
            number = 0
            for patient, study, secret, objects in STUDIES:
                for _ in range(objects):
                    number += 1
                    platform.store(number, patient, study, secret)
            gateway = BlindGateway(scratch / "gateway", platform)
            try:
                with chromium(platform.certificate, gateway.certificate) as browser:
                    _pictures(browser, platform, gateway, folder)
            finally:
                gateway.stop()
        finally:
            platform.stop()


def _pictures(browser: Browser, platform: WebPlatform, gateway: BlindGateway, folder: Path) -> None:
    browser.go(f"{platform.url}/sign-in")
    _shot(browser, folder / "sign-in.png", height=620)
    _sign_in(browser, "anna")
    browser.one("#ids").send_keys(PATIENT + "\n")
    browser.has("2 studies", "#result")
    _shot(browser, folder / "calculator.png", height=1120)
    browser.go(f"{platform.url}/calculator")
    browser.script("document.getElementById('ids').value = arguments[0]", "\n".join(LIST))
    browser.press("Look up")
    browser.has("6 Patient IDs", "#result")
    _shot(browser, folder / "calculator-list.png", height=1180, features={"prefers-color-scheme": "dark"})
    browser.go(f"{platform.url}/calculator")
    browser.one("#ids").send_keys(PATIENT + "\n")
    browser.has("2 studies", "#result")
    _shot(browser, folder / "calculator-phone.png", width=390, height=1180)
    browser.go(f"{platform.url}/studies")
    _shot(browser, folder / "studies.png", height=640)
    browser.driver.delete_all_cookies()
    browser.go(f"{platform.url}/gateways")
    _sign_in(browser, "ada")
    _shot(browser, folder / "gateways.png", height=900)
    browser.driver.delete_all_cookies()
    browser.go(gateway.url)
    browser.press("Sign in")
    _sign_in(browser, "anna")
    browser.has("asks who you are")
    _shot(browser, folder / "gateway-confirm.png", height=620)
    browser.press("Go on as anna")
    browser.one("#ids").send_keys(PATIENT + "\n")
    browser.has("2 studies", "#result")
    _shot(browser, folder / "gateway-calculator.png", height=1120)


def _sign_in(browser: Browser, name: str) -> None:
    for field, text in (("institution", TENANT), ("name", name), ("password", PASSWORD)):
        browser.fill(field, text)
    browser.one("main form button").click()
    browser.wait(lambda: not browser.all("#password"))


def _shot(
    browser: Browser, path: Path, *, height: int, width: int = 1180, features: dict[str, str] | None = None
) -> None:
    browser.emulate(width, height, features=features)
    browser.script("window.scrollTo(0, 0); document.activeElement.blur()")
    settle()
    browser.shot(path)
    with Image.open(path) as picture:  # these pages have few colours
        picture.convert("RGB").quantize(96, dither=Image.Dither.NONE).save(path, optimize=True)
    browser.emulate(1280, 900)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images")
