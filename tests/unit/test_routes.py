"""Routes: which caller's objects get which profile, and what a configuration of them may not say."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from msgspec.structs import replace

from engine._native.reader import read_meta
from engine.config import GatewayConfig, load_gateway
from engine.coordinator.routes import Routes, Treatments, group, group_of, split
from engine.dicom.file_meta import file_meta
from engine.dicom.sample import Shape, write
from engine.errors import ConfigError
from engine.profile import compiled
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.rewrite import Pseudonymizer
from engine.supervisor.summary import opening

BASE = """
[spool]
path = "spool"
[identity]
secret_file = "hash-secret"
[uploader]
url = "https://platform.example.org"
certificate = "gateway.crt"
key = "gateway.key"
ca = "ca.crt"
[[receiver.peer]]
ae_title = "PACS"
network = "10.0.0.0/8"
[[receiver.peer]]
ae_title = "RESEARCH_PACS"
network = "10.0.0.0/8"
"""


def config(tmp_path: Path, routes: str, base: str = BASE) -> GatewayConfig:
    path = tmp_path / "gateway.toml"
    path.write_text(base + routes, encoding="utf-8")
    return load_gateway(path)


def test_a_caller_with_a_route_gets_its_profile_and_all_others_the_default(tmp_path: Path) -> None:
    routes = Routes.compile(
        config(tmp_path, '[[route]]\ncalling_ae_title = ["RESEARCH_PACS ", "PACS"]\nprofile = "research"')
    )
    digests = {name: compiled(name).digest for name in ("default", "research")}
    assert routes.of("RESEARCH_PACS") == routes.of("PACS") == digests["research"] + "/platform"
    assert routes.of("research_pacs") == routes.of("") == routes.of("X") == digests["default"] + "/platform"
    assert set(routes.profiles) == set(digests.values())


def test_a_profile_file_of_a_route_counts_from_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'profile = "mine"\nbase = "ps3.15@2026c/basic"\n[[rule]]\ntag = "Modality"\naction = "remove"\n'
    )
    routes = Routes.compile(config(tmp_path, '[[route]]\ncalling_ae_title = "PACS"\nprofile = "mine.toml"'))
    assert routes.profiles[routes.of("PACS").partition("/")[0]].name == "mine"


def test_profiles_that_do_the_same_are_one(tmp_path: Path) -> None:
    routes = Routes.compile(config(tmp_path, '[[route]]\ncalling_ae_title = "PACS"\nprofile = "default"'))
    assert routes.of("PACS") == f"{routes.default}/platform" and len(routes.profiles) == 1


@pytest.mark.parametrize(
    ("route", "says"),
    [
        ('profile = "research"', "route[0].calling_ae_title is missing"),
        ('calling_ae_title = "PACS"', "route[0].profile and destination are missing"),
        (
            'calling_ae_title = "PACS"\ndestination = "x"',
            "route[0].destination names a destination that does not",
        ),
        ('calling_ae_title = "PACS"\nprofile = ""', "route[0].profile is empty"),
        ('calling_ae_title = "PACS"\nprofil = "x"', "unknown key route[0].profil"),
        ('calling_ae_title = []\nprofile = "research"', "route[0].calling_ae_title must not be empty"),
        ('calling_ae_title = 7\nprofile = "research"', "route[0].calling_ae_title is 7"),
        ('calling_ae_title = ["PACS", 7]\nprofile = "research"', "route[0].calling_ae_title[1] is 7"),
        ('calling_ae_title = "*"\nprofile = "research"', "route[0].calling_ae_title must name callers"),
        ('calling_ae_title = ""\nprofile = "research"', "route[0].calling_ae_title must have 1 to 16"),
        (f'calling_ae_title = "{"A" * 17}"\nprofile = "x"', "route[0].calling_ae_title must have 1 to 16"),
        ('calling_ae_title = "A\\\\B"\nprofile = "x"', "route[0].calling_ae_title may have printable ASCII"),
        ('calling_ae_title = "TYPO"\nprofile = "x"', "route[0].calling_ae_title names a caller that no"),
        (
            'calling_ae_title = ["PACS", "PACS "]\nprofile = "x"',
            "route[0].calling_ae_title names a caller that has a route already",
        ),
        (
            'calling_ae_title = "PACS"\nprofile = "x"\n[[route]]\ncalling_ae_title = "PACS"\nprofile = "y"',
            "route[1].calling_ae_title names a caller that has a route already",
        ),
    ],
)
def test_a_wrong_route_is_named(tmp_path: Path, route: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(tmp_path, "[[route]]\n" + route)
    assert f"gateway.toml: {says}" in str(caught.value)


def test_where_anybody_may_send_any_caller_may_have_a_route(tmp_path: Path) -> None:
    anybody = BASE.replace('"PACS"', '"*"')
    assert config(tmp_path, '[[route]]\ncalling_ae_title = "NEW"\nprofile = "research"', anybody).routes


def test_a_profile_that_is_none_stops_the_start(tmp_path: Path) -> None:
    wrong = config(tmp_path, '[[route]]\ncalling_ae_title = "PACS"\nprofile = "reserch"')
    with pytest.raises(ConfigError, match="reserch"):
        Routes.compile(wrong)


def test_groups_of_two_profiles_are_two_and_can_be_told_apart() -> None:
    ways = [digest * 64 + "/" + destination for digest in "ab" for destination in ("platform", "archive")]
    assert len({group(way, "1.2") for way in ways}) == 4
    assert split(group(ways[1], "object:1/2")) == ("a" * 64, "archive", "object:1/2")


def test_a_pass_goes_on_only_under_a_profile_and_a_secret_that_are_still_there(tmp_path: Path) -> None:
    routes = Routes.compile(config(tmp_path, '[[route]]\ncalling_ae_title = "PACS"\nprofile = "research"'))
    treatments = Treatments.by(routes, "0123abcd")
    about = treatments.about(group(routes.of("PACS"), "1.2.3"), 1.0)
    assert (about.study, about.profile_name, about.key_id) == ("1.2.3", "research", "0123abcd")
    assert treatments.can_go_on(about) and group_of(about) == group(routes.of("PACS"), "1.2.3")
    assert not Treatments.by(routes, "ffffffff").can_go_on(about)
    assert not Treatments.by(Routes.compile(config(tmp_path, "")), "0123abcd").can_go_on(about)
    assert not treatments.can_go_on(replace(about, profile="0.0.1/" + about.profile.partition("/")[2]))


def test_a_pass_keeps_its_destination_when_the_route_changes(tmp_path: Path) -> None:
    route = '[[route]]\ncalling_ae_title = "PACS"\ndestination = "export"\n'
    folder = '[[destination]]\nkind = "folder"\nname = "{}"\npath = "."\n'
    routes = Routes.compile(config(tmp_path, route + folder.format("export")))
    about = Treatments.by(routes, "0123abcd").about(group(routes.of("PACS"), "1.2.3"), 1.0)
    assert about.destination == "export"
    changed = Routes.compile(
        config(tmp_path, route.replace("export", "other") + folder.format("other") + folder.format("export"))
    )
    assert changed.of("PACS") != routes.of("PACS")
    assert Treatments.by(changed, "0123abcd").can_go_on(about)
    assert group_of(about) == group(routes.of("PACS"), "1.2.3") != group(changed.of("PACS"), "1.2.3")


@pytest.mark.parametrize("title", ["", "A", "RESEARCH_PACS", "SIXTEEN_CHARS_AE"])
def test_the_file_meta_of_the_spool_names_the_caller(title: str) -> None:
    meta = file_meta(b"1.2", b"1.2.3", b"1.2.840.10008.1.2.1", title.encode())
    found = read_meta(meta, len(meta))
    assert (found.source_ae_title, found.start, found.sop_instance_uid) == (title, len(meta), "1.2.3")
    read = pydicom.dcmread(BytesIO(meta)).file_meta
    assert read.get("SourceApplicationEntityTitle", "") == title
    assert read.FileMetaInformationGroupLength == len(meta) - 144


def test_no_output_has_the_ae_title_of_its_caller(tmp_path: Path) -> None:
    [path, *_] = write(tmp_path, 1, Shape(slices=1, size=16))
    data = path.read_bytes()
    start = read_meta(data, len(data)).start
    ds = pydicom.dcmread(path)
    meta = file_meta(
        ds.SOPClassUID.encode(),
        ds.SOPInstanceUID.encode(),
        ds.file_meta.TransferSyntaxUID.encode(),
        b"RESEARCH_PACS",
    )
    path.write_bytes(meta + data[start:])
    pseudonymizer = Pseudonymizer(compiled("default"), HashSecret(bytes(32)))
    with path.open("rb") as file:
        size = path.stat().st_size
        assert pseudonymizer.survey(file.fileno(), size).source_ae_title == "RESEARCH_PACS"
        plan = pseudonymizer.plan(file.fileno(), size, bytes(32))
    assert b"RESEARCH_PACS" not in plan.head + plan.tail
    assert "SourceApplicationEntityTitle" not in pydicom.dcmread(BytesIO(plan.head)).file_meta


def test_a_starting_gateway_tells_its_routes(tmp_path: Path) -> None:
    told = opening(config(tmp_path, '[[route]]\ncalling_ae_title = "PACS"\nprofile = "research"'), {}, 0)
    assert "by the profile default" in told and "by research what PACS sends" in told
