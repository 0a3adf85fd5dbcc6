"""`penstock hash` and `penstock secret`: the calculator gives what the gateway writes, and asks before it
harms.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import stat
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from engine.pseudonymize.identity import HashSecret
from tests.support.cli import penstock

VECTORS: dict[str, Any] = json.loads(
    files("engine.pseudonymize").joinpath("vectors.json").read_text(encoding="utf-8")
)
HASHED = {
    v["value"]: v["result"] for v in VECTORS["identifiers"] if v["hash"] == "hashed_id" and "issuer" not in v
}


@pytest.fixture
def secret_file(tmp_path: Path) -> str:
    tmp_path.chmod(0o700)
    path = tmp_path / "hash-secret"
    HashSecret(bytes.fromhex(VECTORS["secret"])).write(path)
    return str(path)


def test_the_hash_of_an_argument_is_that_of_the_vectors(secret_file: str) -> None:
    ran = penstock("hash", "12345678", "--secret-file", secret_file)
    assert (ran.code, ran.out, ran.err) == (0, HASHED["12345678"] + "\n", "")


def test_every_shipped_vector_comes_out_of_standard_input_in_its_order(secret_file: str) -> None:
    ran = penstock("hash", "--stdin", "--secret-file", secret_file, stdin="\n".join(HASHED).encode())
    assert ran.code == 0
    assert ran.out.splitlines() == list(HASHED.values())


def test_an_issuer_counts_where_it_is_given(secret_file: str) -> None:
    wanted = next(v for v in VECTORS["identifiers"] if v.get("issuer") == "HOSPITAL-A")
    ran = penstock("hash", wanted["value"], "--issuer", "HOSPITAL-A", "--secret-file", secret_file)
    assert ran.out == wanted["result"] + "\n"


def test_json_names_the_key_and_the_hashes_but_not_the_ids(secret_file: str) -> None:
    ran = penstock("hash", "--stdin", "--json", "--secret-file", secret_file, stdin=b"12345678\n0012345678\n")
    assert ran.code == 0
    assert ran.document == {
        "key_id": VECTORS["key_id"],
        "hashed_ids": [HASHED["12345678"], HASHED["0012345678"]],
    }


def test_lines_as_windows_writes_them_are_the_same_ids(secret_file: str) -> None:
    ran = penstock(
        "hash", "--stdin", "--secret-file", secret_file, stdin=b"\xef\xbb\xbf12345678\r\n12345678\r\n"
    )
    assert ran.out.split() == [HASHED["12345678"]] * 2


def test_the_secrets_file_can_be_named_by_the_environment(secret_file: str) -> None:
    ran = penstock("hash", "12345678", PENSTOCK_SECRET_FILE=secret_file)
    assert ran.out == HASHED["12345678"] + "\n"


def test_the_option_wins_over_the_environment(secret_file: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    HashSecret(bytes(32)).write(other)
    ran = penstock("hash", "12345678", "--secret-file", str(other), PENSTOCK_SECRET_FILE=secret_file)
    assert ran.out == HashSecret(bytes(32)).hashed_id("12345678") + "\n"


@pytest.mark.parametrize("empty", [b"\n", b"  \n", b"\r\n"])
def test_a_line_without_an_id_stops_with_its_number(secret_file: str, empty: bytes) -> None:
    ran = penstock("hash", "--stdin", "--secret-file", secret_file, stdin=b"12345678\n" + empty + b"9\n")
    assert ran.code == 2
    assert ran.err == "penstock: line 2: there is no identifier to hash\n"
    assert ran.out == HASHED["12345678"] + "\n"


def test_a_line_that_is_not_utf_8_stops_with_its_number_and_is_not_shown(secret_file: str) -> None:
    ran = penstock("hash", "--stdin", "--json", "--secret-file", secret_file, stdin=b"1\n4711-M\xfcller\n")
    assert ran.code == 2
    assert ran.document["error"]["code"] == "input-not-utf8"
    assert "line 2" in ran.err
    assert "4711" not in ran.err + ran.out


def test_an_empty_id_is_refused(secret_file: str) -> None:
    ran = penstock("hash", " ", "--secret-file", secret_file)
    assert (ran.code, ran.out) == (2, "")
    assert "no identifier" in ran.err


def test_an_id_and_standard_input_together_are_a_usage_error(secret_file: str) -> None:
    ran = penstock("hash", "1", "--stdin", "--secret-file", secret_file, stdin=b"2\n")
    assert (ran.code, ran.out) == (2, "")
    assert "not both" in ran.err


def test_neither_an_id_nor_a_terminal_is_a_usage_error_that_names_stdin(secret_file: str) -> None:
    ran = penstock("hash", "--secret-file", secret_file, stdin=b"12345678\n")
    assert (ran.code, ran.out) == (2, "")
    assert "--stdin" in ran.err


def test_without_a_secret_it_says_how_to_make_one(tmp_path: Path) -> None:
    for arguments in (["hash", "1"], ["hash", "1", "--secret-file", str(tmp_path / "none")]):
        ran = penstock(*arguments)
        assert (ran.code, ran.out) == (2, "")
        assert "penstock secret new FILE" in ran.err


def test_a_secret_that_others_may_read_is_refused(secret_file: str) -> None:
    Path(secret_file).chmod(0o644)
    ran = penstock("hash", "1", "--secret-file", secret_file)
    assert (ran.code, ran.out) == (2, "")
    assert "chmod 600" in ran.err


def test_a_person_at_a_terminal_is_asked_and_the_id_is_not_echoed(secret_file: str) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "engine.cli", "hash", "--secret-file", secret_file],
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=follower,
        start_new_session=True,  # no terminal of ours: getpass must ask on this one
    )
    os.close(follower)
    shown = b""
    while b"Patient ID: " not in shown:
        shown += os.read(leader, 1024)
    os.write(leader, b"12345678\n")
    out, _ = process.communicate(timeout=60)
    with contextlib.suppress(OSError):  # EIO: all of the terminal was read
        shown += os.read(leader, 1024)
    os.close(leader)
    assert process.returncode == 0
    assert out.decode() == HASHED["12345678"] + "\n"
    assert b"12345678" not in shown


def test_a_new_secret_is_private_and_can_be_used_at_once(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    path = tmp_path / "hash-secret"
    ran = penstock("secret", "new", str(path))
    made = HashSecret.load(path)
    assert ran.code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert made.key_id in ran.out
    assert made.key.hex() not in ran.out + ran.err
    assert penstock("hash", "1", "--secret-file", str(path)).out == made.hashed_id("1") + "\n"


def test_two_new_secrets_differ(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    ids = [penstock("secret", "new", str(tmp_path / name), "--json").document["key_id"] for name in "ab"]
    assert ids == [HashSecret.load(tmp_path / name).key_id for name in "ab"]
    assert ids[0] != ids[1]


def test_an_existing_file_is_not_replaced(secret_file: str) -> None:
    before = Path(secret_file).read_bytes()
    ran = penstock("secret", "new", secret_file, "--json")
    assert ran.code == 2
    assert ran.document["error"]["code"] == "secret-exists"
    assert Path(secret_file).read_bytes() == before
