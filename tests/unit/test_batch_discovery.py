"""The walk over the input folder: each file once, under its own name, and everything else named."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from engine.batch.discovery import Found, Unfit, discover

NOWHERE = (0, 0)


def walk(root: Path, avoid: tuple[int, int] = NOWHERE) -> list[Found | Unfit]:
    return list(discover(os.fsencode(root), avoid))


def names(met: list[Found | Unfit]) -> list[bytes]:
    return sorted(item.name for item in met if isinstance(item, Found))


def unfit(met: list[Found | Unfit]) -> dict[bytes, Unfit]:
    return {item.name: item for item in met if isinstance(item, Unfit)}


def put(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_files_at_any_depth_are_found_with_their_sizes(tmp_path: Path) -> None:
    put(tmp_path / "a", b"123")
    put(tmp_path / "one" / "two" / "b", b"")
    assert set(walk(tmp_path)) == {Found(b"a", 3), Found(b"one/two/b", 0)}


def test_an_empty_folder_has_nothing(tmp_path: Path) -> None:
    assert walk(tmp_path) == []


def test_names_need_not_be_utf8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"M\xfcller")).write_bytes(b"x")
    assert names(walk(tmp_path)) == [b"M\xfcller"]


def test_a_link_that_leads_back_is_named_and_not_followed(tmp_path: Path) -> None:
    put(tmp_path / "a" / "file")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    met = walk(tmp_path)
    assert names(met) == [b"a/file"]
    assert unfit(met)[b"a/up"].code == "directory-loop"
    assert not unfit(met)[b"a/up"].lost


def test_links_that_lead_to_each_other_end(tmp_path: Path) -> None:
    root, one, two = tmp_path / "root", tmp_path / "one", tmp_path / "two"
    put(one / "a")
    put(two / "b")
    (one / "to-two").symlink_to(two)
    (two / "to-one").symlink_to(one)
    root.mkdir()
    (root / "start").symlink_to(one)
    met = walk(root)
    assert names(met) == [b"start/a", b"start/to-two/b"]
    assert [item.code for item in unfit(met).values()] == ["directory-loop"]


def test_a_file_is_found_under_its_own_name_though_a_link_to_its_folder_comes_first(tmp_path: Path) -> None:
    for number in range(8):  # whatever order the file system lists them in
        (tmp_path / f"link{number}").symlink_to(tmp_path / "real")
    put(tmp_path / "real" / "file")
    assert names(walk(tmp_path)) == [b"real/file"]


def test_a_link_to_a_file_is_a_file(tmp_path: Path) -> None:
    target = put(tmp_path / "elsewhere" / "file", b"1234")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(target)
    assert walk(root) == [Found(b"link", 4)]


@pytest.mark.parametrize("target", ["missing", "itself"])
def test_a_link_that_leads_nowhere_is_named_as_lost(tmp_path: Path, target: str) -> None:
    (tmp_path / "itself").symlink_to(tmp_path / target)
    [met] = walk(tmp_path)
    assert isinstance(met, Unfit)
    assert (met.name, met.code, met.lost, met.retryable) == (b"itself", "broken-link", True, False)


def test_pipes_sockets_and_links_to_devices_are_named_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket"))
        met = unfit(walk(tmp_path))
    assert {name: item.code for name, item in met.items()} == dict.fromkeys(
        (b"pipe", b"socket", b"null"), "special-file"
    )
    assert not any(item.lost for item in met.values())


@pytest.fixture
def too_deep(tmp_path: Path) -> Path:
    """A folder whose path is longer than a path may be: unreadable for everybody, root too."""
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=folder)
        inner = os.open("d" * 250, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    return tmp_path


def test_an_unreadable_folder_is_named_and_the_rest_is_walked(too_deep: Path) -> None:
    put(too_deep / "file")
    met = walk(too_deep)
    assert names(met) == [b"file"]
    [item] = unfit(met).values()
    assert (item.code, item.lost, item.retryable) == ("unreadable", True, True)
    assert item.reason == "the folder cannot be read: File name too long"


def test_the_output_folder_is_left_out_when_a_link_leads_there(tmp_path: Path) -> None:
    out, root = tmp_path / "out", tmp_path / "in"
    put(out / "old")
    put(root / "new")
    (root / "link").symlink_to(out)
    about = out.stat()
    met = walk(root, (about.st_dev, about.st_ino))
    assert names(met) == [b"new"]
    assert unfit(met)[b"link"].code == "output-folder"


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    put(tmp_path / "a" / "file")
    found = discover(os.fsencode(tmp_path), NOWHERE)
    put(tmp_path / "later")
    assert names(list(found)) == [b"a/file", b"later"]


def test_a_missing_root_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        walk(tmp_path / "missing")
