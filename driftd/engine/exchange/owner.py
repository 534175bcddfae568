"""The monitor side of a member: the models of one partition of the panes topic, judged from what all readers send."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from driftd.core.event import EventBatch, TopicPartition
from driftd.core.pane import ClosedPanes
from driftd.core.slice import Slice
from driftd.core.text import clean
from driftd.core.window import panes_of
from driftd.engine.exchange.messages import (
    Forget,
    Given,
    HandOver,
    Labelled,
    Panes,
    Plan,
    Read,
    Resumed,
    Rows,
    ToJoin,
    ToOwner,
    ToReaders,
    Tried,
    Unplanned,
    number_of,
)
from driftd.engine.exchange.reader import Plans, rows_from
from driftd.engine.exchange.waiting import Waiting
from driftd.engine.pipeline import Pipeline
from driftd.engine.shapes import fits
from driftd.engine.snapshot.ingest import StreamSnapshot
from driftd.engine.state import Outcome, State
from driftd.ingest import panes, partition
from driftd.ingest.partition import NEVER
from driftd.ingest.state import PartitionState, Stream
from driftd.monitor import experiments
from driftd.monitor.intake import take_in
from driftd.monitor.state import ModelState

log = logging.getLogger("driftd.daemon")

At = tuple[TopicPartition, Slice]


@dataclass(slots=True)
class Owned:
    """Everything that is known of the models of one partition of the panes topic; a checkpoint holds it.

    ``next_offset``: of the panes topic. ``state``: its partitions are the sources, as far as they have been sent; their
    streams are those that the owner counts. ``epochs``: of the readers. ``sent``: up to where a source's events of a
    slice have come;
    ``asked``: those whose reader wants to count; ``handed``: the plan by which it does; ``limits``: the last pane that
    is judged until the reader has sent what was open when it asked; ``resumed``: those where that came before we knew
    what was given. ``told``: the name of each slice's plan. ``late``: events that came when their pane was
    judged; ``foreign``: panes on other bins than the slice's. ``forgotten``: of models that were, the number.
    """

    next_offset: int = 0
    state: State = field(default_factory=State)
    epochs: dict[TopicPartition, int] = field(default_factory=dict)
    idle: set[TopicPartition] = field(default_factory=set)
    sent: dict[At, int] = field(default_factory=dict)
    asked: set[At] = field(default_factory=set)
    resumed: set[At] = field(default_factory=set)
    handed: dict[At, str] = field(default_factory=dict)
    limits: dict[At, int] = field(default_factory=dict)
    told: dict[Slice, str] = field(default_factory=dict)
    late: int = 0
    foreign: int = 0
    forgotten: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Owner:
    """Judges the models of one partition of the panes topic as one process would that reads all ``sources``, and joins
    their labels. ``waiting``: where it is kept what waits to be joined.
    """

    pipeline: Pipeline
    plans: Plans
    owned: Owned = field(default_factory=Owned)
    waiting: Waiting = field(default_factory=Waiting)
    _behind: bool = False
    _announced: set[str] = field(default_factory=set)
    """Models of which it has said that their labels come."""
    _answers: list[ToReaders] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.waiting.begin(self.owned.state.outcomes.pending)

    @property
    def waits(self) -> bool:
        """For what it has given to come back."""
        return bool(self.owned.asked)

    def expect(self, sources: Collection[TopicPartition]) -> None:
        """The partitions that there are: nothing is judged before each of them has been heard of, or is idle."""
        for source in sources:
            self.owned.state.partitions.setdefault(source, PartitionState(0))

    def receive(self, message: ToOwner) -> Iterator[Outcome]:
        """Takes a message in; one that came before changes nothing. What has to be judged before, is."""
        if isinstance(message, HandOver | Panes) and not self._follows(message):
            yield from self.settle()  # as whoever sent us the plan had done when they made it
        match message:
            case Rows():
                self._rows(message)
            case Panes():
                self._panes(message)
            case Tried():
                self._source(message.source)
                model = self.owned.state.models.setdefault(message.slice, ModelState(message.slice))
                experiments.take_in(model, message.source, message.trials)
            case Read():
                self._read(message)
            case HandOver():
                self._hand_over(message)
            case Resumed():
                self._resumed(message)
            case Unplanned():
                self._unplanned(message)
            case ToJoin():
                self._join(message)

    def settle(self) -> Iterator[Outcome]:
        """Judges what all sources have closed."""
        for at in sorted(self.owned.asked):
            self._hand(at)
        state, idle = self.owned.state, frozenset(self.owned.idle)
        stops = self.pipeline.stops(state, idle)
        again, self._behind = self._behind, False
        if not stops and again and state.frontier is not None:
            stops = [state.frontier]
        limits = {key: self._reached(key) for _, key in self.owned.limits}
        for stop in stops:
            yield from self.pipeline.close(state, stop, again=again, at_most=limits)
        self._plan()
        self._announce()

    def answers(self) -> list[ToReaders]:
        """What readers have to know since it was last asked."""
        answers, self._answers = self._answers, []
        return answers

    def forgetting(self, model: str) -> Forget:
        """What makes all members forget a model, this one too."""
        plans = [number_of(name) for key, name in self.owned.told.items() if key.is_of(model)]
        return Forget(model, 1 + max(self.plans.forgotten.get(model, 0), *plans, 0))

    def forget(self) -> list[str]:
        """Lets go of the models that were forgotten since it last looked, and of what it has been sent of them; their
        names, where it judged them.
        """
        owned, gone = self.owned, list[str]()
        for model in self.plans.forgotten_since(owned.forgotten):
            keys = {key for key in owned.state.models if key.is_of(model)}
            for key in keys:
                del owned.state.models[key]
                owned.told.pop(key, None)
                self._drop_handing(key)
                for source, mine in owned.state.partitions.items():
                    mine.streams.pop(key, None)
                    # a reader that goes on from an older checkpoint sends again what was read by then
                    owned.sent[source, key] = max(owned.sent.get((source, key), 0), mine.next_offset)
            owned.state.refusals.forget(model)
            self._forget_labels(model)
            gone += [model] if keys else []
        return gone

    def _forget_labels(self, model: str) -> None:
        """What waits of the model, and what became of its labels."""
        outcomes, labels = self.owned.state.outcomes, Slice.of_labels(model)
        self._announced.discard(model)
        if outcomes.counts.pop(model, None) is None:
            return
        outcomes.pending.forget(model)
        self.waiting.renew()
        for source, mine in self.owned.state.partitions.items():
            self.owned.sent[source, labels] = max(self.owned.sent.get((source, labels), 0), mine.next_offset)

    def _drop_handing(self, key: Slice) -> None:
        """Who counts the slice is open again."""
        for known in (self.owned.asked, self.owned.resumed, self.owned.handed, self.owned.limits):
            for at in [at for at in known if at[1] == key]:
                known.discard(at) if isinstance(known, set) else known.pop(at)

    def _follows(self, message: HandOver | Panes) -> bool:
        """Whether its sender counts, or will, on bins that we know."""
        if isinstance(message, HandOver):
            return self.owned.told.get(message.slice) == message.plan
        model = self.owned.state.models.get(message.slice)
        return model is not None and model.reference is not None and fits(message.panes, model.reference)

    def _rows(self, message: Rows) -> None:
        key, at = message.slice, (message.source, message.slice)
        begin = self.owned.sent.get(at, 0)
        if at in self.owned.asked or at in self.owned.handed or message.next_offset <= begin:
            return
        rows = rows_from(message.rows.restore(), begin)
        self.owned.sent[at] = message.next_offset
        mine = self._source(message.source)
        model = self.owned.state.models.setdefault(key, ModelState(key))
        stream = mine.streams.setdefault(key, Stream())
        rows = self._on_time(rows, key)
        if not len(rows):
            return
        reference = model.reference
        if reference is not None:  # decoded by who does not know the kinds
            fresh = Stream(counters=stream.counters)
            (rows,), _ = partition.refuse_text(fresh, [rows], reference.numeric_features)
            stream.counters = fresh.counters
        stream.rows.append(rows)

    def _join(self, message: ToJoin) -> None:
        """What came before is left out: by offsets, as rows are."""
        at = message.source, message.slice.labels
        begin = self.owned.sent.get(at, 0)
        if message.next_offset > begin:
            self.owned.sent[at] = message.next_offset
            self._source(message.source)
            self.pipeline.join(self.owned.state, message.source, message.slice.model, message.arrived.since(begin))

    def _announce(self) -> None:
        """Says to all whose labels come, where nobody has: from then on their predictions are sent."""
        joining = self.pipeline.labels
        known = {} if joining is None or joining.always else self.owned.state.outcomes.counts
        for model in sorted(known.keys() - self.plans.labelled.keys() - self._announced):
            self._announced.add(model)
            self._answers.append(Labelled(model, 1 + self.plans.forgotten.get(model, 0)))

    def _on_time(self, rows: EventBatch, key: Slice) -> EventBatch:
        """Without the events whose pane was judged: their source was idle, or has just been heard of."""
        late = panes_of(rows.times, self.pipeline.monitor.windows.pane_seconds) <= self._reached(key)
        self.owned.late += int(np.count_nonzero(late))
        return rows.take(np.flatnonzero(~late)) if late.any() else rows

    def _panes(self, message: Panes) -> None:
        self._source(message.source)
        if not self._follows(message):
            self.owned.foreign += len(message.panes)
            return
        block = ClosedPanes(message.slice, message.source, message.offset, message.panes)
        take_in(self.owned.state.models[message.slice], block)

    def _read(self, message: Read) -> None:
        mine = self._source(message.source)
        if self._is_stale(message):
            return
        self.owned.epochs[message.source] = message.epoch
        # as this reader has it: what one before it had read further was perhaps not sent
        mine.next_offset, mine.latest = message.next_offset, message.latest
        mine.labelled, mine.reached = message.labelled, message.reached
        if message.idle:
            self.owned.idle.add(message.source)
        else:
            self.owned.idle.discard(message.source)

    def _is_stale(self, message: Read | HandOver | Resumed | Unplanned) -> bool:
        """Whether the source has got another reader since."""
        return message.epoch < self.owned.epochs.get(message.source, 0)

    def _hand_over(self, message: HandOver) -> None:
        """What is given is in force when it has come back in the plans topic: another may have given before us."""
        key, at = message.slice, (message.source, message.slice)
        if self.owned.told.get(key) != message.plan or self._is_stale(message):
            return
        if at in self.owned.asked or at in self.owned.handed:
            return
        self.owned.asked.add(at)
        self.owned.limits[at] = through = self._reached(key)
        if self._given(at) is None:
            stream = self._absorbed(at)
            _, open_ = (None, None) if stream.panes is None else stream.panes.cut(through)
            reference, find = self.owned.state.models[key].reference, self.pipeline.slices.sequential_of
            open_ = None if open_ is None else open_.dense
            snapshot = StreamSnapshot.of(key, replace(stream, panes=None), reference, find)
            next_offset = max(message.next_offset, self.owned.sent.get(at, 0))
            self._answers.append(Given(message.source, key, message.plan, next_offset, through, snapshot, open_))

    def _hand(self, at: At) -> None:
        """Lets go of what was given, once that is known."""
        given = self._given(at)
        if given is None:
            return
        stream = self._absorbed(at)
        kept = None if stream.panes is None else stream.panes.cut(given.through)[0]
        self._source(at[0]).streams[at[1]] = Stream(panes=kept, counters=stream.counters)
        self.owned.asked.discard(at)
        self.owned.handed[at] = given.plan
        self.owned.limits[at] = given.through
        if at in self.owned.resumed:
            self._go_on(at)

    def _resumed(self, message: Resumed) -> None:
        at = message.source, message.slice
        if self._is_stale(message):
            return
        if at in self.owned.asked:
            self.owned.resumed.add(at)
        elif self.owned.handed.get(at) == message.plan:
            self._go_on(at)

    def _unplanned(self, message: Unplanned) -> None:
        """Where its plan is lost the slice is counted here again, and planned anew: what its readers had counted and
        not sent is lost with it.
        """
        key, at = message.slice, (message.source, message.slice)
        number = number_of(self.owned.told.get(key, ""))
        if self._is_stale(message) or message.number >= number:
            return
        if at in self.owned.handed or at in self.owned.asked:
            log.warning("%s: the plans topic has lost its plan; made anew", clean(key.model))
            self.owned.told[key] = f"/{number}"
            self._drop_handing(key)

    def _go_on(self, at: At) -> None:
        self.owned.resumed.discard(at)
        self._behind = self.owned.limits.pop(at, None) is not None or self._behind

    def _given(self, at: At) -> Given | None:
        return self.plans.given.get((*at, self.owned.told.get(at[1], "")))

    def _absorbed(self, at: At) -> Stream:
        """The owner's stream, with no rows left."""
        source, key = at
        stream = self._source(source).streams.get(key, Stream())
        if stream.rows:
            seconds = self.pipeline.monitor.windows.pane_seconds
            panes.absorb(self.pipeline.slices.about(self.owned.state, key), stream, seconds)
        return stream

    def _reached(self, key: Slice) -> int:
        """The last pane of the slice that was judged, or had nothing in it."""
        frontier = self.owned.state.frontier
        limits = [limit for (_, other), limit in self.owned.limits.items() if other == key]
        return min([NEVER if frontier is None else frontier, *limits])

    def _source(self, source: TopicPartition) -> PartitionState:
        return self.owned.state.partitions.setdefault(source, PartitionState(0))

    def _plan(self) -> None:
        """Tells the readers of slices whose bins stay from now on, and of those whose bins may change again."""
        for key, model in self.owned.state.models.items():
            told = self.owned.told.get(key, "")
            if self._settled(model) == told.rpartition("/")[0]:
                continue
            # numbered: what was given for the same bins an earlier time is not meant
            number = 1 + max(number_of(told), *(self.plans.forgotten.get(name, 0) for name in (key.model, key.whole)))
            name = f"{self._settled(model)}/{number}"
            self._answers.append(Plan(key, name, model.reference if self._settled(model) else None))
            self.owned.told[key] = name
            self._drop_handing(key)

    def _settled(self, model: ModelState) -> str:
        """The bins on which readers count the slice; "" where its owner does, as always of joined labels."""
        reference = None if model.slice.joined else model.reference
        return reference.id if reference is not None and self.pipeline.monitor.bins_stay(model) else ""
