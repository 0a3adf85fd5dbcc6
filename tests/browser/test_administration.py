"""The pages for administrators, researchers and auditors in a real Chromium."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import pytest
from selenium.webdriver.support.expected_conditions import alert_is_present
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.browser import PATIENCE, Browser
from tests.support.web_platform import PASSWORD, SECOND, TENANT, Session, WebPlatform

SignIn = Callable[[str], Browser]
SessionOf = Callable[[str], Session]
PATIENT = "00123456"


def _places(browser: Browser) -> list[str]:
    return [link.text for link in browser.all("header nav a")]


def test_a_wrong_password_says_so_and_a_right_one_leads_to_the_page_that_was_wanted(
    browser: Browser, platform: WebPlatform
) -> None:
    browser.go(f"{platform.url}/studies")
    assert "Sign in to go on." in browser.text()
    for password in ("wrong", PASSWORD):
        browser.fill("institution", TENANT)
        browser.fill("name", "rosa")
        browser.fill("password", password)
        browser.one("main form button").click()
        if password == "wrong":
            assert browser.has("Name or password is not right.")
    assert browser.wait(lambda: browser.driver.current_url == f"{platform.url}/studies")


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("anna", ["Calculator", "Studies", "Your account"]),
        ("rosa", ["Studies", "Your account"]),
        ("otto", ["Audit trail", "Your account"]),
        ("ada", ["Studies", "Gateways", "People", "Audit trail", "Your account"]),
    ],
)
def test_everybody_sees_their_own_pages(sign_in: SignIn, name: str, places: list[str]) -> None:
    browser = sign_in(name)
    assert _places(browser) == places
    for place in places:
        browser.press(place)
        assert browser.has(place if place != "Calculator" else "Patient Hash Calculator", "h1")


def test_signing_out_ends_it(sign_in: SignIn, platform: WebPlatform) -> None:
    browser = sign_in("rosa")
    browser.press("Sign out")
    assert browser.has("You are signed out.")
    browser.go(f"{platform.url}/studies")
    assert "/sign-in" in browser.driver.current_url


def test_a_token_is_shown_once_and_can_be_withdrawn(sign_in: SignIn, platform: WebPlatform) -> None:
    browser = sign_in("ada")
    browser.go(f"{platform.url}/gateways")
    browser.fill("gateway", "gw-1")
    browser.press("Make a token")
    command = browser.text("#command")
    told = re.fullmatch(rf"penstock enroll {re.escape(platform.url)} (penstock1_\S+)", command)
    assert told is not None
    assert told[1].encode() not in platform.kept()
    browser.go(f"{platform.url}/gateways")
    assert told[1] not in browser.driver.page_source
    assert "Open" in browser.text()
    browser.one("form[action$='/withdraw'] button").click()
    assert browser.has("The token can no longer be used.")
    assert "Withdrawn" in browser.text()


def test_a_gateways_name_that_is_none_is_refused_in_words(sign_in: SignIn, platform: WebPlatform) -> None:
    browser = sign_in("ada")
    browser.go(f"{platform.url}/gateways")
    browser.fill("gateway", "not a name")
    browser.press("Make a token")
    assert browser.has("A gateway's name has 1 to 63 letters")
    assert "422" in browser.wait(browser.complaints)[0]  # the status, and nothing else
    assert not browser.all("#command")


def test_somebody_is_added_changed_and_disabled(sign_in: SignIn, platform: WebPlatform) -> None:
    browser = sign_in("ada")
    browser.go(f"{platform.url}/accounts")
    browser.fill("name", "nina")
    browser.fill("password", "short")
    browser.press("Add")
    assert browser.has("The password is too short")
    browser.fill("name", "nina")
    browser.fill("password", "four quiet harbours")
    browser.press("Add")
    assert browser.has("The account is made.")
    browser.press("Change nina")
    browser.one("details[open] form[action$='/roles'] input[value=auditor]").click()
    browser.press("Save roles")
    assert browser.has("The roles are changed.")
    browser.press("Change nina")
    browser.one("details[open] .danger").click()
    WebDriverWait(browser.driver, PATIENCE).until(alert_is_present()).accept()
    assert browser.has("The account is disabled")
    assert "Disabled" in browser.text()


def test_studies_are_searched_by_what_is_no_secret(sign_in: SignIn, platform: WebPlatform) -> None:
    browser = sign_in("rosa")
    browser.fill("q", SECOND.hashed_id(PATIENT))
    browser.press("Search")
    browser.wait(lambda: f"q={SECOND.hashed_id(PATIENT)}" in browser.driver.current_url)
    assert browser.wait(lambda: len(browser.all("tbody tr")) == 2)
    assert platform.trail("study-search")[-1].subject == SECOND.hashed_id(PATIENT)
    browser.fill("q", "2.25.701")
    browser.press("Search")
    browser.wait(lambda: "q=2.25.701" in browser.driver.current_url)
    assert browser.wait(lambda: len(browser.all("tbody tr")) == 1)
    browser.one("tbody a").click()
    browser.wait(lambda: browser.driver.current_url == f"{platform.url}/studies/2.25.701")
    assert browser.has("2.25.701")
    assert platform.trail("study-viewed")[-1].subject == "2.25.701"


def test_a_patient_id_is_not_sent_by_the_search(sign_in: SignIn, platform: WebPlatform) -> None:
    """The field's pattern keeps it in the browser; without that, the page does not show or note it."""
    browser = sign_in("rosa")
    browser.fill("q", "CANARY-0815")
    browser.press("Search")
    assert browser.driver.current_url == f"{platform.url}/studies"
    assert browser.script("return document.getElementById('q').validity.patternMismatch")
    browser.go(f"{platform.url}/studies?q=CANARY-0815")
    assert "Search for a whole hashed ID" in browser.text()
    assert browser.one("#q").get_attribute("value") == ""
    assert b"CANARY-0815" not in platform.kept()
    browser.complaints()


def test_a_study_is_seen_growing(sign_in: SignIn, platform: WebPlatform) -> None:
    platform.store(5000, "GROWS", "2.25.9000")
    browser = sign_in("rosa")

    def told() -> str:
        found = "[...document.querySelectorAll('tbody tr')].find((row) => row.querySelector('a[href$=\"2.25.9000\"]'))"
        return " ".join(browser.script(f"return {found}?.innerText || ''").split())

    browser.one("tbody")
    assert "CT 1 1" in told()
    assert "Arriving" in told()
    platform.store(5001, "GROWS", "2.25.9000")
    assert browser.wait(lambda: "CT 1 2" in told())  # by itself


def test_the_trail_is_filtered_verified_and_saved(
    sign_in: SignIn, session_of: SessionOf, platform: WebPlatform
) -> None:
    session_of("anna").post("/calculator", {"ids": PATIENT})
    browser = sign_in("otto")
    browser.one("#event option[value=look-up], #event").send_keys("look-up")
    browser.fill("subject", SECOND.hashed_id(PATIENT))
    browser.press("Filter")
    assert browser.wait(lambda: "event=look-up" in browser.driver.current_url)
    assert browser.wait(lambda: {one.text for one in browser.all("tbody th")} == {"look-up"})
    browser.press("Verify the trail")
    assert browser.has("Nothing was changed, removed or cut off.")
    status, headers, body = session_of("otto").get("/audit/table?event=look-up&actor=anna")
    assert status == 200
    assert headers["content-disposition"].startswith('attachment; filename="penstock-audit-hospital-x-')
    lines = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))
    assert lines
    assert {(line["Event"], line["Name"]) for line in lines} == {("look-up", "anna")}


def test_pages_of_studies_do_not_overlap(session_of: SessionOf, platform: WebPlatform) -> None:
    for number in range(60):
        platform.store(7000 + number, "PAGES", f"2.25.8{number:03}")
    seen: list[bytes] = []
    for page in (1, 2):
        _, _, body = session_of("rosa").get(f"/studies?q=2.25.8&page={page}")
        seen += re.findall(rb'href="/studies/(2\.25\.8\d{3})"', body)
    assert len(seen) == len(set(seen)) == 60
