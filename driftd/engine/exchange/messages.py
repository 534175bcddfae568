"""What members tell each other, as bytes: closed panes and rows to the owner of a model, references and streams back.

reader of a partition                                       owner of a model
    Rows, Panes, Read, HandOver, Resumed, Tried,
    Unplanned, ToJoin                                       -- panes topic -->
                                          <-- plans topic --  Plan, Given, Address, Forget, Labelled

A model is counted by its owner while its bins may change: the readers send rows. When its bins stay the owner sends a
Plan; a reader then asks for what the owner has counted of its partition (HandOver), gets it (Given), and counts itself
from there on (Resumed, Panes). Labels that come later are joined by the owner, who counts the pairs. Every message may
come again: what was taken in already changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import inf
from typing import Final
from urllib.parse import urlsplit

import msgspec
import numpy as np

from driftd.core.errors import MessageUnreadable
from driftd.core.event import TopicPartition
from driftd.core.pane_block import PaneBlock
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.core.trials import Trial, parted
from driftd.engine.codec import TypedCodec
from driftd.engine.shapes import require_panes, require_rows, require_trials
from driftd.engine.snapshot.ingest import StreamSnapshot
from driftd.engine.snapshot.rows import RowsSnapshot
from driftd.ingest.outcomes.arrived import Arrived

VERSION: Final = 1
"""The first byte of every message. A reader that does not know it leaves the message alone."""

MOST_ADDRESS: Final = 300
"""Characters of an address."""
MOST_NUMBER: Final = 1 << 53
"""Of what is forgotten, so that a greater one can be sent."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Events of a slice that its owner counts, in offset order; the source has been read up to ``next_offset``."""

    source: TopicPartition
    slice: Slice
    next_offset: int
    rows: RowsSnapshot


@dataclass(frozen=True, slots=True)
class Panes:
    """Closed panes of a slice; ``offset``: the source's next offset when they were closed. No event will be added."""

    source: TopicPartition
    slice: Slice
    offset: int
    panes: PaneBlock


@dataclass(frozen=True, slots=True)
class Read:
    """The source has been read up to ``next_offset`` and ``latest``, the greatest event time (-inf: none yet); what
    that closes was sent before. An ``idle`` source holds nobody back. ``epoch`` is greater with every reader that the
    source gets: from here on an earlier one asks for nothing, and what it has read is not what this one has.
    ``labelled`` and ``reached`` as in PartitionState.
    """

    source: TopicPartition
    epoch: int
    next_offset: int
    latest: float
    idle: bool
    labelled: float = -inf
    reached: float = -inf


@dataclass(frozen=True, slots=True)
class HandOver:
    """The rows of a slice up to ``next_offset`` were sent; those after it wait for what the owner has counted."""

    source: TopicPartition
    epoch: int
    slice: Slice
    plan: str
    next_offset: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """The source's reader counts the slice itself, and has sent what is closed."""

    source: TopicPartition
    epoch: int
    slice: Slice
    plan: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The slice is counted on the bins of ``reference``, and no other will come; None: its owner counts it again."""

    slice: Slice
    name: str
    reference: Reference | None


@dataclass(frozen=True, slots=True)
class Given:
    """What the owner has counted of the source's events before ``next_offset``: its open ``panes``, without those up to
    ``through``, which it has judged or will, and the rest of the ``stream``. Of several for one plan the first counts,
    so that an owner that was thought dead, and one that begins anew from an older checkpoint, do as the others do.
    """

    source: TopicPartition
    slice: Slice
    plan: str
    next_offset: int
    through: int
    stream: StreamSnapshot
    panes: PaneBlock | None


@dataclass(frozen=True, slots=True)
class Address:
    """The models of partition ``owner`` of the panes topic are judged by the member that is reached at ``url``; of two
    that say so the one of the greater ``epoch`` does.
    """

    owner: int
    epoch: int
    url: str


@dataclass(frozen=True, slots=True)
class Forget:
    """A model is to be forgotten by all who know of it: whoever judges it, whoever counts it, and the plans of its
    slices up to the ``number``. Greater numbers come later; who has done it once remembers the number.
    """

    model: str
    number: int


@dataclass(frozen=True, slots=True)
class Tried:
    """What closed panes of a slice say of experiments; no event will be added."""

    source: TopicPartition
    slice: Slice
    trials: dict[str, Trial]


@dataclass(frozen=True, slots=True)
class Unplanned:
    """The source's reader begins to send rows of a slice: of its plans it has heard up to ``number``, and none is in
    force. Who reads begins with all that the plans topic has; so what the owner has handed over by a later plan was
    handed over by one that is lost.
    """

    source: TopicPartition
    epoch: int
    slice: Slice
    number: int


@dataclass(frozen=True, slots=True)
class ToJoin:
    """Predictions of a model, and labels that came alone, in offset order: all that the source has of it up to
    ``next_offset`` since the reader began to send them.
    """

    source: TopicPartition
    slice: Slice
    next_offset: int
    arrived: Arrived


@dataclass(frozen=True, slots=True)
class Labelled:
    """Labels of a model come: what they may be joined to is to be sent. ``number``: greater than that of the last time
    that the model was forgotten.
    """

    model: str
    number: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """Several messages of a member of ``group`` in one record, each as ``encode`` makes it, in order: a record costs a
    broker and both ends more than what most messages say.
    """

    group: str
    messages: tuple[bytes, ...]


ToOwner = Rows | Panes | Read | HandOver | Resumed | Tried | Unplanned | ToJoin
ToReaders = Plan | Given | Labelled
ToAll = Address | Forget
Message = ToOwner | ToReaders | ToAll

_KINDS: Final[tuple[type[Message | Bundle], ...]] = (
    *(Rows, Panes, Read, HandOver, Resumed, Plan, Given, Bundle, Address, Forget, Tried, Unplanned),
    *(ToJoin, Labelled),
)
"""By the second byte of a message; new kinds come behind."""
_CODECS: Final = tuple(TypedCodec(kind) for kind in _KINDS)


def encode(message: Message | Bundle) -> bytes:
    kind = _KINDS.index(type(message))
    return bytes((VERSION, kind)) + _CODECS[kind].encode(message)


def decode(data: bytes) -> Message | Bundle:
    """Raises MessageUnreadable where the bytes are not what ``encode`` makes."""
    if len(data) < 2 or data[0] != VERSION or data[1] >= len(_CODECS):
        raise MessageUnreadable(f"not a message of version {VERSION}: begins with {data[:2].hex() or 'nothing'}")
    try:
        message = _CODECS[data[1]].decode(data[2:])
        _require_whole(message)
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, IndexError) as e:
        raise MessageUnreadable(f"{_KINDS[data[1]].__name__}: {type(e).__name__}: {e}") from e
    return message


def _require_whole(message: Message | Bundle) -> None:
    """Raises ValueError where what it holds does not fit together."""
    match message:
        case Bundle():
            if any(part[:2] == bytes((VERSION, _KINDS.index(Bundle))) for part in message.messages):
                raise ValueError("a bundle in a bundle")
        case Address():
            _require_address(message.url)
        case Forget() | Labelled():
            if not 0 < message.number < MOST_NUMBER:
                raise ValueError("no number of what is forgotten")
        case _:
            _require_columns(message)


def _require_columns(message: Message) -> None:
    match message:
        case Rows():
            require_rows(message.rows)
        case Panes():
            require_panes(message.panes)
        case Tried():
            require_trials(message.trials)
        case ToJoin():
            if not message.arrived.is_whole:
                raise ValueError("to join: columns that are not one value for each")
        case Given():
            _require_given(message)


def _require_given(message: Given) -> None:
    for rows in (*message.stream.rows, *message.stream.held):
        require_rows(rows)
    if message.panes is not None:
        require_panes(message.panes)


def _require_address(url: str) -> None:
    """Commands go there: raises ValueError for what is none of a member's."""
    parts = urlsplit(url)
    known = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc and parts.port != 0
    if not (known and url.isprintable() and len(url) <= MOST_ADDRESS):
        raise ValueError("no address of a member")


def bundles(group: str, messages: Iterable[bytes], most: int) -> Iterator[Bundle]:
    """The messages, in order, in bundles of ``most`` bytes at most; one that is larger has a bundle of its own."""
    waiting, size = list[bytes](), 0
    for data in messages:
        if waiting and size + len(data) > most:
            yield Bundle(group, tuple(waiting))
            waiting, size = [], 0
        waiting.append(data)
        size += len(data)
    if waiting:
        yield Bundle(group, tuple(waiting))


def small(message: Message, most: int) -> Iterator[Message]:
    """The same in messages of ``most`` bytes at most, where it can be cut: between records, and between panes."""
    parts = [message] if len(encode(message)) <= most else _halves(message)
    if len(parts) == 1:
        yield message
        return
    for part in parts:
        yield from small(part, most)


def _halves(message: Message) -> list[Message]:
    """In two, or as it is where it cannot be cut."""
    match message:
        case Tried():
            numbers = np.unique(np.concatenate([trial.sums.rows for trial in message.trials.values()]))
            parts = parted(message.trials, int(numbers[(len(numbers) - 1) // 2]))
            return [replace(message, trials=some) for some in parts if some]
        case Panes():
            numbers = message.panes.numbers
            blocks = message.panes.cut(int(numbers[(len(numbers) - 1) // 2]))
            return [replace(message, panes=block) for block in blocks if block is not None]
        case Rows():
            rows = message.rows.restore()
            middle = int(np.searchsorted(rows.offsets, rows.offsets[len(rows) // 2]))
            if middle == 0:
                return [message]  # one record
            first, rest = (RowsSnapshot.of(rows.take(at)) for at in np.split(np.arange(len(rows)), [middle]))
            return [
                replace(message, rows=first, next_offset=int(rows.offsets[middle])),
                replace(message, rows=rest),
            ]
        case ToJoin():
            offsets = message.arrived.offsets
            if len(offsets) < 2:
                return [message]  # one record
            middle = int(offsets[len(offsets) // 2])
            before, since = message.arrived.before(middle), message.arrived.since(middle)
            return [replace(message, arrived=before, next_offset=middle), replace(message, arrived=since)]
        case _:
            return [message]


def key_of(message: Message) -> str:
    """Of two messages with one key the later says all that the earlier said: a topic may be compacted by it."""
    match message:
        case Panes():
            numbers = message.panes.numbers
            place = f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]}"
        case Rows():
            place = f"rows@{message.next_offset}"
        case Tried():
            rows = np.concatenate([trial.sums.rows for trial in message.trials.values()])
            place = f"tried@{rows.min()}-{rows.max()}"
        case ToJoin():
            place = f"join@{message.next_offset}"
        case Read():
            return f"|read|{_named(message.source)}"
        case Plan():
            return f"{message.slice.model}|plan"
        case Address():
            return f"|address|{message.owner}"
        case Forget() | Labelled():
            return f"{message.model}|{type(message).__name__.lower()}"
        case _:
            place = type(message).__name__.lower()
    return f"{message.slice.model}|{place}|{_named(message.source)}"


def number_of(plan: str) -> int:
    """Plans of a slice are numbered: ``bins/number``."""
    number = plan.rpartition("/")[2]
    return int(number) if number.isascii() and number.isdigit() else 0


def _named(source: TopicPartition) -> str:
    return f"{source[0]}/{source[1]}"
