"""A person at the platform's pages, without a browser: signs in, and asks the calculator for one Patient ID."""

from __future__ import annotations

import http.client
import re
import secrets
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from engine.demo.commands import penstock
from engine.demo.process import PartError

NAME = "radiographer"
CALCULATOR = "/calculator"
TIMEOUT = 30.0
_TOKEN = re.compile(rb'name="csrf" value="([^"]+)"')


def calculate(folder: Path, url: str, ca: Path, institution: str, patient_id: str) -> bytes:
    """The calculator's answer, HTML. The account is made first, on the platform that FOLDER/platform.toml describes.

    Raises PartError when a page is not what it should be.
    """
    password = secrets.token_urlsafe(18)
    config = str(folder / "platform.toml")
    account = ("--institution", institution, "--role", "calculator", "--config", config)
    penstock("platform", "user", "add", NAME, *account, stdin=password + "\n")
    context = ssl.create_default_context(cafile=str(ca))
    form = {"institution": institution, "name": NAME, "password": password, "next": CALCULATOR}
    headers, _ = _send(url, context, "POST", "/sign-in", form)
    cookie = headers.get("set-cookie", "").partition(";")[0]
    _, page = _send(url, context, "GET", CALCULATOR, None, cookie)
    token = _TOKEN.search(page)
    if token is None:
        raise PartError("platform", "its calculator's page has no form")
    asked = {"csrf": token[1].decode("ascii"), "ids": patient_id}
    return _send(url, context, "POST", CALCULATOR, asked, cookie)[1]


def _send(
    url: str,
    context: ssl.SSLContext,
    method: str,
    path: str,
    form: Mapping[str, str] | None = None,
    cookie: str = "",
) -> tuple[dict[str, str], bytes]:
    """One request; headers in lower case, and the body."""
    where = urlsplit(url)
    headers = {"Origin": url, "Content-Type": "application/x-www-form-urlencoded"}
    if cookie:
        headers["Cookie"] = cookie
    body = urlencode(form).encode() if form is not None else None
    connection = http.client.HTTPSConnection(
        where.hostname or "", where.port, context=context, timeout=TIMEOUT
    )
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as problem:
        raise PartError("platform", f"does not answer at {path}: {type(problem).__name__}") from problem
    finally:
        connection.close()
    if answer.status not in (http.HTTPStatus.OK, http.HTTPStatus.SEE_OTHER):
        raise PartError("platform", f"answers {answer.status} to {method} {path}")
    return {name.lower(): value for name, value in answer.getheaders()}, content
