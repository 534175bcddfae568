"""Has the level of a short series of blocks changed? A Bayes factor that needs neither the mean of the series, nor its
noise, nor its autocorrelation.

H0: y = X b + noise, over the reference and everything since; the noise is s times an autoregression of order 1 with
coefficient phi. H1(c): the same plus a step of delta s from block c on, delta ~ N(0, g**2 / (1 - phi**2)). With the
right Haar prior on b and s, and rows whitened (row minus phi times the row before), the Bayes factor at one phi is

    r = squared partial correlation of y with the step given X;  n = residual sum of squares of the step given X
    nu = t - p;  v = 1 + g**2 n;   ln BF(c, t) = -ln(v)/2 - nu/2 * ln(1 - r + r/v)

Where weeks are exchangeable phi is 0. Where they are autocorrelated, H1 is the mean over a grid of phi, and H0 takes
the phi that fits it best. So the evidence is at most the likelihood ratio of H1 against H0 at the true phi, whichever
that is in the grid (universal inference). Block events times the sum over c therefore has the false-alarm bound of
exchangeable.independent for Gaussian noise with phi in the grid and covariates that do not depend on y. For clipped
values, other noise and real order it is measured. A reference of few blocks is paid for exactly: the factor is a
Student t's, not a normal's.

Source: Berger, Pericchi and Varshavsky 1998 (Haar priors); Shiryaev 1963, Roberts 1966; Wasserman, Ramdas and
Balakrishnan 2020 (universal inference).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EXCHANGEABLE: Final = (0.0,)
"""phi where blocks are exchangeable. Derived: no autocorrelation."""
AUTOCORRELATED: Final = (0.0, 0.35, 0.7)
"""phi where they are not. Chosen: evenly spaced; the bound holds at .6 and .85 too (test_season.py, measured)."""
LEAST_FREEDOM: Final = 3
"""Least degrees of freedom of the residual. Derived: a Student t with fewer has no variance."""
STEP_SD: Final = 1.0
"""g, the prior standard deviation of a step over the noise's. Chosen: a change of about one standard deviation of
weeks; 2 was 27 % quicker on simulated weeks and not tried on real ones."""
RIDGE: Final = 1e-7
"""Of the mean diagonal of X'X, what is added to it. Derived: above the square root of the precision of a float; keeps
the inverse finite where covariates are collinear."""
LEAST_STEP: Final = 1e-6
"""n below which the covariates explain the step. Derived: above the ridge's error."""
MOST_NATS: Final = 500.0
"""Largest logarithm that is exponentiated. Derived: e**500 times a sum of factors is still finite."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Sums over the whitened blocks of m series with p covariates, for each of k values of phi.

    phi float64[k]; blocks float64[m]; xx [k, m, p, p]; xy [k, m, p]; yy [k, m]; total [k, m, p + 1] sums of (x, y);
    prefix [window, k, m, p + 1] and counts [window, m]: the sums and blocks before each of the latest blocks, oldest
    first; begun [window]: when those blocks began (NaN: no change may begin there); last [m, p + 1] the newest known
    row, gap [m] how many blocks ago.
    """

    phi: Floats
    blocks: Floats
    xx: Floats
    xy: Floats
    yy: Floats
    total: Floats
    prefix: Floats
    counts: Floats
    begun: Floats
    last: Floats
    gap: Floats

    @classmethod
    def start(cls, series: int, covariates: int, window: int, phi: Sequence[float] = EXCHANGEABLE) -> Series:
        m, p, k = series, covariates, len(phi)
        return cls(
            np.array(phi), np.zeros(m), np.zeros((k, m, p, p)), np.zeros((k, m, p)), np.zeros((k, m)),
            np.zeros((k, m, p + 1)), np.zeros((window, k, m, p + 1)), np.zeros((window, m)), np.full(window, np.nan),
            np.full((m, p + 1), np.nan), np.zeros(m),
        )  # fmt: skip

    def add(self, y: Floats, x: Floats, at: float) -> Series:
        """One block: ``y`` float64[m], ``x`` float64[m, p]; a series whose y or x is NaN passes it over, and the next
        block is whitened over the gap. The first known block only starts the series, unless phi is 0.
        """
        p = x.shape[1]
        row = np.concatenate([x, y[:, None]], axis=1)
        here = np.isfinite(row).all(axis=1)
        gap = self.gap + 1
        phi = self.phi[:, None]
        far = phi**gap
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = np.where(phi > 0, np.sqrt((1 - phi**2) / (1 - far**2)), 1.0)
        known = here & (np.isfinite(self.last).all(axis=1) | (len(self.phi) == 1))
        now = np.where(known[:, None], row, 0.0)
        z = (now - np.where(far[..., None] > 0, far[..., None] * np.nan_to_num(self.last), 0.0)) * weight[..., None]
        z = np.where(known[:, None], z, 0.0)
        zx, zy = z[..., :p], z[..., p]
        return replace(
            self,
            blocks=self.blocks + known,
            xx=self.xx + zx[..., :, None] * zx[..., None, :],
            xy=self.xy + zx * zy[..., None],
            yy=self.yy + zy**2,
            total=self.total + z,
            prefix=np.concatenate([self.prefix[1:], self.total[None]]),
            counts=np.concatenate([self.counts[1:], self.blocks[None]]),
            begun=np.append(self.begun[1:], at),
            last=np.where(here[:, None], row, self.last),
            gap=np.where(here, 0.0, gap),
        )

    def without_candidates(self) -> Series:
        """No change begins before now."""
        return replace(self, begun=np.full_like(self.begun, np.nan))

    def log_factors(self, least: int = 1) -> Floats:
        """ln of the evidence for a change at each block of the window, float64[window, m]; -inf where the change would
        be younger than ``least`` blocks, or no change may begin there.
        """
        p, phi = self.xy.shape[2], self.phi[:, None]
        ridge = RIDGE * np.trace(self.xx, axis1=2, axis2=3)[..., None, None] / p + 1e-9
        gram = self.xx + ridge * np.eye(p)
        inverse = np.linalg.inv(gram)
        b = np.einsum("kmij,kmj->kmi", inverse, self.xy)
        rest = np.maximum(self.yy - np.sum(b * self.xy, axis=2), 1e-9)
        nu = self.blocks - p
        fit = -np.linalg.slogdet(gram)[1] / 2 - nu / 2 * np.log(rest)  # ln marginal likelihood of H0 at each phi
        after = np.concatenate([self.prefix[1:], self.total[None]])
        tail = (self.total - self.prefix) * (1 - phi[..., None]) + phi[..., None] * (after - self.prefix)
        count = self.blocks - self.counts
        own = np.concatenate([self.counts[1:], self.blocks[None]]) > self.counts
        square = np.where(count > 0, 1.0, 0.0)[:, None] + np.maximum(count - 1, 0)[:, None] * (1 - phi) ** 2
        sx, sy = tail[..., :p], tail[..., p]
        n = np.maximum(square - np.sum(np.einsum("wkmi,kmij->wkmj", sx, inverse) * sx, axis=3), 0.0)
        cover = sy - np.einsum("wkmi,kmi->wkm", sx, b)
        r = np.where(n > LEAST_STEP, cover**2 / np.maximum(n * rest, 1e-300), 0.0)
        r = np.minimum(r, 1 - 1e-12)
        v = 1 + STEP_SD**2 / (1 - phi**2) * n
        out = -np.log(v) / 2 - nu / 2 * np.log(1 - r + r / v)
        out = np.logaddexp.reduce(out + fit - np.log(len(self.phi)), axis=1) - fit.max(axis=0)
        fair = (count >= least) & own & (nu >= LEAST_FREEDOM) & np.isfinite(self.begun)[:, None]
        return np.where(fair, out, -np.inf)

    def summed(self, least: int) -> tuple[Floats, Floats]:
        """Sum of the evidence over the candidate changes, float64[m], and where the greatest begins."""
        logs = self.log_factors(least)
        if not logs.size:
            return np.zeros(logs.shape[1]), np.full(logs.shape[1], np.nan)
        top = np.maximum(logs.max(axis=0), -MOST_NATS)
        total = np.exp(np.minimum(top, MOST_NATS)) * np.exp(logs - top).sum(axis=0)
        return total, self.begun[np.argmax(logs, axis=0)]


def autocorrelation(y: Floats, lag: int = 1) -> float:
    """Mean autocorrelation over series, ``y`` float64[blocks, m]; about -1 / blocks where blocks are independent."""
    known = np.isfinite(y)
    z = np.where(known, y, 0.0)
    z = np.where(known, z - z.sum(axis=0) / np.maximum(known.sum(axis=0), 1), 0.0)
    square = np.sum(z**2, axis=0)
    each = np.sum(z[lag:] * z[:-lag], axis=0)[square > 0] / square[square > 0]
    return float(each.mean()) if len(each) else 0.0
