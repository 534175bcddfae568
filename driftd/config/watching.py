"""Settings of what is compared with what: references, windows, stretches left out, labels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from driftd.config.section import Section
from driftd.config.values import FilePath, Moment, PositiveSeconds, Seconds, Several, Stretched, spell_moment


class ExcludedStretch(Section):
    """A range of event time, ``to`` not included: neither learned from nor judged, or in maintenance."""

    from_: Moment = Field(alias="from", description="Start of the range.")
    to: Moment = Field(description="End of the range; not included.")
    why: str = Field(default="", description="Reason: stored with the reference, told in findings.")

    @field_validator("to")
    @classmethod
    def _forward(cls, to: float, others: ValidationInfo) -> float:
        begin = others.data.get("from_")
        if begin is not None and to <= begin:
            raise ValueError(f"expected a time after 'from' ({spell_moment(begin)})")
        return to


Exclusions = Annotated[tuple[Annotated[ExcludedStretch, Stretched], ...], Several]


class ReferenceFrom(Section):
    events: int | None = Field(default=None, ge=1, description="Learn from so many first events of the model.")
    seconds: PositiveSeconds | None = Field(
        default=None, description="Learn from this much event time, from the model's first event on."
    )
    path: FilePath | None = Field(default=None, description="A reference made by `driftd reference build`.")
    kind: Literal["fixed", "rolling", "seasonal"] | None = Field(
        default=None, description="What windows are compared with. Unset: `learning.kind`."
    )
    period_seconds: PositiveSeconds | None = Field(
        default=None, description="Period of a rolling reference. Unset: `learning.period_seconds`."
    )
    exclude: Exclusions = Field(
        default=(),
        description="Time ranges of this model to leave out, in addition to `learning.exclude`.",
    )
    new_version: Literal["keep", "restart"] | None = Field(
        default=None, description="When a new version of the model answers. Unset: `learning.new_version`."
    )


class LearningSection(Section):
    grow_seconds: PositiveSeconds = Field(
        default=28 * 86400.0,
        description="A reference is learned from the first half hour and 500 events (or 6 hours and 100), and again "
        "after 2 and 6 hours, 1, 3, 7, 14 and 28 days: it grows for so long, unless `events`, `seconds` or `kind` is "
        "set.",
    )
    events: int | None = Field(
        default=None, ge=1, description="Instead of growing: so many first events of a model become its reference."
    )
    seconds: PositiveSeconds | None = Field(
        default=None,
        description="Instead of `events`: learn from this much event time, from the model's first event on.",
    )
    page_after_seconds: Seconds | None = Field(
        default=None,
        description="A learned reference that spans less opens tickets, never pages. "
        "Unset: 1d, or 0 if `events` or `seconds` is set.",
    )
    kind: Literal["fixed", "rolling", "seasonal"] | None = Field(
        default=None,
        description="What windows are compared with: the whole reference (fixed), the period before (rolling), the "
        "same hours of the week (seasonal). Unset: as the reference was built, else one that grows. Set: the reference "
        "is learned from `events` or `seconds`, else from 10,000 events; seasonal needs weeks (`seconds: 14d`).",
    )
    period_seconds: PositiveSeconds = Field(
        default=7 * 86400.0, description="Period of a rolling reference; periods begin on Monday 00:00 UTC."
    )
    exclude: Exclusions = Field(
        default=(),
        description="Time ranges, such as holidays and incidents, that are neither learned from nor judged: "
        "from, to (not included) and why, or 2026-12-24/2026-12-27.",
    )
    new_version: Literal["keep", "restart"] = Field(
        default="keep",
        description="When a new version of the model answers alone for a hop: keep the reference, or restart: learn "
        "a new one from the version's first event on (of the last two hops).",
    )


class WindowsSection(Section):
    pane_seconds: PositiveSeconds = Field(
        default=10.0, description="Length of a pane, the smallest unit of event time."
    )
    window_seconds: PositiveSeconds = Field(
        default=600.0, description="Length of the window that is compared with the reference."
    )
    min_events: int = Field(
        default=1000, ge=1, description="A window with fewer events is extended into the past until it has so many."
    )
    hops: int = Field(default=4, ge=1, description="Judgements per window length.")
    max_window_seconds: PositiveSeconds = Field(default=31 * 86400.0, description="Longest window.")
    out_of_orderness_seconds: Seconds = Field(
        default=60.0, description="How far an event may be behind the latest event of its partition and still count."
    )
    idle_seconds: PositiveSeconds = Field(
        default=60.0, description="A partition without records for so long no longer holds the others back."
    )
    retire_seconds: PositiveSeconds = Field(
        default=8 * 86400.0,
        description="A model without events for so long is retired: what is open on it ends, and it leaves /metrics "
        "and the web pages. Its state is kept, and events bring it back.",
    )
    future_seconds: Seconds = Field(
        default=300.0, description="An event that is further ahead of its record's timestamp is rejected."
    )


class LabelsSection(Section):
    join: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Labels that come alone are joined to their predictions by `id`. `auto`: predictions of a model "
        "wait for labels from its first label on; `always`: from the start; `never`: such labels are counted only.",
    )
    horizon_seconds: Annotated[PositiveSeconds, Field(ge=60)] = Field(
        default=604_800.0,
        description="How long after its prediction a label may come, in event time. A later one is counted as late.",
    )
    max_pending: int = Field(
        default=1_000_000,
        ge=1000,
        description="Predictions and labels that are kept for the join, of all models; with `members.enabled` of those "
        "of each partition of the panes topic. Where more come within the horizon, a sample is joined, chosen by a "
        "hash of the id.",
    )
