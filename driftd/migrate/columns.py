"""What another platform knows of the values of a baseline, column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Weighted:
    """Numbers, each of which stands for ``weights`` int64[n] of them: what a quantile sketch keeps."""

    values: NDArray[np.float64]
    weights: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """A histogram: ``low`` <= value < ``high`` of each bucket, the last one with its end. One whose bounds are the same
    number holds that number. In order, float64[k]; ``counts`` float64[k], for some platforms estimate them.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    counts: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """Categories with their counts; ``rest`` values are of others, whose names nobody kept."""

    counts: Mapping[str, int]
    rest: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """``present`` values and ``missing`` ones; of numbers NaN where the platform does not say."""

    name: str
    content: Weighted | Buckets | Counted
    present: int
    missing: int
    mean: float = float("nan")
    deviation: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """``source`` in words; ``left_out``: columns that nothing can be made of, and why; ``remarks`` on the file."""

    source: str
    events: int
    columns: Sequence[Column]
    left_out: Mapping[str, str] = field(default_factory=dict)
    remarks: Sequence[str] = ()


class Unreadable(Exception):
    """The file is not what it should be: where, and what was expected."""
