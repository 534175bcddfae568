"""The client: a bounded queue, a thread that sends it in batches, and counts of everything that came of events."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self

from driftd.client.call import Call
from driftd.client.encoding import Encoder, identity, instant, mapping, named
from driftd.client.losses import WHY, Drop, Losses, Stats
from driftd.client.sending import Refused, Send, Unavailable, sender

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("driftd.client")

FIRST_WAIT_SECONDS: Final = 0.5
LONGEST_WAIT_SECONDS: Final = 30.0
"""Between attempts; it doubles from the first to this."""
FLUSH_EVERY_SECONDS: Final = 0.005
"""How often flush() looks. Nobody who logs could wake it: locks of threading.Event are not for signal handlers."""
EXIT_PRIORITY: Final = 10
"""Of multiprocessing's finalizers: before those of its own pools and queues, which have 10 at most."""


class Client:
    """Logs events of a model without getting in the way: ``log`` neither waits nor raises, whatever goes wrong.

    ``url`` is `http://HOST:PORT/events` (driftd receive), `kafka://HOST:PORT,.../TOPIC`, or a function that sends
    (driftd.client.Send). ``options`` go to it: user, password, token, cafile, certfile, keyfile and headers of HTTP;
    settings of KafkaProducer. ``model`` and ``version`` are those of events that state none.

    At most ``max_events`` and ``max_bytes`` wait; further events are dropped and counted. A batch has at most
    ``batch_events`` and ``batch_bytes``, and waits ``linger_seconds`` for more. A batch that is not taken for
    ``give_up_seconds`` is dropped. When the process ends, ``close_seconds`` remain for what waits.

    Safe to use from many threads, from signal handlers, and after a fork: a child has an empty queue of its own, since
    what waits in its parent the parent sends. Events may arrive twice: where an answer was lost, they are sent again.

    Raises: ValueError for a url that is none of these, OSError for TLS files that cannot be read. Only here.
    """

    def __init__(
        self,
        url: str | Send,
        *,
        model: str | None = None,
        version: str | None = None,
        max_events: int = 10_000,
        max_bytes: int = 32 << 20,
        batch_events: int = 500,
        batch_bytes: int = 512 << 10,
        linger_seconds: float = 0.2,
        timeout_seconds: float = 10.0,
        give_up_seconds: float = 300.0,
        close_seconds: float = 3.0,
        **options: Any,
    ) -> None:
        self._send = sender(url, options, timeout_seconds) if isinstance(url, str) else url
        self._model, self._version = model, version
        self._most = max_events, max_bytes
        self._batch = max(1, batch_events), batch_bytes
        self._linger, self._give_up, self._close_seconds = linger_seconds, give_up_seconds, close_seconds
        self._reset()
        _CLIENTS.add(self)

    def _reset(self) -> None:
        """As new: at the start, and in a child, where a lock may be held by a thread that is not there."""
        # reentrant: a signal handler may log while its own thread does
        self._lock = threading.RLock()
        self._queue: deque[bytes] = deque()
        self._bytes = self._logged = self._sent = self._sending = 0
        self._losses = Losses()
        self._encoder = Encoder()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed, self._deadline, self._troubled = False, float("inf"), False

    def log(
        self,
        model: str | None = None,
        features: Mapping[str, Any] | None = None,
        prediction: Any = None,
        *,
        time: float | str | datetime | None = None,
        **fields: Any,
    ) -> bool:
        """Takes one event; whether it is in the queue. ``fields`` are those of docs/events.md: score, label, id,
        version, variant, latency_seconds, error, cost, segments. Without ``time`` it happened now.
        """
        return self._log({"model": model, "time": time, "features": features, "prediction": prediction, **fields})

    def label(self, id: Any, label: Any, model: str | None = None, **fields: Any) -> bool:  # noqa: A002
        """Takes the true value of a prediction that was logged with this ``id``; without one it has no use."""
        try:
            known = identity(id)
        except Exception as e:  # noqa: BLE001  (as in _log)
            return self._drop(Drop.UNUSABLE, str(e)[:200])
        return self.log(model, id=known, label=label, **fields)

    @contextmanager
    def call(
        self, model: str | None = None, features: Mapping[str, Any] | None = None, **fields: Any
    ) -> Iterator[Call]:
        """Logs one call of a model when the block ends: its duration, and its error if it raises, which it goes on to
        do. ``features`` are those at the end; set ``prediction`` and others on what the block gets.
        """
        call, begin, began = Call(features, fields), time.time(), time.perf_counter()
        try:
            yield call
        except BaseException as e:
            call.fields.setdefault("error", type(e).__name__)
            raise
        finally:
            if not call.left_out:
                taken = {"model": model, "time": begin, "latency_seconds": time.perf_counter() - began}
                self._log({**taken, "features": call.features, "prediction": call.prediction, **call.fields})

    def stats(self) -> Stats:
        with self._lock:
            encoder = self._encoder
            refused = f"a value of type {encoder.last} was sent as null" if encoder.last else ""
            return Stats(
                self._logged,
                self._sent,
                len(self._queue) + self._sending,
                {drop: n for drop, n in self._losses.dropped.items() if n},
                encoder.refused,
                self._losses.last_error or refused,
            )

    def flush(self, seconds: float = 5.0) -> bool:
        """Waits for what was logged so far to be sent; whether nothing waits any more."""
        end = time.monotonic() + seconds
        while self._queue or self._sending:
            self._wake.set()
            if time.monotonic() >= end:
                return False
            time.sleep(FLUSH_EVERY_SECONDS)
        return True

    def close(self, seconds: float | None = None) -> None:
        """Sends what waits, for so long at most, and takes no more. What is left then is dropped and counted."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._deadline = time.monotonic() + (self._close_seconds if seconds is None else seconds)
            thread = self._thread
        atexit.unregister(self.close)
        self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0.0, self._deadline - time.monotonic()))
        with self._lock:
            self._give_up_waiting()
            lost = list(self._losses.dropped)
        self._tell(*lost)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _log(self, event: dict[str, Any]) -> bool:
        try:
            event["model"] = named(event.get("model"), self._model)
            event.setdefault("version", self._version)
            when = instant(event.get("time"))
            event["time"] = time.time() if when is None else when
            event["features"] = mapping(event.get("features"))
            return self._put(self._encoder.encode(event))
        except Exception as e:  # noqa: BLE001  (a service must answer, whatever its values are)
            return self._drop(Drop.UNUSABLE, f"{type(e).__name__}: {e}"[:200])

    def _put(self, event: bytes) -> bool:
        with self._lock:
            waiting, size = len(self._queue) + self._sending, self._bytes + len(event)
            if self._closed:
                why = Drop.CLOSED
            elif waiting >= self._most[0] or (size > self._most[1] and waiting):
                why = Drop.FULL
            elif self._thread is None and not self._start():
                why = Drop.NO_THREAD
            else:
                self._logged += 1
                self._bytes = size
                self._queue.append(event)
                return True
        return self._drop(why, WHY[why] if why is Drop.NO_THREAD else "")

    def _drop(self, why: Drop, text: str = "") -> bool:
        """An event that does not get into the queue."""
        with self._lock:
            self._logged += 1
            due = self._losses.lose(why, 1, text)
        if due:
            self._tell(why)
        return False

    def _tell(self, *reasons: Drop) -> None:
        """How many events are lost that the log does not have yet. Without the lock: a log may take its time."""
        with self._lock:
            untold = self._losses.untold(reasons)
        for lost, word, text in untold:
            log.warning("%d events are %s: %s", lost, word, text)

    def _start(self) -> bool:
        thread = threading.Thread(target=self._run, name="driftd-client", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False
        self._thread = thread
        atexit.register(self.close)
        # a child of multiprocessing ends without atexit
        if (util := sys.modules.get("multiprocessing.util")) is not None:
            util.Finalize(None, self.close, exitpriority=EXIT_PRIORITY)
        return True

    def _run(self) -> None:
        while not (self._closed and not self._queue):
            self._wake.wait(self._linger)  # the batch becomes fuller; and nobody who logs has to wake anybody
            with self._lock:
                if not self._closed:
                    self._wake.clear()
                batches = self._take()
            for batch in batches:
                self._deliver(batch)

    def _take(self) -> list[list[bytes]]:
        """All that waits, cut into batches."""
        events, size = self._batch
        batches: list[list[bytes]] = []
        held = size
        self._sending = len(self._queue)
        while self._queue:
            event = self._queue.popleft()
            if not batches or len(batches[-1]) >= events or held + len(event) > size:
                batches.append([])
                held = 0
            batches[-1].append(event)
            held += len(event) + 1
        return batches

    def _deliver(self, batch: Sequence[bytes]) -> None:
        """Sends until it is taken, or given up: a batch that nobody takes must not hold back all others for ever."""
        end, wait = time.monotonic() + self._give_up, FIRST_WAIT_SECONDS
        while not self._is_over():
            try:
                self._send(batch)
            except Refused as e:
                if e.too_large and len(batch) > 1:
                    half = len(batch) // 2
                    self._deliver(batch[:half])
                    self._deliver(batch[half:])
                else:
                    refused = len(batch) if e.events is None else min(e.events, len(batch))
                    self._done(batch, Drop.REFUSED, refused, str(e))
                return
            except Exception as e:  # noqa: BLE001  (whatever a library or the user's function raises)
                text, name = str(e), type(e).__name__
                if not isinstance(e, Unavailable) and not text.startswith(name):  # kafka-python's say it themselves
                    text = f"{name}: {text}"
                asked = e.seconds if isinstance(e, Unavailable) and e.seconds is not None else wait
                self._trouble(text[:200])
                now, pause = time.monotonic(), min(max(asked, wait), LONGEST_WAIT_SECONDS)
                if now + pause > min(end, self._deadline):
                    self._done(batch, Drop.UNDELIVERED, len(batch), text[:200])
                    return
                self._pause(pause)
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)
            else:
                self._done(batch)
                return

    def _pause(self, seconds: float) -> None:
        """Between attempts; close() ends it, since then the last attempt is due."""
        closing, end = self._closed, time.monotonic() + seconds
        while self._closed == closing and (left := end - time.monotonic()) > 0:
            if closing:
                time.sleep(left)
            elif self._wake.wait(left) and not self._closed:
                self._wake.clear()

    def _done(self, batch: Sequence[bytes], why: Drop = Drop.REFUSED, dropped: int = 0, text: str = "") -> None:
        """The batch is off the queue: ``dropped`` of it for this reason, the others are sent."""
        due = False
        with self._lock:
            if self._is_over():
                return
            self._sending -= len(batch)
            self._bytes -= sum(map(len, batch))
            self._sent += len(batch) - dropped
            if dropped:
                # close() tells them all together
                due = self._losses.lose(why, dropped, text) and not self._closed
            recovered = self._troubled and dropped < len(batch)
            self._troubled = self._troubled and not recovered
        if due:
            self._tell(why)
        if recovered:
            self._tell(Drop.UNDELIVERED, Drop.FULL)
            log.info("events are sent again")

    def _is_over(self) -> bool:
        """close() has waited long enough, and has counted what was left."""
        return self._closed and not self._sending

    def _trouble(self, text: str) -> None:
        with self._lock:
            first, self._troubled, self._losses.last_error = not self._troubled, True, text
        if first:
            log.warning("events cannot be sent, and wait: %s", text)

    def _give_up_waiting(self) -> None:
        left = len(self._queue) + self._sending
        if left:
            self._losses.lose(Drop.UNDELIVERED, left, self._losses.last_error)
        self._queue.clear()
        self._bytes = self._sending = 0


_CLIENTS: Final[weakref.WeakSet[Client]] = weakref.WeakSet()


def _forked() -> None:
    for client in list(_CLIENTS):
        client._reset()  # noqa: SLF001  (of this module)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
