"""What the supervisor makes of [enrolment]: a role more, clear words before the start, health that tells waiting from out."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import GatewayConfig, load_gateway
from engine.coordinator.key_ids import told_by_keeper
from engine.coordinator.keyring import Keyring
from engine.coordinator.routes import Treatments
from engine.errors import ConfigError, PenstockError
from engine.keeper import notice
from engine.keeper.notice import Notice, Trouble
from engine.keeper.states import KeeperState
from engine.pseudonymize.identity import HashSecret
from engine.spool.layout import Spool
from engine.supervisor import preflight
from engine.supervisor.health import WELL
from engine.supervisor.reload import difference
from engine.supervisor.roles import roles_of

NEW, OLD = HashSecret(b"\x02" * 32), HashSecret(b"\x01" * 32)


def configured(folder: Path, more: str = "", *, enrolment: bool = True) -> GatewayConfig:
    own = '[identity]\nsecret_file = "secret"\n[uploader]\nurl = "https://p:1"\ncertificate = "c"\nkey = "k"\nca = "a"\n'
    text = '[spool]\npath = "spool"\n[receiver]\nport = 0\n' + ("[enrolment]\n" if enrolment else own) + more
    (folder / "gateway.toml").write_text(text, encoding="utf-8")
    return load_gateway(folder / "gateway.toml")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool.open(tmp_path / "spool")


def test_a_gateway_that_is_not_enrolled_is_told_what_to_run(tmp_path: Path, spool: Spool) -> None:
    with pytest.raises(ConfigError, match="not enrolled") as caught:
        preflight.check(configured(tmp_path), spool)
    assert f"penstock enroll URL TOKEN --folder {tmp_path / 'identity'}" in caught.value.hint


def test_a_secret_file_beside_an_enrolment_is_warned_of(tmp_path: Path, spool: Spool) -> None:
    identity = tmp_path / "identity"
    identity.mkdir()
    for name in ("gateway.pem", "ca.pem"):
        (identity / name).touch()
    (identity / "platform.json").write_text('{"url": "https://p:1"}', encoding="utf-8")
    (tmp_path / "secret").touch()
    assert "secret-from-file" not in preflight.check(configured(tmp_path), spool)
    both = configured(tmp_path, '[identity]\nsecret_file = "secret"\n')
    assert "secret-from-file" in preflight.check(both, spool)


def test_only_an_enrolled_gateway_has_a_keeper_and_it_ends_last(tmp_path: Path) -> None:
    assert [one.name for one in roles_of(configured(tmp_path))][-1] == "keeper"
    names = [one.name for one in roles_of(configured(tmp_path, enrolment=False))]
    assert "keeper" not in names and "uploader" in names


def test_an_enrolment_does_not_come_or_go_under_a_running_gateway(tmp_path: Path) -> None:
    with_it, without = configured(tmp_path), configured(tmp_path, enrolment=False)
    for old, new in ((with_it, without), (without, with_it)):
        with pytest.raises(ConfigError, match="enrolment"):
            difference(old, new)


def test_another_interval_restarts_the_keeper_and_who_reads_the_section(tmp_path: Path) -> None:
    before = configured(tmp_path)
    after = configured(tmp_path, "check_seconds = 5.0\n")
    assert "keeper" in [one.name for one in difference(before, after).restart]


def test_waiting_is_well_and_being_out_is_not() -> None:
    assert {str(KeeperState.WAITING), str(KeeperState.CUT_OFF), "up"} == WELL
    assert not {str(KeeperState.FENCED), str(KeeperState.REVOKED)} & WELL


def test_the_coordinator_follows_the_keepers_secrets_and_keeps_the_former(spool: Spool) -> None:
    begun = Treatments({"digest": "default"}, OLD.key_id)
    assert told_by_keeper(spool, begun) is begun, "no keeper has said anything"
    notice.write(spool.run, Notice(KeeperState.READY, 1.0, (NEW.key_id, OLD.key_id)))
    rotated = told_by_keeper(spool, begun)
    assert (rotated.key_id, rotated.former) == (NEW.key_id, (OLD.key_id,))
    assert told_by_keeper(spool, rotated) is rotated
    notice.write(spool.run, Notice(KeeperState.WAITING, 1.0))
    assert told_by_keeper(spool, rotated) is rotated, "a keeper that starts again has nothing to say yet"


@pytest.mark.parametrize("state", [KeeperState.FENCED, KeeperState.REVOKED])
def test_the_coordinator_of_an_outcast_ends_so_that_its_workers_forget(
    spool: Spool, state: KeeperState
) -> None:
    trouble = Trouble("gateway-fenced", "another instance", "enrol again")
    notice.write(spool.run, Notice(state, 1.0, trouble=trouble))
    with pytest.raises(PenstockError) as caught:
        told_by_keeper(spool, Treatments({}, OLD.key_id))
    assert caught.value.code == f"gateway-{state}" and not isinstance(caught.value, ConfigError)


def test_a_worker_fetches_a_secret_that_it_does_not_know_yet() -> None:
    there: list[tuple[HashSecret, ...]] = [(OLD,)]
    asked: list[float | None] = []

    def fetch(wait: float | None) -> tuple[HashSecret, ...]:
        asked.append(wait)
        return there[0]

    keyring = Keyring(fetch)
    keyring.load(None)
    assert keyring.of("").key_id == keyring.of(OLD.key_id).key_id == OLD.key_id
    assert asked == [None]
    there[0] = (NEW, OLD)
    assert keyring.of(NEW.key_id).key == NEW.key and keyring.of(OLD.key_id).key == OLD.key
    assert len(asked) == 2


def test_a_secret_that_is_not_to_be_had_lets_the_job_wait() -> None:
    keyring = Keyring.holding(OLD)
    with pytest.raises(BlockingIOError):
        keyring.of(NEW.key_id)

    def away(_wait: float | None) -> tuple[HashSecret, ...]:
        raise ConfigError("secret-waits", "the keeper has none")

    keyring.fetch = away
    with pytest.raises(BlockingIOError):
        keyring.of(NEW.key_id)
    assert keyring.of(OLD.key_id).key == OLD.key
