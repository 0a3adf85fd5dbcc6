"""A real Chromium without a head, that trusts one server's key and talks to nobody but it."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
PATIENCE = 60.0
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--force-device-scale-factor=1",
    "--hide-scrollbars",
    "--lang=en-GB",
)


def key_hash(certificate: Path) -> str:
    """What Chromium is told to trust: base64 of SHA-256 of the certificate's public key."""
    public = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    encoded = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(encoded).digest()).decode("ascii")


class Browser:
    """Pages as a person sees them, by labels and buttons."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def go(self, address: str) -> None:
        """Open a page."""
        self.driver.get(address)

    def one(self, selector: str) -> WebElement:
        """The element of a CSS selector; waits for it."""
        found: list[WebElement] = self.wait(lambda: self.all(selector))
        return found[0]

    def all(self, selector: str) -> list[WebElement]:
        """All elements of a CSS selector, at once."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def wait(self, what: Callable[[], Any]) -> Any:
        """What the call gives, as soon as it is something."""
        # A page that changes under one's hand is no failure: what was found on the old one is found again.
        gone = (StaleElementReferenceException, NoSuchElementException)
        waiting = WebDriverWait(self.driver, PATIENCE, poll_frequency=0.05, ignored_exceptions=gone)
        return waiting.until(lambda _: what())

    def fill(self, field_id: str, text: str) -> None:
        """Type into a field."""

        def typed() -> bool:
            field = self.all(f"#{field_id}")[0] if self.all(f"#{field_id}") else None
            if field is None:
                return False
            field.clear()
            field.send_keys(text)
            return True

        self.wait(typed)

    def press(self, label: str) -> None:
        """Click the button or link with this text or accessible name."""
        path = f'//*[self::button or self::a or self::summary][normalize-space()="{label}" or @aria-label="{label}"]'

        def clicked() -> bool:
            found = [one for one in self.driver.find_elements(By.XPATH, path) if one.is_displayed()]
            if found:
                found[0].click()
            return bool(found)

        self.wait(clicked)

    def text(self, selector: str = "main") -> str:
        """What is to be read in an element."""
        return str(self.wait(lambda: [one.text for one in self.all(selector)[:1]])[0])

    def has(self, words: str, selector: str = "main") -> bool:
        """Waits until the element says these words."""
        return bool(
            self.wait(lambda: words in self.driver.find_element(By.CSS_SELECTOR, selector).text or None)
        )

    def script(self, source: str, *arguments: object) -> Any:
        """Run a script in the page."""
        return self.driver.execute_script(source, *arguments)

    def complaints(self) -> list[str]:
        """What the browser's console says: errors of scripts, and breaches of the content security policy."""
        lines = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [str(line["message"]) for line in lines if line["level"] in {"WARNING", "SEVERE"}]

    def emulate(
        self, width: int, height: int, *, mobile: bool = False, features: Mapping[str, str] | None = None
    ) -> None:
        """A screen of this size, and media features such as {"prefers-color-scheme": "dark"}."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        named = [{"name": name, "value": value} for name, value in (features or {}).items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": named})

    def shot(self, path: Path) -> None:
        """A picture of the whole page, as wide as the screen."""
        taken = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True}
        )
        path.write_bytes(base64.b64decode(taken["data"]))

    def sign_in(self, address: str, name: str, password: str) -> None:
        """Sign in with a password, and wait until that is done."""
        self.go(f"{address}/sign-in")
        self.fill("name", name)
        self.fill("password", password)
        self.one("main form button").click()
        self.wait(lambda: "/sign-in" not in self.driver.current_url)


@contextmanager
def chromium(*certificates: Path, scripts: bool = True, downloads: Path | None = None) -> Iterator[Browser]:
    """A fresh browser that trusts the keys of these certificates. `scripts`: whether pages may run theirs."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in _FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--ignore-certificate-errors-spki-list={','.join(map(key_hash, certificates))}")
    preferences: dict[str, object] = {"credentials_enable_service": False}
    if not scripts:
        preferences["profile.managed_default_content_settings.javascript"] = 2
    if downloads is not None:
        preferences["download.default_directory"] = str(downloads)
    options.add_experimental_option("prefs", preferences)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory(prefix="penstock-browser-", ignore_cleanup_errors=True) as profile:
        options.add_argument(f"--user-data-dir={profile}")
        driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
        try:
            driver.set_window_size(1280, 900)
            yield Browser(driver)
        finally:
            driver.quit()
