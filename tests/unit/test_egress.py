"""What listens to the gateway's sending hears every way in which bytes get onto a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.egress import Egress

PRELUDE = """
import os, socket, ssl, sys, tempfile
server = socket.create_server(("127.0.0.1", 0))
sock = socket.create_connection(server.getsockname())
peer, _ = server.accept()
word = b"CANARY^ONE"
"""
WAYS = {
    "write": "os.write(sock.fileno(), word)",
    "writev": "os.writev(sock.fileno(), [b'x' * 10, word])",
    "send": "sock.send(word)",
    "sendto": "socket.socket(type=socket.SOCK_DGRAM).sendto(word, ('127.0.0.1', 9))",
    "sendmsg": "sock.sendmsg([b'x', word])",
    "sendfile": """
with tempfile.TemporaryFile() as file:
    file.write(b"x" * 100_000 + word)
    file.flush()
    sock.setblocking(True)
    import threading
    threading.Thread(target=lambda: [peer.recv(65536) for _ in range(100)], daemon=True).start()
    at = 0
    while at < 100_000 + len(word):
        at += os.sendfile(sock.fileno(), file.fileno(), at, 1 << 20)
""",
    "a child of a child": "os.fork() or os.fork() or sock.send(word); os.wait()",
}


def hits(egress: Egress, code: str, words: list[bytes]) -> list[str]:
    with egress.worn():
        subprocess.run([sys.executable, "-c", PRELUDE + code], check=False, timeout=60)
    return egress.hits(words)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_onto_a_network_is_heard(tmp_path: Path, way: str) -> None:
    egress = Egress(tmp_path / "egress", 1)
    assert hits(egress, WAYS[way], [b"CANARY^ONE"]) == ["out"]
    assert egress.hits([b"CANARY^TWO"]) == []


def test_what_is_encrypted_is_heard_before_it_is(tmp_path: Path) -> None:
    egress = Egress(tmp_path / "egress", 1)
    code = """
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
from engine.platform.certificates import make_files
from pathlib import Path
files = make_files(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()), ["localhost"])
serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
serving.load_cert_chain(files.server_certificate, files.server_key)
import threading
def serve():
    with serving.wrap_socket(peer, server_side=True) as secured:
        secured.recv(100)
thread = threading.Thread(target=serve)
thread.start()
with context.wrap_socket(sock) as secured:
    secured.send(word)
    thread.join()
"""
    assert hits(egress, code, [b"CANARY^ONE"]) == ["tls"]
    assert egress.holds("out", [b"\x16\x03"])
    assert egress.deaf() == ["answers", "tls"], "a TLS connection that carried no request"


def test_an_answer_may_name_its_object_and_nobody_else(tmp_path: Path) -> None:
    for name, said, found in (("uid", "b'1.2.3.4'", []), ("name", "b'1.2.3.4' + word", ["answers"])):
        egress = Egress(tmp_path / name, 0)
        code = f"os.environ['PENSTOCK_EGRESS_PORT'] = str(server.getsockname()[1]); peer.send({said})"
        assert hits(egress, code, [b"CANARY^ONE", b"1.2.3.4"]) == found
        assert egress.size("answers") > 0


def test_what_stays_on_the_machine_is_not_egress(tmp_path: Path) -> None:
    egress = Egress(tmp_path / "egress", 1)
    code = "a, b = socket.socketpair(); a.send(word); os.write(1, word); open('/dev/null', 'wb').write(word)"
    assert hits(egress, code, [b"CANARY^ONE"]) == []
