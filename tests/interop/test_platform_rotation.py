"""Another master key for a platform that has objects and secrets: by the command, and after kills on the way."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from engine.config import load_platform
from engine.errors import ConfigError
from engine.platform import rotation
from engine.platform.administration import administration
from engine.platform.keys import MasterKey
from engine.platform.vault import Vault
from tests.support.cli import penstock
from tests.support.platform_process import STUDY, Pki, PlatformProcess, pseudonymized

pytest_plugins = ("tests.support.stow_fixtures",)

OBJECTS = 3
T = TypeVar("T")


class Rotating:
    """A platform with objects and a secret, stopped."""

    def __init__(self, folder: Path, pki: Pki) -> None:
        self.process = PlatformProcess(folder, pki)
        self.parts = [pseudonymized(number) for number in range(OBJECTS)]
        self.process.start()
        assert self.process.store(self.parts)[0] == 200
        assert self.process.stop() == 0
        self.config = folder / "platform.toml"
        self.key = folder / "master-key"
        with administration(load_platform(self.config)) as opened:
            opened.institutions.add("st-marys")
            opened.vault().create("st-marys")
        self.hashed = self.vault(lambda vault: vault.secret("st-marys").hashed_id("12345"))
        self.files = {path: path.read_bytes() for path in self.process.stored_files()}
        assert len(self.files) == OBJECTS

    def vault(self, ask: Callable[[Vault], T]) -> T:
        with administration(load_platform(self.config)) as opened:
            return ask(opened.vault())

    def works(self) -> bool:
        """Whether everything can be read with the key that the configuration names, objects untouched."""
        assert {path: path.read_bytes() for path in self.process.stored_files()} == self.files
        assert self.vault(lambda vault: vault.secret("st-marys").hashed_id("12345")) == self.hashed
        self.process.start()
        for number, part in enumerate(self.parts):
            path = f"/penstock/v1/studies/{STUDY}/instances/2.25.{10**20 + number}"
            assert self.process.get(path) == (200, part)
        return self.process.stop() == 0


@pytest.fixture
def rotating(tmp_path: Path, pki: Pki) -> Iterator[Rotating]:
    made = Rotating(tmp_path / "platform", pki)
    yield made
    made.process.stop()


def test_the_command_rotates_and_the_platform_goes_on(rotating: Rotating) -> None:
    before = MasterKey.load(rotating.key).key_id
    done = penstock("platform", "rotate-master-key", "--config", str(rotating.config), "--json")
    assert done.code == 0, done.err
    now = MasterKey.load(rotating.key)
    assert now.key_id != before
    told = done.document
    assert (told["old_key_id"], told["new_key_id"]) == (before, now.key_id)
    assert (told["objects"], told["secrets"]) == (OBJECTS, 1)
    assert MasterKey.load(Path(told["former_key_file"])).key_id == before
    assert not rotating.key.with_name("master-key.new").exists()
    assert rotating.works()
    Path(told["former_key_file"]).rename(rotating.key)
    with pytest.raises(ConfigError, match="wrapped by"):
        rotating.vault(lambda vault: vault)


def test_it_waits_for_the_platform_to_be_stopped(rotating: Rotating) -> None:
    rotating.process.start()
    done = penstock("platform", "rotate-master-key", "--config", str(rotating.config))
    assert (done.code, "another platform is running" in done.err) == (2, True)
    assert rotating.process.stop() == 0
    assert rotating.works()


def killed(work: Callable[[], object]) -> int:
    """Runs `work` in a forked process; how it ended (a signal as a negative number)."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def dies(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (rotation, "rewrap"),
        (rotation, "_note"),
        (rotation, "exchange_file"),
        (os, "link"),
        (Path, "replace"),
        (os, "fsync"),
    ],
    ids=[
        "before",
        "inside-the-transaction",
        "committed",
        "before-the-link",
        "before-the-exchange",
        "exchanged",
    ],
)
def test_killed_on_the_way_it_is_finished_by_the_same_command(
    rotating: Rotating, monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    config = load_platform(rotating.config)
    new_key = rotating.key.with_name("master-key.new")
    MasterKey.write_new(new_key)
    wanted = MasterKey.load(new_key).key_id

    def attempt() -> None:
        monkeypatch.setattr(owner, name, dies)
        rotation.rotate(config, None)

    assert killed(attempt) == -signal.SIGKILL
    done = penstock("platform", "rotate-master-key", "--config", str(rotating.config), "--json")
    assert done.code == 0, done.err
    if name != "fsync":  # there the exchange was done, and this was a rotation of its own
        assert MasterKey.load(rotating.key).key_id == wanted
    assert rotating.works()


def test_a_key_of_a_program_is_rotated_to_a_file_that_the_operator_puts_in_place(
    rotating: Rotating, tmp_path: Path
) -> None:
    text = rotating.config.read_text().replace(
        'master_key_file = "master-key"', f'master_key_command = ["/bin/cat", "{rotating.key}"]'
    )
    rotating.config.write_text(text)
    assert penstock("platform", "rotate-master-key", "--config", str(rotating.config)).code == 2
    arguments = ("--new-key", str(tmp_path / "next"), "--json")
    for objects in (OBJECTS, 0):  # a repeat finds it done
        done = penstock("platform", "rotate-master-key", "--config", str(rotating.config), *arguments)
        assert (done.code, done.document["objects"]) == (0, objects), done.err
    assert done.document["former_key_file"] is None
    rotating.key.write_text((tmp_path / "next").read_text())
    assert rotating.vault(lambda vault: vault.secret("st-marys").hashed_id("12345")) == rotating.hashed


def test_an_altered_data_key_stops_the_rotation_and_changes_nothing(rotating: Rotating) -> None:
    from sqlalchemy import select, update

    from engine.platform.database.objects import OBJECTS as TABLE
    from engine.platform.database.vault import VAULT_SECRETS

    with administration(load_platform(rotating.config)) as opened:
        with opened.database.begin() as connection:
            connection.execute(update(VAULT_SECRETS).values(wrapped_key=bytes(40)))
        done = penstock("platform", "rotate-master-key", "--config", str(rotating.config))
        assert (done.code, "data key" in done.err) == (1, True)
        with opened.database.read() as connection:
            ids = set(connection.scalars(select(TABLE.c.master_key_id)))
    assert ids == {MasterKey.load(rotating.key).key_id}
