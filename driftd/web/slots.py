"""Slots for connections: bounded for each kind of request, and idle or slow clients give theirs up to the next one."""

from __future__ import annotations

import math
import select
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Pool(Enum):
    """What a connection waits for. Each has slots of its own, so that none starves another."""

    REQUEST = "request"
    BCRYPT = "bcrypt"
    PROBE = "probe"
    SCRAPE = "scrape"
    PAGE = "page"
    RELOAD = "reload"
    EVENTS = "events"


class _Stage(Enum):
    """Who has the next word on a connection: its client, who sends the request; driftd; or its client, who reads."""

    REQUEST = "request"
    WORK = "work"
    ANSWER = "answer"


@dataclass(slots=True)
class _Held:
    """A connection's slot; ``pool`` is None once it was cut off."""

    pool: Pool | None
    deadline: float
    stage: _Stage = _Stage.REQUEST


class Slots:
    """Who is connected, what for and until when; safe to use from every thread.

    A connection takes a slot of Pool.REQUEST when it comes, and one of its route's pool when its request is read. Where
    a pool is full, the connection that has waited longest for its client is cut off in favour of the new one: one whose
    request has not come, or that does not take its answer. What driftd has not sent yet is not the client's fault.
    """

    def __init__(self, sizes: Mapping[Pool, int]) -> None:
        self._sizes = sizes
        self._held: dict[socket.socket, _Held] = {}
        self._changed = threading.Condition()

    def admit(self, connection: socket.socket, seconds: float) -> None:
        """Gives a new connection ``seconds`` to send its request. There is always room: who is silent gives way."""
        with self._changed:
            self._make_room(Pool.REQUEST)
            self._held[connection] = _Held(Pool.REQUEST, time.monotonic() + seconds)

    def move(self, connection: socket.socket, pool: Pool, seconds: float) -> bool:
        """Gives the connection a slot of ``pool`` and ``seconds`` more; False where driftd works for all others."""
        with self._changed:
            held = self._held[connection]
            if held.pool is None or not self._make_room(pool):
                return False
            held.pool, held.deadline = pool, time.monotonic() + seconds
            return True

    def work(self, connection: socket.socket) -> None:
        """The request is read: it is driftd's turn."""
        with self._changed:
            self._held[connection].stage = _Stage.WORK

    def wait_for_body(self, connection: socket.socket) -> None:
        """The client has the word again: what it sends is awaited until the deadline of a request."""
        with self._changed:
            self._held[connection].stage = _Stage.REQUEST

    def wait_for_client(self, connection: socket.socket) -> None:
        """From now on the answer is being sent."""
        with self._changed:
            self._held[connection].stage = _Stage.ANSWER

    def drop(self, connection: socket.socket) -> None:
        with self._changed:
            self._held.pop(connection, None)
            self._changed.notify_all()

    def cut_overdue(self, now: float | None = None) -> None:
        """Cuts off clients past their deadline. A timeout of one read does not stop a byte every few seconds."""
        limit = time.monotonic() if now is None else now
        with self._changed:
            for connection, held in self._held.items():
                if held.deadline < limit:
                    _cut(connection, held)

    def finish(self, timeout_seconds: float) -> None:
        """Gives answers in progress so long, then cuts off everybody."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held, timeout_seconds)
        self.cut_overdue(math.inf)

    def __len__(self) -> int:
        return len(self._held)

    def _make_room(self, pool: Pool) -> bool:
        mine = {connection: held for connection, held in self._held.items() if held.pool is pool}
        if len(mine) < self._sizes[pool]:
            return True
        asked = [connection for connection, held in mine.items() if held.stage is _Stage.REQUEST]
        told = [connection for connection, held in mine.items() if held.stage is _Stage.ANSWER]
        taking, heard = _ready(told, select.POLLOUT), _ready(asked, select.POLLIN)
        waiting = [connection for connection in told if connection.fileno() not in taking]
        # who has sent something that no thread has read yet is not idle, but the next client needs a place
        waiting += sorted(asked, key=lambda connection: connection.fileno() in heard)
        for connection in waiting[:1]:
            _cut(connection, mine[connection])
        return bool(waiting)


def _ready(connections: list[socket.socket], event: int) -> set[int]:
    """The file numbers of those that can be read from (POLLIN) or written to (POLLOUT) now."""
    poll = select.poll()
    for connection in connections:
        if connection.fileno() >= 0:
            poll.register(connection, event)
    return {number for number, ready in poll.poll(0) if ready & event}


def _cut(connection: socket.socket, held: _Held) -> None:
    """Wakes the thread that waits for the client; it closes the connection."""
    held.pool = None
    try:
        # the plain socket's method: the TLS one's would pull its state from under the thread that reads
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        return  # closed in the meantime
