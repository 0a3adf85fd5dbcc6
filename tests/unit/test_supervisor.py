"""The supervisor's parts: what is checked before, when to start again, what people are told."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import GatewayConfig, load_gateway
from engine.errors import ConfigError
from engine.metrics.reading import Snapshot
from engine.spool.layout import Spool
from engine.supervisor import health, preflight, summary
from engine.supervisor.child import tell, told
from engine.supervisor.drift import Drift
from engine.supervisor.forecast import Forecast
from engine.supervisor.restarts import MOST_FAILURES, STABLE_SECONDS, Restarts
from engine.supervisor.roles import ROLES, role
from engine.supervisor.view import View, view

CONFIG = """
[spool]
path = "spool"
max_bytes = 1000
[receiver]
host = "127.0.0.1"
port = {port}
[[receiver.peer]]
ae_title = "PACS"
network = "10.0.0.0/8"
[identity]
secret_file = "secret"
[uploader]
url = "https://platform:1"
certificate = "certificate"
key = "key"
ca = "ca"
"""


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    for name in ("secret", "certificate", "key", "ca"):
        (tmp_path / name).write_text("x")
    return Spool.open(tmp_path / "spool")


def configured(folder: Path, text: str = CONFIG, port: int = 0) -> GatewayConfig:
    path = folder / "gateway.toml"
    path.write_text(text.format(port=port))
    return load_gateway(path)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_sound_configuration_passes_without_words(tmp_path: Path, spool: Spool) -> None:
    assert preflight.check(configured(tmp_path), spool) == {}


def test_a_port_in_use_is_named_with_what_to_do(tmp_path: Path, spool: Spool, taken: int) -> None:
    with pytest.raises(ConfigError, match=f"127.0.0.1:{taken} .receiver.port.*ss -ltnp"):
        preflight.check(configured(tmp_path, port=taken), spool)


def test_the_port_of_metrics_is_checked_too(tmp_path: Path, spool: Spool, taken: int) -> None:
    with pytest.raises(ConfigError, match=r"metrics\.port"):
        preflight.check(configured(tmp_path, CONFIG + f"[metrics]\nport = {taken}\n"), spool)


def test_an_address_of_another_machine_is_refused(tmp_path: Path, spool: Spool) -> None:
    text = CONFIG.replace("127.0.0.1", "203.0.113.7").replace("{port}", "4242")
    with pytest.raises(ConfigError, match=r"receiver\.host has to be an address of this machine"):
        preflight.check(configured(tmp_path, text), spool)


@pytest.mark.parametrize("name", ["secret", "certificate", "key", "ca"])
def test_a_file_that_is_missing_is_named(tmp_path: Path, spool: Spool, name: str) -> None:
    (tmp_path / name).unlink()
    with pytest.raises(ConfigError, match=rf"{name}.* cannot be read: No such file"):
        preflight.check(configured(tmp_path), spool)


def test_what_works_but_should_not_stay_so_is_told(tmp_path: Path, spool: Spool) -> None:
    text = CONFIG.replace("max_bytes = 1000", 'max_bytes = 1_000_000_000_000_000\ndurability = "flush"')
    text = text.replace('[[receiver.peer]]\nae_title = "PACS"\nnetwork = "10.0.0.0/8"\n', "")
    found = preflight.check(configured(tmp_path, text), spool)
    assert set(found) == {"disk-smaller-than-budget", "no-peers", "durability-flush"}


def test_a_process_that_ran_well_is_started_again_at_once() -> None:
    assert Restarts().ended(STABLE_SECONDS) == 0.0


def test_bad_starts_wait_longer_and_longer_and_then_end() -> None:
    restarts = Restarts()
    delays = [restarts.ended(0.1) for _ in range(MOST_FAILURES)]
    waits = [delay for delay in delays if delay is not None]
    assert delays[-1] is None and len(waits) == MOST_FAILURES - 1
    assert waits == sorted(waits) and waits[0] < waits[-1] <= 5.0


def test_one_good_run_forgives_the_bad_starts() -> None:
    restarts = Restarts()
    for _ in range(20):
        for _ in range(MOST_FAILURES - 1):
            assert restarts.ended(0.0) is not None
        assert restarts.ended(60.0) == 0.0


def test_the_forecast_knows_when_the_spool_is_full() -> None:
    forecast = Forecast()
    assert forecast.seconds_until(100) == -1.0
    for second in range(600):
        forecast.feed(float(second), second * 10)
    assert forecast.rate == pytest.approx(10.0, rel=0.01)
    assert forecast.seconds_until(599 * 10 + 1000) == pytest.approx(100.0, rel=0.01)
    for second in range(600, 1200):
        forecast.feed(float(second), 5990 - (second - 599))
    assert forecast.seconds_until(10_000) == -1.0


def test_the_count_is_corrected_by_figures_that_stand_still() -> None:
    drift = Drift(suspected=True)
    assert drift.correction(100, 70, quiet=True) is None
    assert drift.correction(100, 80, quiet=True) is None, "a file came"
    assert drift.correction(110, 80, quiet=True) is None, "and was counted"
    assert drift.suspected
    assert drift.correction(110, 80, quiet=True) == -30
    assert not drift.suspected


def test_the_count_is_not_corrected_while_somebody_sends() -> None:
    drift = Drift(suspected=True)
    for _ in range(3):
        assert drift.correction(1_000_000, 5, quiet=False) is None
    assert drift.correction(1_000_000, 5, quiet=True) is None, "seen once only since then"
    assert drift.correction(5, 5, quiet=True) is None
    assert drift.correction(5, 5, quiet=True) == 0


def test_every_role_can_be_imported_and_run() -> None:
    import importlib

    for one in ROLES:
        assert callable(importlib.import_module(one.module).run)
    names = [one.name for one in ROLES]
    assert names[:3] == ["receiver", "coordinator", "uploader"], "the order in which they are drained"
    assert len(set(names)) == len(names)
    assert role("coordinator").keeps_secret and not role("receiver").keeps_secret


def test_the_sections_that_a_reload_looks_at_exist(tmp_path: Path, spool: Spool) -> None:
    config = configured(tmp_path)
    for one in ROLES:
        for section in one.sections:
            assert hasattr(config, section)


def test_the_reason_of_a_role_reaches_the_supervisor_once(tmp_path: Path) -> None:
    tell(tmp_path, "uploader", ConfigError("certificate-expired", "it expired", hint="renew it"))
    reason = told(tmp_path, "uploader")
    assert reason is not None and str(reason) == "it expired; renew it"
    assert told(tmp_path, "uploader") is None


def test_a_reason_that_was_cut_off_is_none(tmp_path: Path) -> None:
    (tmp_path / "uploader.error").write_bytes(b'{"code": "x", "mess')
    assert told(tmp_path, "uploader") is None


def test_people_read_what_listens_where(tmp_path: Path, spool: Spool) -> None:
    text = summary.opening(configured(tmp_path, port=11112), {"x": "mind the gap"}, 9100)
    for word in ("11112", "PACS from 10.0.0.0/8", "https://platform:1", "9100/metrics", "mind the gap"):
        assert word in text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            b'{"time":"2026-01-02T03:04:05.678Z","level":"warning","logger":"receiver","event":"peer-refused","pid":7,"peer":"x"}\n',
            "03:04:05 receiver: peer refused (peer x)",
        ),
        (b'{"time":"2026-01-02T03:04:05.678Z","level":"info","logger":"a","event":"b"}\n', None),
        (b"Traceback: not JSON\n", "Traceback: not JSON"),
        (b'["a list"]\n', '["a list"]'),
    ],
)
def test_log_lines_are_spoken_on_a_terminal(line: bytes, words: str | None) -> None:
    assert summary.spoken(line) == words


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_health_and_metrics_are_told_over_http() -> None:
    states = {"receiver": "up", "uploader": "up"}
    numbers = {"penstock_spool_bytes": 7.0, 'penstock_workers{state="working"}': 2.0}
    called = socket.create_server(("127.0.0.1", 0))
    ports = [called.getsockname()[1], 0]

    async def ask() -> list[tuple[int, str]]:
        runner, port = await health.serve(
            "127.0.0.1", 0, health.Telling(lambda: numbers, lambda: states, look, lambda: ports)
        )

        async def get(path: str) -> tuple[int, str]:
            return await asyncio.to_thread(_get, port, path)

        try:
            found = [await get(path) for path in ("/metrics", "/healthz", "/readyz", "/")]
            called.close()
            found.append(await get("/readyz"))
            numbers.update({'penstock_workers{state="working"}': 0.0, "penstock_receiving_refused": 1.0})
            states["uploader"] = "restarting"
            return [*found, *[await get(path) for path in ("/healthz", "/readyz", "/elsewhere")]]
        finally:
            await runner.cleanup()

    metrics, well, ready, page, deaf, unwell, unready, elsewhere = asyncio.run(ask())
    assert metrics[0] == 200 and "penstock_spool_bytes 7\n" in metrics[1]
    assert well[0] == 200 and json.loads(well[1])["healthy"]
    assert ready[0] == 200 and json.loads(ready[1]) == {"ready": True, "reasons": []}
    assert page[0] == 200 and "idle: nobody sends" in page[1] and "<script" not in page[1]
    assert deaf[0] == 503 and json.loads(deaf[1])["reasons"] == ["the receiver does not listen yet"]
    assert unwell[0] == 503 and json.loads(unwell[1])["roles"]["uploader"] == "restarting"
    reasons = ["a role is not up", "no worker is ready", "the spool is full"]
    assert unready[0] == 503 and json.loads(unready[1]) == {"ready": False, "reasons": reasons}
    assert elsewhere[0] == 404


def look(before: Snapshot, after: Snapshot) -> View:
    return view("ward <3>", before, after, running=True)


def test_a_metrics_port_that_was_taken_meanwhile_is_refused(taken: int) -> None:
    with pytest.raises(ConfigError, match=r"change metrics\.port"):
        asyncio.run(_serve(taken))


async def _serve(port: int) -> None:
    await health.serve("127.0.0.1", port, health.Telling(dict, dict, look, list))
