"""What members tell each other comes back as it was sent, in pieces that a topic takes, or is refused with a reason."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from driftd.core.errors import MessageUnreadable
from driftd.core.event import TopicPartition
from driftd.core.pane_block import PaneBlock, PaneData
from driftd.core.quality.scoring import Scoring
from driftd.core.quality.sums import SparseSums
from driftd.core.slice import Slice
from driftd.core.summary import Summary
from driftd.engine.exchange.messages import (
    Bundle,
    Forget,
    Given,
    HandOver,
    Message,
    Panes,
    Plan,
    Read,
    Resumed,
    Rows,
    Unplanned,
    bundles,
    decode,
    encode,
    key_of,
    small,
)
from driftd.engine.exchange.owner import Owner
from driftd.engine.exchange.reader import Plans, Reader
from driftd.engine.shapes import fits
from driftd.engine.snapshot.rows import RowsSnapshot
from driftd.learn.build import Learning, build
from tests.unit.core.make import NoCodec, stream
from tests.unit.engine.exchange.group import Group, by_key
from tests.unit.engine.exchange.test_group import faulty, learner

SOURCE: TopicPartition = ("t", 3)
KEY = Slice("m")


@pytest.fixture(scope="module")
def said() -> list[Message]:
    """All that a group says of half a day."""
    rows = faulty(1, 0.4, 0.3)
    group = Group.of(learner, by_key(rows, np.arange(len(rows)) % 2), members=2, owners=1)
    group.run(np.random.default_rng(1), most=200)
    heard = [decode(data) for log in (*group.panes, group.plans) for data in log]
    return [message for message in heard if not isinstance(message, Bundle)]


def test_every_kind_of_message_comes_back_as_it_was_sent(said: list[Message]) -> None:
    assert {type(m) for m in said} == {Rows, Panes, Read, HandOver, Resumed, Plan, Given, Unplanned}
    assert all(encode(decode(encode(m))) == encode(m) for m in said)


@pytest.mark.parametrize("number", [-1, 0, 1 << 53, 1 << 60])
def test_a_number_after_which_nothing_could_be_forgotten_is_refused(number: int) -> None:
    with pytest.raises(MessageUnreadable, match="no number"):
        decode(encode(Forget("m", number)))
    assert decode(encode(Forget("m", 7))) == Forget("m", 7)


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x02\x00", b"\x01\x63", b"\x01\x00abc", b"{}"])
def test_what_is_none_of_ours_is_refused(data: bytes) -> None:
    with pytest.raises(MessageUnreadable):
        decode(data)


@pytest.mark.parametrize("most", [1, 5_000, 900_000])
def test_bundles_hold_every_message_once_in_order_and_stay_below_their_size(said: list[Message], most: int) -> None:
    each = [encode(message) for message in said]
    made = [*bundles("g", each, most)]
    assert [data for bundle in made for data in bundle.messages] == each
    assert all(len(bundle.messages) == 1 or sum(map(len, bundle.messages)) <= most for bundle in made)
    assert all(decode(encode(bundle)) == bundle for bundle in made)


def test_a_bundle_in_a_bundle_is_refused() -> None:
    """However deep they lie: a record of 900,000 bytes holds 50,000 of them."""
    with pytest.raises(MessageUnreadable, match="a bundle in a bundle"):
        decode(encode(Bundle("g", (encode(Bundle("g", ())),))))


def test_rows_are_cut_between_records_and_lose_nothing(rng: np.random.Generator) -> None:
    rows = stream(rng, 1_000)
    rows.offsets[:] = np.arange(1_000) // 3  # three events a record
    whole = Rows(SOURCE, KEY, 400, RowsSnapshot.of(rows))
    parts = [*small(whole, 4_000)]
    assert len(parts) > 8
    assert all(len(encode(part)) <= 4_000 for part in parts)
    offsets = [part.rows.offsets for part in parts if isinstance(part, Rows)]
    assert np.array_equal(np.concatenate(offsets), rows.offsets)
    ends = [part.next_offset for part in parts if isinstance(part, Rows)]
    assert ends[-1] == 400
    assert all(mine[-1] < end <= after[0] for mine, end, after in zip(offsets, ends, offsets[1:], strict=False))


def test_panes_are_cut_between_panes_and_lose_nothing(said: list[Message]) -> None:
    whole = max((m for m in said if isinstance(m, Panes)), key=lambda m: len(m.panes))
    least = max(len(encode(replace(whole, panes=pane))) for pane in _each(whole))
    parts = [part for part in small(whole, 2 * least) if isinstance(part, Panes)]
    assert len(parts) > 1
    assert all(len(encode(part)) <= 2 * least for part in parts)
    assert np.array_equal(np.concatenate([part.panes.numbers for part in parts]), whole.panes.numbers)
    assert sum(int(part.panes.sums.sum()) for part in parts) == int(whole.panes.sums.sum())


def test_exemplars_travel_with_their_panes_and_others_are_refused(said: list[Message]) -> None:
    whole = max((m for m in said if isinstance(m, Panes)), key=lambda m: len(m.panes))
    mine = whole.panes.exemplars
    assert mine is not None
    assert (np.diff(mine.offsets) > 0).all()  # the first event of each pane, in order
    ids = replace(mine, ids=np.array([f"e{k}".encode() for k in range(len(mine.ids))]))
    again = decode(encode(replace(whole, panes=replace(whole.panes, exemplars=ids))))
    assert isinstance(again, Panes)
    assert again.panes.exemplars is not None
    assert again.panes.exemplars.ids.tolist() == ids.ids.tolist()
    for wrong in (
        replace(mine, offsets=mine.offsets[1:]),
        replace(mine, times=mine.times.astype(np.float32)),
        replace(mine, ids=mine.ids.astype("S65")),
        replace(mine, ids=mine.ids.astype("U4")),
    ):
        with pytest.raises(MessageUnreadable, match="exemplars"):
            decode(encode(replace(whole, panes=replace(whole.panes, exemplars=wrong))))


def test_outcomes_travel_with_their_panes_and_others_are_refused(said: list[Message]) -> None:
    whole = max((m for m in said if isinstance(m, Panes)), key=lambda m: len(m.panes))
    number = int(whole.panes.numbers[0])
    mine = SparseSums.of(9, np.array([number * 9 + 2, number * 9 + 5]), np.array([3, 4]))
    again = decode(encode(replace(whole, panes=replace(whole.panes, outcomes={"x": mine}))))
    assert isinstance(again, Panes)
    assert again.panes.outcomes["x"].whole.tolist() == [0, 0, 3, 0, 0, 4, 0, 0, 0]
    for wrong in (
        replace(mine, keys=mine.keys[::-1]),
        replace(mine, values=mine.values[:1]),
        replace(mine, keys=mine.keys.astype(np.float64)),
        replace(mine, keys=mine.keys - 9 * number - 9),
        replace(mine, width=0),
        SparseSums(9, mine.keys[:0], mine.values[:0]),
    ):
        with pytest.raises(MessageUnreadable, match="outcomes"):
            decode(encode(replace(whole, panes=replace(whole.panes, outcomes={"x": wrong}))))


def test_outcomes_of_another_width_than_the_references_do_not_fit_it(rng: np.random.Generator) -> None:
    reference = build(stream(rng, 200), Learning(bins=5))
    scoring = Scoring.of(reference.learned)
    assert scoring is not None
    empty = Summary.empty(reference.id, len(reference.channels), reference.width)
    for width, right in ((scoring.width, True), (9, False)):
        sums = SparseSums(width, np.array([2]), np.array([1]))
        block = PaneBlock.of(0, PaneData(empty, outcomes={scoring.id + "1": sums}))
        assert fits(block, reference) is right


def _each(message: Panes) -> list[PaneBlock]:
    return [PaneBlock.of(number, pane) for number, pane in message.panes.each()]


def test_a_message_that_cannot_be_cut_goes_whole(said: list[Message]) -> None:
    read = next(m for m in said if isinstance(m, Read))
    assert [*small(read, 1)] == [read]


def test_a_later_message_with_the_same_key_says_more(said: list[Message]) -> None:
    """Of panes those of the greater offset; of reads the later one: a topic that is compacted loses nothing."""
    reads = [m for m in said if isinstance(m, Read)]
    assert len({key_of(m) for m in reads}) == 2
    rows = [m for m in said if isinstance(m, Rows)]
    assert len({key_of(m) for m in rows}) == len(rows)


def test_what_came_before_changes_nothing() -> None:
    plans = Plans(learner())
    reader, owner = Reader(SOURCE, plans.pipeline, plans, epoch=2), Owner(learner(), plans)
    owner.expect([SOURCE])
    messages = [reader.read(), replace(reader.read(), epoch=1, next_offset=9, latest=5.0)]
    for message in messages:
        assert [*owner.receive(message)] == []
    assert owner.owned.state.partitions[SOURCE].next_offset == 0, "an earlier reader's word counts no more"
    assert isinstance(plans.pipeline.codec, NoCodec)


def test_of_what_was_given_for_one_plan_the_first_counts_and_other_plans_have_their_own(said: list[Message]) -> None:
    first = next(m for m in said if isinstance(m, Given))
    plans = Plans(learner())
    for given in (first, replace(first, next_offset=first.next_offset + 9), replace(first, plan="other/2")):
        plans.learn(given)
    plans.learn(replace(first, next_offset=1))  # an owner that was thought dead
    at = first.source, first.slice
    assert plans.given[*at, first.plan].next_offset == first.next_offset
    assert plans.given[*at, "other/2"].plan == "other/2"
    assert first.plan.endswith("/1"), "plans of a slice are numbered"


def test_columns_of_other_lengths_are_no_message(rng: np.random.Generator) -> None:
    rows = RowsSnapshot.of(stream(rng, 10))
    assert isinstance(decode(encode(Rows(SOURCE, KEY, 10, rows))), Rows)
    for wrong in (
        replace(rows, times=rows.times[:-1]),
        replace(rows, columns=[("x", rows.times[:-1])]),
        replace(rows, columns=[("color", ["red"])]),
        replace(rows, columns=[("color", [b"red"] * 10)]),
        replace(rows, version=["1"]),
        replace(rows, offsets=rows.offsets[::-1]),
        replace(rows, times=rows.times + np.nan),
        replace(rows, offsets=rows.offsets.astype(float)),
    ):
        with pytest.raises(MessageUnreadable):
            decode(encode(Rows(SOURCE, KEY, 10, wrong)))


def test_panes_of_other_lengths_are_no_message(said: list[Message]) -> None:
    whole = next(m for m in said if isinstance(m, Panes) and len(m.panes) > 1)
    p = whole.panes
    for wrong in (
        replace(p, totals=p.totals[:-1]),
        replace(p, sums=p.sums[:, :, 0]),
        replace(p, extremes=p.extremes[:, :-1]),
        replace(p, numbers=p.numbers[::-1]),
        replace(p, versions={"1": p.numbers + 1000}),
        replace(p, latency_le=p.latency_le[:, :-1]),
    ):
        with pytest.raises(MessageUnreadable):
            decode(encode(replace(whole, panes=wrong)))


def test_an_array_that_would_fill_the_memory_is_no_message(rng: np.random.Generator) -> None:
    rows = RowsSnapshot.of(stream(rng, 10))
    huge = msgspec.msgpack.encode(["<i8", [1 << 40], b"", b""])
    ours = bytes(msgspec.msgpack.decode(encode(Rows(SOURCE, KEY, 10, rows))[2:])["rows"]["offsets"].data)
    data = encode(Rows(SOURCE, KEY, 10, rows))
    at = data.index(ours)
    bomb = data[: at - 3] + msgspec.msgpack.encode(msgspec.msgpack.Ext(2, huge)) + data[at + len(ours) :]
    with pytest.raises(MessageUnreadable, match="none of driftd's"):
        decode(bomb)
