"""What the broker sends is received into the response that is decoded, however it arrives."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.protocol.parser import KafkaProtocol
from kafka.protocol.sasl import SaslAuthenticateRequest, SaslAuthenticateResponse

from driftd.sources.kafka.receiving import BEGIN_BYTES, BYTES_AT_ONCE, receive


class Socket:
    """Has these bytes, so many at a time; after each it would block. ``end``: then the broker closes."""

    def __init__(self, data: bytes, burst: int, *, end: bool = False) -> None:
        self.data, self.burst, self.end = memoryview(data), burst, end
        self.left = burst
        self.longest = 0

    def recv_into(self, view: memoryview) -> int:
        piece = self.recv(len(view))
        view[: len(piece)] = piece
        return len(piece)

    def recv(self, size: int) -> bytes:
        self.longest = max(self.longest, size)
        if not self.data and self.end:
            return b""
        piece = bytes(self.data[: min(size, self.left)])
        if not piece:
            self.left = self.burst
            raise BlockingIOError
        self.data, self.left = self.data[len(piece) :], self.left - len(piece)
        return piece


def of(socket: Any, parser: KafkaProtocol | None) -> Any:
    """A transport, as far as it is looked at."""
    return SimpleNamespace(_sock=socket, _protocol=SimpleNamespace(parser=parser))


def asked(sizes: list[int]) -> tuple[KafkaProtocol, bytes, list[bytes]]:
    """A parser that waits for answers of these sizes, what comes then, and what is in it."""
    parser, sent, wanted = KafkaProtocol(client_id="test"), bytearray(), []
    for number, size in enumerate(sizes):
        request = SaslAuthenticateRequest(b"")
        request.API_VERSION = 0
        wanted.append(bytes([number % 256]) * size)
        answer = SaslAuthenticateResponse(error_code=0, error_message=None, auth_bytes=wanted[-1])
        answer.API_VERSION = 0
        answer.with_header(correlation_id=parser.send_request(request))
        sent += answer.encode(framed=True, header=True)
    return parser, bytes(sent), wanted


def answers(parser: KafkaProtocol, socket: Socket) -> Iterator[bytes]:
    while socket.data:
        data, error = receive(of(socket, parser))
        assert error is None
        for _, answer in parser.receive_bytes(data):
            yield answer.auth_bytes


@given(
    st.lists(st.sampled_from([0, 1, 5, BEGIN_BYTES, 70_000]), min_size=1, max_size=6),
    st.sampled_from([1000, 1 << 14, 50_001]) | st.integers(30, 200_000),
)
def test_all_answers_come_whole(sizes: list[int], burst: int) -> None:
    parser, sent, wanted = asked(sizes)
    assert [*answers(parser, Socket(sent, burst))] == wanted


def test_a_large_answer_is_received_where_it_is_decoded() -> None:
    parser, sent, wanted = asked([5 << 20])
    socket = Socket(sent, 1 << 30)
    begin, _ = receive(of(socket, parser))
    assert len(begin) == BEGIN_BYTES
    parser.receive_bytes(begin)
    into = parser._rbuffer
    assert receive(of(socket, parser)) == (b"", None), "nothing is handed on in pieces"
    assert into.tell() == BEGIN_BYTES - 4 + BYTES_AT_ONCE, "not all at once, and the length was 4 of them"
    assert isinstance(into.read(), memoryview), "nor is it copied to be decoded"
    into.seek(BEGIN_BYTES - 4 + BYTES_AT_ONCE)
    assert [*answers(parser, socket)] == wanted


@pytest.mark.parametrize("whole", [100, 1 << 20], ids=["before an answer", "within one"])
@pytest.mark.parametrize("end", ["closed", "reset"])
def test_the_end_of_the_connection_is_told_with_what_came_before(whole: int, end: str) -> None:
    parser, sent, _ = asked([whole])
    socket = Socket(sent[: whole // 2], 1 << 30, end=True)
    parser.receive_bytes(receive(of(socket, parser))[0])
    if end == "reset":

        def reset(_: Any) -> Any:
            raise ConnectionResetError

        socket.recv = socket.recv_into = reset  # type: ignore[assignment,method-assign]
    data, error = receive(of(socket, parser))
    while error is None:
        parser.receive_bytes(data)
        data, error = receive(of(socket, parser))
    assert "KafkaConnectionError" in repr(error)


def test_a_socket_that_was_closed_meanwhile_is_the_end() -> None:
    assert "NoneType" in str(receive(of(None, None))[1])


class Tls:
    """A socket that sends for as long as it is asked, in records of 16 KiB that come in ``burst`` at a time."""

    def __init__(self, burst: int) -> None:
        self.burst, self.left, self.part = burst, burst, 0

    def recv(self, size: int) -> bytes:
        if not self.part:
            if not self.left:
                raise ssl.SSLWantReadError
            self.left -= 1
            self.part = 16 << 10
        size = min(size, self.part)
        self.part -= size
        return bytes(size)

    def recv_into(self, view: memoryview) -> int:
        piece = self.recv(len(view))
        view[: len(piece)] = piece
        return len(piece)

    def pending(self) -> int:
        return self.part + (self.left % 3 << 14)  # OpenSSL has decrypted up to two records more


@pytest.mark.parametrize("burst", [0, 3, 5001])
def test_of_tls_no_more_is_read_at_once_but_all_that_is_decrypted(burst: int) -> None:
    parser, sent, _ = asked([8 << 20])
    parser.receive_bytes(sent[:1000])
    socket = Tls(burst)
    data, error = receive(of(socket, parser))
    assert (data, error) == (b"", None)
    read = (burst << 14) - (socket.left << 14) - socket.part
    assert min(burst << 14, BYTES_AT_ONCE) <= read <= BYTES_AT_ONCE + (3 << 14)
    assert not socket.pending()


def test_of_tls_all_that_is_decrypted_is_read_before_an_answer_too() -> None:
    socket = Tls(6)
    data, error = receive(of(socket, asked([])[0]))
    assert (len(data), error) == (2 + 1 << 14, None)
    assert not socket.pending()
