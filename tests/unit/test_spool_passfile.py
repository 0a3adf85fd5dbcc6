"""A pass on disk: whole or not there, sealed for good, and nothing lost on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import SpoolError
from engine.spool import killpoint, passfile
from engine.spool.layout import Spool, object_id
from engine.spool.passfile import Joined, Study
from engine.spool.states import passes

PASS = "5" * 32
STUDY = Study(study="1.2.3", profile="p" * 64, key_id="01234567", opened=1.0)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool.open(tmp_path / "spool")


def test_a_pass_has_a_random_key_and_remembers_its_study(spool: Spool) -> None:
    key = passfile.make(spool, PASS, STUDY)
    other = passfile.make(spool, "6" * 32, STUDY)
    assert len(key) == 32 and key != other
    assert passfile.load_key(spool, PASS) == key
    assert passfile.load_study(spool, PASS) == STUDY
    for path in (spool.key(PASS), spool.study(PASS)):
        assert path.stat().st_mode & 0o777 == 0o600


def test_making_a_pass_again_keeps_its_key(spool: Spool) -> None:
    assert passfile.make(spool, PASS, STUDY) == passfile.make(spool, PASS, STUDY)


def test_half_a_pass_from_a_crash_is_replaced(spool: Spool) -> None:
    (spool.passes / f".{PASS}" / "in").mkdir(parents=True)
    passfile.make(spool, PASS, STUDY)
    assert passes(spool) == [PASS]
    assert passfile.sweep(spool) == 0


def test_a_pass_that_never_got_its_name_is_swept(spool: Spool) -> None:
    (spool.passes / f".{PASS}").mkdir()
    assert passfile.sweep(spool) == 1
    assert list(spool.passes.iterdir()) == []


def test_sealing_destroys_the_key_and_the_original_study(spool: Spool) -> None:
    passfile.make(spool, PASS, STUDY)
    passfile.join(spool, PASS, [Joined(object_id("a" * 16, 0), "1.2.3.4")])
    passfile.destroy_key(spool, PASS)
    passfile.destroy_key(spool, PASS)  # the repeat after a crash
    assert {path.name for path in spool.folder_of(PASS).iterdir()} == {"in", "out"}
    with pytest.raises(FileNotFoundError):
        passfile.load_key(spool, PASS)
    with pytest.raises(FileNotFoundError):
        passfile.load_study(spool, PASS)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_length_is_no_key(spool: Spool, size: int) -> None:
    passfile.make(spool, PASS, STUDY)
    spool.key(PASS).write_bytes(b"k" * size)
    with pytest.raises(SpoolError, match=f"has {size} bytes"):
        passfile.load_key(spool, PASS)


def test_a_study_file_that_cannot_be_read_is_named_by_its_pass(spool: Spool) -> None:
    passfile.make(spool, PASS, STUDY)
    spool.study(PASS).write_bytes(b"\0\0\0")
    with pytest.raises(SpoolError, match=PASS):
        passfile.load_study(spool, PASS)


def test_who_joined_is_read_back_without_a_torn_line(spool: Spool) -> None:
    passfile.make(spool, PASS, STUDY)
    assert passfile.load_joined(spool, PASS) == []
    joined = [Joined(object_id("a" * 16, n), f"1.2.{n}") for n in range(3)]
    passfile.join(spool, PASS, joined[:2])
    passfile.join(spool, PASS, joined[2:])
    os.truncate(spool.seen(PASS), spool.seen(PASS).stat().st_size - 4)
    assert passfile.load_joined(spool, PASS) == joined[:2]


def test_a_pass_folder_goes_only_when_sealed_and_empty(spool: Spool) -> None:
    passfile.make(spool, PASS, STUDY)
    assert not passfile.discard(spool, PASS)
    passfile.destroy_key(spool, PASS)
    original = spool.original(PASS, object_id("a" * 16, 0))
    original.write_bytes(b"x")
    assert not passfile.discard(spool, PASS)
    original.unlink()
    assert passfile.discard(spool, PASS)
    assert passes(spool) == []
    assert passfile.discard(spool, PASS)


CUT = """
import sys
from engine.spool import passfile
from engine.spool.layout import Spool
passfile.make(Spool.open(sys.argv[1]), "5" * 32, passfile.Study("1.2.3", "p", "k", 1.0))
print("made")
"""


@pytest.mark.parametrize(("point", "named"), [("pass-made-before-name", []), ("pass-named", [PASS])])
def test_a_kill_while_a_pass_is_made_leaves_all_of_it_or_nothing(
    spool: Spool, tmp_path: Path, point: str, named: list[str]
) -> None:
    mark = tmp_path / "mark"
    environment = {**os.environ, "PENSTOCK_KILL_POINT": f"{point}:{mark}"}
    command = [sys.executable, "-c", CUT, str(spool.root)]
    cut = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert cut.returncode == -signal.SIGKILL and mark.exists()
    assert passes(spool) == named
    again = subprocess.run(command, env=environment, capture_output=True, check=True)  # it fires once
    assert again.stdout == b"made\n"
    assert passfile.load_study(spool, PASS).study == "1.2.3"


def test_every_kill_point_stands_in_the_code_once() -> None:
    engine = Path(killpoint.__file__).resolve().parents[1]
    source = "".join(path.read_text() for path in engine.rglob("*.py"))
    used = {name for name in killpoint.POINTS if f'reached("{name}")' in source}
    elsewhere = {"received-before-answer", "sent-before-receipt"}  # of receiver and uploader
    assert killpoint.POINTS - used <= elsewhere
