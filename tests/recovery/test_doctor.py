"""`penstock doctor` finds each kind of damage, and says what the gateway would do; it changes nothing unless told to."""

from __future__ import annotations

import datetime
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from engine.doctor.finding import Level
from engine.pseudonymize.identity import HashSecret
from engine.spool.layout import Spool, object_id
from engine.spool.states import State
from tests.support.cli import penstock
from tests.support.doctored import Patient, bring, copy_of
from tests.support.platform_process import Pki

STRANGE = object_id("f" * 16, 7)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Patient:
    return bring(tmp_path_factory.mktemp("doctor"))


@pytest.fixture
def patient(original: Patient, tmp_path: Path) -> Patient:
    return copy_of(original, tmp_path / "gateway")


def everything(folder: Path) -> dict[str, tuple[int, float, bytes]]:
    return {
        str(path): (path.stat().st_mode, path.stat().st_mtime, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
        if not path.is_socket()
    }


def test_a_spool_in_the_middle_of_its_work_is_healthy_and_stays_as_it_was(patient: Patient) -> None:
    before = everything(patient.folder)
    done = penstock("doctor", "--config", str(patient.config), "--json")
    assert done.code == 0, done.out
    told = {one["code"]: one for one in done.document["findings"]}
    assert told["passes-open"]["count"] == 1
    assert told["objects-to-upload"]["count"] == len(patient.ids)
    assert not done.document["running"]
    assert everything(patient.folder) == before


def flip(path: Path, at: int = -40) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def damage_plan(patient: Patient) -> None:
    flip(patient.spool.plan(patient.pass_id, patient.ids[0]))


def damage_plan_of_sealed(patient: Patient) -> None:
    damage_plan(patient)
    for path in (patient.spool.key(patient.pass_id), patient.spool.study(patient.pass_id)):
        path.unlink()


def shorten_original(patient: Patient) -> None:
    path = patient.spool.original(patient.pass_id, patient.ids[1])
    path.write_bytes(path.read_bytes()[:-2])


def shorten_key(patient: Patient) -> None:
    patient.spool.key(patient.pass_id).write_bytes(b"short")


def damage_study(patient: Patient) -> None:
    patient.spool.study(patient.pass_id).write_bytes(b"{")


def lose_study(patient: Patient) -> None:
    patient.spool.study(patient.pass_id).unlink()


def other_secret(patient: Patient) -> None:
    (patient.folder / "secret").unlink()
    HashSecret.generate().write(patient.folder / "secret")


def no_secret(patient: Patient) -> None:
    (patient.folder / "secret").unlink()


def open_secret(patient: Patient) -> None:
    (patient.folder / "secret").chmod(0o644)


def unknown_destination(patient: Patient) -> None:
    patient.spool.destination(patient.pass_id).write_text("archive")


def quarantined(patient: Patient) -> None:
    (patient.spool.quarantine / f"{STRANGE}.dcm").write_bytes(b"x")
    (patient.spool.quarantine / f"{STRANGE}.json").write_text('{"code": "not-dicom"}')


def quarantined_for_nothing(patient: Patient) -> None:
    (patient.spool.quarantine / f"{STRANGE}.dcm").write_bytes(b"x")


def damage_ledger(patient: Patient) -> None:
    with closing(sqlite3.connect(patient.spool.ledger)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode=DELETE")
    data = bytearray(patient.spool.ledger.read_bytes())
    data[4096:8192] = b"\xff" * 4096
    patient.spool.ledger.write_bytes(data)


def forget_ledger(patient: Patient) -> None:
    for path in patient.spool.root.glob("ledger.sqlite*"):
        path.unlink()


def foreign_ledger(patient: Patient) -> None:
    forget_ledger(patient)
    with closing(sqlite3.connect(patient.spool.ledger)) as connection:
        connection.execute("CREATE TABLE x (y)")


def no_ledger_at_all(patient: Patient) -> None:
    forget_ledger(patient)
    patient.spool.ledger.write_bytes(b"this is no database")


def foreign_file(patient: Patient) -> None:
    (patient.spool.received / "holiday.jpg").write_bytes(b"x")


def empty_arrival(patient: Patient) -> None:
    patient.spool.arrival(STRANGE).touch()


def open_key(patient: Patient) -> None:
    patient.spool.key(patient.pass_id).chmod(0o640)


def open_spool(patient: Patient) -> None:
    patient.spool.root.chmod(0o755)


def future(patient: Patient) -> None:
    later = time.time() + 86_400
    os.utime(patient.spool.received, (later, later))


def budget_used_up(patient: Patient) -> None:
    patient.write(max_bytes=100)


def above_high_water(patient: Patient) -> None:
    held = sum(path.stat().st_size for path in patient.spool.passes.rglob("*.*"))
    patient.write(max_bytes=int(held * 1.1))


def disk_too_small(patient: Patient) -> None:
    patient.write(max_bytes=10**18)


def flush(patient: Patient) -> None:
    text = patient.config.read_text().replace("[spool]", '[spool]\ndurability = "flush"')
    patient.config.write_text(text)


def no_peers(patient: Patient) -> None:
    text = patient.config.read_text()
    patient.config.write_text(text[: text.index("[[receiver.peer]]")] + text[text.index("[identity]") :])


def anybody(patient: Patient) -> None:
    text = patient.config.read_text().replace('"PACS"', '"*"').replace("10.0.0.0/8", "0.0.0.0/0")
    patient.config.write_text(text)


def wrong_key_in_configuration(patient: Patient) -> None:
    patient.write("[spol]\n")


def no_profile(patient: Patient) -> None:
    patient.write('[profile]\nname = "missing.toml"\n')


def certificate(patient: Patient, days: float) -> None:
    pki = Pki(patient.folder / "pki")
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    issued = pki.authority.issue_client("Hospital X", not_after=end)
    (patient.folder / "client.pem").write_bytes(issued.certificate)


def expired(patient: Patient) -> None:
    certificate(patient, -1)


def no_certificate(patient: Patient) -> None:
    (patient.folder / "client.pem").unlink()


def rubbish_certificate(patient: Patient) -> None:
    (patient.folder / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def no_folder(patient: Patient) -> None:
    patient.spool.receipts.rmdir()


def not_enrolled(patient: Patient) -> None:
    patient.write('[enrolment]\nfolder = "identity"\n')


DAMAGES: list[tuple[Callable[[Patient], None], str, Level]] = [
    (damage_plan, "plan-damaged", Level.WARNING),
    (damage_plan_of_sealed, "plan-damaged-sealed", Level.WARNING),
    (shorten_original, "original-changed", Level.WARNING),
    (shorten_key, "pass-key-damaged", Level.WARNING),
    (damage_study, "pass-study-damaged", Level.WARNING),
    (lose_study, "pass-study-damaged", Level.WARNING),
    (other_secret, "pass-of-other-settings", Level.WARNING),
    (no_secret, "secret-unusable", Level.UNUSABLE),
    (open_secret, "secret-unusable", Level.UNUSABLE),
    (unknown_destination, "pass-of-unknown-destination", Level.WARNING),
    (quarantined, "quarantine", Level.WARNING),
    (quarantined_for_nothing, "quarantine-without-reason", Level.WARNING),
    (damage_ledger, "ledger-damaged", Level.WARNING),
    (no_ledger_at_all, "ledger-damaged", Level.WARNING),
    (foreign_ledger, "ledger-foreign", Level.WARNING),
    (foreign_file, "foreign-names", Level.WARNING),
    (empty_arrival, "received-empty", Level.WARNING),
    (open_key, "open-to-others", Level.WARNING),
    (open_spool, "spool-open-to-others", Level.UNUSABLE),
    (future, "clock-behind", Level.WARNING),
    (budget_used_up, "budget-used-up", Level.WARNING),
    (above_high_water, "above-high-water", Level.WARNING),
    (disk_too_small, "disk-smaller-than-budget", Level.WARNING),
    (flush, "durability-flush", Level.WARNING),
    (no_peers, "no-peers", Level.WARNING),
    (anybody, "peer-anybody", Level.WARNING),
    (wrong_key_in_configuration, "config-unknown-key", Level.UNUSABLE),
    (no_profile, "profile-unusable", Level.UNUSABLE),
    (expired, "certificate-expired", Level.WARNING),
    (no_certificate, "file-unreadable", Level.UNUSABLE),
    (rubbish_certificate, "certificate-unreadable", Level.UNUSABLE),
    (no_folder, "spool-unusable", Level.UNUSABLE),
    (not_enrolled, "not-enrolled", Level.WARNING),
]


@pytest.mark.parametrize(("damage", "code", "level"), DAMAGES, ids=lambda one: getattr(one, "__name__", ""))
def test_each_damage_is_found_with_what_to_do(
    patient: Patient, damage: Callable[[Patient], None], code: str, level: Level
) -> None:
    damage(patient)
    before = everything(patient.folder)
    found = {one.code: one for one in patient.examine().findings}
    assert found[code].level is level
    assert found[code].do
    assert found[code].will
    assert everything(patient.folder) == before
    assert patient.examine().level == max(one.level for one in found.values()) >= level


def test_nothing_else_is_blamed(patient: Patient) -> None:
    damage_plan(patient)
    assert patient.codes() == {"plan-damaged": 1}
    assert patient.count("objects-to-upload") == len(patient.ids) - 1


@pytest.mark.parametrize(
    ("plant", "code"),
    [
        (lambda spool, _: spool.part(STRANGE).write_bytes(b"x"), "parts-stale"),
        (lambda spool, _: spool.arrival(STRANGE).write_bytes(b"x"), "received-waiting"),
        (lambda spool, _: (spool.passes / f".{'a' * 32}").mkdir(), "pass-unnamed"),
        (lambda spool, _: (spool.quarantine / f"{STRANGE}.json").write_text("{}"), "reason-without-object"),
        (lambda spool, p: spool.plan(p.pass_id, p.ids[0]).unlink(), "objects-to-rewrite"),
        (lambda spool, p: spool.original(p.pass_id, p.ids[0]).unlink(), "leftovers"),
    ],
)
def test_ordinary_work_is_a_note_and_no_finding(
    patient: Patient, plant: Callable[[Spool, Patient], object], code: str
) -> None:
    plant(patient.spool, patient)
    assert patient.count(code) == 1
    assert patient.codes() == {}


def test_objects_of_a_sealed_pass_without_a_plan_go_into_a_new_one(patient: Patient) -> None:
    for path in (patient.spool.key(patient.pass_id), patient.spool.study(patient.pass_id)):
        path.unlink()
    patient.spool.plan(patient.pass_id, patient.ids[0]).unlink()
    assert patient.count("objects-without-key") == 1
    assert patient.count("passes-sealed") == 1


def test_a_certificate_that_ends_soon_is_told_in_time(patient: Patient) -> None:
    certificate(patient, 20)
    assert patient.codes() == {}  # one that was made for so short a time renews itself
    pki = Pki(patient.folder / "long")
    issued = pki.authority.issue_client("Hospital X", days=397)
    (patient.folder / "client.pem").write_bytes(issued.certificate)
    assert patient.codes() == {}


def test_a_spool_that_is_not_there_yet_is_no_fault(patient: Patient) -> None:
    patient.config.write_text(patient.config.read_text().replace('path = "spool"', 'path = "elsewhere"'))
    assert patient.codes() == {}
    assert patient.count("spool-new") == 1
    assert not (patient.folder / "elsewhere").exists()


def test_a_repair_does_what_a_start_would_and_touches_no_object(patient: Patient) -> None:
    patient.spool.part(STRANGE).write_bytes(b"x")
    (patient.spool.quarantine / f"{STRANGE}.json").write_text("{}")
    (patient.spool.passes / f".{'a' * 32}").mkdir()
    open_key(patient)
    kept = sorted(path.name for path in patient.spool.root.rglob("*.*") if path.suffix in {".dcm", ".plan"})
    done = penstock("doctor", "--config", str(patient.config), "--repair", "--json")
    assert done.code == 0, done.out
    repaired = {one["code"] for one in done.document["findings"] if one.get("repaired")}
    assert repaired == {"parts-stale", "reason-without-object", "pass-unnamed", "open-to-others"}
    assert patient.codes() == {}
    assert patient.count("parts-stale") == patient.count("pass-unnamed") == 0
    assert patient.spool.key(patient.pass_id).stat().st_mode & 0o077 == 0
    assert kept == sorted(
        path.name for path in patient.spool.root.rglob("*.*") if path.suffix in {".dcm", ".plan"}
    )


def test_a_spool_that_others_can_read_is_closed(patient: Patient) -> None:
    open_spool(patient)
    done = penstock("doctor", "--config", str(patient.config), "--repair")
    assert done.code == 0, done.out
    assert patient.spool.root.stat().st_mode & 0o077 == 0


def test_people_get_what_to_do_next(patient: Patient) -> None:
    expired(patient)
    done = penstock("doctor", "--config", str(patient.config))
    assert done.code == 1
    assert "certificate-expired" in done.out
    assert "you:" in done.out
    assert "renew it" in done.out
    unusable = penstock("doctor", "--config", str(patient.folder / "missing.toml"))
    assert unusable.code == 2
    assert "config-missing" in unusable.out


def test_the_gateway_does_what_the_doctor_said(tmp_path: Path) -> None:
    from tests.support.rig import CoordinatorRig, study, wait_until

    rig = CoordinatorRig(tmp_path / "gateway", quiet=3600.0, workers=1)
    ids = rig.put(study(tmp_path / "files", slices=3))
    rig.start()
    wait_until(lambda: all(rig.states().get(one) is State.READY for one in ids), "planned")
    rig.kill()
    [pass_id] = rig.open_passes()
    flip(rig.spool.plan(pass_id, ids[0]))
    (rig.spool.passes / f".{'a' * 32}").mkdir()
    rig.spool.original(pass_id, ids[1]).unlink()
    rig.start()
    try:
        wait_until(lambda: b'"recovered"' in (rig.folder / "log").read_bytes(), "recovered")
        assert not (rig.spool.passes / f".{'a' * 32}").exists()
        assert not rig.spool.plan(pass_id, ids[1]).exists()
    finally:
        rig.kill()
