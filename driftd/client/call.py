"""One call of a model while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Call:
    """What becomes of one call: ``prediction``, ``features``, and any other field of an event (``set``)."""

    __slots__ = ("features", "fields", "left_out", "prediction")

    def __init__(self, features: Mapping[str, Any] | None, fields: Mapping[str, Any]) -> None:
        self.features, self.fields, self.left_out = features, dict[str, Any](), False
        self.prediction: Any = None
        self.set(**fields)

    def set(self, **fields: Any) -> None:
        """Fields of the event: score, id, cost, error, ..."""
        self.features = fields.pop("features", self.features)
        self.prediction = fields.pop("prediction", self.prediction)
        self.fields.update(fields)

    def leave_out(self) -> None:
        """Logs nothing: a probe, a request that no model answered."""
        self.left_out = True
