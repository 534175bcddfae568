"""The topics of a group of members, in Kafka."""

from __future__ import annotations

import hashlib
import re
import uuid
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

import msgspec

from driftd.core.errors import ExchangeFailed, SourceError, StateError
from driftd.core.slice import Slice
from driftd.engine.exchange.messages import (
    Given,
    Message,
    Plan,
    Read,
    ToAll,
    ToReaders,
    bundles,
    encode,
    key_of,
    small,
)
from driftd.engine.exchange.topics import Saved
from driftd.engine.parts import part_name
from driftd.sinks.kafka import Sender
from driftd.sources.kafka.lookout import Lookout
from driftd.sources.kafka.preflight import preflight
from driftd.sources.kafka.settings import KafkaSettings
from driftd.sources.kafka.tail import Kept, Tail
from driftd.sources.kafka.topics import check_topics

PIECE_BYTES: Final = 900_000
"""Of a state or a plan that is larger, several messages: by default a topic takes batches of 1,048,588 bytes."""
PIECES_AT_ONCE: Final = 32
"""That wait for the broker: a sender keeps 64 MiB."""
FLUSH_SECONDS: Final = 30.0
OWNERS: Final = "owners"
"""Under this name the number of partitions of the panes topic is saved: another number gives models other owners."""
NO_PARTS: Final[Mapping[str, bytes]] = MappingProxyType({})
NOTHING: Final = Saved(b"", NO_PARTS)


class Manifest(msgspec.Struct, array_like=True):
    """The last message of something that was cut: which pieces it is made of, and those of each of its parts."""

    epoch: int
    number: int
    pieces: int
    digest: bytes
    parts: dict[str, int] = msgspec.field(default_factory=dict)


def owner_of(model: str, owners: int) -> int:
    """The partition of the panes topic for a model, its segments and its joined labels: CRC-32 of the model's name in
    UTF-8, modulo the number of partitions.
    """
    return zlib.crc32(Slice(model).root.encode("utf-8", "surrogatepass")) % owners


@dataclass(slots=True)
class Pieces:
    """Things under a name, cut into messages: the pieces first, then the manifest, so that what is read is old or new.

    Keys are ``place NUL name``, the place of a manifest is ``=epoch``. Two versions take turns, so that the pieces of
    the last good one are there until the next one is whole; parts, known by what is in them, are written once for all
    versions of an epoch that name them. Of those who write under one name he with the greatest epoch counts.
    """

    known: dict[str, tuple[Manifest, Saved]] = field(default_factory=dict)
    _pieces: dict[str, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))

    def take(self, kept: Kept) -> str | None:
        """Takes a message in; the name of what it completed. What nobody here would write is left alone."""
        try:
            place, _, name = kept.key.decode("utf-8", "surrogatepass").partition("\0")
        except UnicodeDecodeError:
            return None
        if kept.value is None:
            self._pieces[name].pop(place, None)
            return None
        self._pieces[name][place] = kept.value
        if not place.startswith("="):
            return None
        manifest = _manifest(kept.value)
        if manifest is None or manifest.pieces + sum(manifest.parts.values()) > len(self._pieces[name]):
            return None
        before = self.known.get(name)
        if before is not None and (before[0].epoch, before[0].number) > (manifest.epoch, manifest.number):
            return None
        payload = self._joined(name, _places(manifest))
        parts = {part: self._joined(name, _part_places(manifest, part)) for part in manifest.parts}
        if hashlib.sha256(payload).digest() != manifest.digest or not all(map(_is_whole, parts, parts.values())):
            return None
        self.known[name] = manifest, Saved(payload, parts)
        return name

    def _joined(self, name: str, places: Iterable[str]) -> bytes:
        return b"".join(self._pieces[name].get(place, b"") for place in places)

    def saved(self, name: str) -> Saved:
        """What is whole; from here on only what it was made of is remembered."""
        manifest, saved = self.known[name]
        self.known[name] = manifest, NOTHING
        self._pieces[name] = dict.fromkeys(self._pieces[name], b"")
        return saved

    def gone(self, name: str) -> list[tuple[bytes, None]]:
        """Keys of all that lies under a name, without a value: it is to be deleted. Nothing of it is kept."""
        self.known.pop(name, None)
        return [(_key(name, place), None) for place in sorted(self._pieces.pop(name, {}))]

    def names(self) -> list[str]:
        return [*self._pieces]

    def cut(
        self, name: str, epoch: int, payload: bytes, fresh: Mapping[str, bytes] = NO_PARTS, named: Collection[str] = ()
    ) -> list[tuple[bytes, bytes | None]]:
        """Keys and values, in order; they go to one partition. Nothing of it is kept. ``named``: the parts that belong
        to it, of which all but the ``fresh`` ones were written before, in this epoch.
        """
        before = self.known.get(name)
        mine = before[0] if before is not None and before[0].epoch == epoch else None
        written = {} if mine is None else mine.parts
        manifest = Manifest(
            epoch,
            0 if before is None else before[0].number + 1,
            _count(payload),
            hashlib.sha256(payload).digest(),
            {part: _count(fresh[part]) if part in fresh else written[part] for part in sorted(named)},
        )
        out: list[tuple[bytes, bytes | None]] = []
        for part in sorted(fresh.keys() & manifest.parts.keys()):
            out += _cut(name, _part_places(manifest, part), fresh[part])
        out += _cut(name, _places(manifest), payload)
        out.append((_key(name, f"={epoch}"), msgspec.msgpack.encode(manifest)))
        kept = {f"={epoch}"}
        for one in (manifest, mine) if mine is not None else (manifest,):
            kept.update(_places(one), *(_part_places(one, part) for part in one.parts))
        stale = self._pieces[name].keys() - kept  # nobody needs them when the manifest is there
        self._pieces[name] = dict.fromkeys(kept, b"")
        self.known[name] = manifest, NOTHING
        return [*out, *((_key(name, at), None) for at in sorted(stale))]


def _count(payload: bytes) -> int:
    return -(-len(payload) // PIECE_BYTES)


def _cut(name: str, places: Sequence[str], payload: bytes) -> list[tuple[bytes, bytes | None]]:
    return [(_key(name, at), payload[i * PIECE_BYTES : (i + 1) * PIECE_BYTES]) for i, at in enumerate(places)]


def _is_whole(part: str, payload: bytes) -> bool:
    return part == part_name(payload)


def _manifest(data: bytes) -> Manifest | None:
    try:
        return msgspec.msgpack.decode(data, type=Manifest)
    except msgspec.MsgspecError:
        return None


def _name(kept: Kept) -> str:
    return kept.key.partition(b"\0")[2].decode("utf-8", "surrogatepass")


def _key(name: str, place: str) -> bytes:
    return f"{place}\0{name}".encode("utf-8", "surrogatepass")


def _places(manifest: Manifest) -> list[str]:
    return [f"{manifest.epoch}.{manifest.number % 2}.{i}" for i in range(manifest.pieces)]


def _part_places(manifest: Manifest, part: str) -> list[str]:
    return [f"{manifest.epoch}.{part}.{i}" for i in range(manifest.parts[part])]


def answers_about(model: str, names: Iterable[str]) -> list[str]:
    """Of what was said in the plans topic, by ``group NUL key|sender``, what is a plan of the model or was given."""
    mine = re.compile(re.escape(model) + r"\|(plan|given\|[\w.-]+/\d+)\|[0-9a-f]{32}", re.ASCII)
    return [name for name in names if mine.fullmatch(name.partition("\0")[2])]


def policies(panes: str, plans: str, state: str) -> dict[str, str]:
    """The cleanup.policy of each topic. Panes have no keys, and brokers refuse these in a topic that is compacted; a
    plan and a state count until there is another, however old they are.
    """
    return {panes: "delete", plans: "compact", state: "compact"}


@dataclass(slots=True)
class KafkaExchange:
    """Panes, plans and state of a group, each a topic."""

    settings: KafkaSettings
    panes_topic: str
    plans_topic: str
    state_topic: str
    _panes: Sender = field(init=False)
    _plans: Sender = field(init=False)
    _state: Sender = field(init=False)
    _heard: Tail = field(init=False)
    _said: Pieces = field(init=False, default_factory=Pieces)
    _saved: dict[str, Pieces] = field(init=False, default_factory=dict)
    _counts: dict[str, int] = field(init=False, default_factory=dict)
    _self: str = field(init=False, default_factory=lambda: uuid.uuid4().hex)
    _lookout: Lookout = field(init=False)

    def __post_init__(self) -> None:
        self._lookout = Lookout(self._find_troubles)
        self._open()
        self._heard = Tail(self.settings, self.plans_topic)

    def _open(self) -> None:
        self._panes, self._plans, self._state = (
            Sender(self.settings, topic) for topic in (self.panes_topic, self.plans_topic, self.state_topic)
        )

    @property
    def owners(self) -> int:
        return self._partitions(self.panes_topic)

    def owner_of(self, model: str) -> int:
        return owner_of(model, self.owners)

    def troubles(self) -> Collection[str]:
        return self._lookout.look()

    def _find_troubles(self) -> list[str]:
        """Each topic is read and written by every member."""
        topics = (self.panes_topic, self.plans_topic, self.state_topic)
        found = dict[str, str]()
        settings, kept = replace(self.settings, topics=topics), policies(*topics)
        for one in check_topics(settings, dict.fromkeys(topics, ""), kept).topics:
            if one.problem:
                unseen = one.partitions == 0 and "permission" not in one.problem
                what = f" does not exist; {self._cure(one.name)}" if unseen else f": {one.problem} (docs/members.md)"
                found.setdefault(one.name, f"topic '{one.name}'{what}")
        return list(found.values())

    def send(self, messages: Iterable[Message]) -> None:
        said: defaultdict[int, list[bytes]] = defaultdict(list)
        for message in messages:
            if isinstance(message, ToReaders | ToAll):
                self._answer(message)
                continue
            to = range(self.owners) if isinstance(message, Read) else [self.owner_of(message.slice.model)]
            for part in map(encode, small(message, PIECE_BYTES)):
                for k in to:
                    said[k].append(part)
        for k, waiting in said.items():
            for bundle in bundles(self.settings.group_id, waiting, PIECE_BYTES):
                self._panes.send(encode(bundle), None, [], k)

    def _answer(self, message: ToReaders | ToAll) -> None:
        data, key = encode(message), key_of(message)
        # by its sender as well where the first of all counts, and not the last
        name = f"{key}|{self._self}" if isinstance(message, Plan | Given) else key
        for place, piece in Pieces().cut(self._ours(name), 0, data):
            self._plans.send(piece, place, [], self._plans_partition(key))

    def forget(self, model: str) -> None:
        for name in answers_about(model, self._said.names()):
            key = name.partition("\0")[2].rpartition("|")[0]
            for place, nothing in self._said.gone(name):
                self._plans.send(nothing, place, [], self._plans_partition(key))

    def _plans_partition(self, key: str) -> int:
        return zlib.crc32(key.encode()) % self._partitions(self.plans_topic)

    def hear(self, *, to_end: bool) -> list[bytes]:
        found = self._heard.to_end() if to_end else self._heard.poll()
        names = [self._said.take(kept) for kept in found if _name(kept).startswith(self._ours(""))]
        return [self._said.saved(name).payload for name in names if name is not None]

    def load(self, names: Collection[str]) -> dict[str, Saved]:
        found = self._load({*names, OWNERS}) if names else {}
        before = found.pop(OWNERS, None)
        if before is not None and before.payload != self._shape():
            raise StateError(
                f"topic '{self.panes_topic}' has {self.owners} partitions, and what group '{self.settings.group_id}' "
                f"saved in '{self.state_topic}' is of {before.payload.decode(errors='replace')}: models would have "
                "other owners. Make it with as many again, or take another kafka.group_id: models are then learned anew"
            )
        return found

    def _load(self, names: Collection[str]) -> dict[str, Saved]:
        wanted, pieces = {self._ours(name): name for name in names}, Pieces()
        tail = Tail(self.settings, self.state_topic, tuple({self._state_partition(name) for name in wanted}))
        try:
            for kept in tail.to_end():
                if _name(kept) in wanted:
                    pieces.take(kept)
        finally:
            tail.close()
        found = {wanted[name]: pieces.saved(name) for name in wanted.keys() & pieces.known.keys()}
        self._saved.update(dict.fromkeys(wanted, pieces))
        if OWNERS not in found:
            self.save(OWNERS, 0, self._shape(), NO_PARTS, ())
        return found

    def _shape(self) -> bytes:
        return b"%d" % self.owners

    def save(self, name: str, epoch: int, payload: bytes, fresh: Mapping[str, bytes], named: Collection[str]) -> int:
        whole = self._ours(name)
        at, size = self._state_partition(whole), 0
        pieces = self._saved.setdefault(whole, Pieces()).cut(whole, epoch, payload, fresh, named)
        for i, (key, value) in enumerate(pieces, 1):
            self._state.send(value, key, [], at)
            size += len(value or b"")
            if i % PIECES_AT_ONCE == 0:
                self.flush()
        return size

    def _ours(self, name: str) -> str:
        """Other groups may use the topics, too."""
        return f"{self.settings.group_id}\0{name}"

    def flush(self) -> None:
        """What failed is forgotten: whoever sent it reads again from what was saved."""
        for sender in (self._panes, self._plans, self._state):
            waiting = sender.flush(FLUSH_SECONDS)
            if waiting or sender.given_up:
                why = f"topic '{sender.topic}': {waiting + sender.given_up} messages not sent: {sender.last_error}"
                self._close()
                self._open()
                self._saved.clear()  # how far the state topic is, it says itself
                raise ExchangeFailed(why)

    def close(self) -> None:
        self._lookout.close()
        self._heard.close()
        self._close()

    def _close(self) -> None:
        for sender in (self._panes, self._plans, self._state):
            sender.close()

    def _cure(self, topic: str) -> str:
        partitions = 1 if topic == self.plans_topic else 12
        policy = policies(self.panes_topic, self.plans_topic, self.state_topic)[topic]
        if topic == self.panes_topic:
            policy += " --config retention.ms=604800000"
        return (
            f"create it: kafka-topics.sh --create --topic {topic} --partitions {partitions} "
            f"--config cleanup.policy={policy} (docs/members.md)"
        )

    def _state_partition(self, name: str) -> int:
        return zlib.crc32(name.encode()) % self._partitions(self.state_topic)

    def _partitions(self, topic: str) -> int:
        """As many as there were at the start: models would have other owners."""
        if topic not in self._counts:
            seen = preflight(replace(self.settings, topics=(topic,))).topics.get(topic)
            if seen is None or not seen.partitions:
                raise SourceError(f"{self.settings.where}: topic '{topic}' does not exist; {self._cure(topic)}")
            self._counts[topic] = len(seen.partitions)
        return self._counts[topic]
