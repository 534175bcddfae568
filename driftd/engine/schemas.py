"""What the decoder must know of each model: its reference's features, or those that were configured and discovered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from driftd.core.event import EventBatch, Kind, Schema
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.engine.state import State
from driftd.learn.build import schema_of
from driftd.monitor.model import Monitor


@dataclass(slots=True)
class Schemas:
    """Derived from the state, and kept because it is asked for with every batch of records."""

    monitor: Monitor
    _known: dict[str, Schema] = field(default_factory=dict)

    def of(self, state: State) -> Mapping[str, Schema]:
        """Of the models that there are, and of those that are configured: who reads a partition for others has none of
        these before a plan comes.
        """
        for name in self.monitor.configured:
            if name not in self._known and Slice(name) not in state.models:
                self._known[name] = self._learning(Slice(name), set(), None)
        for key, model in state.models.items():
            if key.model not in self._known and self._wanted(key):
                self._known[key.model] = (
                    schema_of(model.reference)
                    if model.reference is not None and not model.wants_rows
                    else self._learning(key, _discovered(state, key), _known(model.reference))
                )
        return self._known

    def _wanted(self, key: Slice) -> bool:
        """A model that left the configuration is unknown again where nothing is discovered."""
        if key.part:  # its events come out of a join
            return False
        return self.monitor.default.discover or key.model in self.monitor.configured

    def widen(self, batches: Iterable[EventBatch]) -> None:
        """Takes in the features that a model shows while it learns."""
        for batch in batches:
            schema = self._known.get(batch.model)
            if schema is None or (schema.open and not batch.columns.keys() <= schema.features.keys()):
                self._known[batch.model] = self._learning(Slice(batch.model), {*batch.columns}, schema)

    def forget(self, model: str) -> None:
        self._known.pop(model, None)

    def _learning(self, key: Slice, discovered: set[str], known: Schema | None) -> Schema:
        """``known`` kinds stay: those of a reference that grows."""
        if known is None:
            return self.monitor.settings(key).learning_schema(key.model, discovered)
        schema = self.monitor.settings(key).learning_schema(key.model, {*discovered, *known.features})
        told = {name: kind for name, kind in known.features.items() if kind is not Kind.ANY}
        prediction = schema.prediction if known.prediction is Kind.ANY else known.prediction
        return replace(schema, features={**schema.features, **told}, prediction=prediction)


def _known(reference: Reference | None) -> Schema | None:
    return None if reference is None else schema_of(reference)


def _discovered(state: State, key: Slice) -> set[str]:
    """The features that a learning model has shown so far."""
    waiting = [rows for p in state.partitions.values() if key in p.streams for rows in p.streams[key].rows]
    model = state.models[key]
    sampled = () if model.growth is None or model.growth.sample is None else model.growth.sample.rows
    return {name for rows in (*model.rows, *sampled, *waiting) for name in rows.columns}
