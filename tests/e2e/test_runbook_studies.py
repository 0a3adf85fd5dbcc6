"""The runbook: studies are split, the quarantine grows, a PACS is refused and added, workers are changed."""

from __future__ import annotations

import re
import time

import pytest
from pydicom import dcmread
from pydicom.uid import SecondaryCaptureImageStorage

from tests.support import travel
from tests.support.deployed import CONFIG, GATEWAY, Deployed

pytest_plugins = ("tests.support.deployed_fixtures",)
pytestmark = pytest.mark.timeout(300)
QUIET = 1.0
PAUSE = 4.0  # several times QUIET
SPOOL = "/var/lib/penstock/gateway/spool"
SITE = """
profile = "site"
description = "our secondary captures were looked at"
base = "ps3.15@2026c/basic"
[pixels]
policy = "keep"
"""


def halves(deployed: Deployed, name: str, seed: int) -> tuple[str, str]:
    """A study in two folders."""
    paths = deployed.study(f"{name}-all", seed)
    for index, path in enumerate(paths):
        half = deployed.shared / f"{name}-{index * 2 // len(paths)}"
        half.mkdir(exist_ok=True)
        path.rename(half / path.name)
    return f"{name}-0", f"{name}-1"


def open_passes(deployed: Deployed) -> set[str]:
    """The keys of the passes that are not sealed."""
    return set(deployed.machine.attempt("sh", "-c", f"ls {SPOOL}/open/*/key").stdout.split())


def passes(told: str) -> int:
    return len(re.findall(r"^  pass ", told, re.MULTILINE))


def test_a_study_that_is_split_is_seen_with_its_times_and_a_longer_quiet_time_keeps_the_next_together(
    deployed: Deployed,
) -> None:
    there = deployed.machine
    deployed.configure(more=f"\n[passes]\nquiet_seconds = {QUIET}\n")
    there.run("systemctl", "reload", GATEWAY)
    first, second = halves(deployed, "split", 21)
    patient = travel.patient_id(next((deployed.shared / first).iterdir()))
    others = open_passes(deployed)  # one of a sender that was cut off waits for its repeat, whoever that was
    deployed.send(first)
    deployed.delivered()  # before that there may be no pass yet
    travel.wait("a sealed pass", lambda: open_passes(deployed) <= others)
    before = deployed.metric("penstock_split_studies_total")
    deployed.send(second)
    deployed.delivered()
    told = deployed.page("where", **{"MRN-04700001": patient})
    assert passes(told) == 2 and told.count("3 objects, 3 delivered") == 2, told
    assert deployed.metric("penstock_split_studies_total") == before + 1

    deployed.configure((f"\n[passes]\nquiet_seconds = {QUIET}\n", ""))
    deployed.page("quiet")
    first, second = halves(deployed, "whole", 22)
    patient = travel.patient_id(next((deployed.shared / first).iterdir()))
    deployed.send(first)
    time.sleep(PAUSE)
    deployed.send(second)
    deployed.delivered()
    told = deployed.page("where", **{"MRN-04700001": patient})
    assert passes(told) == 1 and "6 objects, 6 delivered" in told, told
    assert deployed.metric("penstock_split_studies_total") == before + 1


def test_what_is_quarantined_is_told_with_its_reason_and_goes_on_with_a_new_profile(
    deployed: Deployed,
) -> None:
    there = deployed.machine
    before = deployed.delivered()
    sent = deployed.study("captures", 23)
    for path in sent:
        dataset = dcmread(path)
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
        dataset.save_as(path)
    deployed.send("captures")
    travel.wait("the quarantine", lambda: deployed.status()["quarantine"] == {"secondary-capture": len(sent)})
    told = deployed.page("quarantine-look")
    assert f"quarantined as secondary-capture: {len(sent)}" in told
    assert told.count('"code":') == len(sent) == told.count('"hint":'), told
    assert travel.patient_id(sent[0]) not in told

    (deployed.shared / "site.toml").write_text(SITE)
    there.run("install", "-m", "644", "/srv/shared/site.toml", "/etc/penstock/site.toml")
    assert "fine" in there.run("penstock", "profile", "check", "/etc/penstock/site.toml")
    deployed.configure(more='\n[profile]\nname = "/etc/penstock/site.toml"\n')
    deployed.page("again")
    travel.wait("an empty quarantine", lambda: deployed.status()["quarantine"] == {})
    travel.wait("receipts", lambda: deployed.ever("deleted") == before + len(sent))
    assert deployed.send("captures")["statuses"] == {"0000": len(sent)}
    travel.wait("the gauge", lambda: deployed.metric("penstock_quarantine_objects") == 0)


def test_a_pacs_that_is_not_known_is_refused_and_taken_when_it_is_added(deployed: Deployed) -> None:
    there = deployed.machine
    sent = deployed.study("north", 24)
    from_north = ["-aet", "NORTH_PACS", "-aec", "PENSTOCK", "localhost", "11112"]
    refused = there.attempt("/usr/bin/echoscu", *from_north)
    assert refused.returncode != 0 and "Calling AE Title Not Recognized" in refused.stderr
    travel.wait("a word", lambda: "association-rejected" in there.journal(GATEWAY))
    wrong = there.attempt("/usr/bin/echoscu", "-aet", "PACS", "-aec", "WRONG", "localhost", "11112")
    assert "Called AE Title Not Recognized" in wrong.stderr

    deployed.page("peer", **{"10.1.2.3": "127.0.0.1"})
    travel.wait("an answer to C-ECHO", lambda: there.attempt("/usr/bin/echoscu", *from_north).returncode == 0)
    assert deployed.send("north", calling="NORTH_PACS")["statuses"] == {"0000": len(sent)}
    deployed.delivered()
    shown = deployed.penstock("top", "--once").stdout
    assert re.search(r"^north +0 ", shown, re.MULTILINE), shown


def test_the_number_of_workers_is_told_and_changed(deployed: Deployed) -> None:
    count = ("workers",)
    travel.wait("two workers", lambda: deployed.penstock(*count).stdout.startswith("2 workers"))
    told = deployed.page("workers", **{"workers 4": "workers 3"})
    assert told.splitlines()[0] == "2 workers; the configuration says 2"
    assert "3 workers (before: 2); the configuration says 2" in told
    travel.wait("three workers", lambda: "3 of 3" in deployed.penstock("top", "--once").stdout)
    assert deployed.penstock("workers", "2").returncode == 0


def test_tune_writes_what_it_finds_beside_a_gateway_that_goes_on(deployed: Deployed) -> None:
    there = deployed.machine
    main = there.shown(GATEWAY, "MainPID")
    short = (
        "--apply --minutes 0.2 --trial 0.3 --no-check"  # a trial of the whole length belongs to benchmarks
    )
    told = deployed.page("tune", **{"--apply": short})
    assert "objects/s" in told and ("Written into" in told or "at the knee already" in told)
    written = int(re.findall(r"^workers = (\d+)", there.run("cat", CONFIG), re.MULTILINE)[0])
    travel.wait(
        "the new number", lambda: f"configuration says {written}" in deployed.penstock("workers").stdout
    )
    assert there.shown(GATEWAY, "MainPID") == main
    assert there.run("find", "/var/lib/penstock", "-name", ".penstock-tune*") == ""
