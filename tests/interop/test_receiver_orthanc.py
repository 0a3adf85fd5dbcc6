"""Orthanc as a sender; and DCMTK with objects that are compressed."""

from __future__ import annotations

import subprocess
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread

from engine.config.receiver import PeerConfig
from engine.dicom import sample
from engine.spool import associations
from tests.support.orthanc_sender import TITLE, OrthancSender
from tests.support.receiver import HOST, Running, config, receiving, wait

DCMTK = Path("/usr/bin")
LOCAL = "127.0.0.0/8"


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Running]:
    """It knows Orthanc and DCMTK by their titles."""
    peers = (PeerConfig(ae_title=TITLE, network=LOCAL), PeerConfig(ae_title="STORESCU", network=LOCAL))
    with receiving(config(tmp_path, peers=peers)) as running:
        yield running


@pytest.fixture
def orthanc(tmp_path: Path, receiver: Running) -> Iterator[OrthancSender]:
    with OrthancSender(tmp_path / "orthanc", receiver.port, "PENSTOCK") as running:
        yield running


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return sample.write(tmp_path_factory.mktemp("study"), 21, sample.Shape(slices=12, size=96))


def by_instance(paths: list[Path]) -> dict[str, tuple[str, bytes]]:
    """Transfer syntax and pixels of each object."""
    found = {}
    for path in paths:
        ds = dcmread(path)
        found[str(ds.SOPInstanceUID)] = (str(ds.file_meta.TransferSyntaxUID), bytes(ds.PixelData))
    return found


def test_orthanc_stores_a_study(receiver: Running, orthanc: OrthancSender, study: list[Path]) -> None:
    told = orthanc.send(*orthanc.keep(study))
    assert (told["InstancesCount"], told["FailedInstancesCount"]) == (len(study), 0)
    assert by_instance(receiver.received()) == by_instance(study)
    wait(lambda: associations.scan(receiver.spool) == (set(), set()), "the release")


def test_orthanc_stores_several_patients_on_one_association(
    receiver: Running, orthanc: OrthancSender, study: list[Path], tmp_path: Path
) -> None:
    other = sample.write(tmp_path / "other", 22, sample.Shape(slices=3, size=64))
    told = orthanc.send(*orthanc.keep([*study, *other]))
    assert told["FailedInstancesCount"] == 0
    assert by_instance(receiver.received()) == by_instance([*study, *other])
    assert len({path.name[:16] for path in receiver.received()}) == 1


def compressed(study: list[Path], folder: Path, tool: str, *options: str) -> list[Path]:
    if not (DCMTK / tool).exists():
        pytest.skip(f"{tool} of DCMTK is not installed (apt-get install dcmtk)")
    folder.mkdir()
    made = [folder / path.name for path in study]
    for source, target in zip(study, made, strict=True):
        subprocess.run([DCMTK / tool, *options, source, target], check=True, timeout=60)
    return made


@pytest.mark.parametrize(
    ("tool", "options", "proposal"),
    [
        ("dcmcjpeg", ["+e1"], ["-xs"]),
        ("dcmcrle", [], ["-xr"]),
        ("", [], None),
    ],
    ids=["jpeg-lossless", "rle", "several-by-c"],
)
def test_dcmtk_stores_compressed_objects_as_they_are(
    receiver: Running,
    study: list[Path],
    tmp_path: Path,
    tool: str,
    options: list[str],
    proposal: list[str] | None,
) -> None:
    if proposal is None:
        # As storescu's +C of other versions: whatever syntaxes the files have are proposed beside each other.
        lossless = compressed(study[:6], tmp_path / "jpeg", "dcmcjpeg", "+e1")
        paths = [*lossless, *compressed(study[6:9], tmp_path / "rle", "dcmcrle"), *study[9:]]
        profile = ["-xf", str(proposals(tmp_path / "storescu.cfg")), "Every"]
    else:
        paths, profile = compressed(study, tmp_path / "made", tool, *options), proposal
    peer = ["-aec", "PENSTOCK", HOST, str(receiver.port)]
    command = [str(DCMTK / "storescu"), *profile, *peer, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert by_instance(receiver.received()) == by_instance(paths)


def proposals(path: Path) -> Path:
    """A configuration of storescu that proposes each syntax in a context of its own."""
    syntaxes = {
        "Plain": ["LittleEndianExplicit", "LittleEndianImplicit"],
        "Lossless": ["JPEGLossless:Non-hierarchical-1stOrderPrediction"],
        "Rle": ["RLELossless"],
    }
    lines = ["[[TransferSyntaxes]]"]
    for name, members in syntaxes.items():
        lines += [f"[{name}]", *(f"TransferSyntax{n} = {one}" for n, one in enumerate(members, 1))]
    lines += ["[[PresentationContexts]]", "[Storage]"]
    lines += [f"PresentationContext{n} = CTImageStorage\\{name}" for n, name in enumerate(syntaxes, 1)]
    lines += ["[[Profiles]]", "[Every]", "PresentationContexts = Storage", ""]
    path.write_text("\n".join(lines))
    return path


def test_orthanc_that_is_no_peer_is_refused(tmp_path: Path, study: list[Path]) -> None:
    peers = (PeerConfig(ae_title="PACS", network=LOCAL),)
    with receiving(config(tmp_path, peers=peers)) as receiver:
        with OrthancSender(tmp_path / "orthanc", receiver.port, "PENSTOCK") as orthanc:
            studies = orthanc.keep(study[:1])
            with pytest.raises(urllib.error.HTTPError):
                orthanc.send(*studies)
        assert receiver.received() == []
