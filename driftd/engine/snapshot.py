"""State to plain data and back: what a checkpoint holds, without pickle, exact to the bit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import msgspec
import numpy as np

from driftd.core.errors import CheckpointCorrupt
from driftd.core.event import EventBatch, Kind
from driftd.core.finding import Status
from driftd.core.reference import Bins, Channel, Exclusion, Reference, ReferenceKind, Role, Slots
from driftd.core.summary import Summary
from driftd.core.window import Hop, Hops, TimedDetection
from driftd.detectors import SequentialDetector
from driftd.engine.state import State
from driftd.ingest.state import Pane, PartitionState, Stream
from driftd.judge.learned import dump_state as dump_state_learned
from driftd.judge.learned import load_state as load_state_learned
from driftd.judge.runtime import ModelJudge, learned_of
from driftd.judge.step import MicroBatch
from driftd.monitor.state import ModelState, Period, Totals, Verdict

Plain = Any
"""None, bool, int, float, str, bytes, list and dict with text keys: what msgpack carries."""

FindDetector = Callable[[Reference, str, str], SequentialDetector | None]
"""(reference, detector's kind, channel) -> the detector that watches the channel now, if any."""


def dump_state(state: State, detector: FindDetector) -> Plain:
    return {
        "partitions": [
            [topic, partition, cell.next_offset, cell.latest, cell.released, _dump_streams(state, cell, detector)]
            for (topic, partition), cell in sorted(state.partitions.items())
        ],
        "models": [_dump_model(state.models[name]) for name in sorted(state.models)],
        "frontier": state.frontier,
        "counts": [state.received, state.accepted, state.late, state.findings],
        "rejected": dict(sorted(state.rejected.items())),
        "dropped": dict(sorted(state.dropped.items())),
    }


def load_state(data: Plain, detector: FindDetector) -> State:
    """Raises CheckpointCorrupt when the data is not what dump_state wrote."""
    try:
        return _load_state(data, detector)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, msgspec.MsgspecError) as e:
        raise CheckpointCorrupt(f"the checkpoint's content is not what driftd writes: {type(e).__name__}: {e}") from e


def _load_state(data: Plain, detector: FindDetector) -> State:
    models = {m["name"]: _load_model(m) for m in data["models"]}
    received, accepted, late, findings = data["counts"]
    state = State({}, models, data["frontier"], received, accepted, late, findings=findings)
    state.rejected, state.dropped = Counter(data["rejected"]), Counter(data["dropped"])
    for topic, partition, next_offset, latest, released, streams in data["partitions"]:
        cell = PartitionState(next_offset, latest, released)
        for name, rows, panes, sequential in streams:
            stream = Stream([load_rows(r) for r in rows])
            stream.panes = {
                pane: Pane(
                    load_summary(summary),
                    tuple(TimedDetection(*a) for a in alarms),
                    None if cross is None else _unarray(cross),
                )
                for pane, summary, alarms, cross in panes
            }
            reference = models[name].reference if name in models else None
            for kind, channel, settings, raw in sequential:
                owner = None if reference is None else detector(reference, kind, channel)
                if owner is not None and repr(owner) == settings:  # other settings start afresh
                    stream.sequential[kind, channel] = owner.load(raw)
            cell.streams[name] = stream
        state.partitions[topic, partition] = cell
    return state


def _dump_streams(state: State, cell: PartitionState, detector: FindDetector) -> Plain:
    out = []
    for name, stream in sorted(cell.streams.items()):
        reference = state.models[name].reference
        sequential = []
        for (kind, channel), value in sorted(stream.sequential.items()):
            owner = None if reference is None else detector(reference, kind, channel)
            if owner is not None:
                sequential.append([kind, channel, repr(owner), owner.dump(value)])
        panes = [
            [i, dump_summary(p.summary), _alarms(p.alarms), None if p.cross is None else _array(p.cross)]
            for i, p in sorted(stream.panes.items())
        ]
        out.append([name, [dump_rows(r) for r in stream.rows], panes, sequential])
    return out


def _dump_model(cell: ModelState) -> Plain:
    totals = {f.name: getattr(cell.totals, f.name) for f in fields(Totals)}
    return {
        "name": cell.name,
        "reference": None if cell.reference is None else dump_reference(cell.reference),
        "rows": [dump_rows(r) for r in cell.rows],
        "learned": cell.learned,
        "taken": cell.taken,
        "growing": None if cell.hops.growing is None else _dump_hop(cell.hops.growing),
        "done": [_dump_hop(h) for h in cell.hops.done],
        "verdicts": [[k, _array(v.status), _array(v.detections)] for k, v in sorted(cell.verdicts.items())],
        "since": _array(cell.since),
        "status": int(cell.status),
        "versions": dict(sorted(cell.versions.items())),
        "totals": {**totals, "latency_le": _array(cell.totals.latency_le)},
        "judged": cell.judged,
        "guard": _dump_guard(cell.guard),
        "named": [*cell.named],
        "period": _dump_period(cell.period),
        "suspected": _array(cell.suspected),
    }


def _load_model(data: Plain) -> ModelState:
    parts = data["totals"]
    totals = Totals(**{**parts, "latency_le": _unarray(parts["latency_le"]), "paged": tuple(parts["paged"])})
    growing = None if data["growing"] is None else _load_hop(data["growing"])
    reference = None if data["reference"] is None else load_reference(data["reference"])
    return ModelState(
        data["name"],
        reference,
        [load_rows(r) for r in data["rows"]],
        data["learned"],
        data["taken"],
        Hops(growing, [_load_hop(h) for h in data["done"]]),
        {kind: Verdict(_unarray(status), _unarray(n)) for kind, status, n in data["verdicts"]},
        _unarray(data["since"]),
        Status(data["status"]),
        data["versions"],
        totals,
        data["judged"],
        _load_guard(data["guard"], reference),
        tuple(data["named"]),
        _unarray(data["suspected"]),
        period=_load_period(data["period"]),
    )


def _dump_period(period: Period | None) -> Plain:
    if period is None:
        return None
    summary = None if period.summary is None else dump_summary(period.summary)
    return [period.number, summary, period.whole, period.drifted]


def _load_period(data: Plain) -> Period | None:
    if data is None:
        return None
    number, summary, whole, drifted = data
    return Period(number, None if summary is None else load_summary(summary), whole, drifted)


def _alarms(alarms: Sequence[TimedDetection]) -> Plain:
    return [[a.detector, a.channel, a.time, a.before, a.after, a.since] for a in alarms]


def _dump_hop(hop: Hop) -> Plain:
    return [hop.start, hop.end, dump_summary(hop.summary), _alarms(hop.alarms)]


def _load_hop(data: Plain) -> Hop:
    start, end, summary, alarms = data
    return Hop(start, end, load_summary(summary), tuple(TimedDetection(*a) for a in alarms))


def dump_summary(s: Summary) -> Plain:
    arrays = [_array(a) for a in (s.counts, s.moments, s.extremes, s.latency_le)]
    filled = np.flatnonzero(s.latency)
    sketch = [_array(filled), _array(s.latency[filled]), len(s.latency)]
    return [s.bins_id, s.events, arrays, sketch, s.latency_ns, s.failed, s.first, s.last]


def load_summary(data: Plain) -> Summary:
    bins_id, events, arrays, (filled, values, size), latency_ns, failed, first, last = data
    counts, moments, extremes, le = (_unarray(a) for a in arrays)
    latency = np.zeros(size, np.int64)
    latency[_unarray(filled)] = _unarray(values)
    return Summary(bins_id, events, counts, moments, extremes, latency, le, latency_ns, failed, first, last)


def dump_reference(r: Reference) -> Plain:
    return {
        "model": r.model,
        "version": r.version,
        "channels": [[c.name, c.role.value, c.kind.value] for c in r.channels],
        "bins": [
            [
                *(b.kind.value, _array(b.edges), [*b.categories], sorted(b.rare), [*b.labels]),
                *(b.identifier, b.once, b.discrete),
            ]
            for b in r.bins
        ],
        "summary": dump_summary(r.summary),
        "center": _array(r.center),
        "scale": _array(r.scale),
        "classes": r.classes,
        "first": r.first,
        "last": r.last,
        "source": r.source,
        "created_by": r.created_by,
        "reason": r.reason,
        "learned": _dump_table(r.learned),
        "kind": r.kind.value,
        "slots": None if r.slots is None else [_array(a) for a in (r.slots.events, r.slots.counts, r.slots.moments)],
        "rolled": None if r.rolled is None else dump_summary(r.rolled),
        "natural": _dump_table(r.natural),
        "excluded": [[e.start, e.end, e.why] for e in r.excluded],
    }


def load_reference(data: Plain) -> Reference:
    bins = tuple(
        Bins(Kind(kind), _unarray(edges), tuple(categories), frozenset(rare), tuple(labels), *rest)
        for kind, edges, categories, rare, labels, *rest in data["bins"]
    )
    return Reference(
        model=data["model"],
        version=data["version"],
        channels=tuple(Channel(name, Role(role), Kind(kind)) for name, role, kind in data["channels"]),
        bins=bins,
        summary=load_summary(data["summary"]),
        center=_unarray(data["center"]),
        scale=_unarray(data["scale"]),
        classes=data["classes"],
        first=data["first"],
        last=data["last"],
        source=data["source"],
        created_by=data["created_by"],
        reason=data["reason"],
        learned=_load_table(data["learned"]),
        kind=ReferenceKind(data["kind"]),
        slots=None if data["slots"] is None else Slots(*(_unarray(a) for a in data["slots"])),
        rolled=None if data["rolled"] is None else load_summary(data["rolled"]),
        natural=_load_table(data["natural"]),
        excluded=tuple(Exclusion(*e) for e in data["excluded"]),
    )


def _dump_guard(guard: ModelJudge | None) -> Plain:
    if guard is None:
        return None
    state = _dump_table(dump_state_learned(guard.state))
    return {"state": state, "waiting": _dump_batch(guard.waiting), "slot": _dump_batch(guard.slot)}


def _load_guard(data: Plain, reference: Reference | None) -> ModelJudge | None:
    learned = None if reference is None or data is None else learned_of(reference)
    if learned is None:
        return None
    state = load_state_learned(_load_table(data["state"]))
    return ModelJudge(learned, state, _load_batch(data["waiting"]), _load_batch(data["slot"]))


def _dump_batch(batch: MicroBatch | None) -> Plain:
    if batch is None:
        return None
    cross = None if batch.cross is None else _array(batch.cross)
    return [batch.start, batch.end, dump_summary(batch.summary), cross, _array(batch.external_since)]


def _load_batch(data: Plain) -> MicroBatch | None:
    if data is None:
        return None
    start, end, summary, cross, external_since = data
    return MicroBatch(
        start, end, load_summary(summary), None if cross is None else _unarray(cross), _unarray(external_since)
    )


def _dump_table(table: Mapping[str, Any]) -> Plain:
    return [[name, _array(np.asarray(part))] for name, part in sorted(table.items())]


def _load_table(data: Plain) -> dict[str, Any]:
    return {name: _unarray(part) for name, part in data}


def dump_rows(rows: EventBatch) -> Plain:
    return {
        "model": rows.model,
        "offsets": _array(rows.offsets),
        "times": _array(rows.times),
        "columns": [[name, _column(c)] for name, c in rows.columns.items()],
        "prediction": _column(rows.prediction),
        "score": _column(rows.score),
        "label": _column(rows.label),
        "latency": _column(rows.latency_seconds),
        "failed": None if rows.failed is None else _array(rows.failed),
        "versions": dict(sorted(rows.versions.items())),
    }


def load_rows(data: Plain) -> EventBatch:
    return EventBatch(
        data["model"],
        _unarray(data["offsets"]),
        _unarray(data["times"]),
        {name: _uncolumn(c) for name, c in data["columns"]},
        _uncolumn(data["prediction"]),
        _uncolumn(data["score"]),
        _uncolumn(data["label"]),
        _uncolumn(data["latency"]),
        None if data["failed"] is None else _unarray(data["failed"]),
        data["versions"],
    )


def _column(column: Any) -> Plain:
    if column is None:
        return None
    return _array(column) if isinstance(column, np.ndarray) else [*column]


def _uncolumn(data: Plain) -> Any:
    return _unarray(data) if isinstance(data, dict) else data


def _array(a: np.ndarray[Any, Any]) -> Plain:
    return {"t": a.dtype.str, "s": list(a.shape), "b": a.tobytes()}


def _unarray(data: Plain) -> Any:
    return np.frombuffer(data["b"], np.dtype(data["t"])).reshape(data["s"]).copy()
