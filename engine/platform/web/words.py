"""What a page says after something was done or refused, by the code in its address; a code that is not here says nothing.

Only codes stand in addresses, never text: nobody can make a page of ours say something by a link.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from starlette.requests import Request

PROBLEMS: Mapping[str, str] = MappingProxyType(
    {
        "sign-in-refused": "Name or password is not right. After five wrong tries in a row there is a pause.",
        "too-many-attempts": "That were too many tries.",
        "session-ended": "You were signed out because some time had passed. Sign in again to go on.",
        "not-signed-in": "Sign in to go on.",
        "password-short": "The password is too short: take at least 12 characters. A few words in a row are good.",
        "password-long": "The password is too long.",
        "password-characters": "The password has characters that cannot be typed everywhere.",
        "password-common": "This password is one of those that are tried first. Take another one.",
        "password-wrong": "The present password is not right.",
        "account-name": "The name must have 1 to 64 letters, digits or . _ @ + - and no spaces.",
        "account-roles": "Choose at least one role.",
        "account-exists": "There is an account of this name already.",
        "last-administrator": "This is the last administrator. Make another one first.",
        "no-account": "There is no such account.",
        "oidc-refused": "The sign-in at your institution was refused or broken off. Try again.",
        "oidc-no-role": "Your institution's account has no role here. Ask your administrator.",
        "token-lifetime": "A token lives for at most an hour.",
        "gateway-name": "A gateway's name has 1 to 63 letters, digits or . _ - and begins with a letter or digit.",
        "no-web": "Tokens cannot be made: the platform has no [web] section.",
        "no-server-ca": "Tokens cannot be made: gateways.server_ca is missing in the platform's configuration.",
        "gateway-gone": "There is no such gateway, or it was revoked already.",
        "token-gone": "There is no such token, or it was used or withdrawn already.",
    }
)
DONE: Mapping[str, str] = MappingProxyType(
    {
        "signed-out": "You are signed out.",
        "password": "The password is changed. Other sessions of yours have ended.",
        "created": "The account is made.",
        "roles": "The roles are changed.",
        "disabled": "The account is disabled, and its sessions have ended.",
        "enabled": "The account is enabled again.",
        "token-withdrawn": "The token can no longer be used.",
        "gateway-revoked": "The gateway is revoked: the platform refuses its certificate from now on.",
    }
)


def problem_of(request: Request) -> str:
    """The sentence for ?problem=, "" if there is none; an unknown code gets a general one."""
    code = request.query_params.get("problem", "")
    if not code:
        return ""
    said = PROBLEMS.get(code, "That was not possible.")
    wait = request.query_params.get("wait", "")
    if code == "too-many-attempts" and wait.isascii() and wait.isdecimal() and len(wait) < 7:
        said += f" Wait {wait} seconds, then try again."
    return said


def done_of(request: Request) -> str:
    """The sentence for ?done=, "" if there is none."""
    return DONE.get(request.query_params.get("done", ""), "")
