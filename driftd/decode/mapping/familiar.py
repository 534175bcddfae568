"""Names that fields have elsewhere: what hints and proposals go by."""

from __future__ import annotations

import re
from typing import Final

_DURATIONS: Final = (
    *("latency", "duration", "elapsed", "execution_duration", "response_time", "processing_time", "execution_time"),
    *("inference_time", "took"),
)
_UNITS: Final = ("ms", "millis", "us", "micros", "ns")
NAMES: Final = {
    "model": ("model_name", "modelName", "model_id", "modelId", "inferenceservicename", "service"),
    "time": (
        *("timestamp", "ts", "event_time", "eventTime", "event_ts", "event_timestamp", "prediction_time"),
        *("prediction_timestamp", "inference_time", "inference_timestamp", "scored_at", "predicted_at"),
        *("request_time", "request_timestamp", "requested_at", "occurred_at", "created_at", "datetime", "date_time"),
        *("when", "logged_at", "log_time", "recorded_at", "received_at", "published_at", "sent_at", "epoch"),
        *("unix_time", "unixtime", "asctime", "created", "date", "start_time", "updated_at"),
    ),
    "prediction": (
        "predicted",
        "pred",
        "y_pred",
        "yhat",
        "output",
        "outputs",
        "predicted_class",
        "class",
        "class_id",
        "predictions",
        "result",
    ),
    "score": ("prediction_score", "probability", "proba", "confidence", "prob", "probabilities", "class_probabilities"),
    "label": ("y_true", "target", "ground_truth", "actual"),
    "latency": (
        *(f"{name}_{unit}" for unit in _UNITS for name in _DURATIONS),
        *("duration_seconds", "elapsed_seconds", "latency", "duration", "elapsed"),
    ),
    "id": ("request_id", "requestId", "event_id", "prediction_id", "uuid", "databricks_request_id"),
    "version": ("model_version", "modelVersion"),
    "features": ("inputs", "input", "instance", "request", "payload", "attributes", "x", "input_features"),
}
"""Names that mean a field in most records, the surest first."""

ENVELOPES: Final = (
    *("payload", "data", "detail", "event", "_source", "value", "log", "message", "record", "body"),
    *("after", "fields", "doc", "document", "content", "prediction_event"),
)
"""Names of members that hold the whole event."""


def plain(name: str) -> str:
    """``@timestamp``, ``ModelName``, ``model-name`` and ``model_name`` without what names differ in."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
