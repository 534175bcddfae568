"""Takes a model out of a state directory for good: its references, its episodes and its counters."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from driftd.core.pane import merge_counters
from driftd.core.reference import Reference
from driftd.core.refusals import Refusals
from driftd.core.slice import Slice
from driftd.core.text import clean, plural
from driftd.engine import label_store
from driftd.engine.parts import names_in
from driftd.engine.snapshot.checkpoint import Checkpoint
from driftd.engine.snapshot.coding import encode_checkpoint
from driftd.engine.state import State
from driftd.engine.store import CheckpointFile, ReferenceStore, write_file
from driftd.monitor.state import ModelState


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed. ``open_episodes`` were open when the checkpoint was written."""

    model: str
    references: tuple[Reference, ...]
    predictions: int
    pages: int
    open_episodes: int


@dataclass(slots=True)
class StateDirectory:
    """All that a state directory holds, read at once: what cannot be read stops before anything is removed.

    Raises: StateError. Whoever changes it holds the lock.
    """

    folder: Path
    references: list[Reference] = field(init=False)
    _files: CheckpointFile = field(init=False)
    _checkpoints: list[tuple[Path, Checkpoint]] = field(init=False)

    def __post_init__(self) -> None:
        self._files = CheckpointFile(self.folder, lambda: 0.0)
        there = [path for path in (self._files.previous, self._files.path) if path.exists()]
        self.references = ReferenceStore(self.folder / "references").list()
        self._checkpoints = [(path, self._files.read(path)) for path in there]

    @property
    def models(self) -> list[str]:
        known = {m.slice.model for _, c in self._checkpoints for m in c.models}
        return sorted(known | {r.model for r in self.references})

    def forget(self, model: str) -> Forgotten:
        """Removes the model: the references last, so that after a crash it can be forgotten again."""
        told = self._about(model)
        kept: frozenset[str] = frozenset()
        for path, checkpoint in self._checkpoints:
            others, put = self._files.parts.named(_without(checkpoint, model))
            put()
            kept |= names_in(others)
            if len(others.models) < len(checkpoint.models):
                write_file(path, encode_checkpoint(others))
        self._files.parts.keep(kept)
        store = ReferenceStore(self.folder / "references")
        label_store.forget(self.folder / label_store.NAME, model)
        for reference in told.references:
            store.remove(reference)
        return told

    def _about(self, model: str) -> Forgotten:
        newest = [c for _, c in self._checkpoints[-1:]]
        mine = [m.restore() for c in newest for m in c.models if m.slice.is_of(model)]
        streams = [s for c in newest for p in c.partitions for s in p.streams if s.slice.model == model]
        return Forgotten(
            model,
            tuple(r for r in self.references if Slice(r.model).is_of(model)),
            merge_counters(s.counters for s in streams).events,
            sum(m.pages for m in mine),
            sum(map(_open_episodes, mine)),
        )


def removal(state: State, model: str) -> str:
    """What a member lets go of that judges the model, in a sentence."""
    mine = [m for key, m in state.models.items() if key.is_of(model)]
    events = sum(m.reference.summary.events for m in mine if m.reference is not None)
    counts = [
        f"its reference of {events:,} {plural('event', events)}" if events else "no reference",
        *(
            f"{n:,} {plural(word, n)}"
            for n, word in ((sum(map(_open_episodes, mine)), "open episode"), (sum(m.pages for m in mine), "page"))
        ),
    ]
    return f"{clean(model)}: forgotten by all members, with {', '.join(counts)}; nobody is told that anything ended"


def _open_episodes(model: ModelState) -> int:
    judged = 0 if model.judge is None else int(np.count_nonzero(model.judge.state.episodes.open))
    return judged + len(model.standing.changes)


def _without(checkpoint: Checkpoint, model: str) -> Checkpoint:
    """The totals of all models stay: what was received was received."""
    refusals = Refusals.of(checkpoint.refused_events, checkpoint.refused_values)
    refusals.forget(model)
    return replace(
        checkpoint,
        refused_events=[*refusals.events.values()],
        refused_values=[*refusals.values.values()],
        outcomes=replace(
            checkpoint.outcomes, counts={k: v for k, v in checkpoint.outcomes.counts.items() if k != model}
        ),
        halves=checkpoint.halves.without(model),
        segments={k: v for k, v in checkpoint.segments.items() if k != model},
        models=[m for m in checkpoint.models if not m.slice.is_of(model)],
        partitions=[
            replace(p, streams=[s for s in p.streams if not s.slice.is_of(model)]) for p in checkpoint.partitions
        ],
    )
