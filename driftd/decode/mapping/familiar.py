"""Names that fields have elsewhere: what hints and proposals go by."""

from __future__ import annotations

from typing import Final

NAMES: Final = {
    "model": ("model_name", "modelName", "model_id", "modelId", "inferenceservicename", "service"),
    "time": (
        *("timestamp", "ts", "event_time", "eventTime", "event_ts", "event_timestamp", "prediction_time"),
        *("prediction_timestamp", "inference_time", "inference_timestamp", "scored_at", "predicted_at"),
        *("request_time", "request_timestamp", "requested_at", "occurred_at", "created_at", "datetime", "date_time"),
        *("when", "logged_at", "log_time", "recorded_at", "received_at", "published_at", "sent_at", "epoch"),
        *("unix_time", "unixtime", "asctime", "date", "start_time", "updated_at"),
    ),
    "prediction": (
        "predicted",
        "pred",
        "y_pred",
        "yhat",
        "output",
        "predicted_class",
        "class",
        "class_id",
        "predictions",
        "result",
    ),
    "score": ("probability", "proba", "confidence", "prob"),
    "label": ("y_true", "target", "ground_truth", "actual"),
    "latency": ("latency_ms", "duration_ms", "latency_us", "elapsed_ms", "execution_duration_ms", "duration"),
    "id": ("request_id", "requestId", "event_id", "prediction_id", "uuid", "databricks_request_id"),
    "version": ("model_version", "modelVersion"),
    "features": ("inputs", "input", "instance", "request", "payload", "attributes", "x"),
}
"""Names that mean a field in most records, the surest first."""

ENVELOPES: Final = (
    *("payload", "data", "detail", "event", "_source", "value", "log", "message", "record", "body"),
    *("after", "fields", "doc", "document", "content", "prediction_event"),
)
"""Names of members that hold the whole event."""
