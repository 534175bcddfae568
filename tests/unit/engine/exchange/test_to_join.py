"""What is sent to be joined comes back as it was, in pieces that a topic takes, is taken in once, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from driftd.core.errors import MessageUnreadable
from driftd.core.event import Decoded, EventBatch, LabelBatch, TopicPartition
from driftd.core.slice import Slice
from driftd.engine.exchange.cells import reader_cell, restore_reader
from driftd.engine.exchange.messages import (
    VERSION,
    Bundle,
    Forget,
    Labelled,
    Read,
    ToJoin,
    decode,
    encode,
    key_of,
    small,
)
from driftd.engine.exchange.owner import Owner
from driftd.engine.exchange.reader import Plans, Reader
from driftd.engine.snapshot.coding import decode_checkpoint, encode_checkpoint
from driftd.ingest.outcomes.arrived import Arrived, Labels, Predictions
from driftd.ingest.outcomes.join import Joining, Outcomes, join, take_in
from driftd.wiring.exchange import owner_of
from tests.unit.core.make import pipeline

SOURCE: TopicPartition = ("t", 3)
ALWAYS = Joining(7200.0, 100_000, always=True)
N = 900


def batch(rng: np.random.Generator, n: int = N) -> EventBatch:
    """Predictions, three a record, and labels for the first half of them, in one stretch of a partition."""
    fields: dict[str, Any] = {
        "prediction": [*rng.choice(["cat", "dog"], n - 1).tolist(), None],
        "score": np.where(rng.uniform(size=n) < 0.1, np.nan, rng.uniform(size=n)),
        "class.cat": np.where(rng.uniform(size=n) < 0.2, np.nan, 0.25),
        "class.dog": np.full(n, 0.75),
        "variant": rng.choice(["a", "b"], n).tolist(),
        "unit": rng.integers(0, 1 << 40, n).astype(float),
        "label": [["cat", None, None, None][i % 4] for i in range(n)],
    }
    half = n // 2
    alone = LabelBatch(
        np.arange(half) * 2 // 3, np.linspace(5e3, 6e3, half), [*map(float, range(half))], ["dog"] * half
    )
    ids = [None if i % 7 == 0 else float(i) for i in range(n)]
    columns = {"country": rng.choice(["DE", "FR"], n).tolist()}
    version = [["v1", None][i % 2] for i in range(n)]
    return EventBatch("m", np.arange(n) // 3, np.linspace(1.0, float(n), n), columns, fields, version, alone, ids=ids)


def countries(rows: EventBatch) -> list[tuple[str, ...]]:
    return [(f"country={c}",) if c == "DE" else () for c in rows.columns["country"]]


def arrived(rng: np.random.Generator, *, named: bool = True) -> Arrived:
    return Arrived.of(batch(rng), countries, named=named)


def passed_on(message: ToJoin) -> ToJoin:
    out = decode(encode(message))
    assert isinstance(out, ToJoin)
    return out


def told(pairs: list[tuple[TopicPartition, EventBatch]]) -> list[str]:
    return [repr((at, b.model, b.offsets.tolist(), b.times.tolist(), b.fields, b.version, b.ids)) for at, b in pairs]


@pytest.mark.parametrize("most", [1 << 30, 9_000])
def test_a_pair_is_the_same_whether_what_it_is_made_of_has_travelled_or_not(
    rng: np.random.Generator, most: int
) -> None:
    rows, here, there = batch(rng), Outcomes(), Outcomes()
    expected = told(join(here, rows, SOURCE, ALWAYS, countries))
    message = ToJoin(SOURCE, Slice("m"), 300, Arrived.of(rows, countries))
    found: list[tuple[TopicPartition, EventBatch]] = []
    parts = [*small(message, most)]
    for part in parts:
        assert isinstance(part, ToJoin)
        assert len(encode(part)) <= most
        found += take_in(there, "m", passed_on(part).arrived, SOURCE, ALWAYS)
    assert len(expected) == 2, "of the whole, and of the segment"
    assert there.counts["m"].joined > 200
    assert repr(there.counts) == repr(here.counts)
    assert there.pending.changed == here.pending.changed
    if len(parts) == 1:
        assert told(found) == expected
        (_, pairs), (_, within) = found
        assert {"prediction", "label", "score", "variant", "unit", "class.cat", "class.dog"} == set(pairs.fields)
        assert within.model == "m/labels/segments/country=DE"
    assert encode(passed_on(message)) == encode(message)


def test_it_is_cut_between_records_and_loses_nothing(rng: np.random.Generator) -> None:
    whole = ToJoin(SOURCE, Slice("m"), 300, arrived(rng))
    parts = [part for part in small(whole, 4_000) if isinstance(part, ToJoin)]
    assert len(parts) > 8
    ends = [part.next_offset for part in parts]
    assert ends[-1] == 300
    begins = [int(part.arrived.offsets[0]) for part in parts]
    assert all(begin < end <= after for begin, end, after in zip(begins, ends, [*begins[1:], 300], strict=True))
    assert np.array_equal(np.concatenate([part.arrived.nameless for part in parts]), whole.arrived.nameless)
    assert whole.arrived.predictions is not None
    keys = [key for part in parts if part.arrived.predictions is not None for key in part.arrived.predictions.keys]
    assert keys == whole.arrived.predictions.keys
    assert len({key_of(part) for part in parts}) == len(parts)


def test_a_record_that_is_larger_stays_whole(rng: np.random.Generator) -> None:
    rows = batch(rng, 30)
    rows = replace(rows, offsets=np.zeros(30, np.int64), labels_alone=None)
    whole = ToJoin(SOURCE, Slice("m"), 1, Arrived.of(rows))
    assert [*small(whole, 100)] == [whole]


HARMED: dict[str, Callable[[Predictions], dict[str, Any]]] = {
    "a value too few": lambda p: {"values": p.values[1:]},
    "a version too few": lambda _: {"versions": ["v"]},
    "times of another length": lambda p: {"times": p.times[1:]},
    "a time that is none": lambda p: {"times": p.times * np.nan},
    "offsets that go back": lambda p: {"offsets": p.offsets[::-1].copy()},
    "a key that is cut": lambda p: {"keys": [*p.keys[:-1], b"short"]},
    "a segment that is not there": lambda _: {"segments": []},
    "chances of another length": lambda _: {"chances": {"cat": np.ones(3)}},
    "a prediction that is missing": lambda p: {"values": [None, *p.values[1:]]},
    "places in segments that are no whole numbers": lambda p: {"within": np.zeros(len(p))},
    "a unit that is no hash": lambda p: {"units": np.full(len(p), -1.0)},
    "scores that are no numbers": lambda p: {"scores": np.ones(len(p), np.bool_)},
}
HARMED_LABELS: dict[str, Callable[[Labels], dict[str, Any]]] = {
    "a label that is missing": lambda found: {"values": [None, *found.values[1:]]},
    "a key too few": lambda found: {"keys": found.keys[1:]},
    "an id too many": lambda found: {"ids": [*(found.ids or []), "x"]},
}


@pytest.mark.parametrize("what", [*HARMED, *HARMED_LABELS, "offsets in two dimensions"])
def test_columns_that_do_not_fit_are_refused(rng: np.random.Generator, what: str) -> None:
    good = arrived(rng)
    assert good.predictions is not None
    assert good.labels is not None
    message = ToJoin(SOURCE, Slice("m"), 300, good)
    decode(encode(message))
    if what in HARMED:
        bad = replace(good, predictions=replace(good.predictions, **HARMED[what](good.predictions)))
    elif what in HARMED_LABELS:
        bad = replace(good, labels=replace(good.labels, **HARMED_LABELS[what](good.labels)))
    else:
        bad = replace(good, nameless=np.zeros((2, 2), np.int64))
    with pytest.raises(MessageUnreadable, match="ToJoin"):
        decode(encode(replace(message, arrived=bad)))


def test_an_array_of_a_kind_that_numpy_takes_for_python_is_refused(rng: np.random.Generator) -> None:
    data = encode(ToJoin(SOURCE, Slice("m"), 300, arrived(rng)))
    assert b"\xa3<f8" in data
    with pytest.raises(MessageUnreadable, match="is none of driftd's"):
        decode(data.replace(b"\xa3<f8", b"\xa3(,)", 1))


def test_ids_that_nobody_may_see_do_not_travel(rng: np.random.Generator) -> None:
    rows = replace(batch(rng), ids=[f"secret{i}" for i in range(N)])
    alone = rows.labels_alone
    assert alone is not None
    rows = replace(rows, labels_alone=replace(alone, ids=[f"secret{i}" for i in range(len(alone))]))
    hidden = ToJoin(SOURCE, Slice("m"), 300, Arrived.of(rows, named=False))
    assert b"secret" in encode(replace(hidden, arrived=Arrived.of(rows)))
    assert b"secret" not in encode(hidden)
    outcomes = Outcomes()
    ((_, pairs),) = take_in(outcomes, "m", passed_on(hidden).arrived, SOURCE, ALWAYS)
    assert pairs.ids is None
    assert outcomes.counts["m"].joined > 200


def joining(*, shows_ids: bool = True) -> Plans:
    p = pipeline(learn_events=300)
    p.labels, p.most_slices, p.shows_ids = ALWAYS, 10, shows_ids
    return Plans(p)


def test_what_comes_again_is_taken_in_once_wherever_it_is_cut(rng: np.random.Generator) -> None:
    plans = joining()
    owner, whole = Owner(plans.pipeline, plans), ToJoin(SOURCE, Slice("m"), 300, arrived(rng))
    first = replace(whole, arrived=whole.arrived.before(120), next_offset=120)
    for message in (first, first, whole, first, whole, *small(whole, 4_000)):
        assert isinstance(message, ToJoin)
        assert [*owner.receive(message)] == []
    expected = Outcomes()
    take_in(expected, "m", whole.arrived, SOURCE, ALWAYS)
    assert repr(owner.owned.state.outcomes.counts) == repr(expected.counts)


def test_a_reader_sends_what_it_has_read_once_and_what_it_saved_unsent(rng: np.random.Generator) -> None:
    plans = joining(shows_ids=False)
    reader = Reader(SOURCE, plans.pipeline, plans, epoch=1)
    rows = batch(rng)
    part = rows.take(np.arange(300))
    reader.pipeline.ingest(reader.state, SOURCE, 100, Decoded(300, [part], []))
    reader.pipeline.ingest(reader.state, SOURCE, 310, Decoded(600, [rows.take(np.arange(300, N))], []))
    both = [m for m in reader.send() if isinstance(m, ToJoin)]
    assert [(m.next_offset, m.slice) for m in both] == [(100, Slice("m")), (310, Slice("m"))]
    assert all(m.arrived.predictions is not None and m.arrived.predictions.ids is None for m in both)
    assert not [m for m in reader.send() if isinstance(m, ToJoin)]
    reader.pipeline.ingest(reader.state, SOURCE, 400, Decoded(1, [replace(part, offsets=part.offsets + 310)], []))
    cell = decode_checkpoint(encode_checkpoint(reader_cell(reader, 0.0)))
    (again,) = [m for m in restore_reader(cell, SOURCE, plans, 2).send() if isinstance(m, ToJoin)]
    (sent,) = [m for m in reader.send() if isinstance(m, ToJoin)]
    assert encode(again) == encode(sent)


def test_a_member_says_how_far_labels_are_and_is_understood_where_it_does_not() -> None:
    said = Read(SOURCE, 3, 17, 5.0, idle=False, labelled=9.0, reached=7.0)
    assert decode(encode(said)) == said
    old = {"source": SOURCE, "epoch": 3, "next_offset": 17, "latest": 5.0, "idle": False}
    data = bytes((VERSION, 2)) + msgspec.msgpack.encode(old)
    assert decode(data) == Read(SOURCE, 3, 17, 5.0, idle=False, labelled=-np.inf, reached=-np.inf)


def test_a_driftd_that_does_not_know_it_leaves_it_out_of_a_bundle() -> None:
    bundle = decode(encode(Bundle("g", (encode(Labelled("m", 1)), bytes((VERSION, 99)) + b"?"))))
    assert isinstance(bundle, Bundle)
    assert decode(bundle.messages[0]) == Labelled("m", 1)
    with pytest.raises(MessageUnreadable, match="version 1"):
        decode(bundle.messages[1])


@pytest.mark.parametrize("number", [-1, 0, 1 << 53])
def test_a_number_that_could_not_be_forgotten_is_refused(number: int) -> None:
    with pytest.raises(MessageUnreadable, match="no number"):
        decode(encode(Labelled("m", number)))


def test_a_model_that_was_forgotten_is_labelled_again_only_by_who_knows_of_it() -> None:
    plans = joining()
    plans.learn(Labelled("m", 1))
    plans.learn(Forget("other", 9))
    assert plans.labelled == {"m": 1}
    plans.learn(Forget("m", 4))
    plans.learn(Labelled("m", 4))  # of one that was thought dead
    assert not plans.labelled
    plans.learn(Labelled("m", 5))
    assert plans.labelled == {"m": 5}
    assert key_of(Labelled("m", 5)) == "m|labelled"


@pytest.mark.parametrize("part", ["fraud/labels", "fraud/segments/country=DE", "fraud/labels/segments/country=DE"])
def test_all_parts_of_a_model_have_its_owner(part: str) -> None:
    assert {owner_of(part, n) == owner_of("fraud", n) for n in range(1, 50)} == {True}
    assert len({owner_of(f"m{i}", 12) for i in range(100)}) == 12


def test_what_was_read_before_a_model_was_forgotten_is_not_taken_for_what_comes_after_it(
    rng: np.random.Generator,
) -> None:
    """A reader that goes on from an older checkpoint sends it, since by then it knows that labels come."""
    plans = joining()
    alone = replace(arrived(rng), labels=None)  # nothing is joined yet: there is no slice of labels
    owner, whole = Owner(plans.pipeline, plans), ToJoin(SOURCE, Slice("m"), 300, alone)
    first = replace(whole, arrived=whole.arrived.before(120), next_offset=120)
    for message in (first, Read(SOURCE, 1, 300, 900.0, idle=False)):
        assert [*owner.receive(message)] == []
    plans.learn(Forget("m", 1))
    owner.forget()
    assert owner.owned.state.outcomes.pending.size == 0
    assert [*owner.receive(whole)] == []
    assert not owner.owned.state.outcomes.counts
    later = replace(whole, arrived=Arrived.of(replace(batch(rng), offsets=np.arange(N) // 3 + 300)), next_offset=600)
    assert [*owner.receive(later)] == []
    assert owner.owned.state.outcomes.counts["m"].predictions > 700
