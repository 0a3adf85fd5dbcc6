"""The vocabulary of the audit trail, and what each event is in the words of DICOM PS3.15 A.5.

EventID is one of CID 400, EventTypeCode one of CID 401; the action is C, R, U, D or E (execute).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class Code:
    """A coded value of the scheme DCM."""

    value: str
    meaning: str


# What stands in `subject`, so that an exported message can say which kind of thing was touched.
SubjectKind = Literal["account", "token", "gateway", "hashed-id", "study", "secret", "route", "system"]


@dataclass(frozen=True, slots=True)
class Event:
    """What an event is in an exported message; `kind` None is one without a subtype."""

    event: Code
    kind: Code | None
    action: Literal["C", "R", "U", "D", "E"]
    subject: SubjectKind


_ACTIVITY = Code("110100", "Application Activity")
_LOG_USED = Code("110101", "Audit Log Used")
_ACCESSED = Code("110103", "DICOM Instances Accessed")
_TRANSFERRED = Code("110104", "DICOM Instances Transferred")
_QUERY = Code("110112", "Query")
_ALERT = Code("110113", "Security Alert")
_AUTHENTICATION = Code("110114", "User Authentication")

_START = Code("110120", "Application Start")
_STOP = Code("110121", "Application Stop")
_LOGIN = Code("110122", "Login")
_LOGOUT = Code("110123", "Logout")
_CONFIGURATION = Code("110129", "Security Configuration")
_NODE = Code("110126", "Node Authentication")
_USER_ATTRIBUTES = Code("110137", "User Security Attributes Changed")
_DECISION = Code("110147", "Access Control Decision")
_ROLES = Code("110136", "Security Roles Changed")

EVENTS: Mapping[str, Event] = MappingProxyType(
    {
        "platform-started": Event(_ACTIVITY, _START, "E", "system"),
        "platform-stopped": Event(_ACTIVITY, _STOP, "E", "system"),
        # people
        "sign-in": Event(_AUTHENTICATION, _LOGIN, "E", "account"),
        "sign-out": Event(_AUTHENTICATION, _LOGOUT, "E", "account"),
        "access": Event(_ALERT, _DECISION, "E", "route"),
        "account-created": Event(_ALERT, _USER_ATTRIBUTES, "C", "account"),
        "account-roles": Event(_ALERT, _ROLES, "U", "account"),
        "account-password": Event(_ALERT, _USER_ATTRIBUTES, "U", "account"),
        "account-disabled": Event(_ALERT, _USER_ATTRIBUTES, "U", "account"),
        "account-enabled": Event(_ALERT, _USER_ATTRIBUTES, "U", "account"),
        "account-signed-out": Event(_ALERT, _USER_ATTRIBUTES, "U", "account"),
        "calculator-sign-in": Event(_AUTHENTICATION, _LOGIN, "E", "account"),
        # hashes and studies
        "look-up": Event(_QUERY, None, "E", "hashed-id"),
        "study-search": Event(_QUERY, None, "E", "study"),
        "study-stored": Event(_TRANSFERRED, None, "C", "study"),
        "study-download": Event(_TRANSFERRED, None, "R", "study"),
        "object-download": Event(_TRANSFERRED, None, "R", "study"),
        "study-viewed": Event(_ACCESSED, None, "R", "study"),
        # gateways
        "token-created": Event(_ALERT, _CONFIGURATION, "C", "token"),
        "token-used": Event(_ALERT, _CONFIGURATION, "E", "token"),
        "token-withdrawn": Event(_ALERT, _CONFIGURATION, "D", "token"),
        "gateway-enrolled": Event(_ALERT, _CONFIGURATION, "C", "gateway"),
        "gateway-renewed": Event(_ALERT, _CONFIGURATION, "U", "gateway"),
        "gateway-revoked": Event(_ALERT, _CONFIGURATION, "D", "gateway"),
        "gateway-fenced": Event(_ALERT, _NODE, "D", "gateway"),
        "gateway-refused": Event(_ALERT, _NODE, "E", "gateway"),
        "calculator-announced": Event(_ALERT, _CONFIGURATION, "U", "gateway"),
        "secret-delivered": Event(_ALERT, _CONFIGURATION, "R", "gateway"),
        # institutions and keys
        "institution-created": Event(_ALERT, _CONFIGURATION, "C", "system"),
        "secret-created": Event(_ALERT, _CONFIGURATION, "C", "secret"),
        "secret-imported": Event(_ALERT, _CONFIGURATION, "C", "secret"),
        "secret-rotated": Event(_ALERT, _CONFIGURATION, "U", "secret"),
        "master-key-rotated": Event(_ALERT, _CONFIGURATION, "U", "system"),
        # the trail itself
        "audit-read": Event(_LOG_USED, None, "R", "system"),
        "audit-exported": Event(_LOG_USED, None, "R", "system"),
        "audit-verified": Event(_LOG_USED, None, "R", "system"),
    }
)
