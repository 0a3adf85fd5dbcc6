"""What scripts/deploy/ gives operators: units, alert rules, a dashboard, configurations. Each is loaded by what will load it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.config import load_gateway, load_platform
from engine.metrics.catalogue import METRICS, family

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "scripts" / "deploy"
UNITS = ("penstock-gateway.service", "penstock-platform.service")
MOST_EXPOSURE = 1.5
NAME = re.compile(r"\bpenstock_[a-z_]+")


def rules() -> list[dict[str, Any]]:
    told = yaml.safe_load((DEPLOY / "prometheus-rules.yml").read_text())
    return [rule for group in told["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    told: dict[str, Any] = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    return told


def expressions() -> list[str]:
    found = [str(rule["expr"]) for rule in rules()]
    found += [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())]
    found += [
        one["query"]["query"] for one in dashboard()["templating"]["list"] if isinstance(one["query"], dict)
    ]
    return found


def unknown(expression: str) -> set[str]:
    return {name for name in NAME.findall(expression) if family(name) not in METRICS}


def directives(unit: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / unit).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def ran(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=DEPLOY)


def test_every_metric_that_rules_and_dashboard_name_is_in_the_catalogue() -> None:
    assert len(expressions()) > 30
    assert {name for one in expressions() for name in unknown(one)} == set()
    assert unknown("rate(penstock_typo_total[5m])") == {"penstock_typo_total"}


def test_prometheus_takes_the_rules_and_they_fire_when_they_should() -> None:
    for command in (("check", "rules", "prometheus-rules.yml"), ("check", "config", "prometheus.yml")):
        told = ran("promtool", *command)
        assert told.returncode == 0, told.stdout + told.stderr
    told = ran("promtool", "test", "rules", "prometheus-rules-test.yml")
    assert told.returncode == 0, told.stdout + told.stderr


def test_every_expression_of_the_dashboard_is_one(tmp_path: Path) -> None:
    plain = [one.replace("$instance", ".*") for one in expressions() if not one.startswith("label_values")]
    as_rules = [{"record": f"try:{number}", "expr": one} for number, one in enumerate(plain)]
    (tmp_path / "rules.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "dashboard", "rules": as_rules}]})
    )
    told = ran("promtool", "check", "rules", str(tmp_path / "rules.yml"))
    assert told.returncode == 0 and f"{len(plain)} rules found" in told.stdout, told.stdout + told.stderr


def test_every_alert_leads_to_a_section_of_the_runbook() -> None:
    titles = re.findall(r"^## (.+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
    for rule in rules():
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/runbook.md" and anchor in anchors, rule["alert"]
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_the_dashboard_is_what_grafana_imports() -> None:
    told = dashboard()
    panels = told["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert {one["name"] for one in told["templating"]["list"]} == {"datasource", "instance"}
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + dx, place["y"] + dy) for dx in range(place["w"]) for dy in range(place["h"])}
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == "${datasource}" and "$instance" in target["expr"]


@pytest.mark.parametrize("unit", UNITS)
def test_the_exposure_of_a_unit_is_low(unit: str) -> None:
    told = ran("systemd-analyze", "security", "--offline=true", f"./{unit}")
    (score,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", told.stdout)
    assert float(score) <= MOST_EXPOSURE, told.stdout


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_takes_a_unit(unit: str) -> None:
    told = ran("systemd-analyze", "verify", f"./{unit}")
    complaints = [line for line in told.stderr.splitlines() if unit in line]
    assert all("venv/bin/penstock is not executable" in line for line in complaints), told.stderr


@pytest.mark.parametrize(("unit", "config"), [(UNITS[0], "gateway.toml"), (UNITS[1], "platform.toml")])
def test_a_configuration_names_the_credentials_that_its_unit_hands_over(unit: str, config: str) -> None:
    handed = {one.partition(":")[0] for one in directives(unit)["LoadCredential"]}
    text = (DEPLOY / config).read_text()
    used = set(re.findall(rf"/run/credentials/{re.escape(unit)}/([a-z.-]+)", text))
    used |= set(re.findall(r'_credential = "([a-z-]+)"', text))
    assert used and used <= handed
    assert all(f"/etc/credstore/penstock.{name}" in text for name in used), "where each comes from is said"


def test_secrets_are_no_part_of_a_unit() -> None:
    for unit in UNITS:
        found = directives(unit)
        assert "Environment" not in found and "EnvironmentFile" not in found
        assert found["LimitCORE"] == ["0"] and found["User"] != ["root"]


def test_the_shipped_configurations_load() -> None:
    gateway = load_gateway(DEPLOY / "gateway.toml")
    platform = load_platform(DEPLOY / "platform.toml")
    assert str(gateway.spool.path).startswith("/var/lib/penstock/gateway/")
    assert str(platform.platform.storage).startswith("/var/lib/penstock-platform/")
    port = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"][0]["static_configs"][0][
        "targets"
    ]
    assert port == [f"{gateway.metrics.host}:{gateway.metrics.port}"]
    assert [one.network for one in gateway.receiver.peers] == ["127.0.0.1"], "a fresh install lets nobody in"


def test_the_gateway_has_time_to_drain() -> None:
    from engine.supervisor.roles import ROLES

    (stop,) = directives("penstock-gateway.service")["TimeoutStopSec"]
    assert int(stop) > sum(role.drain_seconds for role in ROLES)
