"""Targets: checkpoints, references, messages between members, and findings."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Hashable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

import jsonschema
import numpy as np

from driftd.core.errors import DriftdError, MessageUnreadable, StateError
from driftd.core.finding import Finding, MovedBin, Severity, Status
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.engine.exchange.addresses import Addresses
from driftd.engine.exchange.messages import (
    Address,
    Bundle,
    Forget,
    Given,
    Labelled,
    Message,
    Plan,
    Read,
    ToJoin,
    ToReaders,
    decode,
    encode,
)
from driftd.engine.exchange.owner import Owner
from driftd.engine.exchange.reader import Plans, Reader
from driftd.engine.pipeline import Pipeline
from driftd.engine.snapshot.coding import decode_checkpoint, encode_checkpoint, encode_reference
from driftd.engine.state import State
from driftd.engine.store import FORMAT, MAGIC, CheckpointFile, read_reference
from driftd.ingest.outcomes.arrived import Arrived
from driftd.ingest.outcomes.join import Joining
from driftd.learn.build import Learning, build
from driftd.sinks.log import finding_json
from driftd.sources.kafka.tail import Kept
from driftd.wiring.exchange import Pieces
from tests.fuzz.engine import Target, Try, sign_of
from tests.fuzz.mutate import packed, unpacked
from tests.unit.core.make import feed, frozen, pipeline, stream
from tests.unit.engine.exchange.group import Group, by_key
from tests.unit.engine.exchange.test_group import BEGIN, faulty, learner
from tests.unit.engine.exchange.test_to_join import batch as joined
from tests.unit.engine.exchange.test_to_join import countries

SOURCES: Final = (("t", 0), ("t", 1))
LATE: Final = BEGIN + 86_400.0
HEADER: Final = len(MAGIC) + 2 + 8 + 32


def whole(payload: bytes) -> bytes:
    """A state file that holds the payload."""
    return (
        MAGIC + FORMAT.to_bytes(2, "big") + len(payload).to_bytes(8, "big") + hashlib.sha256(payload).digest() + payload
    )


def mended(data: bytes) -> bytes:
    return whole(data[HEADER:])


@cache
def _learned() -> Reference:
    return build(stream(np.random.default_rng(5), 200), Learning(bins=5))


@cache
def _checkpoints() -> list[bytes]:
    """Of a model that learns, and of one that is judged."""
    out = []
    for learn_events in (100, 10_000):
        p, state = pipeline(learn_events), State()
        feed(p, state, ("t", 0), stream(np.random.default_rng(6), 300, shift_at=200))
        out.append(whole(frozen(p, state)))
    return out


def checkpoint(folder: Path) -> Try:
    """A checkpoint is the one that was written, or a StateError, and what is taken can be written again."""
    p = pipeline()
    state_folder = folder / "state"
    state_folder.mkdir(exist_ok=True)
    file = CheckpointFile(state_folder, lambda: 0.0)

    def attempt(data: bytes) -> Hashable:
        file.path.write_bytes(data)
        try:
            found = file.read(file.path)
            state = found.restore(p.slices.sequential_of)
        except StateError as error:
            return sign_of(str(error))[:60]
        finally:
            file.path.unlink(missing_ok=True)
        assert data == mended(data), "a file whose checksum does not fit was taken"
        again = encode_checkpoint(found)
        assert encode_checkpoint(decode_checkpoint(again)) == again
        return "accepted", min(len(state.models), 3), min(len(state.partitions), 3)

    return attempt


def reference(folder: Path) -> Try:
    """The same of a stored reference."""
    file = folder / "m.v1.reference"

    def attempt(data: bytes) -> Hashable:
        file.write_bytes(data)
        try:
            found = read_reference(file)
        except StateError as error:
            assert str(error).startswith(str(file))  # noqa: PT017
            return sign_of(str(error))
        assert data == mended(data), "a file whose checksum does not fit was taken"
        assert whole(encode_reference(found)) == whole(encode_reference(read_reference(file)))
        return "accepted"

    return attempt


@cache
def _said() -> list[bytes]:
    """What a group says of half a day, the shortest of each kind."""
    rows = faulty(1, 0.4, 0.3)
    group = Group.of(learner, by_key(rows, np.arange(len(rows)) % 2), members=2, owners=1)
    group.run(np.random.default_rng(1), most=200)
    address = encode(Address(0, 3, "https://driftd-1.driftd.svc:9477"))
    forget, labelled = encode(Forget("m", 1)), encode(Labelled("m", 2))
    to_join = encode(ToJoin(("t", 0), Slice("m"), 20, Arrived.of(joined(np.random.default_rng(1), 60), countries)))
    every = sorted(
        {address, forget, labelled, to_join, *(data for log in (*group.panes, group.plans) for data in log)}, key=len
    )
    kinds: dict[int, list[bytes]] = {}
    for data in every:
        kinds.setdefault(data[1], []).append(data)
    return [data for some in kinds.values() for data in some[:3]]


def joiner() -> Pipeline:
    p = learner()
    p.labels, p.most_slices = Joining(3600.0, 1_000), 10
    return p


def messages(_: Path) -> Try:
    """A message is one that can be sent again, or MessageUnreadable; members live through all that are taken."""
    said = [message for data in _said() for message in _unbundled(decode(data))]
    plans_first = [one for one in said if isinstance(one, Plan | Given)]
    told = [one for one in said if not isinstance(one, ToReaders | Forget)]
    ends = [Read((topic, number), 1 << 40, 1 << 40, LATE, idle=False) for topic, number in SOURCES]

    def attempt(data: bytes) -> Hashable:
        try:
            message = decode(data)
        except MessageUnreadable:
            return "unreadable"
        again = encode(message)
        assert encode(decode(again)) == again
        plans, addresses = Plans(joiner()), Addresses("http://driftd-0.driftd.svc:9477")
        owner = Owner(joiner(), plans)
        owner.expect(SOURCES)
        reader = Reader(("t", 0), plans.pipeline, plans, epoch=1)
        try:
            given = _unbundled(message)
            for one in (*plans_first, *given, *told, *given, *ends):
                if isinstance(one, ToReaders | Forget):
                    plans.learn(one)
                    owner.forget()
                elif isinstance(one, Address):
                    addresses.learn(one)
                else:
                    for _outcome in owner.receive(one):
                        pass
                for _message in reader.send():
                    pass
            for _outcome in owner.settle():
                pass
            owner.waiting.save(owner.owned.state.outcomes.pending)
        except DriftdError as error:
            return type(message).__name__, sign_of(str(error))
        return type(message).__name__

    return attempt


def _unbundled(said: Message | Bundle) -> list[Message]:
    if not isinstance(said, Bundle):
        return [said]
    out: list[Message] = []
    for part in said.messages:
        with contextlib.suppress(MessageUnreadable):
            out += _unbundled(decode(part))
    return out


def pieces(_: Path) -> Try:
    """Whatever stands in a compacted topic: nothing is taken for whole but what was cut there."""

    def attempt(data: bytes) -> Hashable:
        given = data.split(b"\x1e")[:12]
        taken, out = Pieces(), []
        for key, value in pairwise(given):
            for kept in (Kept(0, key, value or None), *(Kept(0, k, v) for k, v in Pieces().cut("n", 0, value))):
                name = taken.take(kept)
                if name is not None:
                    out.append(taken.saved(name).payload == value)
        return len(given), tuple(out)

    return attempt


def _cut() -> list[bytes]:
    flat = [part or b"" for pair in Pieces().cut("n", 0, b"payload") for part in pair]
    return [b"\x1e".join(flat)]


def findings(_: Path) -> Try:
    """A finding is one line of JSON that its schema allows, whatever names and numbers are in it."""
    schema = json.loads((Path(__file__).resolve().parents[2] / "docs" / "finding.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)

    def attempt(data: bytes) -> Hashable:
        text = data.decode("utf-8", "surrogateescape")
        parts = [*text.split("\x1e"), *[""] * 6][:6]
        numbers = np.frombuffer(data.ljust(64, b"\0")[-64:], "<f8").tolist()
        finding = Finding(
            Slice(parts[0], parts[1]),
            parts[2] or None,
            "psi",
            Status(len(data) % 4),
            Status.OK,
            statistic=numbers[0],
            threshold=numbers[1],
            effect=numbers[2],
            noise=numbers[3],
            ratio=numbers[4],
            events=len(data),
            window_start=numbers[5],
            window_end=numbers[6],
            since=numbers[7] if len(data) % 2 else None,
            because=parts[3],
            moved=(MovedBin(parts[4], *(data.ljust(2, b"\0")[i] / 255 for i in (0, 1))),),
            channels=(parts[5],),
            severity=Severity.PAGE if len(data) % 3 else None,
            value=numbers[2],
        )
        line = finding_json(finding)
        assert b"\n" not in line
        validator.validate(json.loads(line))
        assert finding_json(finding) == line
        return sign_of(line.decode())[:40], finding.status

    return attempt


def _texts() -> list[bytes]:
    return [b"fraud\x1ecountry=DE\x1eamount\x1e0.1% -> 62%\x1e< 5\x1ebad\nname", "\u00e9\u2028\x1e\0".encode()]


def _stored() -> list[bytes]:
    return [whole(encode_reference(_learned()))]


_PACKED: Final = Target("", checkpoint, _stored, parse=unpacked, unparse=packed)
_FILE: Final = replace(_PACKED, mend=mended, header=HEADER)
TARGETS: Final = (
    replace(_FILE, name="checkpoint", seeds=lambda: [*_checkpoints()], quick=100),
    replace(_FILE, name="reference", attempt=reference, quick=200),
    replace(_PACKED, name="messages", attempt=messages, seeds=lambda: [*_said()], header=2, quick=40),
    Target("pieces", pieces, _cut, (b"\x1e", b"\0", b"=", b"0.0.0\0n", b"=0\0n"), quick=600),
    Target("findings", findings, _texts, (b"\x1e", b"\n", b"\xff", b"\0"), quick=200),
)
