"""References that models are given at the start, and those that they learn: numbered, told, and kept once saved."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from driftd.core.finding import Judgement
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.core.text import printable
from driftd.engine.pipeline import Pipeline
from driftd.engine.retirement import configured
from driftd.engine.state import State
from driftd.learn.remarks import remarks, unknown_channels
from driftd.monitor import growing

log = logging.getLogger("driftd.daemon")

LEARNED_BY: Final = "driftd"
"""``Reference.created_by`` of those that driftd learned; only they have to be stored."""


class References(Protocol):
    def numbered(self, reference: Reference) -> Reference: ...

    def keep(self, reference: Reference) -> None: ...


@dataclass(slots=True)
class Learned:
    """What models learn. ``store``: None where references lie in no folder."""

    store: References | None
    _kept: set[str] = field(default_factory=set)

    def note(self, state: State, pipeline: Pipeline, reference: Reference) -> None:
        """Numbers a reference that was just learned, and logs what it is like."""
        model = state.models[Slice(reference.model)]
        if self.store is not None:
            pipeline.monitor.forget(reference)  # its number may be another one
            model.reference = self.store.numbered(reference)
        grows = growing.told(model)
        log.info(
            "reference of %s learned from %d events%s", reference.model, reference.summary.events,
            grows and f"; it {grows}",
        )  # fmt: skip
        for remark in remarks(reference):
            log.warning("reference of %s: %s", printable(reference.model), remark)
        warn_of_sizes(pipeline, reference)

    def keep(self, saved: Iterable[Reference]) -> None:
        """Stores those that are not stored yet. Raises StateUnwritable."""
        for reference in saved:
            if self.store is None or reference.id in self._kept:
                continue
            if reference.created_by == LEARNED_BY and reference.rolled is None:
                self.store.keep(reference)
            self._kept.add(reference.id)  # not before: a full disk is tried again


def warn_of_sizes(pipeline: Pipeline, reference: Reference) -> None:
    """Logs the sizes of channels that the model does not have: a name that is misspelt would change nothing."""
    for unknown in unknown_channels(reference, pipeline.monitor.settings(Slice(reference.model)).sized):
        log.warning("model %s: %s", printable(reference.model), unknown)


def start_models(
    state: State, pipeline: Pipeline, references: Mapping[str, Reference], ours: Callable[[str], bool] = lambda _: True
) -> list[Judgement]:
    """Gives models that are ``ours`` their references before the first record, and evaluates anew what a checkpoint
    brought.
    """
    pipeline.begin(state, references, ours)
    configured(state, pipeline)
    for model in state.models.values():
        if model.reference is not None:
            warn_of_sizes(pipeline, model.reference)
        model.judgement = pipeline.monitor.judgement(model)
    return state.judgements
