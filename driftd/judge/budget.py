"""From the user's one number to thresholds: A of every channel, and the certificate that says what is promised.

Channel k sees N_k events a month; F false pages a month are accepted in all; shares w_k sum to at most 1. The chance of
a false alarm within n events is at most n / A_k, so in a month at most exp(N_k / A_k) - 1 are to be expected
(``false_alarms``), and with A_k = N_k / ln(1 + w_k F) at most w_k F: in all at most F, under any dependence between
channels (expectations add up). For small shares A_k is about N_k / (w_k F).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MONTH_SECONDS: Final = 30 * 86_400.0


def even_share(among: NDArray[np.bool_]) -> float:
    """The share of each of those that ``among`` bool[n] marks."""
    return 1 / max(int(np.count_nonzero(among)), 1)


def thresholds(events_a_second: Floats, shares: Floats, false_alarms_per_month: float) -> Floats:
    """A of every channel, in events; at least 100, so that a rare channel cannot page on its first event."""
    monthly = np.maximum(events_a_second * MONTH_SECONDS, 1.0)
    with np.errstate(divide="ignore"):
        return np.maximum(monthly / months(shares * false_alarms_per_month), 100.0)


@dataclass(frozen=True, slots=True, eq=False)
class ModelGuarantee:
    """What the judge promises about one model: its channels in the reference's order, the joint path ("*") last.

    bool[k]: ``pages`` (the others make tickets), ``judged`` (evidence is kept at all). float64[k]: ``a`` events to one
    false page at least, ``monthly`` events a month at the reference's rate, ``paths`` how many detectors can open the
    episode, ``inflation`` how much more runs of events vary than independent events' would. ``regime``, ``why`` str[k].
    The joint path is left out where no pair of channels is watched.
    """

    model: str
    names: tuple[str, ...]
    regime: tuple[str, ...]
    why: tuple[str, ...]
    pages: NDArray[np.bool_]
    judged: NDArray[np.bool_]
    a: Floats
    monthly: Floats
    paths: Floats
    design_effect: Floats
    span_seconds: float

    @property
    def false_pages(self) -> Floats:
        """Expected false pages a month of each channel at most, float64[k]; 0 for those that do not page."""
        return np.where(self.pages, self.paths * false_alarms(self.monthly / self.a), 0.0)

    @property
    def least(self) -> float:
        """The least A of the channels that page (where none does: that are judged), in events; NaN where none is."""
        mine = self.judged & self.pages if (self.judged & self.pages).any() else self.judged
        return float(self.a[mine].min()) if mine.any() else float("nan")


@dataclass(frozen=True, eq=False)
class Certificate:
    """What is promised about pages, and what the promise rests on.

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
        """From each known model's cover, or its name where it has no judge."""
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


def false_alarms(p: Floats) -> Floats:
    """False alarms to expect at most where p = events / A may come.

    A wait is at least uniform on 0..A (the chance of an alarm within n events is at most n / A), and it begins anew
    after each: so the renewal function of the uniform distribution, exp(p) - 1 up to 1; above, a line over it.
    """
    return np.where(p <= 1, np.expm1(np.minimum(p, 1.0)), 2 * p - (3 - np.e))


def months(expected: Floats) -> Floats:
    """The inverse of ``false_alarms``: how large events / A may be where so many are accepted."""
    return np.where(expected <= np.e - 1, np.log1p(np.minimum(expected, 2.0)), (expected + 3 - np.e) / 2)
