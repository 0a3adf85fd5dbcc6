"""A platform of several processes on a real PostgreSQL: storing, repeats from all sides, searching, reading, starting again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.platform_process import STUDY, Pki, PlatformProcess, pseudonymized
from tests.support.postgres import PostgreSQL

pytest_plugins = ("tests.support.stow_fixtures", "tests.support.databases")


@pytest.fixture
def on_postgresql(tmp_path: Path, pki: Pki, postgres: PostgreSQL) -> Iterator[PlatformProcess]:
    name = "platform"
    postgres.create(name)
    settings = f'database = "{postgres.url(name)}"'
    process = PlatformProcess(tmp_path / "platform", pki, "--workers", "2", settings=settings).start()
    yield process
    process.stop()
    postgres.drop(name)


def test_several_processes_store_search_and_give_out_by_postgresql(on_postgresql: PlatformProcess) -> None:
    parts = [pseudonymized(number) for number in range(8)]
    # Everything twice and at once: repeats meet each other in different processes.
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(on_postgresql.store, [parts[at % 4 * 2 : at % 4 * 2 + 2] for at in range(8)]))
    assert [status for status, _ in answers] == [200] * 8
    for at in range(4):
        assert answers[at] == answers[at + 4]
    assert len(on_postgresql.stored_files()) == len(on_postgresql.instances()) == 8
    [study] = json.loads(on_postgresql.get("/dicom-web/studies")[1])
    assert study["00201208"]["Value"] == [8]
    place = f"/penstock/v1/studies/{STUDY}/instances/2.25.{10**20 + 3}"
    assert on_postgresql.get(place) == (200, parts[3])
    assert not (on_postgresql.storage / "platform.sqlite").exists()
    assert on_postgresql.stop() == 0
    on_postgresql.start()
    assert on_postgresql.store([pseudonymized(3, size=3000)])[0] == 409
    assert on_postgresql.get(place) == (200, parts[3])


def test_a_database_that_goes_away_refuses_for_now_and_heals(tmp_path: Path, pki: Pki) -> None:
    server = PostgreSQL()
    server.start()
    server.create("platform")
    settings = f'database = "{server.url("platform")}"'
    platform = PlatformProcess(tmp_path, pki, settings=settings).start()
    try:
        assert platform.store([pseudonymized(1)])[0] == 200
        server.halt()
        status, _ = platform.store([pseudonymized(2)])
        assert status in {500, 503}
        server.resume()
        assert platform.store([pseudonymized(2)])[0] == 200
        assert len(platform.instances()) == len(platform.stored_files()) == 2
    finally:
        platform.stop()
        server.stop()
