"""The runbook: the platform is down, the disk fills. Each is brought about; the page's commands show it and end it."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from engine.dicom import sample
from engine.platform.certificates import Authority
from tests.support import travel
from tests.support.deployed import GATEWAY, PLATFORM, Deployed

pytest_plugins = ("tests.support.deployed_fixtures",)
pytestmark = pytest.mark.timeout(300)
LOCAL = {"platform.example.org": "localhost"}
YESTERDAY = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)


def test_the_first_look_shows_stream_spool_and_log(deployed: Deployed) -> None:
    deployed.delivered()
    travel.wait("an idle gateway", lambda: "idle: nobody sends" in deployed.penstock("status").stdout)
    told = deployed.page("first-look", **{"doctor --config $F ": "doctor --config $F || test $? = 1 "})
    for word in ("idle: nobody sends", "takes objects", "the gateway is running", '"event":"'):
        assert word in told, word


def test_a_platform_that_is_down_is_told_in_words_and_everything_goes_out_when_it_is_back(
    deployed: Deployed,
) -> None:
    there = deployed.machine
    sent = deployed.study("outage", seed=11)
    before = deployed.delivered()
    assert deployed.page("reach", **LOCAL).strip() == '{"status":"ok"}'
    assert "active (running)" in deployed.page("platform-up")

    there.run("systemctl", "stop", PLATFORM)
    deployed.send("outage")
    travel.wait("a word", lambda: "does not take anything" in deployed.penstock("status").stdout)
    travel.wait("plans", lambda: deployed.status()["spool"]["objects"].get("ready") == len(sent))
    told = deployed.page("down-look")
    for word in ("6 objects wait", "tried again within", "cannot be reached", "nothing is lost", "full in"):
        assert word in told, word
    assert "connect to localhost port 8443" in deployed.try_page("reach", **LOCAL).stderr

    deployed.page("platform-up")
    deployed.listening()
    assert deployed.delivered() == before + len(sent)
    assert "takes objects" in deployed.page("down-look")


def test_a_certificate_that_is_over_is_told_and_a_renewed_one_is_taken_with_its_key(
    deployed: Deployed,
) -> None:
    there = deployed.machine
    before = deployed.delivered()
    tls = deployed.shared / "checkout" / "tls"
    certificate = x509.load_pem_x509_certificate((tls / "ca.pem").read_bytes())
    key = load_pem_private_key((tls / "ca.key").read_bytes(), None)
    assert isinstance(key, EllipticCurvePrivateKey)
    over = Authority(certificate, key).issue_client("my-hospital", not_after=YESTERDAY)
    over.write(deployed.shared / "over.pem", deployed.shared / "over.key")
    there.run("install", "-m", "644", "/srv/shared/over.pem", "/etc/penstock/gateway.crt")
    there.run("install", "-m", "600", "/srv/shared/over.key", "/etc/credstore/penstock.gateway.key")
    there.run("systemctl", "restart", GATEWAY)
    deployed.ready()
    sent = deployed.study("over", seed=12)
    deployed.send("over")
    travel.wait("a word", lambda: "does not take anything" in deployed.penstock("status").stdout)
    assert "certificate" in deployed.page("down-look")
    told = deployed.penstock("doctor").stdout
    assert "certificate-expired" in told and "which is over" in told

    deployed.page("renew")
    assert deployed.delivered() == before + len(sent)
    assert "certificate-expired" not in deployed.penstock("doctor").stdout


def test_a_spool_that_fills_turns_senders_away_and_takes_them_again_with_more_room(
    deployed: Deployed,
) -> None:
    there = deployed.machine
    before = deployed.delivered()
    sent = deployed.study("large", 13, sample.Shape(slices=3, size=512))
    large = max(one.stat().st_size for one in sent)
    deployed.configure(
        (
            "max_bytes = 50_000_000_000",
            f"max_bytes = {large * 40}\nslow_water = 0.85",  # the same as high_water: nobody is slowed, which takes half a minute
        )
    )
    there.run("systemctl", "stop", PLATFORM)
    there.run("systemctl", "restart", GATEWAY)
    deployed.ready()
    taken = 0
    for _ in range(5):
        report = deployed.send("large", "--clones", "5", code=None)
        taken += int(report.get("statuses", {}).get("0000", 0))
        if "0000" not in report.get("statuses", {}):
            break
    assert 20 <= taken < 60, "it stopped above its high-water mark"
    ready = ("curl", "-sf", "http://127.0.0.1:9108/readyz")
    travel.wait("a word about it", lambda: there.attempt(*ready).returncode != 0)
    told = deployed.page("disk-look")
    assert "the spool is full, new associations are turned away" in told
    assert "platform does not take anything" in told
    assert there.attempt(*ready).returncode != 0

    told = deployed.page("more-room")
    assert "Avail" in told
    deployed.ready()
    more = deployed.send("large")["statuses"]["0000"]
    deployed.page("platform-up")
    assert deployed.delivered() == before + taken + more
