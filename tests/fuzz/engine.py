"""The loop: an input is changed, tried, and kept where it led to something new; what fails is made small."""

from __future__ import annotations

import hashlib
import random
import re
import time
import traceback
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.fuzz.mutate import Parse, Unparse, mutated, mutated_tree

CORPUS: Final = Path(__file__).parent / "corpus"
MOST_KEPT: Final = 2_000
MOST_BYTES: Final = 1 << 20
SMALL_SECONDS: Final = 15.0
"""For making a failing input smaller."""
MOST_LINES: Final = 16
"""Of a traceback that are shown."""
SLOW_SECONDS: Final = 5.0
"""Of one input, in the long form: the work must not grow beyond what an input's size explains."""

Try = Callable[[bytes], Hashable]
"""Tries one input, and fails (AssertionError, or any error that is not documented) where driftd does wrong. Gives a
sign of what it led to: inputs with a new one are worth changing further.
"""


@dataclass(frozen=True, slots=True)
class Target:
    """``seeds``: valid inputs, beside those in corpus/NAME; ``mend`` makes a checksum fit again; ``parse`` and
    ``unparse`` are for changes of the values in an input, behind a ``header`` of so many bytes. ``quick``: inputs that
    the short form tries.
    """

    name: str
    attempt: Callable[[Path], Try]
    seeds: Callable[[], Sequence[bytes]]
    tokens: tuple[bytes, ...] = ()
    mend: Callable[[bytes], bytes] | None = None
    parse: Parse | None = None
    unparse: Unparse | None = None
    header: int = 0
    quick: int = 300

    @property
    def folder(self) -> Path:
        return CORPUS / self.name

    def corpus(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.folder.glob("*"))]


@dataclass(slots=True)
class Crash:
    data: bytes
    where: str
    text: str


@dataclass(slots=True)
class Run:
    """``attempt`` as the target's, in a folder of its own. ``current`` has the input that is being tried."""

    target: Target
    attempt: Try
    rng: random.Random
    current: Path | None = None
    executions: int = 0
    slowest: float = 0.0
    crashes: dict[str, Crash] = field(default_factory=dict)
    _pool: list[bytes] = field(default_factory=list)
    _seen: set[Hashable] = field(default_factory=set)

    def replay(self) -> None:
        """Seeds and corpus, as they are."""
        for data in (*self.target.seeds(), *self.target.corpus()):
            self._try(data, keep=True)

    def fuzz(self, more: Callable[[int], bool]) -> None:
        """Until ``more`` (executions) says no."""
        self.replay()
        if not self._pool:
            self._pool.append(b"")
        while more(self.executions):
            self._try(self._next())

    @property
    def signs(self) -> int:
        return len(self._seen)

    def _next(self) -> bytes:
        rng, target = self.rng, self.target
        recent = self._pool[-50:] if rng.random() < 0.5 else self._pool
        parent = rng.choice(recent)
        if target.parse is not None and target.unparse is not None and rng.random() < 0.5:
            try:
                head, body = parent[: target.header], parent[target.header :]
                changed = head + target.unparse(mutated_tree(target.parse(body), rng))
                parent = changed if len(changed) <= MOST_BYTES else parent
            except Exception:  # noqa: BLE001  it holds no values as it is
                parent = mutated(parent, self._pool, target.tokens, rng)
        else:
            parent = mutated(parent, self._pool, target.tokens, rng)
        return target.mend(parent) if target.mend is not None and rng.random() < 0.8 else parent

    def _try(self, data: bytes, *, keep: bool = False) -> None:
        if self.current is not None:
            self.current.write_bytes(data)
        self.executions += 1
        began = time.process_time()
        try:
            sign = self.attempt(data)
        except Exception as error:  # noqa: BLE001  whatever comes is a finding
            self._failed(data, error)
            return
        took = time.process_time() - began
        self.slowest = max(self.slowest, took)
        if self.current is not None and took > SLOW_SECONDS:
            self.crashes.setdefault("slow", Crash(data, "slow", f"{took:.1f} s for {len(data)} bytes"))
        if keep or (sign not in self._seen and len(self._pool) < MOST_KEPT):
            self._pool.append(data)
        self._seen.add(sign)

    def _failed(self, data: bytes, error: Exception) -> None:
        where = place_of(error)
        if where not in self.crashes:
            text = "\n".join("".join(traceback.format_exception(error)).splitlines()[-MOST_LINES:])
            self.crashes[where] = Crash(self._small(data, where), where, text)

    def _small(self, data: bytes, where: str) -> bytes:
        """The same failure from fewer bytes."""
        until, size = time.monotonic() + SMALL_SECONDS, max(len(data) // 2, 1)
        while size and time.monotonic() < until:
            at = 0
            while at < len(data) and time.monotonic() < until:
                fewer = data[:at] + data[at + size :]
                fewer = self.target.mend(fewer) if self.target.mend is not None else fewer
                if len(fewer) < len(data) and self._fails(fewer) == where:
                    data = fewer
                else:
                    at += size
            size //= 2
        return data

    def _fails(self, data: bytes) -> str:
        try:
            self.attempt(data)
        except Exception as error:  # noqa: BLE001  whatever comes is a finding
            return place_of(error)
        return ""


def place_of(error: Exception) -> str:
    """The kind of the error, and the innermost line of driftd or of the target that it came through."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if "/driftd/" in f.filename or "/fuzz/" in f.filename
    ]
    last = frames[-1] if frames else None
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.name}:{last.lineno}" if last else repr(error)


def sign_of(text: str) -> str:
    """A message without what is different each time: numbers, and what is quoted."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|[0-9]+|/\S+", "_", text)[:120]


def name_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def lines(run: Run) -> Iterator[str]:
    rate = f"{run.executions:,} inputs, {run.signs:,} kinds of outcome, slowest {run.slowest * 1000:.0f} ms"
    yield f"{run.target.name}: {rate}, {len(run.crashes)} failures"
    for crash in run.crashes.values():
        yield f"  {crash.where} ({len(crash.data)} bytes)"
