"""A folder and S3 as destinations: names by new UIDs, whole files or none, full disks, other files of that name."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from engine.demo.process import free_port
from tests.support.destinations import (
    S3Server,
    Uploader,
    delivered,
    digests_in,
    goes_to,
    receipts,
    table,
    told,
)
from tests.support.uploading import ReadySpool, expected, until

CREDENTIALS = "[default]\naws_access_key_id = test\naws_secret_access_key = canary-of-the-key\n"


@pytest.fixture
def ready(tmp_path: Path) -> ReadySpool:
    return ReadySpool(tmp_path / "spool")


def to_folder(folder: Path, ready: ReadySpool, path: Path) -> Uploader:
    goes_to(ready, "export")
    return Uploader(folder / "gateway", ready, table("folder", "export", path=str(path)))


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "export"
    path.mkdir()
    return path


def place(export: Path, ready: ReadySpool, number: int) -> Path:
    return export / ("a" * 32) / ready.study / f"{ready.study}.1" / f"{ready.uid(number)}.dcm"


def test_a_folder_gets_whole_files_under_new_names(tmp_path: Path, ready: ReadySpool, export: Path) -> None:
    for number in range(10):
        ready.add(number, size=600_000)
    uploader = to_folder(tmp_path, ready, export).start()
    delivered(ready)
    assert uploader.stop() == 0
    files = sorted(path for path in export.rglob("*") if path.is_file())
    assert files == sorted(place(export, ready, number) for number in range(10))
    assert digests_in(export) == expected(ready)
    assert receipts(ready) == {"export": {"file": 10}}


def test_a_repeat_finds_its_file_and_another_file_is_never_overwritten(
    tmp_path: Path, ready: ReadySpool, export: Path
) -> None:
    names = [ready.add(number) for number in range(3)]
    for number, content in ((0, ready.sent[names[0]]), (1, b"somebody else's")):
        place(export, ready, number).parent.mkdir(parents=True, exist_ok=True)
        place(export, ready, number).write_bytes(content)
    leftover = place(export, ready, 2).with_name(f".{ready.uid(2)}.part")
    leftover.write_bytes(b"of a process that died")
    uploader = to_folder(tmp_path, ready, export).start()
    until(lambda: not ready.left())
    assert uploader.stop() == 0
    assert {name: why["code"] for name, why in ready.quarantined().items()} == {names[1]: "other-digest"}
    assert place(export, ready, 1).read_bytes() == b"somebody else's"
    assert place(export, ready, 2).read_bytes() == ready.sent[names[2]] and not leftover.exists()
    assert receipts(ready) == {"export": {"file": 2}}


def test_a_full_disk_is_waited_for_and_leaves_no_half_file(tmp_path: Path, ready: ReadySpool) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", small], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting needs root")
    try:
        (small / "export").mkdir()
        filler = small / "filler"
        filler.write_bytes(bytes(1_500_000))
        for number in range(2):
            ready.add(number, size=700_000)
        uploader = to_folder(tmp_path, ready, small / "export").start()
        until(uploader.codes)
        assert uploader.codes()[0] == "destination-full"
        assert uploader.stop() == 0
        assert digests_in(small / "export") == set() and len(ready.left()) == 4
        uploader.start()
        filler.unlink()
        delivered(ready)
        assert digests_in(small / "export") == expected(ready)
        assert uploader.stop() == 0
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path, ready: ReadySpool, export: Path) -> None:
    """It would be the empty place of a file system that is not mounted."""
    export.rmdir()
    ready.add(1)
    uploader = to_folder(tmp_path, ready, export).start()
    until(uploader.codes)
    assert uploader.codes()[0] == "destination-folder" and not export.exists()
    assert str(told(ready)["destinations"]["export"]["error"]["hint"]).startswith("make the folder")
    export.mkdir()
    delivered(ready)
    assert uploader.stop() == 0


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    server.start()
    server.make_bucket()
    yield server
    server.stop()


def to_s3(folder: Path, ready: ReadySpool, endpoint: str, **keys: object) -> Uploader:
    goes_to(ready, "lake")
    credentials = folder / "credentials"
    credentials.write_text(CREDENTIALS, encoding="utf-8")
    credentials.chmod(0o600)
    wanted = {
        "bucket": "lake",
        "endpoint": endpoint,
        "plain_http": True,
        "credentials_file": str(credentials),
        **keys,
    }
    return Uploader(folder / "gateway", ready, table("s3", "lake", **wanted))


def test_s3_gets_small_objects_whole_and_long_ones_in_parts(
    tmp_path: Path, ready: ReadySpool, s3: S3Server
) -> None:
    sizes = (2_000, 500_000, 20_000_000, 9_000_000)
    names = [ready.add(number, size=size) for number, size in enumerate(sizes)]
    uploader = to_s3(tmp_path, ready, s3.endpoint, prefix="site-x/").start()
    delivered(ready)
    assert uploader.stop() == 0
    mine = {key: content for key, content in s3.objects().items() if ready.study in key}
    assert {blake3(content).hexdigest() for content in mine.values()} == expected(ready)
    assert set(mine) == {
        f"site-x/{'a' * 32}/{ready.study}/{ready.study}.1/{ready.uid(number)}.dcm"
        for number in range(len(names))
    }
    assert receipts(ready) == {"lake": {"s3": len(names)}}
    assert "canary-of-the-key" not in str(uploader.lines)


def test_a_bucket_that_is_missing_is_named(tmp_path: Path, ready: ReadySpool, s3: S3Server) -> None:
    ready.add(1)
    uploader = to_s3(tmp_path, ready, s3.endpoint, bucket="another-lake").start()
    until(uploader.codes)
    assert uploader.codes()[0] == "destination-bucket"
    assert len(ready.left()) == 2
    assert uploader.stop() == 0


def test_an_s3_that_is_away_is_waited_for(tmp_path: Path, ready: ReadySpool) -> None:
    ready.add(1)
    uploader = to_s3(tmp_path, ready, f"http://127.0.0.1:{free_port()}").start()
    until(uploader.codes)
    assert uploader.codes()[0] == "destination-unreachable"
    assert len(ready.left()) == 2
    assert uploader.stop() == 0


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        (CREDENTIALS, 0o644, "can be read by others"),
        ("[other]\n", 0o600, "has no [default]"),
        ("nonsense", 0o600, "is not as ~/.aws/credentials"),
    ],
)
def test_credentials_that_cannot_be_used_stop_the_start(
    tmp_path: Path, ready: ReadySpool, text: str, mode: int, says: str
) -> None:
    uploader = to_s3(tmp_path, ready, "http://127.0.0.1:9")
    (tmp_path / "credentials").write_text(text, encoding="utf-8")
    (tmp_path / "credentials").chmod(mode)
    assert uploader.start().wait() == 2
    assert says in str(uploader.lines)


def test_one_destination_that_is_down_holds_up_no_other(
    tmp_path: Path, ready: ReadySpool, export: Path
) -> None:
    """Objects of the one fill its backlog first; those of the other go on."""
    stuck = ReadySpool(tmp_path / "spool")
    goes_to(stuck, "down")
    for number in range(40):
        stuck.add(number)
    text = table("stow", "down", url=f"https://localhost:{free_port()}", requests_in_flight=1)
    uploader = Uploader(
        tmp_path / "gateway", ready, text + "default = true\n" + table("folder", "export", path=str(export))
    )
    goes_to(ready, "export")
    for number in range(5):
        ready.add(number)
    uploader.start()
    delivered(ready)
    assert digests_in(export) == expected(ready)
    assert len(stuck.left()) == 80
    until(lambda: told(ready).get("state") == "waiting", "a word about the other one")
    state = told(ready)
    assert {name: one["state"] for name, one in state["destinations"].items()} == {
        "down": "waiting",
        "export": "sending",
    }
    assert uploader.stop() == 0


def test_a_pass_whose_destination_is_gone_waits_and_goes_there_when_it_is_back(
    tmp_path: Path, ready: ReadySpool, export: Path
) -> None:
    ready.add(1)
    other = tmp_path / "other"
    other.mkdir()
    elsewhere = table("folder", "other", path=str(other))
    uploader = to_folder(tmp_path, ready, export)
    uploader.configure(ready, elsewhere)
    uploader.start()
    until(lambda: uploader.events("destination-unknown"))
    assert uploader.events("destination-unknown")[0]["destination"] == "export"
    until(lambda: told(ready).get("unknown") == {"export": 1}, "the same in its file")
    assert len(ready.left()) == 2 and digests_in(other) == set()
    assert uploader.stop() == 0
    back = table("folder", "export", path=str(export)) + "default = true\n" + elsewhere
    uploader.configure(ready, back)
    uploader.start()
    delivered(ready)
    assert digests_in(export) == expected(ready) and digests_in(other) == set()
    assert uploader.stop() == 0
    shutil.rmtree(other)
