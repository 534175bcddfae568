"""How often detectors fire although nothing has changed, by simulation, and what is still allowed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, Final

import numpy as np
from scipy.special import chdtri
from scipy.stats import binom, poisson

from driftd.core.reference import Reference
from driftd.core.summary import Summary
from driftd.detectors import NUMBERS, SequentialDetector, WindowDetector
from driftd.detectors._bins import merged
from tests.unit.detectors import make

CHANNELS: Final = 1000
"""Independent pairs of a reference and a window, for each shape."""
ALPHAS: Final = (0.05, 0.01)
CHANCE: Final = 1e-5
"""A detector that holds its level fails one comparison with at most this probability (exact binomial or Poisson)."""
MOST_CONSERVATIVE: Final = 0.1
"""On some shape a detector must fire at this share of alpha or more: a level that is never reached is no level."""
STREAM: Final = 500_000
BUDGETS: Final = (2_000.0, 20_000.0)

Draw = Callable[[np.random.Generator, int], Any]


@dataclass(frozen=True)
class Shape:
    """What values look like, and how many the reference and the window have."""

    draw: Draw
    n: int
    m: int
    bins: int = 20


def zipf(k: int) -> Draw:
    """``k`` categories, the i-th of them with a share of about 1 / i."""
    shares = 1 / np.arange(1, k + 1) ** 1.1
    names = np.array([f"c{i}" for i in range(k)])
    return lambda rng, n: names[rng.choice(k, n, p=shares / shares.sum())].tolist()


def with_gaps(rng: np.random.Generator, n: int) -> Any:
    return np.where(rng.random(n) < 0.1, np.nan, rng.exponential(1, n))


def rate(p: float) -> Draw:
    return lambda rng, n: (rng.random(n) < p).astype(float)


def normal(rng: np.random.Generator, n: int) -> Any:
    return rng.normal(0, 1, n)


SHAPES: Final = {
    "few bins": Shape(normal, 1000, 1000, bins=3),
    "many bins": Shape(normal, 5000, 2000, bins=50),
    "a small window": Shape(normal, 5000, 60),
    "a small reference": Shape(normal, 300, 3000),
    "values are missing": Shape(with_gaps, 2000, 800),
    "rare errors": Shape(rate(0.01), 3000, 1000),
    "errors in halves": Shape(rate(0.5), 1000, 1000),
    "three categories": Shape(zipf(3), 1000, 500),
    "sparse categories": Shape(zipf(3000), 1500, 700),
}
STREAMS: Final[dict[str, tuple[bool, Draw]]] = {
    "uniform places": (False, lambda rng, n: rng.random(n)),
    "places of twenty bins": (False, lambda rng, n: (rng.integers(0, 20, n) + 0.5) / 20),
    "places of three bins": (False, lambda rng, n: rng.choice([0.25, 0.6, 0.85], n, p=[0.5, 0.2, 0.3])),
    "0.5 % errors": (True, rate(0.005)),
    "5 % errors": (True, rate(0.05)),
    "half of them errors": (True, rate(0.5)),
}
"""Whether they are 0/1 errors, and the values."""


@cache
def pairs(shape: str) -> tuple[Reference, Summary]:
    """A reference of CHANNELS independent channels, and a window of them that comes from the same distribution."""
    s, rng = SHAPES[shape], np.random.default_rng(len(shape))
    reference = make.reference({f"f{i}": s.draw(rng, s.n) for i in range(CHANNELS)}, bins=s.bins)
    return reference, make.window(reference, {c.name: s.draw(rng, s.m) for c in reference.channels})


def fired(detector: WindowDetector, shape: str, alpha: float) -> tuple[int, int]:
    """In how many channels the statistic reaches ``noise(alpha)``, and how many are judged.

    A statistic of 0 says that nothing has moved: it reaches no threshold, whatever the noise is.
    """
    reference, window = pairs(shape)
    statistic, noise = detector.statistic(reference, window), detector.noise(reference, window, alpha)
    judged = ~np.isnan(statistic) & ~np.isnan(noise)
    return int(np.count_nonzero(judged & (statistic >= noise) & (statistic > 0))), int(np.count_nonzero(judged))


def too_often(detector: WindowDetector) -> Iterator[str]:
    """Where it fires more often than alpha and chance allow."""
    for shape in SHAPES:
        for alpha in ALPHAS:
            n, judged = fired(detector, shape, alpha)
            if judged and binom.sf(n - 1, judged, alpha) < CHANCE:
                yield f"{shape}, alpha {alpha}: fires in {n} of {judged} windows"


def largest_share(detector: WindowDetector, alpha: float = ALPHAS[1]) -> float:
    """How often it fires over alpha, on the shape where that is most."""
    rates = (n / judged for n, judged in (fired(detector, shape, alpha) for shape in SHAPES) if judged)
    return max(rates) / alpha


def documented_noise(detector: WindowDetector, shape: str, alpha: float) -> np.ndarray:
    """``noise_formula`` evaluated, float64[channels]."""
    cls: Any = type(detector)
    reference, window = pairs(shape)
    both = merged(reference, window)
    known = {name: getattr(math, name) for name in ("sqrt", "log")} | {"min": min, "alpha": alpha}
    out = np.full(len(both.n), np.nan)
    present = [s.channel_events - s.missing for s in (reference.summary, window)]
    for i, judged in enumerate(detector.applies(reference).tolist()):
        if judged:
            n, m = (present[0][i], present[1][i]) if cls.kinds == NUMBERS else (both.n[i], both.m[i])
            chi2 = chdtri(both.bins[i] - 1, alpha) if both.bins[i] > 1 else 0.0
            here = {"n": n, "m": m, "bins": both.bins[i], "chi2": chi2, "least": both.least[i]}
            out[i] = eval(cls.noise_formula, {"__builtins__": {}}, known | here)
    return out


def at_budget(detector: SequentialDetector, values: float, *, errors: bool) -> SequentialDetector:
    """The detector as sensitive as ``within_budget`` allows, whatever its default is."""
    assert any(f.name == detector.sensitivity for f in fields(detector))  # type: ignore[arg-type]
    for eager in (1e-9, 1.0):
        own = replace(detector, **{detector.sensitivity: eager})  # type: ignore[type-var]
        if (tight := own.within_budget(values, errors=errors)) != own:
            return tight
    raise AssertionError(f"{detector.kind}: the budget does not change '{detector.sensitivity}'")


def false_alarms(detector: SequentialDetector, stream: str, values: float) -> int:
    errors, draw = STREAMS[stream]
    tight = at_budget(detector, values, errors=errors)
    return len(tight.feed(tight.start(), draw(np.random.default_rng(len(stream)), STREAM)))


def most_false_alarms(values: float) -> int:
    """One in ``values`` on average, and what chance adds to it."""
    return int(poisson.isf(CHANCE, STREAM / values))
