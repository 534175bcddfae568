"""What waits for labels comes out of the state topic as it was, whoever takes over, and costs what has changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftd.core.errors import CheckpointCorrupt, StateError
from driftd.engine.exchange.scratch import Scratch
from driftd.engine.exchange.waiting import RANGES, Waiting
from driftd.engine.snapshot.waiting import WaitingSnapshot
from driftd.ingest.outcomes.pending import Entry, Pending, Stage, keys_of

KEYS = keys_of("m", map(str, range(400)))
A, B, C = KEYS[:3]


def entry(time: float, model: str = "m") -> Entry:
    return Entry(Stage.WAITS, model, time, 1.0, 0.25, "v1", None, ("t", 1), 7, "b", 3.0, {"a": 0.5}, ("country=DE",))


class Owner:
    """What an owner of an epoch does with what waits; ``topic`` has the parts that it has written, ``last`` what
    somebody has saved last, it or one before it.
    """

    def __init__(self, waiting: Waiting | None = None) -> None:
        self.waiting, self.pending = waiting or Waiting(), Pending()
        self.topic: dict[str, bytes] = {}
        self.last = self.waiting.saved, self.topic
        self.waiting.begin(self.pending)

    def put(self, key: bytes, value: Entry) -> None:
        self.pending.put(key, value, new=not self.pending.find([key]))

    def save(self) -> dict[str, bytes]:
        fresh = self.waiting.save(self.pending)
        assert not fresh.keys() & self.topic.keys(), "a part is written once"
        self.topic = {name: ({**self.topic, **fresh})[name] for name in self.waiting.saved.names}
        assert fresh.keys() <= self.topic.keys(), "nothing is written that no checkpoint names"
        self.last = self.waiting.saved, self.topic
        return fresh

    def taken_over(self) -> Owner:
        out = Owner(Waiting.restore(Scratch(), *self.last))
        out.last = self.last
        return out

    @property
    def content(self) -> dict[bytes, Entry]:
        return dict(self.pending.beyond(b""))


@given(seed=st.integers(0, 1 << 30), steps=st.integers(1, 400), keys=st.sampled_from([5, 60, 400]))
@settings(max_examples=60, deadline=None)
def test_whoever_takes_over_has_what_was_saved_last(seed: int, steps: int, keys: int) -> None:
    rng, owner, now = Random(seed), Owner(), dict[bytes, Entry]()
    saved = dict(now)
    for step in range(steps):
        key = KEYS[rng.randrange(keys)]
        match rng.choices(["put", "drop", "save", "take over"], [10, 5, 5, 0.3])[0]:
            case "put":
                now[key] = entry(float(step))
                owner.put(key, now[key])
            case "drop":
                if now.pop(key, None) is not None:
                    owner.pending.drop(key)
            case "save":
                owner.save()
                saved = dict(now)
            case _:  # what came since the last checkpoint comes again
                owner, now = owner.taken_over(), dict(saved)
        assert owner.pending.size == len(now)
    assert owner.content == now
    owner.save()
    assert owner.taken_over().content == now


def test_a_checkpoint_costs_what_has_changed_and_one_part_in_64() -> None:
    owner = Owner()
    for i, key in enumerate(KEYS):
        owner.put(key, entry(float(i)))
    first = sum(map(len, owner.save().values()))
    each = []
    for step in range(3 * RANGES):
        owner.put(KEYS[step % len(KEYS)], entry(-1.0 - step))
        each.append(sum(map(len, owner.save().values())))
        assert len(owner.waiting.saved.changes) <= RANGES
    assert max(each) < first / 8
    assert sum(each[:RANGES]) < 2 * first
    assert owner.save() == {}, "nothing is written where nothing has changed"


def test_a_group_without_labels_saves_nothing_of_them() -> None:
    owner = Owner()
    assert owner.save() == {}
    assert owner.waiting.saved == WaitingSnapshot()


def test_what_is_forgotten_is_in_no_part_after_the_next_checkpoint() -> None:
    owner = Owner()
    for i, key in enumerate(KEYS):
        owner.put(key, entry(float(i), "gone" if i % 2 else "stays"))
        if i % 50 == 0:
            owner.save()
    owner.put(A, entry(5.0, "gone"))
    owner.pending.forget("gone")
    owner.waiting.renew()
    owner.save()
    assert not any(b"gone" in part for part in owner.topic.values())
    assert {e.model for e in owner.taken_over().content.values()} == {"stays"}
    owner.pending.forget("stays")
    owner.waiting.renew()
    owner.save()
    assert owner.topic == {}


@pytest.mark.parametrize("harm", ["gone", "cut"])
def test_a_part_that_is_damaged_is_refused(harm: str) -> None:
    owner = Owner()
    owner.put(A, entry(1.0))
    owner.save()
    (name,) = owner.topic
    topic: Mapping[str, bytes] = {} if harm == "gone" else {name: owner.topic[name][:-3]}
    with pytest.raises(CheckpointCorrupt, match=name):
        Waiting.restore(Scratch(), owner.waiting.saved, topic)


def test_scratch_finds_what_was_put_and_leaves_no_file(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "state")
    assert (scratch.find([A]), len(scratch), scratch.bytes, [*scratch.beyond(b"")]) == ({}, 0, 0, [])
    assert not [*tmp_path.iterdir()], "nothing is there before the first key"
    scratch.write({A: entry(1.0), B: entry(2.0, "other"), C: entry(3.0)})
    scratch.write({C: None, A: entry(4.0)})
    assert scratch.find([A, B, C]) == {A: entry(4.0), B: entry(2.0, "other")}
    assert dict(scratch.before(3.0)) == {B: entry(2.0, "other")}
    assert dict(scratch.of("other")) == {B: entry(2.0, "other")}
    assert [row[0] for row in scratch.between(b"", b"\xff" * 17)] == sorted([A, B])
    assert (len(scratch), scratch.bytes > 0) == (2, True)
    assert not [*(tmp_path / "state").iterdir()], "what is open has no name: kill -9 leaves nothing"
    scratch.close()


def test_scratch_goes_where_temporary_files_are_if_its_folder_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder")
    scratch = Scratch(tmp_path / "state")
    scratch.write({A: entry(1.0)})
    assert scratch.find([A]) == {A: entry(1.0)}


def test_scratch_that_cannot_be_used_any_more_says_what_helps(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    scratch.write({A: entry(1.0)})
    assert scratch._db is not None
    scratch._db.execute("DROP TABLE pending")
    for use in (lambda: scratch.find([A]), lambda: scratch.write({B: entry(2.0)}), lambda: len(scratch)):
        with pytest.raises(StateError, match=r"free space, or lower labels\.max_pending"):
            use()
