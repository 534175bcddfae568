"""A daemon of a group: it reads some partitions for all, and judges some models from what all have read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from driftd.core.act import Act, Deed
from driftd.core.errors import ActRefused, ExchangeFailed, MessageUnreadable, SourceError, StateError
from driftd.core.event import Decoded, RecordBatch, TopicPartition
from driftd.core.pane import Counters, merge_counters
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.core.text import clean, printable
from driftd.engine.daemon import Daemon
from driftd.engine.exchange.addresses import Addresses
from driftd.engine.exchange.cells import owner_cell, reader_cell, restore_owner, restore_reader
from driftd.engine.exchange.messages import (
    Address,
    Bundle,
    Forget,
    Given,
    Labelled,
    Message,
    Panes,
    Plan,
    Rows,
    ToAll,
    ToJoin,
    ToReaders,
    decode,
)
from driftd.engine.exchange.owner import Owner
from driftd.engine.exchange.reader import Plans, Reader
from driftd.engine.exchange.scratch import Scratch
from driftd.engine.exchange.topics import Exchange, Saved
from driftd.engine.exchange.waiting import Waiting
from driftd.engine.forget import removal
from driftd.engine.hashed import require_hashing, require_reference
from driftd.engine.parts import Known, names_in, shorten, whole
from driftd.engine.positions import unread
from driftd.engine.references import start_models
from driftd.engine.saving import written
from driftd.engine.snapshot.checkpoint import Checkpoint
from driftd.engine.snapshot.coding import decode_checkpoint, encode_checkpoint
from driftd.engine.state import Kept, State
from driftd.ingest.state import PartitionState

log = logging.getLogger("driftd.daemon")
MOST_WAITING: Final = 40
"""Records of the panes topic that wait for a member before it reads no more events. In a backlog a record has what
somebody has read in a poll, a few thousand events."""
MOST_GROUPS: Final = 100
PANE_SECONDS: Final = "pane_seconds"
"""Under this name it is saved."""
TURNS: Final = 2
"""Checkpoints until what was forgotten has left the state topic: two versions of each take turns."""
SOON_SECONDS: Final = 0.02
"""Between two looks at the plans topic while something is waited for."""


@dataclass(slots=True)
class View(State):
    """What a member's readers have counted, and the models that it judges: those have been heard of, too, where others
    read all of their events.
    """

    pane_seconds: float = 1.0
    owned: Sequence[State] = ()
    """Of the models that it judges: events of joined labels are counted there."""

    @property
    def kept(self) -> Kept:
        each = [state.kept for state in self.owned]
        halvings = max((kept.halvings for kept in each), default=0)
        return Kept(sum(kept.entries for kept in each), sum(kept.bytes for kept in each), halvings)

    def counters(self, key: Slice) -> Counters:
        if key.joined:
            return merge_counters(state.counters(key) for state in self.owned)
        read, model = super(View, self).counters(key), self.models.get(key)
        judged = -np.inf if model is None or model.taken is None else (model.taken + 1) * self.pane_seconds
        return replace(read, last_event=max(read.last_event, judged))


@dataclass(slots=True)
class Member(Daemon):
    """One of several processes in a group.

    Of the partitions that the group gives it those of the ``panes_topic`` are models to judge, the others events to
    read. ``state`` is a view of all: what its readers have counted, and the models that it judges. Rounds are those of
    Daemon; what is read is sent, what is sent is judged by the model's owner, and a checkpoint covers both. What could
    not be sent is read again, from the last checkpoint on.
    """

    exchange: Exchange = field(kw_only=True)
    panes_topic: str = field(kw_only=True)
    plans: Plans = field(kw_only=True)
    given: Mapping[str, Reference] = field(kw_only=True, default_factory=dict)
    sources: Callable[[], Collection[TopicPartition]] = field(kw_only=True)
    panes_partitions: Callable[[], int] = field(kw_only=True)
    """How many the panes topic has now; 0 where that is not known."""
    generation: Callable[[], int] = field(kw_only=True)
    readers: dict[TopicPartition, Reader] = field(init=False, default_factory=dict)
    owners: dict[int, Owner] = field(init=False, default_factory=dict)
    epochs: dict[TopicPartition, int] = field(init=False, default_factory=dict)
    group: str = field(kw_only=True)
    addresses: Addresses = field(kw_only=True, default_factory=Addresses)
    scratch: Path | None = field(kw_only=True, default=None)
    """Where a file may lie for as long as this process runs; None: where the system has such files."""
    _others: set[str] = field(init=False, default_factory=set)
    """Groups whose messages lie in our panes topic, as far as that was told."""
    _parts: dict[int, Known] = field(init=False, default_factory=dict)
    """Of each owner, what lies in the state topic already."""
    _waiting: set[TopicPartition] = field(init=False, default_factory=set)
    """Ours, and not begun: no broker answered."""
    _turns: int = field(init=False, default=0)
    """Checkpoints that are to be written though nothing has changed."""

    def round(self) -> None:
        if self._turns and not self._saver.dirty:
            self._turns, self._saver.dirty = self._turns - 1, True
        super(Member, self).round()
        elsewhere = {
            key for reader in self.readers.values() for key in reader.partition.streams
        } - self.state.models.keys()
        self.reporter.read({key: self.state.counters(key) for key in elsewhere}, self.state.models)

    def _troubles(self) -> Collection[str]:
        return self.exchange.troubles()

    def _hold(self) -> None:
        """What was sent is judged before more is read: a backlog would else wait in memory."""
        self._require_owners()
        if self._waiting:
            self._assigned(sorted(self._waiting))
        try:
            self._hear()
        except SourceError as e:
            if not e.retriable:
                raise
            self.reporter.out_of_reach(str(e))
        waiting = max((lag.records for at, lag in self.source.lag().items() if at[0] == self.panes_topic), default=0)
        before = self._held
        self._held = (
            frozenset(self.readers) if waiting > (MOST_WAITING // 2 if before else MOST_WAITING) else frozenset()
        )
        self.source.hold(self._held | self._delayed.partitions)
        self.reporter.held(before, self._held)

    def _require_owners(self) -> None:
        now = self.panes_partitions()
        if now and now != self.exchange.owners:
            raise StateError(
                f"topic '{self.panes_topic}' has {now} partitions, and had {self.exchange.owners} when this member "
                "began: models would have other owners. Make it with as many again, or take another kafka.group_id: "
                "models are then learned anew"
            )

    def _poll(self) -> list[RecordBatch]:
        waits = any(reader.waits for reader in self.readers.values()) or any(o.waits for o in self.owners.values())
        return self._polled(min(SOON_SECONDS, self.timing.poll_seconds) if waits else self.timing.poll_seconds)

    def _hear(self, *, to_end: bool = False) -> None:
        for data in self.exchange.hear(to_end=to_end):
            for message in self._readable(data):
                if isinstance(message, Plan) and message.reference is not None:
                    require_reference(message.reference, self.pipeline.hashing)
                if isinstance(message, Plan | Given | Forget | Labelled):
                    self.plans.learn(message)
                elif isinstance(message, Address):
                    self.addresses.learn(message)
        if self._let_go():
            self._turns = TURNS

    def _let_go(self) -> bool:
        """Of models that were forgotten; whether there were any. Those that are configured begin anew."""
        known = [*(r.forgotten for r in self.readers.values()), *(o.owned.forgotten for o in self.owners.values())]
        if all(self.plans.forgotten == one for one in known):
            return False
        for reader in self.readers.values():
            reader.forget()
        for owner in self.owners.values():
            gone = owner.forget()
            for model in gone:
                self.reporter.metrics.remove(model)
                self.state.refusals.forget(model)
            if gone:
                state = owner.owned.state
                self.reporter.judged(start_models(state, self.pipeline, self.given, gone.__contains__), state)
        self._view()
        return True

    def _readable(self, data: bytes | None) -> Iterator[Message]:
        try:
            said = decode(data or b"")
            if not isinstance(said, Bundle):
                yield said
                return
            if said.group != self.group:
                self._meet_group(said.group)
                return
        except MessageUnreadable as e:
            self.reporter.out_of_reach(f"a message of another member is left out: {e}")
            return
        for part in said.messages:
            yield from self._readable(part)

    def _meet_group(self, group: str) -> None:
        if group not in self._others and len(self._others) < MOST_GROUPS:
            self._others.add(group)
            log.warning(
                "group '%s' uses topic '%s', too: its messages are left alone", printable(group), self.panes_topic
            )

    def _take(self, records: RecordBatch) -> None:
        if records.source == self.panes_topic:
            self._receive(records)
        elif records.topic_partition in self.readers:
            super(Member, self)._take(records)  # dataclass slots make a class anew: super() alone knows the old one

    def _decode(self, records: RecordBatch) -> Decoded:
        return self.readers[records.topic_partition].take(records)

    def _counting(self, topic_partition: TopicPartition) -> State:
        reader = self.readers.get(topic_partition)
        return self.state if reader is None else reader.state

    def _receive(self, records: RecordBatch) -> None:
        owner = self.owners.get(records.partition)
        if owner is None:
            return
        now = self.clock.now()
        values = (value for part in records.at(None) for value in part.values)
        for message in (message for data in values for message in self._readable(data)):
            if isinstance(message, ToReaders | ToAll):
                continue
            for outcome in owner.receive(message):
                self._known(owner)
                self._tell(outcome)
            if (key := _heard(message)) in owner.owned.state.models:
                model = owner.owned.state.models[key]
                model.heard, model.retired = now, False
        owner.owned.next_offset = records.next_offset
        self.state.partitions[records.topic_partition].next_offset = records.next_offset
        self._saver.dirty = True

    def _known(self, owner: Owner) -> None:
        self.state.models |= owner.owned.state.models

    def _settle(self, idle: frozenset[TopicPartition]) -> None:
        self.exchange.send(
            message for source, reader in self.readers.items() for message in reader.send(idle=source in idle)
        )
        for owner in self.owners.values():
            owner.expect(self.sources())
            for outcome in owner.settle():
                self._known(owner)
                self._tell(outcome)
                self.reporter.beat(self.clock.now())
            self.exchange.send(owner.answers())
        self.exchange.send(self.addresses.to_tell((k, self.epochs[self.panes_topic, k]) for k in self.owners))
        self._view()

    def _view(self) -> None:
        """``state`` as the readers and owners have it now."""
        readers = [reader.state for reader in self.readers.values()]
        state = self.state
        state.received, state.accepted = sum(r.received for r in readers), sum(r.accepted for r in readers)
        state.rejected.clear()
        state.dropped.clear()
        for reader in readers:
            state.rejected.update(reader.rejected)
            state.dropped.update(reader.dropped)
        owned = [owner.owned for owner in self.owners.values()]
        state.outcomes.counts = {name: c for o in owned for name, c in o.state.outcomes.counts.items()}
        if isinstance(state, View):
            state.owned = [o.state for o in owned]
        state.findings = sum(o.state.findings for o in owned)
        self.reporter.exchanged(sum(o.late for o in owned), sum(o.foreign for o in owned))
        state.models = {}
        for owner in self.owners.values():
            self._known(owner)

    def _release(self, partitions: Iterable[TopicPartition]) -> None:
        """These partitions are another member's now, with all that was saved of them."""
        for at in list(partitions):
            self._waiting.discard(at)
            self.readers.pop(at, None)
            owner = self.owners.pop(at[1], None) if at[0] == self.panes_topic else None
            if at[0] == self.panes_topic:
                self._parts.pop(at[1], None)
            if owner is not None:
                owner.waiting.scratch.close()
            for key in () if owner is None else owner.owned.state.models:
                self.reporter.metrics.remove(key.model)  # its new owner shows it
            self.state.partitions.pop(at, None)
            self._idle.forget(at)
        self._view()

    def _assigned(self, partitions: Iterable[TopicPartition]) -> None:
        partitions = list(partitions)
        self._waiting |= set(partitions)
        try:
            self._begin(partitions)
        except SourceError as e:
            if not e.retriable:
                raise
            self.reporter.out_of_reach(str(e))
        except ExchangeFailed as e:
            self.reporter.out_of_reach(str(e))

    def _begin(self, partitions: list[TopicPartition]) -> None:
        """Goes on in partitions from what was saved of them, by us or another; what stayed ours is as it is."""
        fresh = [at for at in partitions if at not in self.state.partitions]
        saved, parts = self._load(fresh)
        for at in fresh:  # what was sent before, by us or another, is an earlier reader's
            before = saved[at].exchange if at in saved else None
            known = -1 if before is None else before.epoch
            self.epochs[at] = max(self.generation(), self.epochs.get(at, -1) + 1, known + 1)
        self._meet([at for at in fresh if at[0] != self.panes_topic])
        self._hear(to_end=True)
        committed = self.source.committed(fresh)
        start: dict[TopicPartition, int | str] = {}
        for at in fresh:
            offset = committed.get(at, (None, ""))[0]
            mine = saved.get(at)
            ours = at[0] == self.panes_topic
            start[at] = self._judge(at[1], mine, parts.get(at, {})) if ours else self._read(at, mine, offset)
        start |= {at: self.state.partitions[at].next_offset for at in partitions if at not in start}
        ids = {at: self.readers[at].partition.topic_id for at in partitions if at in self.readers}
        found = self.source.seek(start, ids)
        for at, offset in found.items():
            if at in self.readers:
                self.state.partitions[at] = self.readers[at].partition
            else:
                self.state.partitions.setdefault(at, PartitionState(offset))
                self.owners[at[1]].owned.next_offset = offset
            self.state.partitions[at].next_offset = offset
        self._release(set(fresh) - found.keys())  # not ours any more
        self._waiting.difference_update(partitions)
        self._saver.dirty = True
        self._view()
        log.info("reading from %s", ", ".join(f"{t}/{n}@{o}" for (t, n), o in sorted(found.items())))
        if any(isinstance(begin, str) and begin != "earliest" for begin in start.values()):
            self._saver.save()  # after kill -9 before the first checkpoint "latest" would be another place

    def _load(
        self, partitions: Collection[TopicPartition]
    ) -> tuple[dict[TopicPartition, Checkpoint], dict[TopicPartition, Mapping[str, bytes]]]:
        """What was saved of the partitions, where something was, and its parts."""
        names = {at: _owner(at[1]) if at[0] == self.panes_topic else _reader(at) for at in partitions}
        saved = self.exchange.load({*names.values(), PANE_SECONDS} if names else ())
        found = {at: saved[name] for at, name in names.items() if name in saved}
        cells = {at: whole(decode_checkpoint(one.payload), one.parts.__getitem__)[0] for at, one in found.items()}
        for at, cell in cells.items():
            require_hashing(cell, self.pipeline.hashing, f"state of {at[0]}/{at[1]}")
            self._require_panes(cell.pane_seconds)
        if names:
            self._agree(saved.get(PANE_SECONDS))
        return cells, {at: one.parts for at, one in found.items()}

    def _agree(self, said: Saved | None) -> None:
        """The panes of all members have one length: their numbers would mean other times."""
        if said is None:
            own = b"%.17g" % self.pipeline.monitor.windows.pane_seconds
            self.exchange.save(PANE_SECONDS, 0, own, {}, ())
        else:
            self._require_panes(float(said.payload))

    def _require_panes(self, found: float) -> None:
        wanted = self.pipeline.monitor.windows.pane_seconds
        if found != wanted:
            raise StateError(
                f"windows.pane_seconds is {wanted:g} here, and {found:g} in what group '{printable(self.group)}' "
                f"saved: panes cannot be cut anew. Set it to {found:g}, or take another kafka.group_id for all: "
                "models are then learned anew"
            )

    def _meet(self, sources: Iterable[TopicPartition]) -> None:
        """Tells the owners that the sources have another reader now; what is asked for in the plans topic from here on
        is asked for by that one.
        """
        self.exchange.send(
            Reader(source, self.plans.pipeline, self.plans, epoch=self.epochs[source]).read() for source in sources
        )
        self.exchange.flush()

    def _read(self, source: TopicPartition, saved: Checkpoint | None, committed: int | None) -> int | str:
        """Reads the partition; from where."""
        if saved is None:
            self.readers[source] = Reader(source, self.plans.pipeline, self.plans, epoch=self.epochs[source])
            return unread(self.state, self.timing, source) if committed is None else committed
        self.readers[source] = restore_reader(saved, source, self.plans, self.epochs[source])
        return self.readers[source].partition.next_offset

    def _judge(self, k: int, saved: Checkpoint | None, parts: Mapping[str, bytes]) -> int | str:
        """Judges the models of a partition of the panes topic; from where."""
        scratch = Scratch(self.scratch)
        if saved is None:
            owner = Owner(self.pipeline, self.plans, waiting=Waiting(scratch))
        else:
            owner = restore_owner(saved, self.pipeline, self.plans, parts, scratch)
        owner.forget()
        state = owner.owned.state
        judgements = start_models(state, self.pipeline, self.given, lambda name: self.exchange.owner_of(name) == k)
        self.owners[k] = owner
        self.reporter.judged(judgements, state)
        return "earliest" if saved is None else owner.owned.next_offset

    def _again(self, why: Exception) -> None:
        """What was sent did not all arrive: everything is read and judged again from the last checkpoint on."""
        self.reporter.out_of_reach(f"{why}; reading again from the last checkpoint on")
        ours = sorted(self.state.partitions)
        self._release(ours)
        self._assigned(ours)

    def _write(self) -> Future[int]:
        """A checkpoint for each partition, in the state topic. Raises ExchangeFailed."""
        now, size = self.clock.now(), 0
        self.exchange.flush()
        for source, reader in self.readers.items():
            cell = encode_checkpoint(reader_cell(reader, now))
            size += self.exchange.save(_reader(source), self.epochs[source], cell, {}, ())
        for k, owner in self.owners.items():
            epoch = self.epochs[self.panes_topic, k]
            parts = owner.waiting.save(owner.owned.state.outcomes.pending)
            short, self._parts[k], fresh = shorten(owner_cell(owner, epoch, now), self._parts.get(k, {}))
            parts |= {name: encoded() for name, encoded in fresh.items()}
            names = names_in(short) | owner.waiting.saved.names
            size += self.exchange.save(_owner(k), epoch, encode_checkpoint(short), parts, names)
        self.exchange.flush()
        return written(size)

    def _save(self) -> Future[int] | None:
        try:
            return super(Member, self)._save()
        except ExchangeFailed as e:
            self._saver.failed(str(e))
            self._again(e)
            return None

    def _judging(self, key: Slice) -> State:
        owner = self.owners.get(self.exchange.owner_of(key.model))
        if owner is not None and key in owner.owned.state.models:
            return owner.owned.state
        if owner is not None:
            return super(Member, self)._judging(key)
        there = self.addresses.of(self.exchange.owner_of(key.model))
        where = f"the one at {clean(there, 300)}" if there else "the one whose page shows it (--url)"
        raise ActRefused(
            f"another member of the group judges '{clean(key.model)}': ask {where}", (there,) if there else ()
        )

    def others(self) -> Collection[str]:
        return self.addresses.others()

    def _perform(self, act: Act) -> str:
        said = self._forget(act) if act.deed is Deed.FORGET else super(Member, self)._perform(act)
        self._view()
        return said

    def _forget(self, act: Act) -> str:
        """All members forget the model when they hear of it, and so do we: whoever takes over from us does it, too."""
        state = self._judging(Slice(act.model))
        told = removal(state, act.model)
        try:
            self._hear(to_end=True)
            self.exchange.send([self.owners[self.exchange.owner_of(act.model)].forgetting(act.model)])
            self.exchange.flush()
            self._hear(to_end=True)
            self.exchange.forget(act.model)
        except SourceError as e:
            raise ActRefused(f"{clean(act.model)}: perhaps not forgotten: {e}; ask again") from e
        except ExchangeFailed as e:
            self._again(e)
            raise ActRefused(f"{clean(act.model)}: perhaps not forgotten: {e}; ask again") from e
        self.reporter.acted(act)
        return told

    def _retire(self) -> None:
        for owner in self.owners.values():
            self._retire_from(owner.owned.state)

    def _close(self) -> None:
        super(Member, self)._close()
        self.exchange.close()


def _heard(message: Message) -> Slice | None:
    """The slice of which events have come, or labels."""
    if isinstance(message, ToJoin):
        return None if message.arrived.labels is None else message.slice.labels
    return message.slice if isinstance(message, Rows | Panes) else None


def _reader(source: TopicPartition) -> str:
    return f"reader|{source[0]}/{source[1]}"


def _owner(k: int) -> str:
    return f"owner|{k}"
