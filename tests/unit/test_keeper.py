"""The keeper's parts: its states, its page of memory, its door and who may come through it."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.keeper import notice
from engine.keeper.client import fetch_secret, fetch_secrets
from engine.keeper.door import NAME, Door
from engine.keeper.notice import Notice, Trouble
from engine.keeper.page import KEY_BYTES, SIZE, SecretPage, wipe
from engine.keeper.states import OUT, TABLE, Event, KeeperState, after
from engine.pseudonymize.identity import HashSecret

CURRENT, FORMER = HashSecret(b"\x02" * 32), HashSecret(b"\x01" * 32)
NOBODY = 65534
PATIENCE = 60.0


class Running:
    """A door with its page, in an event loop of a thread of its own."""

    def __init__(self, run_dir: Path) -> None:
        self.page = SecretPage()
        self.door = Door(run_dir, self.page)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.door.open(), self._loop).result(PATIENCE)

    def hold(self, *secrets: HashSecret) -> None:
        """These, or none any more."""
        if secrets:
            keys = bytearray(b"".join(one.key for one in secrets).ljust(SIZE, b"\0"))
            self.page.fill(keys, [one.key_id for one in secrets])
        else:
            self.page.wipe()
        self._loop.call_soon_threadsafe(self.door.changed)

    def close(self) -> None:
        """The end of the keeper."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        await self.door.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    yield made
    made.close()


def test_every_state_knows_what_every_event_means_unless_it_asks_nothing() -> None:
    for state in KeeperState:
        for event in Event:
            if state in OUT and event is not Event.REPLACED:
                assert (state, event) not in TABLE
            else:
                assert after(state, event) in KeeperState


def test_only_a_new_enrolment_leads_out_of_being_out() -> None:
    assert after(KeeperState.READY, Event.FENCED) is KeeperState.FENCED
    assert after(KeeperState.CUT_OFF, Event.REVOKED) is KeeperState.REVOKED
    for state in OUT:
        assert after(state, Event.REPLACED) is KeeperState.WAITING
        with pytest.raises(KeyError):
            after(state, Event.WELL)


def test_a_gateway_that_has_the_secret_keeps_it_while_its_platform_is_away() -> None:
    assert after(KeeperState.READY, Event.TROUBLE) is KeeperState.CUT_OFF
    assert after(KeeperState.CUT_OFF, Event.WELL) is KeeperState.READY


def test_a_page_takes_the_keys_over_and_leaves_nothing_behind() -> None:
    page = SecretPage()
    keys = bytearray(CURRENT.key + FORMER.key)
    page.fill(keys, [CURRENT.key_id, FORMER.key_id])
    assert not any(keys), "what it was filled from is wiped"
    with page.view() as view:
        assert bytes(view) == CURRENT.key + FORMER.key
    page.fill(bytearray(FORMER.key), [FORMER.key_id])
    with page.view() as view:
        assert bytes(view) == FORMER.key, "a shorter filling leaves no rest"
    page.wipe()
    assert not page.filled and not any(page._page[:])


def test_a_page_is_locked_in_memory_and_not_dumped() -> None:
    page = SecretPage()
    assert page.locked
    maps = Path("/proc/self/smaps").read_text(encoding="ascii")
    assert any(
        "lo" in line.split() and "dd" in line.split() for line in maps.splitlines() if "VmFlags" in line
    )


@pytest.mark.parametrize(("keys", "key_ids"), [(b"", []), (b"x" * 31, ["a"]), (b"x" * 64, ["a", "b", "c"])])
def test_a_page_takes_whole_keys_only(keys: bytes, key_ids: list[str]) -> None:
    with pytest.raises(ValueError, match="as many keys"):
        SecretPage().fill(bytearray(keys), key_ids)


def test_a_wiped_buffer_is_zeros() -> None:
    buffer = bytearray(b"secret")
    wipe(buffer)
    assert buffer == bytes(6)


def test_who_comes_gets_every_version_the_current_one_first(running: Running, tmp_path: Path) -> None:
    running.hold(CURRENT, FORMER)
    got = fetch_secrets(tmp_path, PATIENCE)
    assert [one.key_id for one in got.versions] == [CURRENT.key_id, FORMER.key_id]
    assert got.current.key == CURRENT.key and got.by_key_id[FORMER.key_id].key == FORMER.key
    assert fetch_secret(tmp_path, PATIENCE).key == CURRENT.key


def test_who_comes_early_waits_until_the_secret_is_there(running: Running, tmp_path: Path) -> None:
    got: list[HashSecret] = []
    waiting = threading.Thread(target=lambda: got.append(fetch_secret(tmp_path, wait=None)))
    waiting.start()
    time.sleep(0.2)
    assert not got
    running.hold(CURRENT)
    waiting.join(PATIENCE)
    assert [one.key_id for one in got] == [CURRENT.key_id]


def test_after_a_wipe_nobody_gets_anything(running: Running, tmp_path: Path) -> None:
    running.hold(CURRENT)
    fetch_secret(tmp_path, PATIENCE)
    running.hold()
    with pytest.raises(ConfigError, match=r"no hash secret|not running"):
        fetch_secret(tmp_path, wait=0.3)


def test_without_a_keeper_the_way_out_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not running") as caught:
        fetch_secret(tmp_path, wait=0.2)
    assert "penstock up" in caught.value.hint
    with pytest.raises(ConfigError, match="not running"):
        fetch_secret(tmp_path / "no-such-folder", wait=0.2)


def test_what_the_keeper_waits_for_is_told_to_who_asks_for_the_secret(tmp_path: Path) -> None:
    trouble = Trouble("platform-unreachable", "the platform cannot be reached", "is it running?")
    notice.write(tmp_path, Notice(KeeperState.WAITING, 1.0, trouble=trouble))
    with pytest.raises(ConfigError, match=r"waits for the hash secret .* cannot be reached") as caught:
        fetch_secret(tmp_path, wait=0.2)
    assert caught.value.hint == "is it running?"


def test_a_path_that_is_too_long_for_a_socket_still_works(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    deep.mkdir(parents=True)
    made = Running(deep)
    try:
        made.hold(CURRENT)
        assert fetch_secret(deep, PATIENCE).key_id == CURRENT.key_id
    finally:
        made.close()


def test_the_socket_is_its_owners(running: Running, tmp_path: Path) -> None:
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_another_users_process_gets_nothing_even_if_the_socket_is_open_to_it(
    running: Running, tmp_path: Path
) -> None:
    running.hold(CURRENT)
    (tmp_path / NAME).chmod(0o666)
    tmp_path.chmod(0o755)
    folder = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    child = os.fork()
    if not child:
        code = 3
        try:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.settimeout(PATIENCE)
                stranger.connect(f"/proc/self/fd/{folder}/{NAME}")
                code = 7 if stranger.recv(1 + KEY_BYTES) else 0
        finally:
            os._exit(code)
    os.close(folder)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_notice_comes_back_and_half_of_one_is_none(tmp_path: Path) -> None:
    told = Notice(KeeperState.READY, 2.5, (CURRENT.key_id,), "st-marys", "mri", 3, 9.0)
    notice.write(tmp_path, told)
    assert notice.read(tmp_path) == told
    (tmp_path / notice.FILE).write_bytes(b'{"state": "rea')
    assert notice.read(tmp_path) is None
    assert notice.read(tmp_path / "none") is None


def test_no_notice_holds_a_secret(tmp_path: Path) -> None:
    notice.write(tmp_path, Notice(KeeperState.READY, 1.0, (CURRENT.key_id,)))
    assert CURRENT.key.hex().encode() not in (tmp_path / notice.FILE).read_bytes()
