"""A group of members in one process: topics are lists of bytes, and a seeded hand decides whose turn it is, who dies,
and who takes over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import Decoded, EventBatch, LabelBatch, TopicPartition
from driftd.core.finding import Finding
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.engine.exchange.cells import owner_cell, reader_cell, restore_owner, restore_reader
from driftd.engine.exchange.messages import Message, Plan, decode, encode
from driftd.engine.exchange.owner import Owner
from driftd.engine.exchange.reader import Plans, Reader
from driftd.engine.exchange.scratch import Scratch
from driftd.engine.pipeline import Pipeline
from driftd.engine.snapshot.coding import decode_checkpoint, encode_checkpoint
from driftd.engine.state import Outcome


@dataclass
class Member:
    """A process: what it has heard of the plans topic, the partitions that it reads and those that it judges."""

    plans: Plans
    heard: int = 0
    readers: dict[TopicPartition, Reader] = field(default_factory=dict)
    owners: dict[int, Owner] = field(default_factory=dict)
    parts: dict[int, Mapping[str, bytes]] = field(default_factory=dict)


@dataclass
class Group:
    """``panes`` are the messages of each partition of the panes topic, ``plans`` those of the plans topic; ``saved``
    has the checkpoints by what they are of, ``waiting`` the parts of what waits for labels, by owner. ``written``:
    bytes of these, by owner and checkpoint.
    """

    make: Callable[[], Pipeline]
    parts: dict[TopicPartition, EventBatch]
    members: list[Member]
    panes: list[list[bytes]]
    plans: list[bytes] = field(default_factory=list)
    saved: dict[TopicPartition | int, bytes] = field(default_factory=dict)
    waiting: dict[int, Mapping[str, bytes]] = field(default_factory=dict)
    written: dict[int, list[int]] = field(default_factory=dict)
    findings: dict[str, Finding] = field(default_factory=dict)
    learned: list[Reference] = field(default_factory=list)
    epoch: int = 0
    zombies: list[Member] = field(default_factory=list)

    @classmethod
    def of(cls, make: Callable[[], Pipeline], parts: Sequence[EventBatch], members: int, owners: int) -> Group:
        return cls.of_sources(make, {("t", k): part for k, part in enumerate(parts)}, members, owners)

    @classmethod
    def of_sources(
        cls, make: Callable[[], Pipeline], sources: dict[TopicPartition, EventBatch], members: int, owners: int
    ) -> Group:
        out = cls(make, sources, [Member(Plans(make())) for _ in range(members)], [[] for _ in range(owners)])
        for k in range(owners):
            out.start_owner(k, out.members[k % members])
        for k, source in enumerate(sources):
            out.start_reader(source, out.members[k % members])
        return out

    def start_reader(self, source: TopicPartition, member: Member) -> None:
        self.epoch += 1
        self.publish(Reader(source, member.plans.pipeline, member.plans, epoch=self.epoch).read())
        self.hear(member, 1 << 30)  # before the state: the streams in it need the plans
        cell = self.saved.get(source)
        if cell is None:
            member.readers[source] = Reader(source, member.plans.pipeline, member.plans, epoch=self.epoch)
        else:
            member.readers[source] = restore_reader(decode_checkpoint(cell), source, member.plans, self.epoch)

    def start_owner(self, k: int, member: Member) -> None:
        self.hear(member, 1 << 30)
        member.parts.pop(k, None)
        cell = self.saved.get(k)
        if cell is None:
            member.owners[k] = Owner(self.make(), member.plans)
        else:
            member.owners[k] = restore_owner(
                decode_checkpoint(cell), self.make(), member.plans, self.waiting[k], Scratch()
            )
        member.owners[k].expect(self.parts)

    def read(self, reader: Reader, count: int) -> None:
        """Reads so many events more."""
        part, begin = self.parts[reader.source], reader.partition.next_offset
        end = min(begin + count, len(times_of(part)))
        if end > begin:
            decoded = Decoded(end - begin, [cut(part, begin, end)], [])
            reader.pipeline.ingest(reader.state, reader.source, end, decoded)

    def send(self, reader: Reader) -> None:
        for message in reader.send():
            self.publish(message)

    def publish(self, message: Message) -> None:
        data = encode(message)
        for k in range(len(self.panes)):
            if not hasattr(message, "slice") or sum(message.slice.whole.encode()) % len(self.panes) == k:
                self.panes[k].append(data)

    def judge(self, k: int, owner: Owner, count: int) -> None:
        at = owner.owned.next_offset
        for data in self.panes[k][at : at + count]:
            for outcome in owner.receive(decode(data)):  # type: ignore[arg-type]
                self.note(outcome)
            owner.owned.next_offset += 1
        for outcome in owner.settle():
            self.note(outcome)
        self.plans += [encode(answer) for answer in owner.answers()]

    def note(self, outcome: Outcome) -> None:
        """A finding that is told again, after a restart, is the same."""
        for finding in outcome.findings:
            assert repr(self.findings.setdefault(finding.id, finding)) == repr(finding)
        self.learned += outcome.learned

    def hear(self, member: Member, count: int) -> None:
        for data in self.plans[member.heard : member.heard + count]:
            member.plans.learn(decode(data))  # type: ignore[arg-type]
            member.heard += 1

    def save(self, member: Member) -> None:
        for source, reader in member.readers.items():
            self.saved[source] = encode_checkpoint(reader_cell(reader, 0.0))
        for k, owner in member.owners.items():
            fresh = owner.waiting.save(owner.owned.state.outcomes.pending)
            known = {**member.parts.get(k, {}), **fresh}  # an epoch's own
            member.parts[k] = self.waiting[k] = {name: known[name] for name in owner.waiting.saved.names}
            self.written.setdefault(k, []).append(sum(map(len, fresh.values())))
            self.saved[k] = encode_checkpoint(owner_cell(owner, 0, 0.0))

    def kill(self, place: int, *, stopped: bool = False) -> None:
        """What a member had not saved is lost; the others take over, and a fresh one comes in its place. One that was
        only ``stopped`` goes on some time later, as if nothing had been.
        """
        dead, self.members[place] = self.members[place], Member(Plans(self.make()))
        if stopped:
            self.zombies.append(dead)
        for n, source in enumerate(dead.readers):
            self.start_reader(source, self.members[(place + n) % len(self.members)])
        for n, k in enumerate(dead.owners):
            self.start_owner(k, self.members[(place + n + 1) % len(self.members)])

    def forget(self, model: str) -> None:
        """As a member does it that judges the model: it says so in the plans topic, and saves."""
        (owner,) = [o for m in self.members for o in m.owners.values() if Slice(model) in o.owned.state.models]
        self.plans.append(encode(owner.forgetting(model)))
        for member in self.members:
            self.hear(member, 1 << 30)
            for reader in member.readers.values():
                reader.forget()
            for judge in member.owners.values():
                judge.forget()
            self.save(member)

    def left(self) -> dict[TopicPartition, float]:
        """The time of the next event of each partition that is not read to its end."""
        out = {}
        for member in self.members:
            for source, reader in member.readers.items():
                times = times_of(self.parts[source])
                if reader.partition.next_offset < len(times):
                    out[source] = float(times[reader.partition.next_offset])
        return out

    def run(self, rng: np.random.Generator, most: int, kills: float = 0.0, ahead: float = 3_600.0) -> int:
        """Until all is read and judged; no partition is read further ahead of the others than ``ahead`` seconds.
        ``kills``: how probable one is, at each turn; how many there were.
        """
        killed = 0
        while left := self.left():
            who = int(rng.integers(len(self.members) + len(self.zombies)))
            self.turn([*self.members, *self.zombies][who], rng, most, min(left.values()) + ahead)
            if rng.random() < 0.2 and who < len(self.members):  # what a zombie saves counts for nobody
                self.save(self.members[who])
            if rng.random() < kills:
                self.kill(int(rng.integers(len(self.members))), stopped=rng.random() < 0.5)
                killed += 1
            if rng.random() < 0.1:
                self.zombies = self.zombies[1:]
        self.finish()
        return killed

    def turn(self, member: Member, rng: np.random.Generator, most: int, until: float) -> None:
        """A member reads of partitions that are not further than ``until``, sends, judges and hears something."""
        for source, reader in member.readers.items():
            times, at = times_of(self.parts[source]), reader.partition.next_offset
            if at < len(times) and times[at] <= until:
                self.read(reader, int(rng.integers(1, most)))
            if rng.random() < 0.9:
                self.send(reader)
        for k, owner in member.owners.items():
            self.judge(k, owner, int(rng.integers(0, 40)))
        self.hear(member, int(rng.integers(0, 4)))

    def finish(self) -> None:
        for _ in range(6):
            for member in self.members:
                self.hear(member, 1 << 30)
                for reader in member.readers.values():
                    self.send(reader)
            for member in self.members:
                for k, owner in member.owners.items():
                    self.judge(k, owner, 1 << 30)

    @property
    def planned(self) -> list[Plan]:
        return [message for data in self.plans if isinstance(message := decode(data), Plan)]

    @property
    def told(self) -> list[Finding]:
        return [*self.findings.values()]


def times_of(part: EventBatch) -> NDArray[np.float64]:
    """Of the events of a partition, or of its labels: it has either."""
    return part.times if part.labels_alone is None else part.labels_alone.times


def cut(part: EventBatch, begin: int, end: int) -> EventBatch:
    """From an offset to before another."""
    alone = part.labels_alone
    if alone is None:
        return part.take(np.arange(begin, end))
    some = LabelBatch(alone.offsets[begin:end], alone.times[begin:end], alone.ids[begin:end], alone.labels[begin:end])
    return replace(part, labels_alone=some)


def by_key(rows: EventBatch, keys: NDArray[np.int64]) -> list[EventBatch]:
    """Event k lies in partition ``keys[k]``."""
    parts = [rows.take(np.flatnonzero(keys == k)) for k in range(int(keys.max()) + 1)]
    for part in parts:
        part.offsets[:] = np.arange(len(part))
    return parts
