"""The platform as a client sees it: a real process, real TLS, real requests."""

from __future__ import annotations

import base64
import json

import pytest
from blake3 import blake3

from engine.dicom.receipt_block import signed_message
from engine.platform.keys import verify_signature
from tests.support.platform_process import (
    BOUNDARY,
    Pki,
    PlatformProcess,
    content_type,
    multipart,
    pseudonymized,
    tls_socket,
)

pytest_plugins = ("tests.support.stow_fixtures",)


def receipts(
    answer: dict[str, dict[str, list[dict[str, dict[str, list[object]]]]]],
) -> list[tuple[object, ...]]:
    items = answer.get("00081199", {}).get("Value", [])
    return [tuple(item[tag]["Value"][0] for tag in ("00081155", "00991001", "00991002")) for item in items]


def reasons(answer: dict[str, dict[str, list[dict[str, dict[str, list[object]]]]]]) -> list[object]:
    return [item["00991006"]["Value"][0] for item in answer.get("00081198", {}).get("Value", [])]


def test_objects_get_receipts_and_come_back_as_they_were(shared: PlatformProcess) -> None:
    parts = [pseudonymized(number, "2.25.1", 300_000 + number) for number in range(3)]
    status, answer = shared.store(parts)
    assert status == 200
    assert receipts(answer) == [
        (f"2.25.{10**20 + number}", blake3(part).hexdigest(), len(part)) for number, part in enumerate(parts)
    ]
    for number, part in enumerate(parts):
        path = f"/penstock/v1/studies/2.25.1/instances/2.25.{10**20 + number}"
        assert shared.get(path) == (200, part)


def test_an_object_larger_than_many_chunks_comes_back_as_it_was(shared: PlatformProcess) -> None:
    part = pseudonymized(50, "2.25.2", 5_000_000)
    assert shared.store([part])[0] == 200
    assert shared.get(f"/penstock/v1/studies/2.25.2/instances/2.25.{10**20 + 50}") == (200, part)


def test_receipts_are_signed(shared: PlatformProcess) -> None:
    part = pseudonymized(100, "2.25.3")
    _, answer = shared.store([part])
    [item] = answer["00081199"]["Value"]
    key = json.loads(shared.get("/penstock/v1/key")[1])
    message = signed_message(
        f"2.25.{10**20 + 100}", blake3(part).hexdigest(), len(part), item["00991003"]["Value"][0]
    )
    public, signature = (
        base64.b64decode(key["public_key"]),
        base64.b64decode(item["00991004"]["InlineBinary"]),
    )
    assert verify_signature(public, signature, message)
    assert not verify_signature(public, signature, message.replace(b"2.25", b"2.26"))


def test_a_repeat_gets_the_same_receipt_and_is_stored_once(shared: PlatformProcess) -> None:
    part = pseudonymized(200, "2.25.4")
    before = len(shared.stored_files())
    first = shared.store([part])
    assert shared.store([part]) == first
    assert shared.store([part, part])[1]["00081199"]["Value"] == first[1]["00081199"]["Value"] * 2
    assert len(shared.stored_files()) == before + 1


def test_the_same_uid_with_other_bytes_is_refused_and_the_first_stays(shared: PlatformProcess) -> None:
    first, second = pseudonymized(300, "2.25.5", 2000), pseudonymized(300, "2.25.5", 2002)
    assert shared.store([first])[0] == 200
    status, answer = shared.store([second])
    assert (status, reasons(answer), receipts(answer)) == (409, ["other-digest"], [])
    assert shared.get(f"/penstock/v1/studies/2.25.5/instances/2.25.{10**20 + 300}") == (200, first)


def test_the_two_versions_in_one_request_are_judged_in_order(shared: PlatformProcess) -> None:
    parts = [pseudonymized(310, "2.25.6", 2000), pseudonymized(310, "2.25.6", 2002)]
    status, answer = shared.store(parts)
    assert (status, reasons(answer), len(receipts(answer))) == (202, ["other-digest"], 1)
    assert receipts(answer)[0][1] == blake3(parts[0]).hexdigest()


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (b"no DICOM at all", "not-dicom"),
        (b"", "not-dicom"),
        (bytes(128) + b"DICM", "not-pseudonymized"),
        (pseudonymized(400, "2.25.7").replace(b"CS\x04\x00YES ", b"CS\x04\x00NO  "), "not-pseudonymized"),
        (pseudonymized(401, "2.25.7")[:400], "truncated"),
    ],
    ids=["text", "empty", "preamble-alone", "not-pseudonymized", "cut"],
)
def test_what_is_not_a_pseudonymized_object_is_refused(
    shared: PlatformProcess, part: bytes, reason: str
) -> None:
    before = len(shared.stored_files())
    good = pseudonymized(450, "2.25.7")
    status, answer = shared.store([part, good])
    assert (status, len(receipts(answer))) == (202, 1)
    [told] = reasons(answer)
    assert told == reason
    assert len(shared.stored_files()) <= before + 1


def test_an_object_of_another_study_than_the_path_is_refused(shared: PlatformProcess) -> None:
    status, answer = shared.store([pseudonymized(500, "2.25.8")], "/studies/2.25.9")
    assert (status, reasons(answer)) == (409, ["other-study"])
    assert shared.store([pseudonymized(500, "2.25.8")], "/studies/2.25.8")[0] == 200


def test_studies_are_listed_by_hashed_id(shared: PlatformProcess) -> None:
    hashed_id = "b" * 32
    shared.store([pseudonymized(number, "2.25.10", hashed_id=hashed_id) for number in (600, 601)])
    shared.store([pseudonymized(602, "2.25.11", hashed_id="c" * 32)])
    listed = json.loads(shared.get(f"/penstock/v1/studies?hashed_id={hashed_id}")[1])["studies"]
    assert [(s["study_instance_uid"], s["objects"], s["modalities"]) for s in listed] == [
        ("2.25.10", 2, ["CT"])
    ]
    assert json.loads(shared.get("/penstock/v1/studies?hashed_id=' OR 1=1 --".replace(" ", "%20"))[1]) == {
        "studies": []
    }


def test_another_institution_sees_and_touches_nothing_of_it(shared: PlatformProcess, pki: Pki) -> None:
    shared.store([pseudonymized(700, "2.25.12")])
    other = pki.context(pki.keep("other", pki.authority.issue_client("Hospital Y")))
    assert json.loads(shared.get("/penstock/v1/studies", other)[1]) == {"studies": []}
    assert shared.get("/penstock/v1/studies/2.25.12/instances", other)[0] == 404
    assert shared.get(f"/penstock/v1/studies/2.25.12/instances/2.25.{10**20 + 700}", other)[0] == 404


def test_the_dicomweb_prefix_leads_to_the_same_service(shared: PlatformProcess) -> None:
    assert shared.store([pseudonymized(800, "2.25.13")], "/dicom-web/studies")[0] == 200
    assert len(shared.instances("2.25.13")) == 1


BODY = multipart([pseudonymized(900, "2.25.14")])


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (BODY, "application/json", 415),
        (BODY, "multipart/related; type=text/plain; boundary=x", 415),
        (BODY, 'multipart/related; type="application/dicom"', 415),
        (BODY, f"multipart/related; boundary={'x' * 71}", 415),
        (BODY[:-40], content_type(), 400),
        (BODY[: len(BODY) // 2], content_type(), 400),
        (multipart([pseudonymized(number, "2.25.14") for number in (901, 902)])[:-500], content_type(), 400),
        (BODY.replace(BOUNDARY.encode(), b"another", 1), content_type(), 400),
        (multipart([pseudonymized(901, "2.25.14")], head="Content-Length: 7\r\n"), content_type(), 400),
        (multipart([pseudonymized(901, "2.25.14")], head="Content-Length: 9999999\r\n"), content_type(), 400),
        (multipart([pseudonymized(901, "2.25.14")], head="X: " + "y" * 5000 + "\r\n"), content_type(), 400),
        (multipart([pseudonymized(901, "2.25.14")], head="X: y\r\n" * 20), content_type(), 400),
        (f"--{BOUNDARY}--\r\n".encode(), content_type(), 400),
        (b"", content_type(), 400),
    ],
    ids=[
        "not-multipart",
        "other-type",
        "no-boundary",
        "long-boundary",
        "no-terminator",
        "half",
        "one-whole-and-one-half",
        "other-boundary",
        "length-too-small",
        "length-too-large",
        "long-header",
        "many-headers",
        "no-part",
        "nothing",
    ],
)
def test_a_broken_request_is_refused_and_leaves_nothing(
    shared: PlatformProcess, body: bytes, kind: str, status: int
) -> None:
    before = len(shared.stored_files())
    told, answer = shared.post(body, kind=kind)
    assert told == status
    assert set(answer["error"]) >= {"code", "message"}
    assert len(shared.stored_files()) == before


@pytest.mark.parametrize("query", ["limit=x", "limit=0", "limit=100000", "offset=-1", f"offset={2**70}"])
def test_a_listing_with_a_wrong_window_is_refused(shared: PlatformProcess, query: str) -> None:
    assert shared.get(f"/penstock/v1/studies?{query}")[0] == 400


def test_a_request_that_breaks_off_leaves_nothing(fragile: PlatformProcess) -> None:
    body = multipart([pseudonymized(1), pseudonymized(2, size=600_000)])
    with tls_socket(fragile, fragile.pki.context()) as raw:
        head = f"POST /studies HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type()}\r\nContent-Length: {len(body)}\r\n\r\n"
        raw.sendall(head.encode() + body[: len(body) - 1000])
    fragile.get("/penstock/v1/health")
    while not fragile.events("client-gone"):
        fragile.get("/penstock/v1/health")
    assert fragile.stored_files() == []
    assert fragile.instances() == []
