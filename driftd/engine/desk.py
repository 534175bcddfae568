"""Where what people ask for waits until the loop comes round: asked by HTTP threads, done between two polls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Final

from driftd.core.act import Act

PATIENCE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Done:
    """What came of acts. ``unsaved``: why the state that has them could not be saved; "" where it is."""

    text: str
    unsaved: str = ""


Order = tuple[Sequence[Act], Future[Done]]


@dataclass(slots=True)
class Desk:
    """Acts that are asked for together are done together; at least one."""

    _orders: SimpleQueue[Order] = field(default_factory=SimpleQueue)

    def ask(self, acts: Sequence[Act], patience_seconds: float = PATIENCE_SECONDS) -> Done:
        """Waits until it is done and saved. Raises ActRefused where none of them can be, and TimeoutError where the
        loop does not come round: it is done then when it does.
        """
        answer: Future[Done] = Future()
        self._orders.put((acts, answer))
        return answer.result(patience_seconds)

    def orders(self) -> Iterator[Order]:
        """What has been asked for since the loop last looked."""
        while True:
            try:
                yield self._orders.get_nowait()
            except Empty:
                return
