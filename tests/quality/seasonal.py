"""Redrawn seasonal benchmark: real weeks in random order with known drifts, or none, in the format score.py reads.

    python -m tests.quality.seasonal DATA OUT --seed 1 --together 1

``--together 1``: single weeks in random order, so strictly drift-free; 2 and 4: so many consecutive real weeks stay
together, outage weeks included, so weeks are autocorrelated and drift-free only from one block to the next.
Bases: bike sharing by the hour, the electricity market by the half hour (before and after interstate trade), flights
by hour and airport. Every drift is real: its magnitude is 8 to 40 % or at least half a week's standard deviation.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

START: Final = 1_600_041_600  # a Monday, 00:00 UTC
HORIZON_WEEKS: Final = 12


@dataclass(frozen=True)
class Base:
    """Whole weeks of real rows. ``phase``: channels with a daily rhythm, ``level``: those whose level may move, each
    with its least and greatest relative change; ``shares``: categories.
    """

    name: str
    weeks: list[pd.DataFrame]
    period: int
    learned: int
    types: dict[str, str]
    phase: tuple[str, ...]
    level: dict[str, tuple[float, float]]
    shares: tuple[str, ...]
    coupled: tuple[str, ...] = ()


def bases(data: Path) -> list[Base]:
    out = [bike(data), *electricity(data)]
    return [*out, *(flights(data, origin) for origin in ("EWR", "JFK", "LGA"))]


def cut(d: pd.DataFrame, period: int) -> list[pd.DataFrame]:
    return [d.iloc[i : i + period].reset_index(drop=True) for i in range(0, len(d) // period * period, period)]


def bike(data: Path) -> Base:
    b = pd.read_parquet(data / "raw/bike_hour.parquet")
    b["weather"] = b.weathersit.astype(str)
    b = b.set_index(pd.to_datetime(b.dteday) + pd.to_timedelta(b.hr, unit="h"))
    b = b[["cnt", "temp", "hum", "windspeed", "weather"]].reindex(
        pd.date_range("2011-01-03", "2012-12-30 23:00", freq="h")
    )
    types = {"cnt": "numeric", "temp": "numeric", "hum": "numeric", "windspeed": "numeric", "weather": "categorical"}
    level = {"cnt": (0.25, 0.4), "hum": (0.12, 0.4), "temp": (0.25, 0.4), "windspeed": (0.2, 0.4)}
    return Base("bike", cut(b, 168), 168, 24, types, ("cnt", "temp", "hum"), level, ("weather",))


def electricity(data: Path) -> Iterator[Base]:
    e = pd.read_parquet(data / "raw/elec2.parquet")
    e["up"] = e["class"].astype(str)
    early = {"nswprice": "numeric", "nswdemand": "numeric", "up": "categorical"}
    late = {"nswprice": "numeric", "nswdemand": "numeric", "vicdemand": "numeric", "transfer": "numeric",
            "up": "categorical"}  # fmt: skip
    level = {"nswdemand": (0.08, 0.2), "vicdemand": (0.08, 0.2), "transfer": (0.1, 0.4), "nswprice": (0.2, 0.4)}
    yield Base("elec", cut(e.iloc[17424:][list(late)], 336), 336, 26, late, ("nswdemand", "vicdemand", "nswprice"),
               level, ("up",))  # fmt: skip
    some = {k: v for k, v in level.items() if k in early}
    yield Base("elec96", cut(e.iloc[:17424][list(early)], 336), 336, 24, early, ("nswdemand", "nswprice"), some,
               ("up",))  # fmt: skip


def flights(data: Path, origin: str) -> Base:
    """By scheduled hour: flights, mean departure delay and distance, the weather, the carrier of the last flight."""
    f = pd.read_parquet(data / "raw/flights13.parquet")
    w = pd.read_parquet(data / "raw/weather13.parquet").drop_duplicates(["origin", "time_hour"])
    f, w = f[f.origin == origin], w[w.origin == origin].set_index("time_hour")
    # local time: in UTC daylight saving is a clock shift of an hour, and that is drift
    hour = pd.to_datetime(f[["year", "month", "day"]]) + pd.to_timedelta(f.sched_dep_time // 100, unit="h")
    hours = f.groupby(hour).agg(flights=("carrier", "size"), delay=("dep_delay", "mean"),
                                       distance=("distance", "mean"), carrier=("carrier", "last"))  # fmt: skip
    index = pd.date_range("2013-01-07", periods=51 * 168, freq="h")
    w.index = pd.to_datetime(w.index).tz_convert("America/New_York").tz_localize(None)
    w = w[~w.index.duplicated()]
    hours = hours.reindex(index)
    hours["flights"] = hours.flights.fillna(0)
    hours["temp"], hours["wind_speed"] = w.temp.reindex(index), w.wind_speed.reindex(index)
    types = {"flights": "numeric", "delay": "numeric", "distance": "numeric", "temp": "numeric",
             "wind_speed": "numeric", "carrier": "categorical"}  # fmt: skip
    level = {"flights": (0.08, 0.25), "distance": (0.08, 0.2), "temp": (0.25, 0.4), "wind_speed": (0.25, 0.4)}
    return Base(f"flights_{origin}", cut(hours[list(types)], 168), 168, 24, types, ("flights", "temp"), level,
                ("carrier",))  # fmt: skip


def ordered(base: Base, r: np.random.Generator, together: int) -> pd.DataFrame:
    """The base's weeks in random order, blocks of ``together`` staying together from a random first week on."""
    weeks = base.weeks
    if together == 1:
        first = next(iter(base.types))
        weeks = [w for w in weeks if w[first].notna().mean() > 0.95]
        return pd.concat([weeks[i] for i in r.permutation(len(weeks))], ignore_index=True)
    offset = int(r.integers(together))
    blocks = [weeks[i : i + together] for i in range(offset, len(weeks) - together + 1, together)]
    return pd.concat([w for i in r.permutation(len(blocks)) for w in blocks[i]], ignore_index=True)


def outages(d: pd.DataFrame, base: Base) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Rows in which no number is known were never events: in real order they are gaps in time."""
    numbers = [c for c, t in base.types.items() if t == "numeric"]
    return np.asarray(d[numbers].isna().all(axis=1), bool)


Drift = tuple[pd.DataFrame, str, str]
"""The stream with its drift, the channel that drifts, and how much."""


def level(d: pd.DataFrame, base: Base, t: slice, r: np.random.Generator) -> Drift:
    name = str(r.choice(list(base.level)))
    low, high = base.level[name]
    change = float(r.uniform(low, high)) * float(r.choice([-1, 1]))
    x = d[name].to_numpy(float).copy()
    way = "times" if r.random() < 0.6 else "plus"
    x[t] = x[t] * (1 + change) if way == "times" else x[t] + change * np.nanmean(x)
    if np.nanmin(d[name]) >= 0:
        x[t] = np.maximum(x[t], 0)
    x[t] = np.round(x[t]) if name in {"cnt", "flights"} else x[t]
    return d.assign(**{name: x}), name, f"{way} {100 * change:+.0f} %"


def phase(d: pd.DataFrame, base: Base, t: slice, r: np.random.Generator) -> Drift:
    name, hours = str(r.choice(base.phase)), int(r.integers(1, 7)) * int(r.choice([-1, 1]))
    x = d[name].to_numpy(object).copy()
    x[t] = np.roll(x, hours * base.period // 168)[t]
    return d.assign(**{name: x}), name, f"{hours:+d} h"


def swing(d: pd.DataFrame, base: Base, t: slice, r: np.random.Generator) -> Drift:
    """The rhythm about each day's mean is 25 to 60 % smaller or greater."""
    name = str(r.choice(base.phase))
    factor = 1 + float(r.uniform(0.25, 0.6)) * float(r.choice([-1, 1]))
    x = d[name].to_numpy(float).copy()
    day = base.period // 7
    mean = np.repeat(pd.Series(x).groupby(np.arange(len(x)) // day).transform("mean").to_numpy()[::day], day)
    x[t] = (mean + (x - mean) * factor)[t]
    return d.assign(**{name: x}), name, f"rhythm times {factor:.2f}"


def unit(d: pd.DataFrame, base: Base, t: slice, r: np.random.Generator) -> Drift:
    name = str(r.choice(list(base.level)))
    factor = float(r.choice([1.609, 0.621, 2.205, 1000.0, 0.001]))
    x = d[name].to_numpy(float).copy()
    x[t] *= factor
    return d.assign(**{name: x}), name, f"times {factor}"


def missing(d: pd.DataFrame, base: Base, t: slice, r: np.random.Generator) -> Drift:
    name, share = str(r.choice(list(base.level))), float(r.uniform(0.03, 0.2))
    x = d[name].to_numpy(float).copy()
    gone = r.random(len(x)) < share
    gone[: t.start] = False
    x[gone] = np.nan
    return d.assign(**{name: x}), name, f"{100 * share:.0f} % missing"


def stuck(d: pd.DataFrame, base: Base, t: slice, r: np.random.Generator) -> Drift:
    name = str(r.choice(list(base.level)))
    x = d[name].to_numpy(float).copy()
    known = x[: t.start][np.isfinite(x[: t.start])]
    x[t] = np.where(np.isfinite(x[t]), known[-1], np.nan)
    return d.assign(**{name: x}), name, "constant"


def swap(d: pd.DataFrame, base: Base, t: slice, r: np.random.Generator) -> Drift:
    """40 to 80 % of one frequent category become another."""
    name = str(r.choice(base.shares))
    top = [c for c, s in d[name].value_counts(normalize=True).items() if s > 0.05][:4]
    source, target = r.permutation(len(top))[:2]
    share = float(r.uniform(0.4, 0.8))
    x = d[name].to_numpy(object).copy()
    moved = (x == top[source]) & (r.random(len(x)) < share)
    moved[: t.start] = False
    x[moved] = top[target]
    return d.assign(**{name: x}), name, f"{100 * share:.0f} % of {top[source]} become {top[target]}"


KINDS: Final[dict[str, Callable[[pd.DataFrame, Base, slice, np.random.Generator], Drift]]] = {
    "seasonal_level": level, "seasonal_phase": phase, "seasonal_swing": swing, "unit_change": unit,
    "missing": missing, "stuck": stuck, "categorical": swap,
}  # fmt: skip


def build(data: Path, out: Path, seed: int, together: int = 1) -> dict[str, Any]:
    """One stream without drift and two levels and one of every other kind, for every base; gives the manifest."""
    (out / "streams").mkdir(parents=True, exist_ok=True)
    streams: dict[str, Any] = {}
    for b, base in enumerate(bases(data)):
        for k, kind in enumerate(("", "seasonal_level", *KINDS)):
            r = np.random.default_rng([seed, together, b, k])
            d = ordered(base, r, together)
            d.insert(0, "ts", START + np.arange(len(d)) * (168 * 3600.0 / base.period))
            lost = outages(d, base)
            start = int(r.integers(base.learned + 8, len(d) // base.period - HORIZON_WEEKS)) * base.period
            start += int(r.integers(base.period))
            drifts: list[dict[str, Any]] = []
            if kind:
                d, name, much = KINDS[kind](d, base, slice(start, len(d)), r)
                horizon = min(HORIZON_WEEKS * base.period, len(d) - start)
                others = [c for c in base.types if c != name]
                drifts = [{"kind": kind, "start": start, "end": None, "width": 0, "horizon": horizon,
                           "affected": [name], "expected": [], "must_not": others, "early_ok": None,
                           "magnitude": much}]  # fmt: skip
            learned = base.learned * base.period
            if together > 1:
                gone = np.cumsum(lost)
                learned -= int(gone[learned - 1])
                for drift in drifts:
                    drift["horizon"] -= int(gone[drift["start"] + drift["horizon"] - 1] - gone[drift["start"] - 1])
                    drift["start"] -= int(gone[drift["start"] - 1])
                d = d[~lost]
            name = f"{base.name}_{k}_{kind or 'null'}"
            streams[name] = saved(out, name, d, base, learned, kind or "null_seasonal", drifts)
    manifest = {"name": "redrawn seasonal streams", "version": 1, "seed": seed, "together": together,
                "streams": streams}  # fmt: skip
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1))
    return manifest


def saved(
    out: Path, name: str, d: pd.DataFrame, base: Base, learned: int, cls: str, drifts: list[dict[str, Any]]
) -> dict[str, Any]:
    d = d.assign(**{
        c: d[c].astype("string").astype("category") if t == "categorical" else d[c].astype("float32")
        for c, t in base.types.items()
    })  # fmt: skip
    d.to_parquet(out / f"streams/{name}.parquet", index=False)
    return {
        "file": f"streams/{name}.parquet", "n": len(d), "n_ref": learned, "cls": cls,
        "period_events": base.period, "channels": {c: {"type": t, "role": "feature"} for c, t in base.types.items()},
        "drifts": drifts, "ignore": [], "strict_null": True, "source": base.name, "note": "",
    }  # fmt: skip


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("data", type=Path)
    p.add_argument("out", type=Path)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--together", type=int, default=1, choices=(1, 2, 4))
    a = p.parse_args()
    print(f"{len(build(a.data, a.out, a.seed, a.together)['streams'])} streams in {a.out}")


if __name__ == "__main__":
    main()
