"""Row 11: the failure classes of this field, and the tests that try each."""

from __future__ import annotations

from typing import Final

ASSOCIATION = "tests/unit/test_receiver_association.py"
NEGOTIATION = "tests/unit/test_receiver_negotiation.py"
DEADLINES = "tests/unit/test_receiver_deadlines.py"
OBJECTS = "tests/unit/test_receiver_objects.py"
ADMISSION = "tests/unit/test_receiver_admission.py"
READER = "tests/native/test_reader.py"
READER_META = "tests/native/test_reader_meta.py"
NESTING = "tests/native/test_rewriter_nesting.py"
UPPER_LAYER = "tests/native/test_upper_layer.py"
SOURCE = "tests/unit/test_pseudonymize_source.py"
OBJECT = "tests/unit/test_pseudonymize_object.py"
LOG = "tests/unit/test_log.py"
TRIED = "tests/recovery/test_reliability.py::test_a_promise_holds"

CLASSES: Final[dict[str, tuple[str, ...]]] = {
    "path traversal through UIDs, AE titles, names (CVE-2022-2119, -2120, CVE-2026-32711, -56445)": (
        f"{OBJECTS}::test_a_uid_never_becomes_a_name",
        f"{OBJECTS}::test_names_count_the_objects_of_an_association",
        f"{TRIED}[hostile]",
    ),
    "shell injection (CVE-2026-5663)": (
        "tests/unit/test_reliability_page.py::test_nothing_in_the_engine_starts_a_shell",
        f"{TRIED}[hostile]",
    ),
    "lengths 0, odd, remaining ± 1, FFFFFFFE, FFFFFFFF (CVE-2026-5437, -5441 … -5445, CVE-2022-2121, CVE-2024-47796)": (
        f"{READER}::test_lengths_that_fit_are_taken_whether_even_or_odd",
        f"{READER}::test_a_length_is_right_up_to_the_last_byte_and_refused_one_further",
        f"{READER}::test_one_byte_less_leaves_a_byte_that_is_no_element",
        f"{NESTING}::test_a_sequence_whose_length_lies_is_refused",
        f"{READER_META}::test_a_length_beyond_the_end_is_refused",
        f"{UPPER_LAYER}::test_a_violation_is_named_by_its_reason_and_is_the_last_event",
    ),
    "cut off anywhere": (
        f"{READER}::test_cut_at_every_byte_a_data_set_is_refused_or_read_as_far_as_it_goes",
        f"{OBJECT}::test_cut_at_any_byte_an_object_is_refused_or_holds_no_identity",
        f"{TRIED}[cuts]",
    ),
    "nesting bomb: 64 levels pass, 65 are refused, 10⁶ at constant stack": (
        f"{READER}::test_64_levels_of_nesting_pass_and_65_are_refused",
        f"{READER}::test_a_nesting_bomb_is_refused_and_costs_no_memory",
        f"{NESTING}::test_64_levels_pass_and_65_are_refused",
        f"{NESTING}::test_a_nesting_bomb_is_refused_and_costs_no_memory",
    ),
    "inflate bomb (CVE-2026-5438, -5439)": (
        f"{SOURCE}::test_a_bomb_is_refused_within_64_mb",
        f"{SOURCE}::test_the_limit_is_exact",
    ),
    "4 GB PDU": (
        f"{UPPER_LAYER}::test_a_violation_is_named_by_its_reason_and_is_the_last_event",
        f"{ASSOCIATION}::test_a_violation_ends_the_association_with_its_reason",
        f"{TRIED}[hostile]",
    ),
    "16,000 sub-items": (
        f"{NEGOTIATION}::test_more_items_than_an_association_can_use_are_refused",
        f"{TRIED}[hostile]",
    ),
    "endless fragments, a PDV that is never the last": (
        f"{UPPER_LAYER}::test_a_command_set_that_never_ends_stops_at_its_limit",
        "tests/unit/test_receiver_broken.py::test_an_object_larger_than_the_spool_is_refused_for_good",
        f"{DEADLINES}::test_an_object_that_crawls_is_ended_though_it_makes_progress",
    ),
    "HTTP or TLS bytes on the port": (
        f"{ASSOCIATION}::test_who_does_not_begin_with_a_request_is_aborted_and_closed",
        f"{TRIED}[hostile]",
    ),
    "10⁵ rejected or aborted associations: < 1 MB growth": (
        f"{DEADLINES}::test_thousands_of_rejected_callers_leave_nothing_behind",
        f"{TRIED}[hostile]",
    ),
    "1,000 slow sockets": (
        f"{DEADLINES}::test_a_request_that_drips_in_is_not_waited_for",
        f"{DEADLINES}::test_fifty_silent_callers_do_not_disturb_a_good_one",
    ),
    "polyglot preamble (CVE-2019-11687)": (
        f"{READER_META}::test_what_a_preamble_holds_does_not_matter",
        "tests/unit/test_reliability_page.py::test_the_preamble_of_an_output_is_128_zero_bytes",
    ),
    "names with CR, LF, ESC in logs": (
        f"{LOG}::test_text_that_could_identify_somebody_is_withheld",
        f"{ASSOCIATION}::test_the_log_of_all_this_names_nobody",
        f"{TRIED}[hostile]",
    ),
    "default-open listener (CVE-2025-0896)": (
        f"{ADMISSION}::test_a_fresh_install_refuses_everybody",
        f"{ASSOCIATION}::test_without_a_peer_for_this_address_everybody_is_rejected",
    ),
}
