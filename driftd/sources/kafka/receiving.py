"""From the socket to a response: what a broker sends is received where it is decoded.

kafka-python reads pieces, joins them, cuts them, puts them into the response and copies that twice. Of a fetch of 4 MB
that is most of the work where its records are skipped.
"""

# ruff: noqa: SLF001  (private members are what this module is about)
from __future__ import annotations

import ssl
from typing import Any, Final

from kafka.errors import KafkaConnectionError
from kafka.protocol.frame import KafkaBytes

BEGIN_BYTES: Final = 16 << 10
"""Where a response begins: all of a small one, a thousandth of a fetch. As large as a record of TLS, so that none is
left in part: nothing wakes the loop for what OpenSSL has already."""
BYTES_AT_ONCE: Final = 2 << 20
"""Then the loop has its turn: heartbeats must go out."""


class Response(KafkaBytes):  # type: ignore[misc]  # Any: kafka-python has no types
    """Is decoded where it lies."""

    def read(self, nbytes: int | None = None) -> bytes | memoryview:
        if nbytes is not None:
            return bytes(super().read(nbytes))
        begin = self.tell()
        self.seek(len(self))
        return memoryview(self)[begin:]


def receive(transport: Any) -> tuple[bytes, Exception | None]:
    """As KafkaTCPTransport._sock_recv: bytes that the parser has not got yet, and why there will be no more."""
    socket, parser = transport._sock, getattr(transport._protocol, "parser", None)
    decrypted = getattr(socket, "pending", lambda: 0)
    pieces: list[bytes] = []
    try:
        if parser is None or not parser._receiving or _fill(socket, parser._rbuffer, decrypted):
            while not pieces or decrypted():
                pieces.append(_some(socket.recv(BEGIN_BYTES)))
    except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        pass
    except KafkaConnectionError as error:
        return b"".join(pieces), error
    except (OSError, AttributeError) as failure:  # AttributeError: closed meanwhile, the socket is None
        return b"".join(pieces), KafkaConnectionError(failure)
    return b"".join(pieces), None


def _fill(socket: Any, response: Any, decrypted: Any) -> bool:
    """Receives into the response; whether all of it is there but the last byte. With that the parser takes it over."""
    response.__class__ = Response
    end, left = len(response) - 1, BYTES_AT_ONCE
    while response.tell() < end:
        if left <= 0 and not decrypted():
            return False
        begin = response.tell()
        with memoryview(response) as whole, whole[begin : min(begin + max(left, BEGIN_BYTES), end)] as rest:
            count = _some(socket.recv_into(rest))
        response.seek(begin + count)
        left -= count
    return True


def _some(received: Any) -> Any:
    """Bytes, or how many; nothing is the end."""
    if not received:
        raise KafkaConnectionError("socket disconnected")
    return received
