"""What a model's page says of labels that come later: how many were joined, how late they are, when the last came."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, isnan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.slice import Slice
from driftd.core.text import duration, when
from driftd.ingest.outcomes.counts import DELAY_LE, LabelCounts
from driftd.monitor.view import ModelView, Snapshot
from driftd.web.ages import Ages, ages_of
from driftd.web.format import share
from driftd.web.quality import HEADLINES, USUAL, quality_of
from driftd.web.quality_card import cell

QUANTILES: Final = (0.5, 0.9)


@dataclass(frozen=True, slots=True)
class LabelFact:
    term: str
    value: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class LabelLine:
    """``part``: under which name the joined labels are watched, "" where they are not yet. ``ages``: what is known of
    predictions at equal ages, None of numbers and before there is something to say.
    """

    facts: tuple[LabelFact, ...]
    part: str
    ages: Ages | None


def label_line(m: ModelView, snapshot: Snapshot) -> LabelLine | None:
    """None of a model without labels that come alone."""
    c, part = m.counts.joins, Slice.of_labels(m.name).model
    if c is None or not (c.labels or c.waiting):
        return None
    known = next((other for other in snapshot.models if other.name == part), None)
    facts = (_joined(c), _coverage(c), *_delay(c), *_last(c, snapshot.now), *(() if known is None else _right(known)))
    return LabelLine(facts, "" if known is None else part, label_ages(m, snapshot))


def label_ages(m: ModelView, snapshot: Snapshot) -> Ages | None:
    """None of a model whose labels are numbers, too: nearly every prediction differs from them."""
    c, part = m.counts.joins, Slice.of_labels(m.name).model
    known = next((other for other in snapshot.models if other.name == part), None)
    q = None if known is None else quality_of(known)
    classes = q is not None and any(line.statistic == "accuracy" for line in q.lines)
    return ages_of(c) if c is not None and classes else None


def _joined(c: LabelCounts) -> LabelFact:
    others = {
        "wait for their prediction": c.early,
        "without a prediction": c.unmatched,
        "late": c.late,
        "sent twice": c.duplicates,
        "corrected": c.corrections,
        "not in the sample": c.unsampled_labels,
        "lost": c.lost_labels,
    }
    rest = ", ".join(f"{n:,} {what}" for what, n in others.items() if n)
    return LabelFact("Labels joined", f"{c.joined:,} of {c.labels:,}", rest)


def _coverage(c: LabelCounts) -> LabelFact:
    waiting = f"{c.waiting:,} predictions wait for theirs" if c.waiting else ""
    no_id = f"{c.no_id:,} predictions have no id" if c.no_id else ""
    value = "not known yet" if isnan(c.coverage) else share(c.coverage)
    return LabelFact("Coverage", value, ", ".join(filter(None, (waiting, no_id))))


def _delay(c: LabelCounts) -> list[LabelFact]:
    found = [quantile(c.delays, q) for q in QUANTILES]
    if not c.joined:
        return []
    half, most = (f"within {duration(x)}" if isfinite(x) else f"more than {duration(DELAY_LE[-1])}" for x in found)
    return [LabelFact("Delay", f"half {half}", f"nine in ten {most}")]


def _right(part: ModelView) -> list[LabelFact]:
    """The first headline of how right the model was, of the last 24 hours with labels."""
    q = quality_of(part)
    for line in [] if q is None else sorted(q.lines, key=lambda line: line.statistic not in HEADLINES):
        now, usual = line.values.get("day"), line.values.get(USUAL)
        if now is not None:
            told = "" if usual is None else f"usual {cell(line.statistic, usual).text}, "
            what = f"{told}of the labels of 24 hours"
            return [LabelFact(line.title, cell(line.statistic, now).text, what)]
    return []


def quantile(delays: NDArray[np.int64], q: float) -> float:
    """The end of the bucket that the quantile is in, seconds; inf in the last one, and of nothing."""
    total = int(delays.sum())
    place = int(np.searchsorted(np.cumsum(delays), q * total)) if total else len(DELAY_LE)
    return DELAY_LE[place] if place < len(DELAY_LE) else np.inf


def _last(c: LabelCounts, now: float) -> list[LabelFact]:
    return [LabelFact("Last label", when(c.last, now))] if isfinite(c.last) else []
