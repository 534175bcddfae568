"""A judged model's channels, as pages and the API show them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Role
from driftd.core.finding import CHANGE, JUDGE, Judgement, Scores, Status
from driftd.core.summary import FIRST_VALUE
from driftd.core.text import in_order
from driftd.judge.budget import ModelGuarantee
from driftd.monitor.view import ModelView


@dataclass(frozen=True, slots=True, eq=False)
class ChannelView:
    """One channel of a judged model. ``scores``: (detector's scores, row) of windows where it applies, worst ratio
    first; ``evidence`` the judge's; ``change`` the size of the open fault or change, of the ``kind``, None and "" where
    there is none. ``regime`` "" and ``pages`` False without a judge; ``why`` says what was measured; ``blind`` the
    classes of change that the channel cannot see.
    """

    name: str
    role: Role
    status: Status
    since: float | None
    scores: tuple[tuple[Scores, int], ...]
    judgement: Judgement
    row: int
    evidence: tuple[Scores, int] | None = None
    regime: str = ""
    why: str = ""
    pages: bool = False
    change: tuple[Scores, int] | None = None
    kind: str = ""
    blind: tuple[str, ...] = ()

    @property
    def ratio(self) -> float:
        return float(self.scores[0][0].ratio[self.scores[0][1]]) if self.scores else float("nan")

    @property
    def firing(self) -> tuple[str, ...]:
        """The windows' detectors that fire, the worst first, then the judge: windows show better what moved."""
        every = (*self.scores, *((self.evidence,) if self.evidence is not None else ()))
        return tuple(s.detector for s, row in every if s.status[row] >= Status.WARNING)

    @property
    def every(self) -> tuple[tuple[Scores, int], ...]:
        """The open change, the judge's scores and the windows'."""
        own = (one for one in (self.change, self.evidence) if one is not None)
        return (*own, *self.scores)

    @property
    def bins(self) -> tuple[tuple[str, float, float], ...]:
        """Label, reference share and current share of each bin, 0..1; NaN where a side has no events."""
        return tuple(bins_of(self.judgement, self.row, self.judgement.summary.counts[self.row]))

    @property
    def moved(self) -> tuple[tuple[str, float, float], ...]:
        """The bins whose share has changed, most moved first."""
        changed = [b for b in self.bins if abs(b[2] - b[1]) >= 0.0005]
        return tuple(sorted(changed, key=lambda b: -abs(b[2] - b[1])))


def channels(j: Judgement, guarantee: ModelGuarantee | None = None) -> list[ChannelView]:
    """All channels of the judgement, worst first: by status, then by ratio, then by name."""
    views = [channel(j, row, guarantee) for row in range(len(j.channel_status))]
    return sorted(views, key=lambda v: (-v.status, -v.ratio if not math.isnan(v.ratio) else 1.0, in_order(v.name)))


def channel(j: Judgement, row: int, guarantee: ModelGuarantee | None) -> ChannelView:
    """The channel in this row of the judgement's reference."""
    mine = j.reference.channels[row]
    scored = [(s, row) for s in j.scores if not math.isnan(s.ratio[row])]
    regime = ("", "", False)
    if guarantee is not None and guarantee.names[row : row + 1] != (mine.name,):
        guarantee = None  # another reference than the judgement's: it has just been replaced
    if guarantee is not None:
        regime = (guarantee.regime[row], guarantee.why[row], bool(guarantee.pages[row]))
    since = float(j.since[row])
    return ChannelView(
        mine.name,
        mine.role,
        Status(int(j.channel_status[row])),
        None if math.isnan(since) else since,
        tuple(sorted((x for x in scored if x[0].detector not in {JUDGE, CHANGE}), key=lambda x: -x[0].ratio[row])),
        j,
        row,
        next((x for x in scored if x[0].detector == JUDGE), None),
        *regime,
        next((x for x in scored if x[0].detector == CHANGE and x[0].status[row] >= Status.WARNING), None),
        j.kinds.get(row, ""),
        guarantee.blind[row] if guarantee is not None and guarantee.blind else (),
    )


def bins_of(j: Judgement, row: int, new: NDArray[np.int64]) -> Iterator[tuple[str, float, float]]:
    """Label, share in the reference and among the counts ``new`` of each bin that has any."""
    old = j.reference.summary.counts[row]
    with np.errstate(invalid="ignore", divide="ignore"):
        before, after = old / old.sum(), new / new.sum()
    for column in range(int(j.reference.used[row])):
        if column >= FIRST_VALUE or old[column] or new[column]:
            yield j.reference.label(row, column), float(before[column]), float(after[column])


def watches_changes(j: Judgement) -> bool:
    """Whether faults and large changes are looked for: not where the reference holds counts alone."""
    return any(s.detector == CHANGE for s in j.scores)


def worst_first(models: Sequence[ModelView]) -> list[ModelView]:
    """By status, channels that page, then name; those that still learn after those with a warning."""
    return sorted(models, key=lambda m: (-m.status, -(m.judgement.paging if m.judgement else 0), in_order(m.name)))
