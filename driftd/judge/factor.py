"""Has the level of a short series of blocks changed? A Bayes factor that needs neither its mean nor its noise.

H0: y = X b + s noise, over the reference and everything since. H1(c): the same plus a step of delta s from block c on,
delta ~ N(0, g**2). With the right Haar prior on b and s the Bayes factor is the likelihood ratio of the maximal
invariant, a Student t and not a normal one, so few reference blocks are paid for exactly:

    r = squared partial correlation of y with the step given X;  n = residual sum of squares of the step given X
    nu = t - p - 1;  v = 1 + g**2 n;   ln BF(c, t) = -ln(v)/2 - (nu + 1)/2 * ln(1 - r + r/v)

and block events * sum over c of BF(c, t) has the false-alarm bound of driftd.judge.independent. Proved for independent
Gaussian noise and covariates that do not depend on y; with lagged covariates, clipping, and real order: measured.
Source: Berger, Pericchi and Varshavsky 1998 (Haar priors); Shiryaev 1963, Roberts 1966.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Sums over all blocks of m series with p covariates, and where each candidate change would begin.

    blocks float64[m]; xx [m, p, p]; xy [m, p]; yy [m];  prefix [m, window, p + 2]: sums of (x, y, 1) before each of the
    latest blocks, oldest first;  begun [m, window]: when those blocks began.
    """

    blocks: Floats
    xx: Floats
    xy: Floats
    yy: Floats
    total: Floats
    prefix: Floats
    begun: Floats

    @classmethod
    def start(cls, series: int, covariates: int, window: int) -> Series:
        m, p = series, covariates
        return cls(
            np.zeros(m), np.zeros((m, p, p)), np.zeros((m, p)), np.zeros(m), np.zeros((m, p + 2)),
            np.zeros((m, window, p + 2)), np.full((m, window), np.nan),
        )  # fmt: skip

    def add(self, y: Floats, x: Floats, at: float) -> Series:
        """One block: ``y`` float64[m], ``x`` float64[m, p]; a series whose y or x is NaN passes it over."""
        known = np.isfinite(y) & np.isfinite(x).all(axis=1)
        y, x = np.where(known, y, 0.0), np.where(known[:, None], x, 0.0)
        prefix = np.concatenate([self.prefix[:, 1:], self.total[:, None]], axis=1)
        begun = np.concatenate([self.begun[:, 1:], np.full((len(y), 1), at)], axis=1)
        return Series(
            self.blocks + known,
            self.xx + x[:, :, None] * x[:, None, :],
            self.xy + x * y[:, None],
            self.yy + y**2,
            self.total + np.concatenate([x, y[:, None], known[:, None]], axis=1),
            prefix,
            begun,
        )

    def log_factors(self, least: int = 1, g: float = 1.0) -> Floats:
        """ln BF(c, now) for every c of the window, float64[m, window]; -inf where c is younger than ``least`` blocks
        or older than the series.
        """
        p = self.xy.shape[1]
        ridge = 1e-9 * (np.trace(self.xx, axis1=1, axis2=2)[:, None, None] + 1) * np.eye(p)
        inverse = np.linalg.inv(self.xx + ridge)
        b = np.einsum("mij,mj->mi", inverse, self.xy)
        rest = np.maximum(self.yy - np.sum(b * self.xy, axis=1), 1e-12)
        tail = self.total[:, None, :] - self.prefix
        sx, sy, count = tail[:, :, :p], tail[:, :, p], tail[:, :, p + 1]
        n = np.maximum(count - np.einsum("mwi,mij,mwj->mw", sx, inverse, sx), 0.0)
        cover = sy - np.einsum("mwi,mi->mw", sx, b)
        with np.errstate(divide="ignore", invalid="ignore"):
            r = np.where(n > 1e-6, cover**2 / np.maximum(n * rest[:, None], 1e-300), 0.0)
        r = np.minimum(r, 1 - 1e-12)
        v = 1 + g**2 * n
        nu = self.blocks - p - 1
        out = -np.log(v) / 2 - (nu[:, None] + 1) / 2 * np.log(1 - r + r / v)
        return np.where((count >= least) & (nu[:, None] >= 1) & np.isfinite(self.begun), out, -np.inf)
