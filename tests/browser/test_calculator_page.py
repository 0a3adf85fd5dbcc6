"""The Patient Hash Calculator in a real Chromium: one ID, lists, files, keyboard, phone, no script."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

from selenium.webdriver.common.keys import Keys

from tests.support.browser import Browser, chromium
from tests.support.web_platform import FIRST, PASSWORD, SECOND, TENANT, Session, WebPlatform

PATIENT = "00123456"
SignIn = Callable[[str], Browser]
MILLION = b"\n".join(b"%07d" % number for number in range(1_000_000))


def _ask(browser: Browser, platform: WebPlatform, text: str) -> None:
    browser.go(f"{platform.url}/calculator")
    browser.script("document.getElementById('ids').value = arguments[0]", text)
    browser.press("Look up")


def test_one_id_and_enter_show_the_hashed_id_and_its_studies(sign_in: SignIn, platform: WebPlatform) -> None:
    browser = sign_in("anna")
    assert browser.driver.current_url == f"{platform.url}/calculator"
    browser.one("#ids").send_keys(PATIENT + "\n")
    assert browser.has("2 studies", "#result")
    told = browser.text("#result")
    assert SECOND.hashed_id(PATIENT) in told
    assert "6 objects" in told
    assert "2.25.700" in told
    assert browser.driver.current_url == f"{platform.url}/calculator"
    assert platform.trail()[-1].subject == SECOND.hashed_id(PATIENT)
    assert platform.trail()[-1].actor_name == "anna"


def test_the_id_is_kept_nowhere(sign_in: SignIn, platform: WebPlatform) -> None:
    browser, canary = sign_in("anna"), "CANARY-4711"
    browser.one("#ids").send_keys(canary + "\n")
    browser.has(SECOND.hashed_id(canary), "#result")
    assert canary.encode() not in platform.kept()
    assert (
        SECOND.hashed_id(canary).encode() in platform.kept()
    )  # the audit row: the search does see what is kept
    addresses = browser.script("return performance.getEntries().map(e => e.name).join(' ') + location.href")
    assert canary not in addresses
    assert browser.script("return localStorage.length + sessionStorage.length") == 0
    field = browser.one("#ids")
    assert field.get_attribute("autocomplete") == "off"
    browser.go("about:blank")
    browser.driver.back()
    browser.one("#ids")
    assert canary not in browser.driver.page_source
    assert browser.one("#ids").get_attribute("value") == ""


def test_a_pasted_list_is_answered_line_by_line(sign_in: SignIn, platform: WebPlatform) -> None:
    browser = sign_in("anna")
    _ask(browser, platform, f"0001\n{PATIENT}\n\n1.2345E+11\nbad\u0001id")
    assert browser.has("4 Patient IDs", "#result")
    rows = [
        [cell.text for cell in row.find_elements("css selector", "th, td")]
        for row in browser.all("#rows tbody tr")
    ]
    assert [row[0] for row in rows] == ["1", "2", "4", "5"]
    assert rows[0][1] == "0001"
    assert rows[1][2].splitlines() == [
        SECOND.hashed_id(PATIENT),
        f"version 1: {FIRST.hashed_id(PATIENT)}",
    ]
    assert rows[1][3] == "2"
    assert "shortened" in rows[2][2]
    assert "Not used" in rows[3][2]
    browser.script(
        "window.copied = ''; Object.defineProperty(navigator, 'clipboard', "
        "{value: {writeText: async (text) => { window.copied = text; }}});"
    )
    browser.press("Copy hashed IDs")
    assert browser.has("Copied", "#result")
    assert browser.script("return window.copied").splitlines() == [
        SECOND.hashed_id(value) for value in ("0001", PATIENT, "1.2345E+11")
    ]


def test_a_csv_goes_in_and_a_csv_comes_out(
    sign_in: SignIn, platform: WebPlatform, downloads: Path, tmp_path: Path
) -> None:
    source = tmp_path / "list.csv"
    source.write_bytes("Name;Patient ID\nMüller;0042\nAbel;=1+1\n".encode("latin-1"))
    browser = sign_in("anna")
    browser.press("CSV file, issuer and other options")
    browser.one("#file").send_keys(str(source))
    browser.press("Look up")
    assert browser.has("2 Patient IDs", "#result")
    assert "Windows" not in browser.text("#result")
    assert "column “Patient ID”" in browser.text("#result")
    assert "Müller" not in browser.driver.page_source  # other columns are read past, and not sent back
    for wanted in (False, True):
        if wanted:
            browser.one("input[name=patient_ids]").click()
        before = set(downloads.glob("*.csv"))
        browser.press("Download CSV")
        (saved,) = _new(browser, downloads, before)
        lines = list(csv.DictReader(io.StringIO(saved.read_text("utf-8-sig"), newline="")))
        assert [line["Hashed ID"] for line in lines[::2]] == [
            SECOND.hashed_id("0042"),
            SECOND.hashed_id("=1+1"),
        ]
        assert [line["Line"] for line in lines[::2]] == ["2", "3"]
        assert ("Patient ID" in lines[0]) is wanted
        if wanted:
            assert [line["Patient ID"] for line in lines[::2]] == ["0042", "'=1+1"]


def _new(browser: Browser, folder: Path, before: set[Path]) -> set[Path]:
    found: set[Path] = browser.wait(
        lambda: {path for path in set(folder.glob("*.csv")) - before if path.stat().st_size}
    )
    return found


def test_it_works_without_script(platform: WebPlatform) -> None:
    with chromium(platform.certificate, scripts=False) as browser:
        browser.go(f"{platform.url}/sign-in")
        for field, text in (("institution", TENANT), ("name", "anna"), ("password", PASSWORD)):
            browser.fill(field, text)
        browser.one("main form button").click()
        browser.fill("ids", f"{PATIENT}\n0001")
        browser.press("Look up")
        assert browser.has("2 Patient IDs", "#result")
        assert SECOND.hashed_id(PATIENT) in browser.text("#rows")
        assert browser.driver.current_url == f"{platform.url}/calculator"
        assert not any(one.is_displayed() for one in browser.all(".needs-script"))


def test_it_is_done_by_keyboard_alone(sign_in: SignIn, platform: WebPlatform) -> None:
    browser = sign_in("anna")
    browser.one("#ids")
    first = browser.script("return document.querySelector('a, button, input:not([type=hidden])')")
    assert first.get_attribute("class") == "skip"  # one key to get past the navigation
    browser.script("arguments[0].focus()", first)
    order = []
    for _ in range(20):
        active = browser.driver.switch_to.active_element
        active.send_keys(Keys.TAB)
        active = browser.driver.switch_to.active_element
        outline = browser.script(
            "return getComputedStyle(arguments[0]).outlineStyle + getComputedStyle(arguments[0]).outlineWidth",
            active,
        )
        assert outline == "solid3px", f"{active.tag_name} shows no focus"
        order.append(active.get_attribute("id") or active.text)
        if active.text == "Clear":
            break
    wanted = ["Penstock", "Calculator", "Sign out", "ids", "Look up", "Clear"]
    assert [one for one in order if one in wanted] == wanted
    browser.go(f"{platform.url}/calculator")
    browser.driver.switch_to.active_element.send_keys(PATIENT + Keys.ENTER)  # the field has the focus at once
    assert browser.has("2 studies", "#result")
    assert browser.one("#result").get_attribute("aria-live") == "polite"


def test_shift_and_enter_make_a_list_and_nothing_is_asked(sign_in: SignIn) -> None:
    browser = sign_in("anna")
    browser.one("#ids").send_keys("1", Keys.SHIFT + Keys.ENTER + Keys.NULL, "2", Keys.ENTER, "3")
    assert browser.one("#ids").get_attribute("value") == "1\n2\n3"
    browser.one("#ids").send_keys(Keys.CONTROL + Keys.ENTER)
    assert browser.has("3 Patient IDs", "#result")


def test_an_ended_session_asks_to_sign_in_and_does_not_lose_the_page(sign_in: SignIn) -> None:
    browser = sign_in("anna")
    browser.driver.delete_all_cookies()
    browser.one("#ids").send_keys(PATIENT + "\n")
    assert browser.has("sign", "#result")
    assert SECOND.hashed_id(PATIENT) not in browser.driver.page_source
    assert all("401" in line for line in browser.wait(browser.complaints))


def _multipart(csrf: str, content: bytes) -> tuple[bytes, str]:
    parts = (
        f'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{csrf}\r\n'
        '--b\r\nContent-Disposition: form-data; name="file"; filename="ids.txt"\r\n\r\n'
    )
    return parts.encode() + content + b"\r\n--b--\r\n", "multipart/form-data; boundary=b"


def test_a_million_ids_are_refused_with_a_way_out_and_an_audit_row(
    session_of: Callable[[str], Session], platform: WebPlatform
) -> None:
    anna = session_of("anna")
    for content, event, words in (
        (MILLION, "access", b"longer than it may be"),  # 8 MB: not even read
        (b"1\n" * 1_000_000, "look-up", b"cut it into smaller lists"),
    ):
        body, kind = _multipart(anna.csrf, content)
        status, _, page = anna.send("POST", "/calculator", body, {"Content-Type": kind})
        assert status == 413
        assert words.lower() in page.lower()
        row = platform.trail(event)[-1]
        assert (row.outcome, row.actor_name) == ("refused", "anna")


def test_every_look_up_of_a_list_stands_in_the_trail(
    session_of: Callable[[str], Session], platform: WebPlatform
) -> None:
    ids = [f"LIST-{number}" for number in range(200)]
    before = len(platform.trail())
    status, _, _ = session_of("anna").post("/calculator", {"ids": "\n".join(ids)})
    assert status == 200
    told = "".join(row.detail for row in platform.trail()[before:])
    assert all(SECOND.hashed_id(one) in told for one in ids)
    assert "LIST-" not in told


def test_another_institution_sees_nothing_of_it(
    platform: WebPlatform, session_of: Callable[[str], Session]
) -> None:
    for name in ("ada", "rosa", "otto"):  # not their role
        assert session_of(name).post("/calculator", {"ids": PATIENT})[0] == 403
    assert Session(platform).get("/calculator")[0] == 303
    stranger = session_of("anna").send(
        "POST", "/calculator", b"ids=1", {"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert stranger[0] == 403  # no token of the session
