"""`penstock profile`, run as a person runs it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from tests.support.cli import penstock

BROKEN = 'profile = "mine"\nbase = "ps3.15@2026c/basic"\n[[rule]]\ntag = "PatientNam"\naction = "keep"\n'


@pytest.fixture
def sample_file() -> Path:
    """A CT slice that comes with pydicom."""
    return Path(str(get_testdata_file("CT_small.dcm")))


def test_list_names_the_shipped_profiles() -> None:
    ran = penstock("profile", "list", "--json")
    assert {row["profile"] for row in ran.document} >= {"default", "research", "keep-all"}
    assert "research" in penstock("profile", "list").out


def test_show_tells_rules_and_counts() -> None:
    document = penstock("profile", "show", "research", "--json").document
    assert document["actions"]["new-uid"] > 50
    assert {"(0019,xxBB) GEMS_ACQU_01", "(0009,xx0D) GEMS_PETD_01"} <= {
        rule["selects"] for rule in document["rules"]
    }
    assert "shift-date" in penstock("profile", "show", "research").out


def test_explain_tells_the_rule_that_decides() -> None:
    document = penstock("profile", "explain", "StudyDate", "--profile", "research", "--json").document
    assert (document["top"], document["decided_by"]) == ("shift-date", "option")
    told = penstock("profile", "explain", "InstitutionName").out
    assert "by IOD: remove in" in told
    assert "REMOVED" in told


def test_explain_of_an_unknown_attribute_says_what_is_near() -> None:
    ran = penstock("profile", "explain", "PatientNam")
    assert ran.code == 2
    assert "PatientName" in ran.err


def test_check_names_line_and_key(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(BROKEN)
    ran = penstock("profile", "check", str(path))
    assert ran.code == 2
    assert f"{path}:4: rule.tag" in ran.err
    path.write_text(BROKEN.replace("PatientNam", "PatientName"))
    ran = penstock("profile", "check", str(path))
    assert ran.code == 0
    assert "identity is NOT removed" in ran.out


def test_diff_compares_everywhere_or_on_files(sample_file: Path) -> None:
    everywhere = penstock("profile", "diff", "default", "research", "--json").document
    assert {"where": "(0008,0020)", "keyword": "StudyDate", "a": "empty", "b": "shift-date"} in everywhere[
        "attributes"
    ]
    on_file = penstock("profile", "diff", "default", "research", str(sample_file), "--json").document
    assert "StudyDate" in {row["where"] for row in on_file["files"][str(sample_file)]}
    assert "no difference" in penstock("profile", "diff", "default", "default", str(sample_file)).out


def test_diff_of_a_file_that_is_not_dicom_names_it(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    ran = penstock("profile", "diff", "default", "research", str(path))
    assert ran.code == 1
    assert "notes.txt" in ran.err


def test_report_is_the_conformance_statement() -> None:
    document = penstock("profile", "report", "--json").document
    assert document["claims"] == [{"code": "113100", "meaning": "Basic Application Confidentiality Profile"}]
    assert "Referential integrity" in penstock("profile", "report", "research").out


def test_schema_is_printed() -> None:
    assert penstock("profile", "schema").document["title"] == "A Penstock profile"


def test_import_prints_a_profile_and_what_was_left_out(tmp_path: Path) -> None:
    path = tmp_path / "script.xml"
    path.write_text(
        '<script><e en="T" t="00081010" n="StationName">@keep()</e>'
        '<e en="T" t="00080060" n="Modality">@if(this,isblank){@remove()}{@keep()}</e></script>'
    )
    ran = penstock("profile", "import-ctp", str(path), "--name", "site")
    assert ran.code == 1
    assert tomllib.loads(ran.out)["profile"] == "site"
    assert "not imported: 00080060 Modality" in ran.err
    assert penstock("profile", "import-ctp", str(tmp_path / "none.xml")).code == 2
