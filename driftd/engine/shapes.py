"""Whether arrays that came from outside fit each other: types alone say nothing of lengths."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftd.core.exemplars import ID_BYTES, Exemplars
from driftd.core.fault_counters import COLUMNS
from driftd.core.lists import LISTS, WIDE
from driftd.core.new_names import added
from driftd.core.pane_block import MOMENTS, PaneBlock
from driftd.core.quality.calibrated import Calibrated
from driftd.core.quality.expected import WIDTH, Expected
from driftd.core.quality.scoring import Scoring
from driftd.core.quality.sums import Outcomes
from driftd.core.reference import Reference
from driftd.core.summary import LATENCY_BINS, LATENCY_LE
from driftd.core.trials import MOST_NAMED, UNIT_RANGE, Trials
from driftd.engine.snapshot.rows import RowsSnapshot


def require_rows(rows: RowsSnapshot) -> None:
    """Raises ValueError where the columns are not one value an event."""
    n = len(rows.offsets) if rows.offsets.ndim == 1 else -1
    _require("offsets", rows.offsets, (n,), "i")
    _require("times", rows.times, (n,), "f")
    if not np.isfinite(rows.times).all() or (np.diff(rows.offsets) < 0).any():
        raise ValueError("rows: expected finite times, and offsets in order")
    for name, column in rows.columns:
        _require_column(name, column, n)
    for name, column in rows.fields:
        (_require_lists if name.startswith(LISTS) else _require_column)(name, column, n)
    for name, flags in rows.refused:
        _require(name, flags, (n,), "b")
    if rows.partitions is not None:
        _require("partitions", rows.partitions, (n,), "i")
    version = rows.version
    if isinstance(version, list) and len(version) == n and _are(version, (str, type(None))):
        return
    if version is not None and not isinstance(version, str):
        raise ValueError(f"rows: version: expected a text, or {n} of them")


def _require_lists(name: str, column: Any, n: int) -> None:
    if not isinstance(column, np.ndarray) or column.ndim != 2 or not 1 <= column.shape[1] <= 1 + WIDE:
        raise ValueError(f"rows: {name}: expected coordinates of lists")
    _require(name, column.astype(np.float64), (n, column.shape[1]), "f")


def _require_column(name: str, column: Any, n: int) -> None:
    if isinstance(column, np.ndarray):
        _require(name, column, (n,), "b" if name == "error" else "f")
    elif not isinstance(column, list) or len(column) != n or not _are(column, (float, str, type(None))):
        raise ValueError(f"rows: {name}: expected {n} numbers or texts")


def require_panes(block: PaneBlock) -> None:
    """Raises ValueError where the arrays are not one row a pane, the panes in order."""
    k = len(block.numbers) if block.numbers.ndim == 1 else -1
    channels = block.sums.shape[1] if block.sums.ndim == 3 else -1
    width = block.sums.shape[2] if block.sums.ndim == 3 else -1
    _require("numbers", block.numbers, (k,), "i")
    _require("totals", block.totals, (k, 3), "i")
    _require("times", block.times, (k, 2), "f")
    _require("sums", block.sums, (k, channels, width), "i")
    _require("extremes", block.extremes, (k, channels, 2), "f")
    _require("latency_le", block.latency_le, (k, len(LATENCY_LE) + 1), "i")
    if block.latency is not None:
        _require("latency", block.latency, (k, LATENCY_BINS), "i")
    if block.cross is not None:
        _require("cross", block.cross, (k, block.cross.shape[-1]), "i")
    if block.products is not None:
        _require("products", block.products, (k, *block.products.shape[-1:] * 2), "i")
    if block.exemplars is not None:
        _require_exemplars(block.exemplars, k)
    if not k or (np.diff(block.numbers) <= 0).any():
        raise ValueError("panes: expected some, in order, each once")
    numbers = set(block.numbers.tolist())
    if not {number for number, _ in block.detections} <= numbers:
        raise ValueError("panes: a detection in no pane of them")
    _require_names(block, numbers, channels)
    _require_outcomes(block.outcomes, block.numbers)
    for version, panes in block.versions.items():
        if panes.ndim != 1 or panes.dtype.kind != "i" or not set(panes.tolist()) <= numbers:
            raise ValueError(f"panes: version {version!r}: expected numbers of panes")


def _require_exemplars(exemplars: Exemplars, k: int) -> None:
    _require("exemplars", exemplars.offsets, (k,), "i")
    _require("exemplars", exemplars.times, (k,), "f")
    if exemplars.ids.shape != (k,) or exemplars.ids.dtype.kind != "S" or exemplars.ids.dtype.itemsize > ID_BYTES:
        raise ValueError(f"exemplars: expected {k} ids of {ID_BYTES} bytes at the most")


def _require_names(block: PaneBlock, numbers: set[int], channels: int) -> None:
    if not {name[0] for name in block.names} <= numbers or block.names != added(block.names):
        raise ValueError("panes: names of new categories in no pane of them, or not in order")
    if not all(0 <= row < channels for _, row, _, _ in block.names):
        raise ValueError("panes: names of new categories of no channel")


def _require_outcomes(outcomes: Outcomes, numbers: NDArray[np.int64]) -> None:
    for sums in outcomes.values():
        _require("outcomes", sums.keys, (len(sums.keys),), "i")
        _require("outcomes", sums.values, (len(sums.keys),), "i")
        if sums.width < 1 or not len(sums) or (np.diff(sums.keys) <= 0).any():
            raise ValueError("panes: outcomes not in order, or none")
        if not np.isin(sums.rows, numbers).all():
            raise ValueError("panes: outcomes in no pane of them")


def require_trials(trials: Trials) -> None:
    """Raises ValueError where the arrays do not belong together."""
    if not trials:
        raise ValueError("trials: expected some")
    for trial in trials.values():
        sums, units = trial.sums, trial.units
        _require("trials", sums.keys, (len(sums.keys),), "i")
        _require("trials", sums.values, (len(sums.keys),), "i")
        if sums.width < 1 or not len(sums) or (np.diff(sums.keys) <= 0).any():
            raise ValueError("trials: sums not in order, or none")
        _require("units", units.panes, (len(units.panes),), "i")
        _require("units", units.hashes, (len(units.panes),), "f")
        _require("units", units.arms, (len(units.panes),), "i")
        _require("units", units.cut, (len(units.cut),), "i")
        _require("units", units.bounds, (len(units.cut),), "f")
        if len(trial.others) > MOST_NAMED:
            raise ValueError("trials: expected fewer names")
        if not np.isin(np.append(units.panes, units.cut), sums.rows).all() or (units.arms < 0).any():
            raise ValueError("units: in no pane of the sums, or in no arm")
        if not ((units.hashes >= 0) & (units.hashes < UNIT_RANGE)).all() or not (units.bounds > 0).all():
            raise ValueError("units: expected hashes and bounds")


def fits(block: PaneBlock, reference: Reference) -> bool:
    """Whether the panes were counted on the bins of the reference."""
    shape = len(reference.channels), reference.width + COLUMNS + MOMENTS
    if block.bins_id != reference.id or block.sums.shape[1:] != shape:
        return False
    scoring = Scoring.of(reference.learned) if block.outcomes else None
    expected = Expected.of(reference.learned) if block.outcomes else None
    calibrated = Calibrated.of(reference.learned) if block.outcomes else None
    widths = {} if expected is None else {expected.id: WIDTH}
    widths |= {} if calibrated is None else {calibrated.id: calibrated.width}
    if any(name in block.outcomes and block.outcomes[name].width != width for name, width in widths.items()):
        return False
    return scoring is None or all(sums.width == scoring.width for sums in scoring.own(block.outcomes).values())


def _require(name: str, array: Any, shape: tuple[int, ...], kind: str) -> None:
    if array.shape != shape or array.dtype.kind != kind or (kind in "if" and array.dtype.itemsize != 8):
        raise ValueError(f"{name}: {array.dtype}{list(array.shape)} where {kind}8{list(shape)} belongs")


def _are(values: Iterable[Any], kinds: tuple[type, ...]) -> bool:
    return set(map(type, values)) <= set(kinds)
