"""The two listeners of one platform: machines with client certificates, people without."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator

import pytest

from tests.support.platform_process import HOST, PATIENCE, Pki, PlatformProcess, pseudonymized

pytest_plugins = ("tests.support.stow_fixtures",)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[PlatformProcess]:
    process = PlatformProcess(tmp_path_factory.mktemp("platform"), pki, web=True).start()
    yield process
    assert process.stop() == 0


def asked(port: int, context: ssl.SSLContext, path: str, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPSConnection(HOST, port, context=context, timeout=PATIENCE)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_people_need_no_certificate_at_their_listener(both: PlatformProcess) -> None:
    status, body = asked(both.web_port, both.pki.context(anonymous=True), "/health")
    assert (status, json.loads(body)) == (200, {"status": "ok"})


def test_machines_need_one_at_theirs(both: PlatformProcess) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        asked(both.port, both.pki.context(anonymous=True), "/penstock/v1/health")


@pytest.mark.parametrize(("path", "method"), [("/studies", "POST"), ("/penstock/v1/studies", "GET")])
def test_a_client_certificate_opens_nothing_at_the_listener_of_people(
    both: PlatformProcess, path: str, method: str
) -> None:
    assert both.store([pseudonymized(1)])[0] == 200
    assert asked(both.web_port, both.pki.context(), path, method)[0] in {401, 403, 404, 405}


def test_without_its_section_there_is_no_listener_for_people(fragile: PlatformProcess) -> None:
    assert fragile.web_port == 0


def test_old_tls_is_refused_at_both(both: PlatformProcess) -> None:
    context = both.pki.context()
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    for port in (both.port, both.web_port):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            asked(port, context, "/health")


def test_several_processes_serve_both(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> None:
    process = PlatformProcess(tmp_path_factory.mktemp("many"), pki, "--workers", "2", web=True).start()
    for _ in range(6):
        assert asked(process.web_port, pki.context(anonymous=True), "/health")[0] == 200
        assert process.get("/penstock/v1/health")[0] == 200
    assert process.stop() == 0
