"""Settings of segments: which parts of a model's traffic are watched by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from driftd.config.section import Section
from driftd.config.values import Name, Several
from driftd.config.yamlfile import Place
from driftd.core.segmenting import ranges
from driftd.core.text import did_you_mean

Mistake = tuple[Place, str]
MOST: Final = 200
"""Segments of a model: each takes the memory of a model, and a two-hundredth of half of a budget finds little."""


def _as_text(value: object) -> object:
    """``1`` and ``true`` mean the values that events have."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.15g}" if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_as_text), Field(min_length=1, max_length=256)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class SegmentsSetting(Section):
    fields: Annotated[tuple[Name, ...], Several] = Field(
        default=(),
        description="Features, names of the events' `segments`, or fields of events (`variant`, `version`) whose "
        "values are watched as segments: `[country]`. Unset: the model is watched as a whole.",
    )
    values: Annotated[dict[Name, Annotated[tuple[Text, ...], Several]], Several] = Field(
        default_factory=dict,
        description="Values that are segments, by field: `{country: [DE, FR]}`. Of other fields they are found: those "
        "with `min_events`, the largest first.",
    )
    edges: Annotated[dict[Name, Annotated[tuple[Number, ...], Several]], Several] = Field(
        default_factory=dict,
        description="For numbers: where ranges begin that are segments. `{amount: [10, 100]}` makes three.",
    )
    min_events: Annotated[int, Field(ge=100)] = Field(
        default=1000, description="Events a day (UTC) from which on a value that was found is a segment."
    )
    max_segments: Annotated[int, Field(ge=1, le=MOST)] = Field(
        default=20, description="Most segments of the model. Events of the other values are counted only."
    )
    budget: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = Field(
        default=0.5,
        description="Share of the model's budgets of false pages and tickets that all of its segments have together; "
        "the whole keeps the rest.",
    )


def mistakes(here: Place, s: SegmentsSetting, *, members: bool) -> Iterator[Mistake]:
    """Contradictions within the segments of a model. ``members``: several processes share models."""
    yield from _fields(here, s, members=members)
    for key in ("values", "edges"):
        for name in getattr(s, key):
            if name not in s.fields:
                yield (*here, key, name), f"not among the fields{did_you_mean(name, s.fields)}"
    for name, edges in s.edges.items():
        if not edges or any(b <= a for a, b in pairwise(edges)):
            yield (*here, "edges", name), "expected numbers that rise, one at least"
    for name, values in s.values.items():
        if not values or len(set(values)) < len(values):
            yield (*here, "values", name), "expected different values, one at least"
    named = sum(map(len, s.values.values())) + sum(len(ranges(edges)) for edges in s.edges.values())
    if named > s.max_segments:
        yield (*here, "max_segments"), f"{named} segments are named, and max_segments is {s.max_segments}"


def _fields(here: Place, s: SegmentsSetting, *, members: bool) -> Iterator[Mistake]:
    for n, name in enumerate(s.fields):
        if "=" in name:
            yield (*here, "fields", n), "a field whose name has '=' in it cannot make segments"
        if name in s.fields[:n]:
            yield (*here, "fields", n), f"'{name}' appears twice"
        if name in s.values and name in s.edges:
            yield (*here, "edges", name), f"values of '{name}' are given as well; keep one of them"
        if members and name not in s.values and name not in s.edges:
            why = "with members.enabled each member reads a part, and none sees which values are large"
            yield (*here, "fields", n), f"{why}; give values: {{{name}: [...]}}"
