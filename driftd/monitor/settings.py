"""How one model is watched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from driftd.core.act import Act
from driftd.core.contacts import NOBODY, Contacts
from driftd.core.cost import FREE, Prices
from driftd.core.event import Kind, Schema
from driftd.core.objective import USUAL, Objective
from driftd.core.segmenting import Segmenting
from driftd.judge.natural.changes import OwnSizes
from driftd.learn.build import Learning
from driftd.monitor.assignment import Asked, Chooser, Effect, Sizes, always


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """The reference is learned from the first ``learn_events`` events, or from the first ``learn_seconds`` of event
    time where that is set; with ``grow_seconds`` it is learned early and grows for so long (driftd.learn.growth).
    ``effect`` of a channel is the least change (PSI) that opens an episode; ``asked`` says whether the user chose its
    detectors, ``sizes`` which sizes the user wants of it; ``sized`` names the channels with
    sizes of their own. ``restart``: a new version of the model gets a new reference. ``maintenance``: windows that the
    user has planned. ``given``: the reference is the user's file, and nobody else's. ``objective`` of its service.
    ``prices`` of all models; ``budget``: the money that it may cost a month, None where nobody says.
    ``units``: in what the numbers of a channel are, by its name. ``segmenting``: what of it is watched by itself, None
    where nothing is; ``share`` of a model's budget of false alarms that is its. ``contacts``: who and what helps.
    """

    choose: Chooser
    learning: Learning = field(default_factory=Learning)
    learn_events: int = 10_000
    learn_seconds: float | None = None
    grow_seconds: float | None = None
    max_features: int = 200
    discover: bool = True
    effect: Effect = lambda _: 0.0
    asked: Asked = always
    sizes: Sizes = lambda _: OwnSizes()
    sized: tuple[str, ...] = ()
    restart: bool = False
    maintenance: tuple[Act, ...] = ()
    given: bool = False
    objective: Objective = USUAL
    prices: Prices = FREE
    budget: float | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    segmenting: Segmenting | None = None
    share: float = 1.0
    contacts: Contacts = NOBODY

    @property
    def of_part(self) -> ModelSettings:
        """Those of a part of the model, which has no features, and no reference of the user's. It has the same
        segments, and shares its own budget with them as the model does.
        """
        learning = replace(self.learning, kinds={})
        return replace(self, learning=learning, sized=(), given=False, prices=FREE, budget=None)

    @property
    def of_segment(self) -> ModelSettings:
        """Those of a segment of the model: its own but for the reference, which is learned from the segment's events,
        and the share of the budget.
        """
        each = 1.0 if self.segmenting is None else self.segmenting.each
        return replace(self, given=False, budget=None, segmenting=None, share=each)

    def learning_schema(self, model: str, discovered: Iterable[str] = ()) -> Schema:
        """What is decoded while the reference is learned: the configured features, and the discovered ones."""
        found = dict.fromkeys(sorted(discovered), Kind.ANY)
        return Schema(
            model, {**found, **self.learning.kinds}, Kind.ANY, open=self.discover, max_features=self.max_features
        )
