"""The sender against peers that a test plays: what it sends, and what it says when they fail."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_items import (
    ApplicationContextItem,
    AsynchronousOperationsWindowSubItem,
    ImplementationClassUIDSubItem,
    MaximumLengthSubItem,
    PresentationContextItemAC,
    TransferSyntaxSubItem,
    UserInformationItem,
)

from engine._native.upper_layer import COMMAND, DATA, NEED, PDU, PduStream, command_pdus, decode_command
from engine.errors import TransportError
from engine.scu.association import Target
from engine.sender.framing import IN_MEMORY
from engine.sender.load import Load, run
from engine.sender.report import describe, is_stored, percentile, render
from tests.support.receiver import CT, HOST, IMPLICIT, data_set
from tests.unit.test_sender_source import WHOLE, even, meta

INSTANCE = "1.2.826.0.1.3680043.8.498.1234567890123456789"
RELEASE_RP = bytes((6, 0, 0, 0, 0, 4, 0, 0, 0, 0))
Script = Callable[[socket.socket], None]


class Acceptor:
    """A peer that reads with the Upper Layer core and answers as its fields say."""

    def __init__(self) -> None:
        self.max_length = 16384
        self.window = 0
        self.accept = True
        self.status = 0
        self.comment = ""
        self.objects: list[tuple[str, bytes]] = []
        self.pdu_lengths: set[int] = set()
        self.request: A_ASSOCIATE_RQ | None = None
        self.abort_after = 10**9
        self.together = 1  # answers go out in batches of so many

    def serve(self, sock: socket.socket) -> None:
        stream, view = PduStream(1 << 20), memoryview(bytearray(1 << 18))
        stream.associate()
        command, data, waiting = b"", b"", b""
        while count := sock.recv_into(view):
            stream.feed(view, count)
            while (event := stream.next()) != NEED:
                if event == PDU and stream.pdu[0] == 1:
                    sock.sendall(self.answer(stream.pdu))
                elif event == PDU and stream.pdu[0] == 5:
                    sock.sendall(RELEASE_RP)
                elif event == PDU:
                    return
                elif event == COMMAND:
                    command = stream.command
                    stream.expect_data()
                elif event == DATA:
                    data += b"".join(stream.spans)
                    if stream.complete:
                        asked = decode_command(command)
                        self.objects.append((asked.sop_instance_uid, data))
                        data = b""
                        if len(self.objects) >= self.abort_after:
                            sock.sendall(bytes((7, 0, 0, 0, 0, 4, 0, 0, 2, 0)))
                            return
                        waiting += self.response(asked.message_id, stream.context_id)
                        if len(self.objects) % self.together == 0:
                            sock.sendall(waiting)
                            waiting = b""

    def response(self, message_id: int, context_id: int) -> bytes:
        elements: list[tuple[int, int | str]] = [
            (0x0100, 0x8001),
            (0x0120, message_id),
            (0x0800, 0x0101),
            (0x0900, self.status),
        ]
        if self.comment:
            elements.append((0x0902, self.comment))
        return command_pdus(context_id, elements)

    def answer(self, pdu: bytes) -> bytes:
        self.request = A_ASSOCIATE_RQ()
        self.request.decode(pdu)
        answer = A_ASSOCIATE_AC()
        application = ApplicationContextItem()
        application.application_context_name = UID("1.2.840.10008.3.1.1.1")
        items: list[object] = [application]
        for proposed in self.request.presentation_context:
            item = PresentationContextItemAC()
            item.presentation_context_id = proposed.context_id
            item.result_reason = 0 if self.accept else 3
            syntax = TransferSyntaxSubItem()
            syntax.transfer_syntax_name = proposed.transfer_syntax[0]
            item.transfer_syntax_sub_item = [syntax]
            items.append(item)
        length = MaximumLengthSubItem()
        length.maximum_length_received = self.max_length
        implementation = ImplementationClassUIDSubItem()
        implementation.implementation_class_uid = UID("1.2.3")
        information = UserInformationItem()
        information.user_data = [length, implementation]
        if self.window:
            operations = AsynchronousOperationsWindowSubItem()
            operations.maximum_number_operations_invoked = self.window
            operations.maximum_number_operations_performed = 1
            information.user_data.append(operations)
        answer.variable_items = [*items, information]
        return bytes(answer.encode())


class Listening:
    """A listening socket, each of whose callers gets `script` in a thread."""

    def __init__(self, script: Script) -> None:
        self.socket = socket.create_server((HOST, 0))
        self.port = int(self.socket.getsockname()[1])
        self._script = script
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,))
            thread.start()
            self._threads.append(thread)

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            try:
                self._script(sock)
            except OSError:
                return  # the sender gave up, which the test sees there

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self._accepting.join()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def acceptor() -> Acceptor:
    return Acceptor()


@pytest.fixture
def port(acceptor: Acceptor) -> Iterator[int]:
    listening = Listening(acceptor.serve)
    yield listening.port
    listening.close()


def write(folder: Path, name: str = "a.dcm", body: int = 1000, instance: str = INSTANCE) -> Path:
    path = folder / name
    path.write_bytes(meta({**WHOLE, 3: even(instance)}, data_set(instance, body=body)))
    return path


def target(port: int, **more: object) -> Target:
    return Target(HOST, port, timeout=60.0, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("max_length", [16, 100, 4096, 16384, 16385, 131072, 0])
@pytest.mark.parametrize("body", [0, 2, 3000, 200_000])
def test_an_object_goes_out_whole_in_pdus_that_the_peer_takes(
    tmp_path: Path, acceptor: Acceptor, port: int, max_length: int, body: int
) -> None:
    acceptor.max_length = max_length
    told = run(Load(target(port), (write(tmp_path, body=body),)))
    assert acceptor.objects == [(INSTANCE, data_set(INSTANCE, body=body))]
    assert told["statuses"] == {"0000": 1}
    assert told["bytes"] == len(data_set(INSTANCE, body=body))


@pytest.mark.parametrize("clones", [0, 3])
def test_an_object_too_large_for_memory_is_streamed(
    tmp_path: Path, acceptor: Acceptor, port: int, clones: int
) -> None:
    path = write(tmp_path, body=IN_MEMORY + 4321)
    run(Load(target(port), (path,), clones=clones))
    expected = data_set(INSTANCE, body=IN_MEMORY + 4321)
    assert len(acceptor.objects) == max(clones, 1)
    for instance, data in acceptor.objects:
        assert data == expected.replace(INSTANCE.encode(), instance.encode())


@pytest.mark.parametrize("max_length", [30, 64, 4096, 0])
def test_clones_differ_in_their_instance_alone_wherever_the_pdus_are_cut(
    tmp_path: Path, acceptor: Acceptor, port: int, max_length: int
) -> None:
    acceptor.max_length = max_length
    run(Load(target(port), (write(tmp_path),), clones=20, associations=2))
    assert len({instance for instance, _ in acceptor.objects}) == 20
    for instance, data in acceptor.objects:
        assert data == data_set(INSTANCE).replace(INSTANCE.encode(), instance.encode())


def test_one_context_is_proposed_for_each_class_and_syntax(
    tmp_path: Path, acceptor: Acceptor, port: int
) -> None:
    write(tmp_path, "a.dcm")
    write(tmp_path, "b.dcm", instance=INSTANCE + "1")
    other = tmp_path / "c.dcm"
    other.write_bytes(meta({**WHOLE, 2: even("1.2.840.10008.5.1.4.1.1.4")}, data_set(INSTANCE)))
    run(Load(target(port, called="THERE", calling="HERE"), (tmp_path,)))
    assert acceptor.request is not None
    proposed = [
        (str(c.abstract_syntax), list(map(str, c.transfer_syntax)))
        for c in acceptor.request.presentation_context
    ]
    assert proposed == [(CT, [IMPLICIT]), ("1.2.840.10008.5.1.4.1.1.4", [IMPLICIT])]
    assert (acceptor.request.called_ae_title.strip(), acceptor.request.calling_ae_title.strip()) == (
        "THERE",
        "HERE",
    )


def test_a_window_is_used_if_the_peer_grants_it(tmp_path: Path, acceptor: Acceptor, port: int) -> None:
    acceptor.window = acceptor.together = (
        5  # answers only to every fifth, so fewer outstanding would stop for ever
    )
    told = run(Load(target(port), (write(tmp_path),), clones=20, window=8))
    assert told["statuses"] == {"0000": 20}


def test_a_refused_object_is_named_with_its_status_and_comment(
    tmp_path: Path, acceptor: Acceptor, port: int
) -> None:
    acceptor.status, acceptor.comment = 0xA700, "no \x1b[31mroom"
    path = write(tmp_path)
    told = run(Load(target(port), (path,)))
    assert told["refused"] == [{"path": str(path), "reason": "status A700: no ?[31mroom"}]
    assert (told["objects"], told["statuses"]) == (0, {"A700": 1})


def test_a_warning_counts_as_stored(tmp_path: Path, acceptor: Acceptor, port: int) -> None:
    acceptor.status = 0xB000
    told = run(Load(target(port), (write(tmp_path),)))
    assert (told["objects"], told["refused"]) == (1, [])
    assert [is_stored(status) for status in (0, 1, 0xB006, 0xA700, 0xC000, 0x0110)] == [True] * 3 + [
        False
    ] * 3


def test_a_class_that_the_peer_does_not_take_is_refused_by_name(
    tmp_path: Path, acceptor: Acceptor, port: int
) -> None:
    acceptor.accept = False
    path = write(tmp_path)
    told = run(Load(target(port), (path,)))
    (entry,) = told["refused"]
    assert entry["path"] == str(path)
    assert CT in entry["reason"]
    assert acceptor.objects == []


def test_what_is_no_dicom_is_named_and_the_rest_is_sent(
    tmp_path: Path, acceptor: Acceptor, port: int
) -> None:
    write(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    told = run(Load(target(port), (tmp_path,)))
    assert told["objects"] == 1
    assert [Path(entry["path"]).name for entry in told["refused"]] == ["notes.txt"]


def test_an_abort_in_the_middle_names_everything_that_was_not_confirmed(
    tmp_path: Path, acceptor: Acceptor, port: int
) -> None:
    acceptor.abort_after = 3
    told = run(Load(target(port), (write(tmp_path),), clones=10))
    assert told["objects"] == 2
    assert len(told["refused"]) == 8
    assert "aborted the association" in told["refused"][0]["reason"]


def fails(port: int, path: Path, patience: float = 60.0) -> TransportError:
    with pytest.raises(TransportError) as caught:
        run(Load(Target(HOST, port, timeout=patience), (path,)))
    assert f"{HOST}:{port}" in caught.value.message
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("answer", "word", "hint"),
    [
        ((1, 1, 7), "called AE title is not its own", "--called"),
        ((1, 1, 3), "does not know the calling AE title", "--calling"),
        ((2, 3, 2), "limit", "later"),
        ((2, 3, 1), "congested", "later"),
        ((1, 1, 1), "no reason", "ask"),
    ],
)
def test_a_rejection_says_what_to_do(
    tmp_path: Path, answer: tuple[int, int, int], word: str, hint: str
) -> None:
    def reject(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(bytes((3, 0, 0, 0, 0, 4, 0, *answer)))
        sock.recv(1)

    listening = Listening(reject)
    error = fails(listening.port, write(tmp_path))
    listening.close()
    assert word in error.message
    assert hint in error.hint


def close_at_once(sock: socket.socket) -> None:
    sock.recv(65536)


def speak_http(sock: socket.socket) -> None:
    sock.recv(65536)
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    sock.recv(1)


def abort_at_once(sock: socket.socket) -> None:
    sock.recv(65536)
    sock.sendall(bytes((7, 0, 0, 0, 0, 4, 0, 0, 2, 2)))
    sock.recv(1)


def answer_with_rubbish(sock: socket.socket) -> None:
    sock.recv(65536)
    sock.sendall(b"\2\0\0\0\0\x60" + b"\xff" * 96)
    sock.recv(1)


def say_nothing(sock: socket.socket) -> None:
    while sock.recv(65536):
        continue


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (close_at_once, "closed the connection"),
        (speak_http, "does not speak DICOM"),
        (abort_at_once, "aborted the association (source 2, reason 2)"),
        (answer_with_rubbish, "malformed A-ASSOCIATE-AC"),
        (say_nothing, "did nothing for 0.5 s"),
    ],
)
def test_a_peer_that_is_no_storage_scp_is_named_with_what_it_did(
    tmp_path: Path, script: Script, words: str
) -> None:
    listening = Listening(script)
    error = fails(listening.port, write(tmp_path), 0.5 if script is say_nothing else 60.0)
    listening.close()
    assert words in error.message


def test_a_closed_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        error = fails(int(sock.getsockname()[1]), write(tmp_path))
    assert "Connection refused" in error.message


def test_percentiles_are_values_that_were_measured() -> None:
    ordered = [float(value) for value in range(1, 101)]
    assert [percentile(ordered, part) for part in (0.5, 0.9, 0.99, 1.0)] == [50, 90, 99, 100]
    assert percentile([7.0], 0.5) == 7.0


def test_the_report_is_told_to_people_too(tmp_path: Path, acceptor: Acceptor, port: int) -> None:
    told = run(Load(target(port), (write(tmp_path),), clones=3))
    text = render(told)
    assert text.startswith("3 objects, ")
    assert "p99" in text
    assert "0000 × 3" in text


def test_a_run_without_objects_has_no_latencies() -> None:
    from engine.sender.report import Tally

    assert "latency_ms" not in describe(Tally(), 0.0, 0)
