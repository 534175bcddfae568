"""Labels that come later, end to end in one process: joined once, judged as a slice of their own, and through kills."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driftd.core.channel import Role
from driftd.core.errors import StateUnwritable
from driftd.core.event import Decoded, EventBatch, LabelBatch
from driftd.core.slice import Slice
from driftd.engine import label_store, store
from driftd.engine.forget import StateDirectory
from driftd.engine.label_store import LabelStore
from driftd.engine.pipeline import Pipeline
from driftd.engine.quiet import Arrivals
from driftd.engine.snapshot.checkpoint import Checkpoint
from driftd.engine.snapshot.coding import encode_checkpoint
from driftd.engine.state import State
from driftd.engine.store import CheckpointFile
from driftd.ingest.outcomes.join import Joining
from driftd.ingest.outcomes.pending import Entry
from tests.unit.core.make import pipeline

PREDICTIONS, LABELS = ("predictions", 0), ("labels", 0)
FRAUD, PART = Slice("fraud"), Slice("fraud/labels")
N, RATE, DELAY = 2000, 5.0, 45.0
"""Seven minutes; each label 45 seconds after its prediction, but for one in ten that never comes."""


def joining(p: Pipeline | None = None, horizon: float = 120.0, *, most: int = 100_000) -> Pipeline:
    p = p or pipeline(learn_events=300)
    p.labels, p.most_slices = Joining(horizon, most, always=True), 10
    return p


def predictions(seed: int = 1) -> EventBatch:
    rng = np.random.default_rng(seed)
    times, said = 1000.0 + np.arange(N) / RATE, rng.integers(0, 2, N).astype(float)
    fields: dict[str, Any] = {"prediction": said, "score": rng.uniform(size=N)}
    ids = [f"id{i}" for i in range(N)]
    return EventBatch("fraud", np.arange(N), times, {"x": rng.normal(size=N)}, fields, "7", ids=ids)


def labels(of: EventBatch, wrong_from: int = N, seed: int = 2) -> LabelBatch:
    """One in ten predictions is wrong; from ``wrong_from`` on six in ten."""
    rng, at = np.random.default_rng(seed), np.arange(N)
    assert isinstance(of.prediction, np.ndarray)
    wrong = rng.uniform(size=N) < np.where(at < wrong_from, 0.1, 0.6)
    true = np.where(wrong, 1 - of.prediction, of.prediction)
    come = np.flatnonzero(at % 10 != 3)
    return LabelBatch(np.arange(len(come)), of.times[come] + DELAY, [f"id{i}" for i in come], [*map(float, true[come])])


def cut(batch: LabelBatch, begin: int, end: int) -> EventBatch:
    part = LabelBatch(batch.offsets[begin:end], batch.times[begin:end], batch.ids[begin:end], batch.labels[begin:end])
    return EventBatch("fraud", np.empty(0, np.int64), np.empty(0), {}, labels_alone=part)


def read_on(p: Pipeline, state: State, rows: EventBatch, later: LabelBatch, size: Callable[[], int]) -> Iterator[None]:
    """Reads both topics to their ends from where the state is, the one that is behind first, and settles."""
    for source in (PREDICTIONS, LABELS):
        if source not in state.partitions:
            p.ingest(state, source, 0, Decoded(0, [], []))
    while True:
        a, b = (state.partitions[source].next_offset for source in (PREDICTIONS, LABELS))
        if a == N and b == len(later):
            return
        if b == len(later) or (a < N and rows.times[a] <= later.times[b]):
            end = min(a + size(), N)
            p.ingest(state, PREDICTIONS, end, Decoded(end - a, [rows.take(np.arange(a, end))], []))
        else:
            end = min(b + size(), len(later))
            p.ingest(state, LABELS, end, Decoded(end - b, [cut(later, b, end)], []))
        p.settle(state)
        yield


def end(p: Pipeline, state: State) -> tuple[bytes, dict[bytes, Entry]]:
    """The state and what waits, without how often it was saved."""
    p.settle(state, end=True)
    whole = Checkpoint.of(state, p.slices.sequential_of, p.monitor.windows.pane_seconds, 0.0)
    whole = replace(whole, outcomes=replace(whole.outcomes, generation=0))
    return encode_checkpoint(whole), dict(state.outcomes.pending.beyond(b""))


@cache
def undisturbed() -> tuple[bytes, dict[bytes, Entry]]:
    p, state, rows = joining(), State(), predictions()
    for _ in read_on(p, state, rows, labels(rows, 1200), lambda: 40):
        pass
    return end(p, state)


def test_joined_labels_are_a_slice_of_their_own_and_errors_that_rise_are_found() -> None:
    p, state, rows = joining(horizon=3600.0), State(), predictions()
    for _ in read_on(p, state, rows, labels(rows, 1200), lambda: 40):
        pass
    p.settle(state, end=True)
    counts = state.outcomes.counts["fraud"]
    assert (counts.predictions, counts.labels, counts.joined, counts.waiting) == (N, N * 9 // 10, N * 9 // 10, N // 10)
    assert counts.balanced
    assert state.balanced
    assert state.received == N + N * 9 // 10
    reference = state.models[PART].reference
    assert reference is not None
    assert {c.role for c in reference.channels} == {Role.LABEL, Role.PREDICTION_ERROR}
    assert reference.center[reference.rows["prediction_error"]] == pytest.approx(0.1, abs=0.05)
    assert state.counters(PART).events == counts.joined
    assert state.counters(PART).last_event == rows.times[-1] + DELAY
    assert state.models[FRAUD].reference is not None
    about = {(f.model, f.feature) for f in state.models[PART].told}
    assert ("fraud/labels", "prediction_error") in about
    assert not [f for f in state.models[FRAUD].told if f.feature == "prediction_error"]


def test_no_event_of_a_pair_is_late_and_labels_hold_nobody_back() -> None:
    """Labels whose time is long before they come."""
    p, state, rows = joining(), State(), predictions()
    later = labels(rows)
    old = replace(later, times=later.times - DELAY - 300.0)
    order = labels(rows)
    for source in (PREDICTIONS, LABELS):
        p.ingest(state, source, 0, Decoded(0, [], []))
    b = 0
    for a in range(0, N, 50):
        p.ingest(state, PREDICTIONS, a + 50, Decoded(50, [rows.take(np.arange(a, a + 50))], []))
        there = int(np.searchsorted(order.times, rows.times[a + 49]))
        if there > b:
            p.ingest(state, LABELS, there, Decoded(there - b, [cut(old, b, there)], []))
            b = there
        p.settle(state)
    assert state.frontier is not None
    seconds = p.monitor.windows.pane_seconds
    assert (state.frontier + 1) * seconds > rows.times[-1] - p.monitor.windows.out_of_orderness_seconds - 2 * seconds
    assert state.late == 0
    assert state.outcomes.frontier is not None
    assert state.outcomes.frontier < state.frontier - 10  # by the time of labels
    assert state.counters(PART).events == state.outcomes.counts["fraud"].joined == b


def test_labels_go_on_while_predictions_rest() -> None:
    """Scored at night, labelled by day."""
    p, state, rows = joining(horizon=3600.0), State(), predictions()
    later = labels(rows)
    p.ingest(state, PREDICTIONS, N, Decoded(N, [rows], []))
    p.settle(state)
    for b in range(0, len(later), 50):
        p.ingest(state, LABELS, b + 50, Decoded(50, [cut(later, b, b + 50)], []))
        p.settle(state, idle=frozenset({PREDICTIONS}))
    model = state.models[PART]
    assert state.outcomes.frontier is not None
    assert model.taken == state.outcomes.frontier
    assert state.outcomes.frontier * p.monitor.windows.pane_seconds > later.times[-1] - 50


def test_labels_that_stop_are_missed_while_predictions_go_on() -> None:
    p, state = joining(horizon=3600.0), State()
    rows = replace(predictions(), times=np.arange(N, dtype=np.float64) * 4 + 1000)  # two hours
    for _ in read_on(p, state, rows, labels(rows), lambda: 40):
        pass
    p.settle(state, end=True)
    arrivals, due = Arrivals(), dict[Slice, list[float]]()
    for minute in range(30):
        more = replace(state.counters(FRAUD), events=N + minute)  # predictions arrive every minute
        for key, quiet in arrivals.quiet(
            {FRAUD: more, PART: state.counters(PART)}, state.models, minute * 60.0, 0.0
        ).items():
            if quiet.due:
                due.setdefault(key, []).append(minute * 60.0)
    assert due.keys() == {PART}
    assert due[PART][0] == 300.0  # five minutes, as of any model: 14 labels a minute have come
    assert due[PART][-1] == 29 * 60.0


def test_labels_that_are_only_counted_have_no_slice() -> None:
    p, state, rows = joining(), State(), predictions()
    p.labels = None
    for _ in read_on(p, state, rows, labels(rows), lambda: 500):
        pass
    assert state.models.keys() == {FRAUD}
    assert state.counters(FRAUD).unjoined_labels == N * 9 // 10
    assert not state.outcomes.counts


def test_no_more_models_and_parts_are_judged_than_may_be() -> None:
    p, state, rows = joining(), State(), predictions()
    p.most_slices = 1
    for _ in read_on(p, state, rows, labels(rows), lambda: 500):
        pass
    assert state.models.keys() == {FRAUD}
    assert state.outcomes.counts["fraud"].joined == N * 9 // 10


def test_settings_of_the_model_are_those_of_its_labels() -> None:
    p = joining()
    own = replace(p.monitor.default, learn_events=77, sized=("amount",), given=True)
    p = replace(p, monitor=replace(p.monitor, configured={"fraud": own}))
    found = p.monitor.settings(PART)
    assert (found.learn_events, found.sized, found.given, found.learning.kinds) == (77, (), False, {})
    assert p.monitor.settings(Slice("other/labels")).learn_events == p.monitor.default.learn_events


@pytest.mark.parametrize("sizes", [(40, 41), (1, 200), (7, 300)])
def test_how_records_are_polled_does_not_matter(sizes: tuple[int, int]) -> None:
    p, state, rows, rng = joining(), State(), predictions(), np.random.default_rng(3)
    for _ in read_on(p, state, rows, labels(rows, 1200), lambda: int(rng.integers(*sizes))):
        pass
    assert end(p, state) == undisturbed()


class Killed(BaseException):
    """The process ends here: nothing after it runs."""


STEPS = (
    "at random moments",
    "before the database",
    "in the transaction",
    "after the database",
    "before the rename",
    "after the rename",
)


@dataclass
class Reaper:
    """Kills at one step of saving, while it is ``armed``."""

    step: str
    armed: bool = False

    def at(self, step: str) -> None:
        if self.armed and step == self.step:
            raise Killed

    def stand(self, monkeypatch: pytest.MonkeyPatch) -> None:
        write, commit, to_file = LabelStore.write, label_store._commit, store.write_file

        def write_database(database: LabelStore, changes: Any, generation: int) -> None:
            self.at("before the database")
            write(database, changes, generation)
            self.at("after the database")

        def begin(db: sqlite3.Connection, *rest: Any) -> None:
            if self.armed and self.step == "in the transaction":
                db.execute("BEGIN IMMEDIATE")
                db.execute("DELETE FROM pending")
            self.at("in the transaction")
            commit(db, *rest)

        def write_checkpoint(*args: Any, **named: Any) -> int:
            self.at("before the rename")
            size = to_file(*args, **named)
            self.at("after the rename")
            return size

        monkeypatch.setattr(LabelStore, "write", write_database)
        monkeypatch.setattr(label_store, "_commit", begin)
        monkeypatch.setattr(store, "write_file", write_checkpoint)


def live(file: CheckpointFile, p: Pipeline, state: State, reaper: Reaper, rng: np.random.Generator) -> None:
    """Reads on to the end, and is killed now and then."""
    rows = predictions()
    for _ in read_on(p, state, rows, labels(rows, 1200), lambda: int(rng.integers(20, 60))):
        if rng.uniform() < 0.25:
            reaper.armed = rng.uniform() < 0.5
            file.save(state, p)
        if rng.uniform() < 0.03:
            raise Killed
    reaper.armed = False
    file.save(state, p)


@pytest.mark.parametrize("step", STEPS)
def test_kill_9_at_each_step_of_saving_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Against the undisturbed run. Now and then it is killed, most often as it saves, and goes on from the folder."""
    rng, reaper, kills, done = np.random.default_rng(STEPS.index(step)), Reaper(step), 0, False
    reaper.stand(monkeypatch)
    while not done:
        p, file = joining(), CheckpointFile(tmp_path, lambda: 0.0)
        state, trouble = file.load(p)
        assert trouble == ""
        try:
            live(file, p, state, reaper, rng)
            done = True
        except Killed:
            kills += 1
            file.labels.close()  # what the operating system does
    assert kills
    assert state.outcomes.counts["fraud"].balanced
    assert end(p, state) == undisturbed()


def read_some(tmp_path: Path, upto: int) -> tuple[CheckpointFile, Pipeline, State, EventBatch, LabelBatch]:
    p, rows = joining(horizon=3600.0), predictions()
    later, file = labels(rows), CheckpointFile(tmp_path, lambda: 0.0)
    state, _ = file.load(p)
    for i, _ in enumerate(read_on(p, state, rows, later, lambda: 40)):
        if i == upto // 2:
            file.save(state, p)
        if i == upto:
            break
    file.save(state, p)
    return file, p, state, rows, later


def test_who_forgets_a_model_forgets_its_labels_and_what_waits(tmp_path: Path) -> None:
    file, p, state, _, _ = read_some(tmp_path, 60)
    assert state.models.keys() == {FRAUD, PART}
    file.labels.close()
    StateDirectory(tmp_path).forget("fraud")
    found, trouble = CheckpointFile(tmp_path, lambda: 0.0).load(p)
    assert trouble == ""
    assert (found.models, found.outcomes.counts, found.outcomes.pending.size) == ({}, {}, 0)


@pytest.mark.parametrize("damage", ["missing", "rubbish", "of another time"])
def test_without_its_database_what_waited_is_lost_and_counted_and_it_goes_on(tmp_path: Path, damage: str) -> None:
    file, p, before, rows, later = read_some(tmp_path, 20)
    file.labels.close()
    path = tmp_path / label_store.NAME
    if damage == "rubbish":
        path.write_bytes(b"rubbish" * 5000)
    else:
        path.unlink()
    if damage == "of another time":
        other = LabelStore(path)
        other.write({b"k" * 16: Entry(0, "fraud", 0.0)}, 1)
        other.close()
    waiting = before.outcomes.counts["fraud"].waiting
    again = CheckpointFile(tmp_path, lambda: 0.0)
    state, trouble = again.load(p)
    assert f"{waiting:,} predictions and labels that waited for each other are lost, and counted" in trouble
    assert (f"kept as {label_store.NAME}.bad" in trouble) is (damage != "missing")
    for _ in read_on(p, state, rows, later, lambda: 40):
        pass
    again.save(state, p)
    counts = state.outcomes.counts["fraud"]
    assert counts.balanced
    assert counts.lost == waiting > 0
    assert counts.joined > before.outcomes.counts["fraud"].joined


def test_the_checkpoint_before_a_damaged_one_finds_what_waited_then(tmp_path: Path) -> None:
    file, p, _, rows, later = read_some(tmp_path, 30)
    file.labels.close()
    (tmp_path / "checkpoint").write_bytes(b"damaged")
    again = CheckpointFile(tmp_path, lambda: 0.0)
    state, trouble = again.load(p)
    assert "going on from the checkpoint before it" in trouble
    assert "lost" not in trouble
    for _ in read_on(p, state, rows, later, lambda: 40):
        pass
    counts = state.outcomes.counts["fraud"]
    assert (counts.joined, counts.waiting, counts.lost) == (N * 9 // 10, N // 10, 0)


def test_a_disk_that_is_full_for_a_while_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    p, rows = joining(horizon=3600.0), predictions()
    later, file = labels(rows), CheckpointFile(tmp_path, lambda: 0.0)
    state, _ = file.load(p)
    whole = label_store._commit

    def full(*_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    for i, _ in enumerate(read_on(p, state, rows, later, lambda: 40)):
        monkeypatch.setattr(label_store, "_commit", full if 20 <= i < 60 else whole)
        if i % 5 == 0 and 20 <= i < 60:
            with pytest.raises(StateUnwritable, match="disk is full"):
                file.save(state, p)
        elif i % 5 == 0:
            file.save(state, p)
    file.save(state, p)
    state, trouble = CheckpointFile(tmp_path, lambda: 0.0).load(p)
    assert trouble == ""
    assert (state.outcomes.counts["fraud"].joined, state.outcomes.pending.size) == (N * 9 // 10, N)


def test_damage_that_is_met_while_it_runs_is_told_and_it_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, p, state, rows, later = read_some(tmp_path, 30)
    file.labels.broken = "labels.sqlite: database disk image is malformed"
    for _ in read_on(p, state, rows, later, lambda: 40):
        pass
    file.save(state, p)
    assert "database disk image is malformed" in caplog.text
    assert "are lost, and counted" in caplog.text
    assert state.outcomes.counts["fraud"].balanced
    assert state.outcomes.counts["fraud"].lost > 0


def test_a_model_that_was_held_back_is_judged_though_the_frontier_stays_with_labels_as_without() -> None:
    """Of members: its owner waits for what a reader has counted, and others have gone on by then."""
    for p in (joining(), pipeline(learn_events=300)):
        state, rows = State(), predictions()
        for end in (1000, N):
            begin = state.partitions[PREDICTIONS].next_offset if state.partitions else 0
            p.ingest(state, PREDICTIONS, end, Decoded(end - begin, [rows.take(np.arange(begin, end))], []))
            if end < N:
                p.settle(state)
        held = state.models[FRAUD].taken
        assert held is not None
        (*_, last) = p.stops(state)
        assert last > held
        assert [*p.close(state, last, at_most={FRAUD: held})]
        assert state.models[FRAUD].taken == held
        assert [*p.close(state, last, again=True)]
        assert state.models[FRAUD].taken == last
