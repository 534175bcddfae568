"""Who is cut off for the next client, over pairs of real sockets."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from driftd.web.slots import Pool, Slots

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    """(driftd's end, the client's end) of four connections."""
    with contextlib.ExitStack() as stack:
        found = [socket.socketpair() for _ in range(4)]
        for one in found:
            for end in one:
                stack.enter_context(end)
        yield found


def slots(size: int) -> Slots:
    return Slots(dict.fromkeys(Pool, size))


def is_cut(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        while client.recv(1 << 20):
            pass
    except BlockingIOError:
        return False
    return True


def fill(connection: socket.socket) -> None:
    """Sends until the client's buffers are full, as a page does whose reader has gone to sleep."""
    connection.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            connection.send(b"x" * 65536)


def test_who_is_silent_gives_way_before_who_has_asked(pairs: list[Pair]) -> None:
    held = slots(2)
    (heard, asker), (idle, silent), (new, _) = pairs[:3]
    held.admit(heard, 10)
    held.admit(idle, 10)
    asker.send(b"GET /")
    held.admit(new, 10)
    assert is_cut(silent)
    assert not is_cut(asker)


def test_an_answer_that_driftd_has_yet_to_send_is_not_cut_off(pairs: list[Pair]) -> None:
    held = slots(2)
    (working, first), (telling, second), (new, _) = pairs[:3]
    for connection in (working, telling):
        held.admit(connection, 10)
        held.work(connection)
    held.wait_for_client(telling)
    held.admit(new, 10)
    assert not is_cut(first)
    assert not is_cut(second)


def test_who_does_not_take_the_answer_gives_way(pairs: list[Pair]) -> None:
    held = slots(2)
    (full, sleeper), (telling, reader), (new, _) = pairs[:3]
    for connection in (full, telling, new):
        held.admit(connection, 10)
        held.work(connection)
    assert held.move(full, Pool.PAGE, 10)
    assert held.move(telling, Pool.PAGE, 10)
    assert not held.move(new, Pool.PAGE, 10)  # driftd works for both
    fill(full)
    held.wait_for_client(telling)
    assert not held.move(new, Pool.PAGE, 10)
    held.wait_for_client(full)
    assert held.move(new, Pool.PAGE, 10)
    assert is_cut(sleeper)
    assert not is_cut(reader)
