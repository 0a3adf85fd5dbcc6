"""OUT/.penstock: the run key's life, and when a run may be taken up again."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from engine.batch import runfolder
from engine.batch.folders import check_folders
from engine.batch.journal import tag_of
from engine.batch.runfolder import RunFolder, Terms
from engine.errors import ConfigError


@pytest.fixture
def terms(tmp_path: Path) -> Terms:
    source = tmp_path / "MILLER^ANNA"
    source.mkdir()
    return Terms(source, "default", "d" * 64, "0123abcd")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_a_new_run_has_a_key_that_only_its_owner_may_read(out: Path, terms: Terms) -> None:
    old = os.umask(0)
    try:
        folder = RunFolder.open(out, terms)
    finally:
        os.umask(old)
    assert not folder.resumed
    assert folder.path.stat().st_mode & 0o777 == 0o700
    for name in ("key", "run.json", "lock"):
        assert (folder.path / name).stat().st_mode & 0o777 == 0o600
    assert len((folder.path / "key").read_bytes()) == 32


def test_an_unfinished_run_is_taken_up_with_the_same_keys(out: Path, terms: Terms) -> None:
    first = RunFolder.open(out, terms)
    first.close()
    second = RunFolder.open(out, terms)
    assert second.resumed and not second.rebooted
    assert (second.pass_root, second.journal_key) == (first.pass_root, first.journal_key)


def test_a_finished_run_leaves_nothing_and_the_next_has_other_keys(out: Path, terms: Terms) -> None:
    first = RunFolder.open(out, terms)
    first.destroy()
    first.close()
    assert list(out.iterdir()) == []
    second = RunFolder.open(out, terms)
    assert not second.resumed
    assert second.pass_root != first.pass_root


def test_the_keys_of_a_run_differ_from_each_other_and_from_the_run_key(out: Path, terms: Terms) -> None:
    folder = RunFolder.open(out, terms)
    assert len({folder.pass_root, folder.journal_key, (folder.path / "key").read_bytes()}) == 3


def test_nothing_that_names_the_input_is_written_down(out: Path, terms: Terms) -> None:
    folder = RunFolder.open(out, terms)
    folder.journal.add(tag_of(folder.journal_key, b"MILLER^ANNA/1.dcm", 1, 1))
    for path in folder.path.rglob("*"):
        if path.is_file():
            assert b"MILLER" not in path.read_bytes()


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"profile_digest": "e" * 64}, "another profile"),
        ({"key_id": "ffffffff"}, "another hash secret"),
        ({"source": Path("/elsewhere")}, "another input folder"),
        ({"page_aligned": True}, "another alignment of pages"),
    ],
)
def test_a_run_is_not_taken_up_on_other_terms(
    out: Path, terms: Terms, changed: dict[str, object], named: str
) -> None:
    RunFolder.open(out, terms).close()
    with pytest.raises(ConfigError) as caught:
        RunFolder.open(out, replace(terms, **changed))  # type: ignore[arg-type]
    assert caught.value.code == "unfinished-run"
    assert named in caught.value.message
    assert str(out / ".penstock") in caught.value.hint
    # The refusal changed nothing: the right terms still work.
    assert RunFolder.open(out, terms).resumed


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"format":99}'])
def test_a_damaged_note_is_told_and_not_guessed(out: Path, terms: Terms, note: bytes) -> None:
    RunFolder.open(out, terms).close()
    (out / ".penstock" / "run.json").write_bytes(note)
    with pytest.raises(ConfigError, match="an unfinished run lies in"):
        RunFolder.open(out, terms)


def test_the_same_input_by_another_way_is_the_same_input(out: Path, terms: Terms, tmp_path: Path) -> None:
    RunFolder.open(out, terms).close()
    (tmp_path / "link").symlink_to(terms.source)
    assert RunFolder.open(out, replace(terms, source=tmp_path / "link")).resumed


def test_a_run_that_never_got_its_key_is_begun_anew(out: Path, terms: Terms) -> None:
    (out / ".penstock").mkdir(parents=True)
    (out / ".penstock" / "key.part").write_bytes(b"half")
    (out / ".penstock" / "journal").write_bytes(b"t" * 32)
    folder = RunFolder.open(out, terms)
    assert not folder.resumed
    assert len(folder.journal.done) == 0


def test_parts_of_a_killed_run_are_swept(out: Path, terms: Terms) -> None:
    RunFolder.open(out, terms).close()
    (out / ".penstock" / "parts" / "77.part").write_bytes(b"half an object")
    RunFolder.open(out, terms)
    assert list((out / ".penstock" / "parts").iterdir()) == []


def test_two_runs_in_one_output_folder_are_refused(
    out: Path, terms: Terms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runfolder, "LOCK_PATIENCE", 0.0)
    first = RunFolder.open(out, terms)
    with pytest.raises(ConfigError, match=f"another run is at work in {out}"):
        RunFolder.open(out, terms)
    first.close()
    assert RunFolder.open(out, terms).resumed


def test_after_a_restart_of_the_machine_only_checkpoints_are_trusted(out: Path, terms: Terms) -> None:
    first = RunFolder.open(out, terms)
    first.tallies.add(16, {})
    first.journal.add(b"a" * 16)
    first.journal.checkpoint(first.journal.size)
    first.tallies.add(48, {})
    first.journal.add(b"b" * 16)
    first.close()
    note = out / ".penstock" / "run.json"
    note.write_bytes(orjson.dumps({**orjson.loads(note.read_bytes()), "boot": "an earlier one"}))
    second = RunFolder.open(out, terms)
    assert second.resumed and second.rebooted
    assert b"a" * 16 in second.journal.done
    assert b"b" * 16 not in second.journal.done
    second.close()
    assert not RunFolder.open(out, terms).rebooted


def test_an_output_that_is_a_file_is_refused(out: Path, terms: Terms) -> None:
    out.write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot be used: File exists; the output has to be a folder"):
        RunFolder.open(out, terms)


def test_an_output_below_a_file_is_refused(out: Path, terms: Terms) -> None:
    out.write_bytes(b"")
    with pytest.raises(ConfigError, match="the output has to be a folder"):
        RunFolder.open(out / "deeper", terms)


def test_folders_that_do_not_overlap_are_fine(tmp_path: Path, terms: Terms) -> None:
    check_folders(terms.source, tmp_path / "MILLER^ANNA-out")


@pytest.mark.parametrize(
    ("source", "out", "named"),
    [
        ("in", "in", "as well as"),
        ("in", "in/out", "lies in the input folder"),
        ("in/deep", "in", "lies in the output folder"),
        ("in", "link/out", "lies in the input folder"),
        ("missing", "out", "does not exist"),
        ("file", "out", "is not a folder"),
    ],
)
def test_impossible_folders_are_told_apart(tmp_path: Path, source: str, out: str, named: str) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "in")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match=named) as caught:
        check_folders(tmp_path / source, tmp_path / out)
    assert caught.value.hint
