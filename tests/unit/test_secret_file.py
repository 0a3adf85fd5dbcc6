"""The file of the hash secret: private, durable, never replaced, and refused where it is not what it should
be.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.pseudonymize import secret_file
from engine.pseudonymize.identity import HashSecret

DIGITS = "00112233445566778899aabbccddeeff" * 2


@pytest.fixture
def place(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path / "hash-secret"


def private(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def test_a_written_secret_is_read_back_and_only_its_owner_may_read_it(place: Path) -> None:
    secret = HashSecret.generate()
    secret.write(place)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert place.read_text() == secret.key.hex() + "\n"
    assert HashSecret.load(place).key == secret.key
    assert HashSecret.load(str(place)).key_id == secret.key_id


def test_a_written_secret_and_its_name_are_on_the_disk(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[int, bytes]] = []
    fsync = os.fsync

    def watch(descriptor: int) -> None:
        fsync(descriptor)
        synced.append((os.fstat(descriptor).st_ino, place.read_bytes()))

    monkeypatch.setattr(os, "fsync", watch)
    secret = HashSecret.generate()
    secret.write(place)
    content = secret.key.hex().encode() + b"\n"
    assert synced == [(place.stat().st_ino, content), (place.parent.stat().st_ino, content)]


def test_the_mode_does_not_depend_on_the_umask(place: Path) -> None:
    before = os.umask(0o377)
    try:
        HashSecret.generate().write(place)
    finally:
        os.umask(before)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [DIGITS + "\n", DIGITS, DIGITS.upper() + "\n"])
def test_digits_of_either_case_with_or_without_the_newline_are_read(place: Path, content: str) -> None:
    assert HashSecret.load(private(place, content.encode())).key == bytes.fromhex(DIGITS)


def test_a_secret_that_even_its_owner_may_only_read_is_read(place: Path) -> None:
    private(place, DIGITS.encode()).chmod(0o400)
    assert HashSecret.load(place).key == bytes.fromhex(DIGITS)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        DIGITS[:-1] + "\n",
        DIGITS + "0\n",
        DIGITS + "\n\n",
        DIGITS + "\r\n",
        " " + DIGITS + "\n",
        DIGITS[:-1] + "g\n",
        DIGITS[:32] + "\n" + DIGITS[32:],
        DIGITS + "\n" + DIGITS + "\n",
    ],
)
def test_anything_but_64_digits_and_a_newline_is_refused_and_not_shown(place: Path, content: str) -> None:
    with pytest.raises(ConfigError, match="64 hexadecimal digits") as caught:
        HashSecret.load(private(place, content.encode()))
    assert caught.value.code == "secret-malformed"
    assert str(place) in str(caught.value)
    assert DIGITS[:16] not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o777])
def test_a_file_that_others_may_read_or_change_is_refused(place: Path, mode: int) -> None:
    private(place, DIGITS.encode()).chmod(mode)
    with pytest.raises(ConfigError, match=f"mode {mode:04o}") as caught:
        HashSecret.load(place)
    assert caught.value.code == "secret-not-private"
    assert "chmod 600" in caught.value.hint


def test_a_missing_secret_says_how_to_make_one(place: Path) -> None:
    with pytest.raises(ConfigError, match="penstock secret new") as caught:
        HashSecret.load(place)
    assert caught.value.code == "secret-missing"


def test_a_folder_in_the_secrets_place_is_refused(place: Path) -> None:
    place.mkdir(mode=0o700)
    with pytest.raises(ConfigError) as caught:
        HashSecret.load(place)
    assert caught.value.code == "secret-unreadable"


def test_a_fifo_in_the_secrets_place_is_refused_and_not_waited_for(place: Path) -> None:
    os.mkfifo(place, 0o600)
    with pytest.raises(ConfigError, match="not a regular file"):
        HashSecret.load(place)


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_an_existing_file_is_left_alone(place: Path, kind: str) -> None:
    if kind == "file":
        place.write_text("precious")
    else:
        place.symlink_to(place.parent / "elsewhere")
    with pytest.raises(ConfigError, match="left alone") as caught:
        HashSecret.generate().write(place)
    assert caught.value.code == "secret-exists"
    assert not (place.parent / "elsewhere").exists()
    if kind == "file":
        assert place.read_text() == "precious"


def test_a_folder_that_is_not_there_is_named(place: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory") as caught:
        HashSecret.generate().write(place.parent / "nowhere" / "hash-secret")
    assert caught.value.code == "secret-unwritable"


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_may_change_is_refused(place: Path, mode: int) -> None:
    place.parent.chmod(mode)
    with pytest.raises(ConfigError, match="others may change") as caught:
        HashSecret.generate().write(place)
    assert caught.value.code == "secret-folder-open"
    assert not place.exists()


def test_a_folder_as_open_as_tmp_but_sticky_is_taken(place: Path) -> None:
    place.parent.chmod(0o1777)
    HashSecret.generate().write(place)
    assert place.exists()


def test_a_write_that_fails_leaves_no_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left on device"):
        HashSecret.generate().write(place)
    assert not place.exists()


def test_a_credential_of_systemd_may_show_rights_of_the_group_and_no_other_file_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hash-secret"
    path.write_text("ab" * 32 + "\n")
    path.chmod(0o440)
    with pytest.raises(ConfigError, match="others may read"):
        secret_file.read(path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert secret_file.read(path) == bytes.fromhex("ab" * 32)
    for mode in (0o444, 0o460):
        path.chmod(mode)
        with pytest.raises(ConfigError, match="others may read"):
            secret_file.read(path)
