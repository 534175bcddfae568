"""What natural/ learned, as data beside the reference; limits and sizes for one model's share of the budget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from numpy.typing import NDArray

from driftd.core import arrays
from driftd.core.reference import Reference
from driftd.judge.natural.learned import NaturalLearned

_PREFIX: Final = "natural."
"""Prefix in ``Reference.learned``. Chosen: the name of what it holds."""


def table_of(learned: NaturalLearned) -> arrays.Table:
    """What belongs beside the reference: ``Reference.learned``."""
    return {_PREFIX + name: part for name, part in arrays.dump(learned).items()}


def exchanged(table: Mapping[str, NDArray[Any]], learned: NaturalLearned) -> dict[str, NDArray[Any]]:
    """``Reference.learned`` with it in place of what was learned before."""
    return {**{name: part for name, part in table.items() if not name.startswith(_PREFIX)}, **table_of(learned)}


def natural_of(reference: Reference) -> NaturalLearned | None:
    """None where nothing was learned with the reference: it was made of counts alone."""
    table: Mapping[str, NDArray[Any]] = {
        name.removeprefix(_PREFIX): part for name, part in reference.learned.items() if name.startswith(_PREFIX)
    }
    return arrays.load(NaturalLearned, table) if table else None
