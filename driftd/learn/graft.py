"""Channels that were learned by themselves take their places in a reference; of the others all stays as it is.

base      amount  age  city         bins, counts, places, natural variation: by channel
source    amount                    learned from what came since somebody said that it is the new normal
grafted   AMOUNT  age  city         bins_id is another: what counts on the old ones counts that channel anew
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Role
from driftd.core.quality.expected import PREFIX as EXPECTED
from driftd.core.quality.expected import Expected
from driftd.core.reference import Reference, bins_id
from driftd.core.summary import FIRST_VALUE
from driftd.judge.natural.graft import grafted, related
from driftd.judge.natural.runs import Runs
from driftd.judge.natural.runtime import exchanged, natural_of
from driftd.judge.regime import Regime
from driftd.learn import incidents
from driftd.learn.gaps import PREFIX as GAPS
from driftd.learn.gaps import gaps_of
from driftd.learn.gaps import table_of as table_of_gaps
from driftd.learn.quality import BY_SCORE
from driftd.learn.renewed import PREFIX, Renewed, renewed_of, with_marks
from driftd.learn.renewed import table_of as table_of_marks

LEAST_BINS: Final = 3
"""Bins of values below which a channel cannot take a place: the open ones and one between them."""
WHY: Final = "learned anew beside the others: natural variation judges it"
"""Why it has no evidence of the judge."""
_REGIME, _WHY = "learned.regime", "learned.why"


def room(reference: Reference) -> int:
    """Bins of values that a channel of the reference may have at the most: all arrays stay as wide as they are."""
    return reference.width - FIRST_VALUE


def marked(reference: Reference, marks: Iterable[Renewed]) -> Reference:
    """The next version, with what is known of channels that are learned anew; bins, counts and limits as they were."""
    every = with_marks(renewed_of(reference), marks)
    rows = [reference.rows[r.channel] for r in every]
    kept = {k: v for k, v in reference.learned.items() if not k.startswith((PREFIX, GAPS, incidents.PREFIX))}
    gaps = [gap for gap in gaps_of(reference) if gap.channel not in {r.channel for r in every}]
    found = [i for i in incidents.incidents_of(reference) if i.row not in rows]
    told = {
        _REGIME: _told(reference.learned.get(_REGIME), rows, Regime.DEPENDENT.value),
        _WHY: _told(reference.learned.get(_WHY), rows, WHY),
    }
    learned = {
        **kept,
        **{name: texts for name, texts in told.items() if texts is not None},
        **table_of_gaps(gaps),
        **incidents.table_of(found),
        **table_of_marks(every),
    }
    return replace(reference, version=reference.version + 1, learned=learned)


def _told(texts: NDArray[Any] | None, rows: Sequence[int], text: str) -> NDArray[Any] | None:
    if texts is None:
        return None
    every = [text if row in rows else str(t) for row, t in enumerate(texts.tolist())]
    return np.array(every, np.str_)


def graft(
    base: Reference,
    source: Reference,
    names: Sequence[str],
    marks: Iterable[Renewed] = (),
    cells: Runs | None = None,
    *,
    beside: bool = True,
) -> Reference:
    """The next version of ``base``, with the channels ``names`` as ``source`` has them, which has no more than ``room``
    bins of them; ``marks`` of them. ``cells``: what their relations are learned from, None where they wait;
    ``beside`` as in ``grafted``.
    """
    rows = {base.rows[name]: source.rows[name] for name in names}
    bins, channels = [*base.bins], [*base.channels]
    for row, place in rows.items():
        bins[row], channels[row] = source.bins[place], source.channels[place]
    summary = replace(
        base.summary,
        bins_id=bins_id(base.model, channels, bins),
        counts=_put(base.summary.counts, source.summary.counts, rows),
        moments=_put(base.summary.moments, source.summary.moments, rows),
        extremes=_put(base.summary.extremes, source.summary.extremes, rows),
    )
    learned, known, own = dict(base.learned), natural_of(base), natural_of(source)
    if known is not None and own is not None:
        anew = grafted(known, own, rows, beside=beside)
        learned = exchanged(learned, anew if cells is None else related(anew, [*rows], cells))
    if Role.SCORE.value in names:
        learned.pop(BY_SCORE, None)  # of bins that are no more
    known_errors = Expected.of(learned)
    if known_errors is not None and {*known_errors.channels} & {*names}:
        learned = {name: array for name, array in learned.items() if not name.startswith(EXPECTED)}
    out = replace(
        base,
        channels=tuple(channels),
        bins=tuple(bins),
        summary=summary,
        center=_put(base.center, source.center, rows),
        scale=_put(base.scale, source.scale, rows),
        learned=learned,
        natural=_natural(base.natural, source.natural, rows, len(base.channels)),
    )
    return marked(out, marks)


def _put(base: NDArray[Any], source: NDArray[Any], rows: Mapping[int, int]) -> NDArray[Any]:
    """With the rows of ``source``, which may be narrower."""
    out = base.copy()
    for row, place in rows.items():
        if out.ndim > 1:
            out[row] = 0
            out[row, : source.shape[1]] = source[place]
        else:
            out[row] = source[place]
    return out


def _natural(
    base: Mapping[str, NDArray[np.float64]], source: Mapping[str, NDArray[np.float64]], rows: Mapping[int, int], n: int
) -> Mapping[str, NDArray[np.float64]]:
    """How windows vary, by detector; of channels whose windows were too few nothing is known."""
    out = {}
    for kind, table in base.items():
        out[kind] = table.copy()
        out[kind][[*rows]] = source[kind][[*rows.values()]] if kind in source else np.nan
    assert all(len(table) == n for table in out.values())
    return out
