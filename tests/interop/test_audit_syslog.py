"""Handing the trail over by syslog over TLS: to a real rsyslogd, and to a server that reads strictly."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.demo.process import free_port
from engine.errors import ConfigError
from engine.platform.audit import Actor, Audit, AuditKey
from engine.platform.audit.export import handed_over, to_syslog
from engine.platform.audit.message import message
from engine.platform.audit.syslog import SyslogServer
from engine.platform.certificates import Authority
from engine.platform.errors import AuditError
from tests.support.platform_process import Pki
from tests.support.syslog import TlsSyslogServer

pytest_plugins = ("tests.support.databases",)

PATIENCE = 30.0


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def audit(database: object) -> Audit:
    made = Audit(database, AuditKey(b"k" * 32))  # type: ignore[arg-type]
    _fill(made, 5)
    return made


def _fill(audit: Audit, rows: int) -> None:
    for number in range(rows):
        audit.record(
            "look-up",
            actor=Actor("person", "jane", "192.0.2.7"),
            tenant="alpha",
            outcome="success",
            subject="b" * 32,
            detail={"found": number},
        )


def _place(server: TlsSyslogServer, pki: Pki, **options: Path) -> SyslogServer:
    return SyslogServer("localhost", server.port, pki.ca, **options)


def test_every_row_arrives_once_in_its_order(audit: Audit, pki: Pki) -> None:
    with TlsSyslogServer(pki.server) as server:
        assert to_syslog(audit, _place(server, pki), "alpha") == 5
        assert to_syslog(audit, _place(server, pki), "alpha") == 0
        _fill(audit, 2)
        assert to_syslog(audit, _place(server, pki), "alpha") == 2
    assert [one.message for one in server.messages] == [message(row) for row in audit.rows("alpha")]


def test_each_destination_gets_everything(audit: Audit, pki: Pki) -> None:
    with TlsSyslogServer(pki.server) as first, TlsSyslogServer(pki.server) as second:
        assert to_syslog(audit, _place(first, pki), "alpha") == 5
        assert to_syslog(audit, _place(second, pki), "alpha") == 5


def test_a_server_of_another_ca_gets_no_byte(audit: Audit, pki: Pki, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(Authority.new().certificate)
    with TlsSyslogServer(pki.server) as server, pytest.raises(AuditError, match="not trusted"):
        to_syslog(audit, SyslogServer("localhost", server.port, other), "alpha")
    assert server.connections == [] and server.failures
    assert handed_over(audit.database, f"syslog:localhost:{server.port}", "alpha") == 0


def test_a_server_of_another_name_gets_no_byte(audit: Audit, pki: Pki) -> None:
    stranger = pki.keep("stranger", pki.authority.issue_server(["other.example.org"]))
    with TlsSyslogServer(stranger) as server, pytest.raises(AuditError, match="not trusted"):
        to_syslog(audit, _place(server, pki), "alpha")
    assert b"".join(server.connections) == b""


def test_a_server_may_ask_for_a_certificate(audit: Audit, pki: Pki) -> None:
    with TlsSyslogServer(pki.server, client_ca=pki.ca) as server:
        with pytest.raises(AuditError):
            to_syslog(audit, _place(server, pki), "alpha")
        assert handed_over(audit.database, f"syslog:localhost:{server.port}", "alpha") == 0
        certificate, key = pki.client
        assert to_syslog(audit, _place(server, pki, certificate=certificate, key=key), "alpha") == 5
    assert len(server.messages) == 5


def test_what_broke_off_is_sent_again(audit: Audit, pki: Pki) -> None:
    _fill(audit, 600)
    with TlsSyslogServer(pki.server, cut_after=50_000) as server:
        with pytest.raises(AuditError) as refused:
            to_syslog(audit, _place(server, pki), "alpha")
        assert refused.value.retryable
        assert handed_over(audit.database, f"syslog:localhost:{server.port}", "alpha") == 0
        server.cut_after = None
        server.connections.clear()
        assert to_syslog(audit, _place(server, pki), "alpha") == 605
    assert len(server.messages) == 605


def test_nobody_there_is_said(audit: Audit, pki: Pki) -> None:
    port = free_port()
    with pytest.raises(AuditError) as refused:
        to_syslog(audit, SyslogServer("localhost", port, pki.ca), "alpha")
    assert refused.value.retryable and "syslog" in str(refused.value)


def test_a_ca_that_is_none_is_named(audit: Audit, pki: Pki, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ConfigError) as refused:
        to_syslog(audit, SyslogServer("localhost", 1, tmp_path / "ca.pem"), "alpha")
    assert refused.value.code == "syslog-tls"


@pytest.fixture
def rsyslogd(pki: Pki, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A real rsyslogd with TLS on a free port: the port, and the file where it writes each message."""
    program = shutil.which("rsyslogd") or "/usr/sbin/rsyslogd"
    assert Path(program).exists(), "scripts/system-packages test installs rsyslog and rsyslog-gnutls"
    port = free_port()
    received = tmp_path / "received"
    configuration = tmp_path / "rsyslog.conf"
    configuration.write_text(
        f"""
global(workDirectory="{tmp_path}" maxMessageSize="64k" defaultNetstreamDriver="gtls"
    defaultNetstreamDriverCAFile="{pki.ca}"
    defaultNetstreamDriverCertFile="{pki.server[0]}" defaultNetstreamDriverKeyFile="{pki.server[1]}")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
input(type="imtcp" port="{port}" address="127.0.0.1")
template(name="fields" type="string" string="%PRI%|%HOSTNAME%|%APP-NAME%|%MSGID%|%msg%\\n")
action(type="omfile" file="{received}" template="fields")
"""
    )
    process = subprocess.Popen(
        [program, "-n", "-f", str(configuration), "-i", str(tmp_path / "pid")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _wait_for_port(port, process)
        yield port, received
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("rsyslogd does not listen")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_real_rsyslogd_takes_every_message(audit: Audit, pki: Pki, rsyslogd: tuple[int, Path]) -> None:
    port, received = rsyslogd
    certificate, key = pki.client
    server = SyslogServer("localhost", port, pki.ca, certificate, key)
    assert to_syslog(audit, server, "alpha") == 5
    deadline = time.monotonic() + PATIENCE
    lines: list[str] = []
    while len(lines) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
        lines = received.read_text(encoding="utf-8").splitlines() if received.exists() else []
    fields = [line.split("|", 4) for line in lines]
    assert [one[0] for one in fields] == ["85"] * 5
    assert {(one[2], one[3]) for one in fields} == {("penstock", "DICOM+RFC3881")}
    for row, one in zip(audit.rows("alpha"), fields, strict=True):
        assert one[4].lstrip("\ufeff").encode() == message(row)
