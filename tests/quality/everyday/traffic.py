"""Ordinary traffic, drawn from a seed: rhythm in rate, levels and mix, wander, campaigns, bursts, holes.

A *base* is one model's traffic: days to train its answers on, days that references are taken from, days to judge.
Arrivals are an inhomogeneous Poisson process on a grid of minutes; levels and shares move with the hour, the weekday,
AR(1) day effects and an hourly wander. Marginals are heavy-tailed, zero-inflated, whole numbers or weather;
categories have 2 to 4,000 values, some with churn. None of it is a fault.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from tests.quality.everyday.answers import Answers

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Column = NDArray[Any]
"""float64 with NaN for missing, or objects (str, None)."""
Columns = dict[str, Column]

DAY: Final = 86_400.0
HOUR: Final = 3_600.0
TRAIN_DAYS: Final = 4
REFERENCE_DAYS: Final = 28
JUDGED_DAYS: Final = 14
MONDAY: Final = 1_790_553_600.0  # 2026-09-28, 00:00 UTC
MINUTES: Final = 1440


@dataclass(frozen=True, slots=True)
class Base:
    """One model's traffic in order of time. ``columns`` has features, label, error, prediction and (classes) score."""

    name: str
    times: Floats
    columns: Columns
    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    answers: Answers
    start: float
    weather: tuple[str, ...] = ()

    @property
    def judged(self) -> float:
        """Where references end and judging begins."""
        return self.start + REFERENCE_DAYS * DAY

    @property
    def features(self) -> tuple[str, ...]:
        return self.numbers + self.categories

    @property
    def score(self) -> str:
        return "prediction" if self.answers.regression else "score"

    def between(self, start: float, end: float) -> tuple[Floats, Columns]:
        a, b = np.searchsorted(self.times, [start, end])
        return self.times[a:b], {name: column[a:b].copy() for name, column in self.columns.items()}

    def reference(self, length: str) -> tuple[Floats, Columns]:
        """The last 10,000 events before the judged days, or so many days."""
        if length != "10k":
            return self.between(self.judged - float(length.removesuffix("d")) * DAY, self.judged)
        end = int(np.searchsorted(self.times, self.judged))
        part = slice(max(end - 10_000, 0), end)
        return self.times[part], {name: column[part].copy() for name, column in self.columns.items()}


@dataclass(slots=True)
class Calendar:
    """What happens when, minute by minute."""

    start: float
    hour: Floats
    day: Rows
    off: NDArray[np.bool_]
    campaign: NDArray[np.bool_]
    bots: Floats
    deploys: Rows
    rate: Floats
    hit: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    @property
    def minutes(self) -> int:
        return len(self.hour)


def autoregressive(n: int, rho: float, deviation: float, rng: np.random.Generator) -> Floats:
    steps = rng.normal(0, deviation * np.sqrt(1 - rho * rho), n)
    out = np.empty(n)
    out[0] = rng.normal(0, deviation)
    for i in range(1, n):
        out[i] = rho * out[i - 1] + steps[i]
    return out


def wander(minutes: int, day: float, hour: float, rng: np.random.Generator) -> Floats:
    """A day effect (AR .7, interpolated) and an hourly one (AR .8)."""
    days = autoregressive(minutes // MINUTES + 2, 0.7, day, rng)
    hours = autoregressive(minutes // 60 + 2, 0.8, hour, rng)
    m = np.arange(minutes)
    return np.interp(m / MINUTES, np.arange(days.size), days) + np.interp(m / 60, np.arange(hours.size), hours)


def calendar(family: dict[str, Any], days: int, start: float, rng: np.random.Generator) -> Calendar:
    n = days * MINUTES
    m = np.arange(n)
    hour = np.asarray(((start + 60 * m) / HOUR) % 24, np.float64)
    day = m // MINUTES
    weekday = ((start + 60 * m - MONDAY) // DAY).astype(int) % 7
    off = (weekday >= 5) | (rng.random(days + 1) < 1 / 28)[day]
    campaign = (rng.random(days + 1) < family["campaigns"])[day] & (hour > 9) & (hour < 22)
    rate: Floats = family["floor"] + sum(a * np.exp(-(((hour - c) / w) ** 2)) for a, c, w in family["peaks"])
    rate = rate * np.where(off, family["weekend"], 1) * np.where(campaign, 1.6, 1)
    rate = rate * np.exp(wander(n, family["rate_day"], 0.08, rng))
    bots = np.zeros(n)
    for _ in range(rng.poisson(family["bursts"] * days)):
        i, k = int(rng.integers(n)), int(rng.integers(4, 25))
        bots[i : i + k] = rng.uniform(0.15, 0.5)
    deploys = np.sort(rng.integers(0, n, rng.poisson(family["deploys"] * days)))
    for i in deploys.tolist():
        rate[i : i + 2] *= 0.2
    rate = rate / (1 - bots)
    return Calendar(start, hour, day, off, campaign, bots, deploys, rate / rate.mean() * family["per_day"] / MINUTES)


def level(c: Calendar, spec: dict[str, Any], rng: np.random.Generator) -> Floats:
    """Of one number, in its own standard deviations, by minute."""
    x = spec["day"] * np.sin(2 * np.pi * (c.hour - rng.uniform(0, 24)) / 24)
    x = x + spec["half"] * np.sin(4 * np.pi * (c.hour - rng.uniform(0, 12)) / 24)
    x = x + spec["week"] * rng.choice([-1, 1]) * c.off + wander(c.minutes, spec["wander"], spec["hourly"], rng)
    x = x + spec["camp"] * rng.normal() * c.campaign
    for i in c.deploys.tolist():
        if rng.random() < 0.3:
            x[i:] += rng.normal(0, 0.04)
    return np.asarray(x, np.float64)


def marginal(z: Floats, spec: dict[str, Any], rng: np.random.Generator) -> Floats:
    """The number of a normal score."""
    return np.asarray(_marginal(z, spec, rng), np.float64)


def _marginal(z: Floats, spec: dict[str, Any], rng: np.random.Generator) -> Any:
    law, m, s = spec["law"], spec.get("m", 0.0), spec.get("s", 1.0)
    if law == "lognormal":
        return np.round(np.exp(m + s * z), 2)
    if law == "normal":
        return np.round(m + s * z, spec["digits"])
    if law == "count":
        return rng.poisson(np.exp(np.clip(np.log(m) + s * z, -20, 12))).astype(np.float64)
    if law == "pareto":
        return np.asarray(np.round(m * np.clip(1 - ndtr(z), 1e-9, 1) ** (-1 / spec["a"]), 2), np.float64)
    if law == "zero":
        return np.where(rng.random(z.size) < spec["p0"], 0.0, np.round(np.exp(m + s * z), 2))
    if law == "share":
        return np.round(1 / (1 + np.exp(-(m + s * z))), 4)
    return (z > spec["cut"]).astype(np.float64)


def few_values(c: Calendar, minute: Rows, spec: dict[str, Any], rng: np.random.Generator) -> Rows:
    """Shares that move with the hour, the weekday and campaigns."""
    k = spec["k"]
    logs = np.log(1 / np.arange(1, k + 1) ** spec["zipf"])[None] + np.zeros((c.minutes, 1))
    for i in range(k):
        logs[:, i] += spec["day"] * rng.uniform(0.3, 1) * np.sin(2 * np.pi * (c.hour - rng.uniform(0, 24)) / 24)
        logs[:, i] += spec["week"] * rng.normal() * c.off + wander(c.minutes, spec["wander"], 0.04, rng)
        logs[:, i] += spec["camp"] * rng.normal() * c.campaign
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    total = np.cumsum(shares / shares.sum(axis=1, keepdims=True), axis=1)
    return np.asarray((rng.random(minute.size)[:, None] > total[minute][:, :-1]).sum(axis=1), np.intp)


def many_values(c: Calendar, minute: Rows, spec: dict[str, Any], rng: np.random.Generator) -> Rows:
    """Two orders of popularity, mixed by the hour; with churn a share of the traffic goes to younger values."""
    k = spec["k"]
    total = np.cumsum(1 / np.arange(1, k + 1) ** spec["zipf"])
    other = np.argsort(np.arange(k) + rng.normal(0, k / 15, k))
    turn = (0.5 + 0.4 * np.sin(2 * np.pi * (c.hour - rng.uniform(0, 24)) / 24))[minute]
    i = np.minimum(np.searchsorted(total / total[-1], rng.random(minute.size)), k - 1)
    i = np.where(rng.random(minute.size) < turn, other[i], i)
    if spec["churn"]:
        age, day = rng.exponential(1 / spec["churn"], minute.size), c.day[minute]
        born = day - np.minimum(age, day).astype(int)
        i = np.where(age < day, k + born * 40 + i % 40, i)
    return np.asarray(i, np.intp)


WEATHER: Final = {"m": 12.0, "deviation": 4.0, "day": 4.0, "noise": 1.0}
"""That of a base which drew none."""


def random_family(number: int, rng: np.random.Generator) -> dict[str, Any]:
    """A model drawn at random: 3 to 8 numbers, 2 to 5 categories, rhythm from hardly any to strong."""
    strength = rng.choice([0.4, 1, 1, 1.6])
    numbers, categories = [], []
    laws = ["lognormal", "normal", "count", "pareto", "zero", "share", "flag"]
    for j in range(int(rng.integers(3, 9))):
        law = str(rng.choice(laws, p=[0.3, 0.2, 0.15, 0.08, 0.1, 0.12, 0.05]))
        spec: dict[str, Any] = {
            "name": f"n{j}_{law}",
            "law": law,
            "load": rng.uniform(-0.6, 0.7, 2),
            "day": float(rng.choice([0.05, 0.15, 0.3, 0.6, 1.0], p=[0.25, 0.3, 0.25, 0.15, 0.05]) * strength),
            "half": float(rng.uniform(0, 0.15) * strength),
            "week": float(rng.uniform(0, 0.25) * strength),
            "wander": float(rng.choice([0.03, 0.08, 0.15, 0.3], p=[0.3, 0.4, 0.2, 0.1])),
            "hourly": float(rng.uniform(0.02, 0.12)),
            "camp": float(rng.uniform(0, 0.5)),
            "beta": float(rng.normal(0, 0.4)),
            "miss": float(rng.choice([0, 0, 0.003, 0.02, 0.08])),
        }
        if law == "lognormal":
            spec |= {"m": float(rng.uniform(0, 8)), "s": float(rng.uniform(0.4, 1.6))}
        elif law == "normal":
            spec |= {"m": float(rng.uniform(-20, 60)), "s": float(rng.uniform(1, 15)), "digits": int(rng.integers(3))}
        elif law == "count":
            spec |= {"m": float(rng.uniform(0.8, 30)), "s": float(rng.uniform(0.3, 0.8))}
        elif law == "pareto":
            spec |= {"m": float(rng.uniform(0.1, 10)), "a": float(rng.uniform(1.6, 4))}
        elif law == "zero":
            spec |= {
                "m": float(rng.uniform(0, 5)),
                "s": float(rng.uniform(0.6, 1.4)),
                "p0": float(rng.uniform(0.1, 0.9)),
            }
        elif law == "share":
            spec |= {"m": float(rng.uniform(-3, 1)), "s": float(rng.uniform(0.5, 1.3))}
        else:
            spec |= {"cut": float(rng.uniform(0, 2))}
        numbers.append(spec)
    weather = None
    if rng.random() < 0.3:
        weather = {
            "m": float(rng.uniform(5, 20)),
            "deviation": float(rng.uniform(2, 5)),
            "day": float(rng.uniform(2, 6)),
            "noise": float(rng.uniform(0.3, 2)),
        }
    for j in range(int(rng.integers(2, 6))):
        k = int(rng.choice([2, 3, 5, 8, 20, 50, 800, 4000]))
        categories.append(
            {
                "name": f"c{j}_{k}",
                "k": k,
                "zipf": float(rng.uniform(0.6, 1.4)),
                "day": float(rng.choice([0.05, 0.2, 0.4]) * strength),
                "week": float(rng.uniform(0, 0.2) * strength),
                "wander": float(rng.choice([0.04, 0.08, 0.2])),
                "camp": float(rng.uniform(0, 0.3)),
                "beta": float(rng.uniform(0, 0.4)) if k <= 50 else 0.0,
                "miss": float(rng.choice([0, 0, 0.005])),
                "churn": float(rng.choice([0, 0.001, 0.004])),
            }
        )
    peaks = [
        (float(rng.uniform(0.4, 1)), float(rng.uniform(7, 22)), float(rng.uniform(1.8, 5)))
        for _ in range(int(rng.integers(1, 4)))
    ]
    return {
        "name": f"model{number}",
        "per_day": float(rng.choice([500, 1500, 5000, 10_000])),
        "peaks": peaks,
        "floor": float(rng.choice([0.02, 0.1, 0.3])),
        "weekend": float(rng.choice([0.35, 0.6, 0.8, 1, 1.2])),
        "rate_day": float(rng.uniform(0.05, 0.2)),
        "bursts": float(rng.choice([0.05, 0.3, 0.6])),
        "campaigns": float(rng.choice([0, 1 / 14, 1 / 8])),
        "deploys": float(rng.choice([0, 1 / 7, 1 / 3])),
        "regression": bool(rng.random() < 0.25),
        "offset": float(rng.uniform(-4, -0.5)),
        "error": float(rng.choice([0.002, 0.01, 0.02])),
        "numbers": numbers,
        "categories": categories,
        "weather": weather,
        "hour": bool(rng.random() < 0.25),
    }


def draw(number: int, seed: int, *, every: bool = False) -> Base:
    """One synthetic base of a seed; ``every``: it has weather and the hour in any case."""
    family = random_family(number, np.random.default_rng([seed, 100 + number]))
    if every:
        family["weather"] = family["weather"] or WEATHER
        family["hour"] = True
    rng = np.random.default_rng([seed, 500 + number])
    days = TRAIN_DAYS + REFERENCE_DAYS + JUDGED_DAYS
    start = MONDAY - TRAIN_DAYS * DAY + int(rng.integers(7)) * DAY
    c = calendar(family, days, start, rng)
    arrivals = rng.poisson(c.rate)
    minute = np.repeat(np.arange(c.minutes), arrivals)
    times = np.sort(np.round(start + 60 * (minute + rng.random(minute.size)), 3))
    minute = np.minimum((times - start) // 60, c.minutes - 1).astype(np.intp)
    c.hit = rng.random(minute.size) < c.bots[minute]
    columns, push = _features(family, c, minute, rng)
    n = minute.size
    push = push + wander(c.minutes, 0.06, 0.03, rng)[minute]
    if family["regression"]:
        columns["label"] = np.round(np.exp(family["offset"] + 0.5 * push + 0.3 * rng.normal(size=n)), 3)
    else:
        columns["label"] = (rng.random(n) < 1 / (1 + np.exp(-(family["offset"] + push)))).astype(np.float64)
    for spec in (*family["numbers"], *family["categories"]):
        if spec["miss"]:  # natural holes, with a rhythm and wander
            p = 0.4 * np.sin(2 * np.pi * (c.hour - rng.uniform(0, 24)) / 24) + wander(c.minutes, 0.2, 0.25, rng)
            hole = rng.random(n) < np.clip(spec["miss"] * np.exp(p), 0, 0.6)[minute]
            columns[spec["name"]][hole] = np.nan if columns[spec["name"]].dtype.kind == "f" else None
    sick = np.zeros(c.minutes)
    for i in c.deploys.tolist():
        sick[i : i + 4] = 0.05
    rate = family["error"] * np.exp(wander(c.minutes, 0.25, 0.25, rng)) + sick
    columns["error"] = (rng.random(n) < rate[minute]).astype(np.float64)
    numbers = tuple(name for name in columns if name not in {"label", "error"} and columns[name].dtype.kind == "f")
    categories = tuple(name for name in columns if columns[name].dtype.kind == "O")
    weather = ("weather",) if family["weather"] else ()
    return with_answers(
        family["name"], times, columns, numbers, categories, start + TRAIN_DAYS * DAY, family["regression"], weather
    )


def _features(family: dict[str, Any], c: Calendar, minute: Rows, rng: np.random.Generator) -> tuple[Columns, Floats]:
    """The features, and how they push the label."""
    n = minute.size
    factors, columns, push = rng.normal(size=(2, n)), Columns(), np.zeros(n)
    for spec in family["numbers"]:
        load = spec["load"]
        z = load @ factors + np.sqrt(max(1 - load @ load, 0.05)) * rng.normal(size=n) + level(c, spec, rng)[minute]
        z = z + np.where(c.hit, 0.8 * rng.choice([-1, 1]), 0)
        columns[spec["name"]] = marginal(z, spec, rng)
        push += spec["beta"] * np.clip(z, -4, 4)
    if family["weather"]:  # the same for everybody at one time: days differ, minutes do not
        w = family["weather"]
        days = autoregressive(c.minutes // MINUTES + 2, 0.75, w["deviation"], rng)
        true = w["m"] + np.interp(minute / MINUTES, np.arange(days.size), days)
        true = true + w["day"] * np.sin(2 * np.pi * (c.hour[minute] - 9) / 24)
        columns["weather"] = np.round(true + w["noise"] * rng.normal(size=n), 1)
        push += 0.1 * (true - w["m"]) / w["deviation"]
    if family["hour"]:
        columns["hour"] = np.floor(c.hour[minute])
        push += 0.1 * (c.hour[minute] - 12) / 7
    for spec in family["categories"]:
        i = few_values(c, minute, spec, rng) if spec["k"] <= 60 else many_values(c, minute, spec, rng)
        i = np.where(c.hit, i % 2, i)
        columns[spec["name"]] = np.array([f"v{k}" for k in range(int(i.max()) + 1)], object)[i]
        push += spec["beta"] * rng.normal(size=int(i.max()) + 1)[i]
    return columns, push


def with_answers(
    name: str,
    times: Floats,
    columns: Columns,
    numbers: tuple[str, ...],
    categories: tuple[str, ...],
    start: float,
    regression: bool,
    weather: tuple[str, ...],
) -> Base:
    """Trains the answers on what lies before ``start`` and gives them to the rest."""
    train = times < start
    answers = Answers.fit({k: v[train] for k, v in columns.items()}, numbers, categories, regression=regression)
    columns = {k: v[~train] for k, v in columns.items()}
    columns |= answers.of(columns)
    return Base(name, times[~train], columns, numbers, categories, answers, start, weather)
