"""The rows that are tests alone, without a count to raise: what each asks, and the tests that show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table; `tests` is empty where nothing shows it, and `note` says why."""

    number: int
    what: str
    goal: str
    tests: tuple[str, ...]
    note: str = ""


_EPOCHS: Final = "tests/interop/test_gateway_epochs.py"

ROWS: Final = (
    Row(
        12,
        "TLS 1.0/1.1, weak suites, no, expired, wrong-CA, wrong-host, revoked certificates, former epochs",
        "all refused; 0 bytes of data sent",
        (
            "tests/interop/test_stow_platform_tls.py::test_a_client_without_the_right_certificate_is_refused",
            "tests/interop/test_stow_platform_tls.py::test_tls_1_1_is_refused",
            "tests/interop/test_stow_platform_tls.py::test_a_suite_without_aead_is_refused",
            "tests/interop/test_stow_uploader_tls.py::test_a_platform_that_is_not_who_it_should_be_gets_not_a_byte",
            f"{_EPOCHS}::test_an_outcast_is_told_so_and_not_a_byte_of_an_object_is_asked_for",
            f"{_EPOCHS}::test_the_uploader_of_an_outcast_stops_and_keeps_its_spool",
            f"{_EPOCHS}::test_a_connection_that_was_open_before_is_refused_within_a_second",
            "tests/interop/test_receiver_tls.py::test_a_sender_without_the_right_certificate_stores_nothing",
            "tests/interop/test_receiver_tls.py::test_old_versions_are_refused",
            "tests/interop/test_receiver_tls.py::test_weak_suites_are_refused",
        ),
    ),
    Row(
        13,
        "role × endpoint × tenant; expired and replayed tokens and sessions",
        "all denied and audited; an unlisted route fails the test",
        (
            "tests/unit/test_permissions.py::test_every_route_has_a_name_and_a_row",
            "tests/unit/test_permissions.py::test_people_get_through_where_their_role_has_a_row_and_nowhere_else",
            "tests/unit/test_permissions.py::test_machines_get_through_with_a_certificate_and_nobody_does_without",
            "tests/unit/test_permissions.py::test_a_route_without_a_row_is_refused_before_its_endpoint_runs",
            "tests/unit/test_platform_tenants.py::test_nothing_of_one_institution_shows_or_changes_for_another",
        ),
    ),
    Row(
        15,
        "remains on the raw device after a pass is done",
        "0 readable canaries",
        (),
        "Not reached: blocks of deleted originals stay on the device until something else is written there. Encrypt that disk.",
    ),
    Row(
        16,
        "wipe, reinstall, re-link",
        "≤ 120 s; same hashes; the old instance is fenced; a used token is refused",
        ("tests/e2e/test_relink.py::test_wipe_install_enrol_and_the_same_patient_has_the_same_hashed_id",),
        "14 and 28 s on a machine at load 20 to 40.",
    ),
    Row(
        18,
        "`systemd-analyze security --offline` of the units",
        "score ≤ 1.5",
        (
            "tests/unit/test_deploy.py::test_the_exposure_of_a_unit_is_low",
            "tests/e2e/test_live_systemd.py::test_every_process_of_a_unit_is_held_down",
            "tests/e2e/test_live_systemd.py::test_what_a_unit_forbids_fails_inside_it",
        ),
        "1.3 (gateway) and 1.1 (platform).",
    ),
)
