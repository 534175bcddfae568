"""From the budget to thresholds: A of every channel, and what the judge guarantees.

Channel k has N_k events a month. The user accepts F false pages a month in total; channel k gets the share w_k, and the
shares sum to at most 1. The chance of a false alarm within n events is at most n / A_k. So at most exp(N_k / A_k) - 1
false alarms a month are expected (``false_alarms``), and A_k = N_k / ln(1 + w_k F) makes that at most w_k F. The sum
over channels is at most F, under any dependence between channels, because expectations add up. For small shares A_k is
about N_k / (w_k F).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.units import MONTH_SECONDS

Floats = NDArray[np.float64]

LEAST_A: Final = 100.0
"""Least A, in events. Chosen: a channel with few events a month must not page on its first event. A larger A than the
budget asks for only lowers the number of false alarms."""


def even_shares(among: NDArray[np.bool_]) -> Floats:
    """1, evenly over those that ``among`` bool[n] marks; 0 for the others."""
    return np.asarray(among / max(int(np.count_nonzero(among)), 1), np.float64)


def thresholds(events_a_second: Floats, shares: Floats, false_alarms_per_month: float) -> Floats:
    """A of every channel, in events: monthly events over the inverse of ``false_alarms``; at least LEAST_A."""
    monthly = np.maximum(events_a_second * MONTH_SECONDS, 1.0)
    accepted = shares * false_alarms_per_month
    with np.errstate(divide="ignore"):
        ratio = np.where(accepted <= np.e - 1, np.log1p(np.minimum(accepted, 2.0)), (accepted + 3 - np.e) / 2)
        return np.maximum(monthly / ratio, LEAST_A)


def false_alarms(p: Floats) -> Floats:
    """False alarms to expect at most among ``p`` times A events.

    The chance of an alarm within n events is at most n / A, so a wait is at least uniform on 0..A, and it begins anew
    after each alarm. The bound is the renewal function of the uniform distribution, exp(p) - 1 up to p = 1; above that,
    the line 2 p - (3 - e), which meets it at p = 1 and lies above it.
    """
    return np.where(p <= 1, np.expm1(np.minimum(p, 1.0)), 2 * p - (3 - np.e))


@dataclass(frozen=True, slots=True, eq=False)
class ModelGuarantee:
    """What the judge guarantees about one model: its channels in the reference's order, the joint path ("*") last.

    bool[k]: ``pages`` (the others make tickets), ``judged`` (evidence is kept at all). float64[k]: ``a`` events to one
    false page at least, ``monthly`` events a month at the reference's rate, ``n_detectors`` how many detectors share
    the channel's budget, ``design_effect`` the variance of window means over that of independent events. ``regime``,
    ``why`` str[k]. The joint path is left out where no pair of channels is watched. ``blind``: of each channel the
    classes of change that nothing shows (fault, level, mix); empty where nothing was learned.
    """

    model: str
    names: tuple[str, ...]
    regime: tuple[str, ...]
    why: tuple[str, ...]
    pages: NDArray[np.bool_]
    judged: NDArray[np.bool_]
    a: Floats
    monthly: Floats
    n_detectors: Floats
    design_effect: Floats
    span_seconds: float
    blind: tuple[tuple[str, ...], ...] = ()

    @property
    def false_pages(self) -> Floats:
        """Expected false pages a month of each channel at most, float64[k]; 0 for those that do not page."""
        return np.where(self.pages, self.n_detectors * false_alarms(self.monthly / self.a), 0.0)

    @property
    def least(self) -> float:
        """The least A of the channels that page (where none does: that are judged), in events; NaN where none is."""
        mine = self.judged & self.pages if (self.judged & self.pages).any() else self.judged
        return float(self.a[mine].min()) if mine.any() else float("nan")


@dataclass(frozen=True, eq=False)
class Certificate:
    """What is guaranteed about pages, and what the guarantee rests on.

    ``budget`` false pages a month, the whole daemon; ``models`` share it evenly, those included that may still be
    discovered; ``covers`` are the models with a judge; ``unjudged`` names those whose reference was made of counts
    alone: they make tickets and never page.
    """

    budget: float
    models: int
    covers: tuple[ModelGuarantee, ...]
    unjudged: tuple[str, ...] = ()

    @classmethod
    def of(cls, false_alarms_per_month: float, models: int, covers: Iterable[ModelGuarantee | str]) -> Certificate:
        """From each known model's guarantee, or its name where it has no judge."""
        known = tuple(covers)
        return cls(
            false_alarms_per_month,
            models,
            tuple(sorted((c for c in known if isinstance(c, ModelGuarantee)), key=lambda c: c.model)),
            tuple(sorted(c for c in known if isinstance(c, str))),
        )

    @property
    def channels(self) -> int:
        """Channels of all models, joint paths included."""
        return sum(len(c.names) for c in self.covers)

    @property
    def paging(self) -> int:
        return sum(int(np.count_nonzero(c.pages)) for c in self.covers)

    @property
    def tickets(self) -> int:
        return self.channels - self.paging

    @cached_property
    def by_model(self) -> dict[str, ModelGuarantee]:
        return {c.model: c for c in self.covers}

    @cached_property
    def bound(self) -> float:
        """False pages a month to expect at most, over all models known now."""
        return float(sum(c.false_pages.sum() for c in self.covers))

    @property
    def least(self) -> float:
        """The least A, in events; NaN without a judge."""
        return min((c.least for c in self.covers if c.judged.any()), default=float("nan"))

    @property
    def shortest_span_seconds(self) -> float:
        """What the shortest reference spans; NaN without a judge."""
        return min((c.span_seconds for c in self.covers), default=float("nan"))
