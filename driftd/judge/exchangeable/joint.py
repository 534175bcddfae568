"""The judge of how channels move together: a change of correlation, or of what happens within one group of events.

A change of correlation alone leaves every channel's own distribution as it was, and a model that fails for one airline
hardly moves its error rate. A pane therefore carries sums of products of ``scores``, which add up. Each row of scores
is made of whole numbers (exchangeable.pair_rows chooses them):
  numbers   the normal score of a numeric channel (features and outputs)
  groups    1 for the events of one group: a frequent category, or a third of a number
  answers   1 where a channel is high, and one more row that is 1 where it is low (a category: the most frequent or not)
Two kinds of Bayes factor follow, each for one pair of rows:
  products  the mean of z_i z_j has moved                         (exchangeable.exponential_tilt; numbers with numbers)
  splits    the share of high answers within a group has          (exchangeable.beta_binomial; answers with groups)
They are averaged; products, errors and labels, and other answers have a third of the weight each. The average goes into
the same Shiryaev-Roberts sum with the same bound as in exchangeable.independent, with one S for the whole model:
feature "*".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftd.core.by_pane import ByPane
from driftd.core.products import placed, products_by_pane
from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE
from driftd.judge.budget import even_shares
from driftd.judge.exchangeable import exponential_tilt
from driftd.judge.exchangeable.beta_binomial import log_factor, most_log_factor
from driftd.judge.exchangeable.candidates import log_sum_exp
from driftd.judge.exchangeable.evidence import Evidence
from driftd.judge.exchangeable.independent import MARGIN
from driftd.judge.exchangeable.pair_rows import answers_of, groups_of, numbers_of
from driftd.judge.exchangeable.shape import normal_scores
from driftd.judge.psi import of_correlations

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Bools = NDArray[np.bool_]

ONE: Final = 128
"""A score of 1, in the units of ``scores``. Chosen: whole numbers make sums exact in any order; half and double found
the same changes at the same batch."""
UNIT: Final = 1 / ONE
"""Derived: a score of one unit."""
DELTAS: Final = np.array([0.08, 0.18, 0.4, -0.08, -0.18, -0.4])
"""Sizes of a change of a product's mean, in its standard deviations. Chosen: those of exchangeable.shape without the
largest, .9, which few correlations reach."""
ATOMS: Final = 48
"""Bins of a product's distribution, of which K is taken. Chosen: half and double as many found the same changes at the
same batch."""


class _Logs(NamedTuple):
    """Of Pairs: ln of the weights of a delta of each product and of each split; ``costs`` with ratios first."""

    products: Floats
    splits: Floats
    costs: Floats


@dataclass(frozen=True, eq=False)
class Pairs:
    """What the reference's events say of pairs of rows; immutable.

    rows    intp[k]: the channel of each row of scores; scores int64[k, width], in units of UNIT
    first, second  intp[pairs]: rows of ``scores``; the products come first, then the splits (group, high answer)
    low     intp[splits]: the row of the low answer
    mean, sd  float64[products]; costs float64[products, 6, 9] of the tilts
    hits, misses  float64[splits]: what the reference counts of high and low answers in the group
    weight  float64[pairs]: sum 1
    events  float64: of the reference
    """

    rows: Rows
    scores: NDArray[np.int64]
    first: Rows
    second: Rows
    low: Rows
    mean: Floats
    sd: Floats
    costs: Floats
    hits: Floats
    misses: Floats
    weight: Floats
    events: float

    @classmethod
    def of(cls, reference: Reference, columns: NDArray[np.intp], allowed: Bools) -> Pairs:
        """``columns`` intp[channels, events]: where each event of the reference is counted in each channel, negative
        where the channel does not apply; ``allowed`` bool[channels]: those whose events are exchangeable.
        """
        counts = reference.summary.counts.astype(np.float64)
        known = allowed & (np.count_nonzero((counts > 0)[:, FIRST_VALUE:], axis=1) > 1)
        numbers = numbers_of(reference, known)
        used = (np.arange(reference.width) < reference.used[:, None]).astype(np.float64)
        z = np.rint(normal_scores(counts, reference.places, used)[numbers] / UNIT).astype(np.int64)
        groups, inside = groups_of(reference, known)
        answers, high, low = answers_of(reference, known)
        scores = np.concatenate([z, ONE * inside, ONE * high, ONE * low])
        rows = np.concatenate([numbers, groups, answers, answers])
        p, q = np.triu_indices(len(numbers), 1)
        g, h = (x.ravel() for x in np.meshgrid(np.arange(len(groups)), np.arange(len(answers)), indexing="ij"))
        other = groups[g] != answers[h]
        g, h = g[other] + len(numbers), h[other] + len(numbers) + len(groups)
        late = np.array([reference.channels[i].role.row.answer for i in rows[h]], bool)
        weight = np.concatenate([even_shares(np.ones(len(p), bool)), even_shares(late) + even_shares(~late)])
        mean, sd, costs = products_of(placed(z, columns[numbers]) * UNIT, p, q)
        blank = cls(
            rows, scores, np.concatenate([p, g]), np.concatenate([q, h]), h + len(answers), mean, sd, costs,
            np.zeros(len(g)), np.zeros(len(g)), weight / max(weight.sum(), 1e-9), float(columns.shape[1]),
        )  # fmt: skip
        sums = blank.with_events(blank.cross(columns), columns.shape[1])
        hits, misses = sums[1 + len(p) : 1 + len(p) + len(g)], sums[1 + len(p) + len(g) :]
        return replace(blank, hits=hits, misses=misses)

    def cross(self, columns: NDArray[np.intp]) -> NDArray[np.int64]:
        """What a pane carries, int64[pairs + splits] in units of UNIT**2: sums of products of the pairs, then the low
        answers in the groups. It adds up. ``columns`` intp[channels, events].
        """
        z = placed(self.scores, columns[self.rows])
        return np.rint((z @ z.T)[self._wanted]).astype(np.int64)  # exact: whole numbers below 2**53

    def crosses(self, columns: NDArray[np.intp], panes: ByPane) -> NDArray[np.int64] | None:
        """``cross`` of each pane, int64[k, pairs + splits]; None without pairs."""
        if not len(self.first):
            return None
        return products_by_pane(placed(self.scores, columns[self.rows]), panes, *self._wanted)

    @property
    def _wanted(self) -> tuple[Rows, Rows]:
        """The rows whose products are summed, pairs and then low answers in groups."""
        first = np.concatenate([self.first, self.first[len(self.mean) :]])
        return first, np.concatenate([self.second, self.low])

    def with_events(self, cross: NDArray[np.int64], events: int) -> Floats:
        """The number of events, then ``cross`` in units of 1: what evidence counts."""
        return np.concatenate([[float(events)], cross * UNIT**2])

    def start(self) -> JointState:
        return JointState(Evidence.start(1, 1 + len(self.first) + len(self.low)))

    def step(
        self,
        state: JointState,
        cross: NDArray[np.int64],
        events: int,
        at: float,
        *,
        frozen: bool = False,
        a: float = 0.0,
    ) -> tuple[JointState, float]:
        """One batch of ``events`` events begun at ``at``; gives S of "*". ``frozen``: its episode lasts. Where S is far
        below ``a`` it is not worked out anew (as in driftd.judge.exchangeable.independent).
        """
        if not len(self.first):
            return state, 0.0
        counts = self.with_events(cross, events)[None]
        evidence = state.evidence.add(counts, counts[:, 0], at, np.array([frozen]))
        changes, factors = evidence.changes, evidence.changes.log_factor.copy()
        compared, pair = self.compared(changes.after, evidence.past(slice(0, 1))), changes.joining
        near = np.any(changes.log_weight + compared.most() >= np.log(max(a, 1e-300)) - MARGIN)
        exact = np.full(factors.shape, near)
        if pair is not None:
            exact[pair : pair + 2] = True
        if exact.any():
            factors[exact] = compared.log_factors(exact)[exact]
        evidence, s = evidence.judged(factors)
        return JointState(evidence), float(s[0])

    @cached_property
    def _logs(self) -> _Logs:
        products = len(self.mean)
        with np.errstate(divide="ignore"):
            logs = np.log(self.weight[:products] / len(DELTAS)), np.log(self.weight[products:])
        return _Logs(*logs, exponential_tilt.ratios_first(self.costs))

    def compared(self, after: Floats, past: Floats) -> ComparedPairs:
        """``after`` and ``past`` float64[candidates, 1, columns], as in ``with_events``."""
        after, past = after[:, 0], past[:, 0]
        return ComparedPairs(self._logs.splits, self.moved(after, past), self.split(after, past))

    def moved(self, after: Floats, past: Floats) -> Floats:
        """ln of weight times evidence of the products, float64[candidates, products]; ``after`` and ``past`` as
        in ``with_events``.
        """
        k = 1 + len(self.mean)
        m, n = after[:, :1], past[:, :1] + self.events
        moved = after[:, 1:k] / np.maximum(m, 1) - (self.mean * self.events + past[:, 1:k]) / n
        wide = np.zeros_like(moved)
        e = exponential_tilt.log_ratio(self._logs.costs, DELTAS, (moved / self.sd)[..., None], wide + n, wide + m)
        return log_sum_exp(e.transpose(2, 0, 1)) + self._logs.products

    def split(self, after: Floats, past: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """High and low answers after, high and low before: float64[candidates, splits] each."""
        high, low = 1 + len(self.mean), 1 + len(self.first)
        return after[:, high:low], after[:, low:], self.hits + past[:, high:low], self.misses + past[:, low:]

    def since(self, state: JointState) -> float:
        """When the change would have begun; NaN without pairs."""
        return float(state.evidence.since[0])

    def strongest(self, state: JointState) -> tuple[int, int, float]:
        """The two channels (rows of the reference) whose pair moved most, and since when."""
        pair = self._strongest(*self._likeliest(state))
        return int(self.rows[self.first[pair]]), int(self.rows[self.second[pair]]), self.since(state)

    def psi(self, state: JointState) -> float:
        """How much the pair that moved most has changed: PSI, less what chance makes of it.

        The mean of a product is a correlation. Of a share within a group it is the PSI of the two answers: nothing else
        of the events has moved.
        """
        after, past = self._likeliest(state)
        pair, products = self._strongest(after, past), len(self.mean)
        m, n = max(float(after[0, 0]), 1.0), float(past[0, 0] + self.events)
        if pair < products:
            then = (self.mean[pair] * self.events + past[0, 1 + pair]) / n
            moved = after[0, 1 + pair] / m - then
            beyond = np.sqrt(max(moved**2 - self.sd[pair] ** 2 * (1 / m + 1 / n), 0.0))
            return float(of_correlations(then, then + np.sign(moved) * beyond))
        high, low, hits, misses = (float(v[0, pair - products]) + 0.5 for v in self.split(after, past))
        now, before = high / (high + low), hits / (hits + misses)
        size = (high + low) / m * (now - before) * np.log(high / low * misses / hits)
        return max(float(size) - 1 / m - 1 / n, 0.0)

    def _likeliest(self, state: JointState) -> tuple[Floats, Floats]:
        """``after`` and ``past`` of the likeliest candidate, float64[1, columns] each, as in ``with_events``."""
        best = int(state.evidence.changes.likeliest()[0])
        return state.evidence.changes.after[[best], 0], state.evidence.past(slice(0, 1))[[best], 0]

    def _strongest(self, after: Floats, past: Floats) -> int:
        """The pair that moved most: its place in ``first``."""
        exact = log_factor(*self.split(after, past)) + self._logs.splits
        return int(np.argmax(np.concatenate([self.moved(after, past), exact], axis=1)[0]))


@dataclass(frozen=True, slots=True, eq=False)
class ComparedPairs:
    """Candidates beside what each is compared with: ``moved`` and ``split`` of Pairs, and ln of the splits' weights.
    ln Bayes factors float64[candidates, 1].
    """

    weights: Floats
    moved: Floats
    split: tuple[Floats, Floats, Floats, Floats]

    def log_factors(self, wanted: Bools) -> Floats:
        """Where they are ``wanted`` bool[candidates, 1], else 0."""
        some, out = wanted[:, 0], np.zeros(wanted.shape)
        split = log_factor(*(part[some] for part in self.split)) + self.weights
        out[some, 0] = _log_sum(self.moved[some], split)
        return out

    def most(self) -> Floats:
        """About the most that ``log_factors`` can be, cheaply."""
        return _log_sum(self.moved, most_log_factor(*self.split) + self.weights)[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class JointState:
    """The evidence about pairs; one row, the whole model."""

    evidence: Evidence

    def without(self) -> JointState:
        """With the evidence back at 0: the episode has opened."""
        return JointState(self.evidence.without(np.ones(1, bool)))


def _log_sum(moved: Floats, split: Floats) -> Floats:
    """ln of the sum over the pairs, float64[candidates]; float64[candidates, products], float64[candidates, splits]."""
    return log_sum_exp(np.concatenate([moved, split], axis=1).T)


def products_of(z: Floats, first: Rows, second: Rows) -> tuple[Floats, Floats, Floats]:
    """mean, sd and costs of Pairs, from the scores ``z`` float64[k, events] of the reference's events."""
    mean, sd = np.empty(len(first)), np.empty(len(first))
    share, score = np.zeros((len(first), ATOMS)), np.zeros((len(first), ATOMS))
    for p, (i, j) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        product = z[i] * z[j]
        mean[p], sd[p] = product.mean(), product.std()
        unit = (product - mean[p]) / max(sd[p], 1e-9)
        share[p], edges = np.histogram(unit, ATOMS)
        share[p] /= len(unit)
        score[p] = (edges[:-1] + edges[1:]) / 2
    middle = np.sum(share * score, axis=1, keepdims=True)
    score -= middle
    score /= np.sqrt(np.maximum(np.sum(share * score**2, axis=1, keepdims=True), 1e-12))
    costs = exponential_tilt.table(share, score, np.full(len(first), z.shape[1], float), DELTAS)
    return mean, np.where(sd > 1e-9, sd, np.inf), costs
