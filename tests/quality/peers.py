"""The peers that run in this environment, as their users run them: river's detectors, and PSI on tumbling windows.

Each is a function of one channel's values (float64[n], NaN is missing, categories as codes) and the number of
reference rows; it gives the rows at which it alarms. What a library does after its alarm is left to the library.
"""

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from river.drift import ADWIN, KSWIN, PageHinkley
from river.drift import kswin as kswin_module
from scipy import stats

Floats = NDArray[np.float64]
Peer = Callable[[Floats, int, bool], list[int]]

WINDOW: Final = 1000
KSWIN_SEED: Final = 42


def codes(column: pa.ChunkedArray, n_ref: int, categorical: bool) -> Floats:
    """Numbers as they are; categories as their rank by frequency in the reference (0 is the most common one, unseen
    ones share the next free rank), which is what an ordinal encoder of their users gives. NaN is missing.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if not categorical and not text:
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)
    values = column.to_pylist()
    ranked = Counter(v for v in values[:n_ref] if v is not None).most_common()
    rank = {value: float(i) for i, (value, _) in enumerate(ranked)}
    return np.array([np.nan if v is None else rank.get(v, float(len(rank))) for v in values])


adwin: Callable[..., Any] = ADWIN  # compiled, without types


def drive(detector: Any, values: Floats) -> list[int]:
    """Every value in order; missing ones are left out, since none of these detectors takes them."""
    out = []
    here = np.flatnonzero(np.isfinite(values))
    for i, value in zip(here.tolist(), values[here].tolist(), strict=True):
        detector.update(value)
        if detector.drift_detected:
            out.append(i)
    return out


def unit(values: Floats, n_ref: int) -> Floats:
    """To 0..1 by the reference's least and greatest value, clipped."""
    known = values[:n_ref][np.isfinite(values[:n_ref])]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    out: Floats = np.clip((values - low) / (high - low) if high > low else values - low + 0.5, 0, 1)
    return out


def zscores(values: Floats, n_ref: int) -> Floats:
    known = values[:n_ref][np.isfinite(values[:n_ref])]
    spread = float(known.std()) if len(known) else 0.0
    out: Floats = (values - (known.mean() if len(known) else 0.0)) / (spread or 1.0)
    return out


def adwin_raw(values: Floats, _n_ref: int, _categorical: bool) -> list[int]:
    return drive(adwin(), values)


def adwin_scaled(values: Floats, n_ref: int, _categorical: bool) -> list[int]:
    return drive(adwin(), unit(values, n_ref))


def adwin_strict(values: Floats, n_ref: int, _categorical: bool) -> list[int]:
    return drive(adwin(delta=1e-6), unit(values, n_ref))


def page_hinkley(values: Floats, n_ref: int, _categorical: bool) -> list[int]:
    return drive(PageHinkley(), zscores(values, n_ref))


def kswin(values: Floats, _n_ref: int, _categorical: bool) -> list[int]:
    with quick_ks():
        return drive(KSWIN(seed=KSWIN_SEED), values)


@cache
def _p_values(n: int) -> tuple[float, ...]:
    """scipy's exact p-value of each statistic k / n of two samples of n."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=RuntimeWarning)  # as river does
        return tuple(float(stats.ks_2samp(np.arange(n), np.arange(n) + k).pvalue) for k in range(n + 1))


def ks_2samp(a: list[float], b: list[float], method: str = "auto") -> tuple[float, float]:  # noqa: ARG001
    """scipy's ks_2samp for two samples of one size: same statistic, p-value from a table of scipy's own."""
    a, b = sorted(a), sorted(b)
    k = max(abs(bisect_right(a, x) - bisect_right(b, x)) for x in {*a, *b})
    return k / len(a), _p_values(len(a))[k]


@contextmanager
def quick_ks() -> Iterator[None]:
    """KSWIN's own code, twenty times as fast: its calls of scipy are answered from a table."""
    module: Any = kswin_module
    theirs = module.stats
    module.stats = SimpleNamespace(ks_2samp=ks_2samp)
    try:
        yield
    finally:
        module.stats = theirs


def psi(values: Floats, n_ref: int, categorical: bool) -> list[int]:
    """The rule of thumb: deciles of the reference (categories: each value), shares of at least 1e-4, above 0.2."""
    reference = values[:n_ref][np.isfinite(values[:n_ref])]
    if len(reference) == 0:
        return []
    if categorical:
        edges = np.arange(reference.max() + 1) + 0.5
    else:
        edges = np.unique(np.quantile(reference, np.arange(1, 10) / 10))
    p = _shares(reference, edges)
    out = []
    for start in range(n_ref, len(values) - WINDOW + 1, WINDOW):
        window = values[start : start + WINDOW]
        window = window[np.isfinite(window)]
        if len(window) == 0:
            continue
        q = _shares(window, edges)
        if float(np.sum((q - p) * np.log(q / p))) > 0.2:
            out.append(start + WINDOW - 1)
    return out


def _shares(values: Floats, edges: Floats) -> Floats:
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    out: Floats = np.maximum(counts / counts.sum(), 1e-4)
    return out


PEERS: Final[dict[str, tuple[str, Peer]]] = {
    "adwin": ("river ADWIN, defaults, raw values", adwin_raw),
    "adwin-scaled": ("river ADWIN, defaults, scaled to 0..1", adwin_scaled),
    "adwin-1e-6": ("river ADWIN, scaled, delta 1e-6", adwin_strict),
    "page-hinkley": ("river Page-Hinkley, defaults, z-scored", page_hinkley),
    "kswin": ("river KSWIN, defaults", kswin),
    "psi": ("PSI > 0.2 on windows of 1,000", psi),
}
RIVER: Final = f"river {version('river')}"
