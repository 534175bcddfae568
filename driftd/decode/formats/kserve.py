"""KServe's inference logger: CloudEvents of requests and of answers, with bodies of the V1 or the V2 protocol.

Binary or structured mode; `id` is the same on both halves of a call. Model is `namespace/inferenceservicename`. Only
answers with status 200 are logged, so a request without one failed, or its answer was lost.
Source: kserve/kserve, pkg/logger/worker.go and pkg/batcher/handler.go; docs/how-to/kserve.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec.json import Decoder, encode

from driftd.core.event import DropReason, RejectReason
from driftd.decode.cloudevents import CloudEvent, cloud_event
from driftd.decode.json.strict import DECODE_ERRORS, Refused, examine
from driftd.decode.limits import Limits
from driftd.decode.mapping.spec import RecordMapping
from driftd.decode.opening import EachRecord, Read, Record, lists_rows
from driftd.decode.protocol import answer_of, body_of, requested_of
from driftd.ingest.halves import Half

TITLE: Final = "KServe inference logger"
PAIRS: Final = True
PROPOSED: Final[Mapping[str, Any]] = {}
REMARKS: Final = ("a topic that has other records, too, needs this in mapping.topics.TOPIC",)
NEEDS: Final = "the InferenceService's predictor needs `logger: {mode: all}`, and its calls rows in instances or inputs"
_headers: Final = Decoder(dict[str, list[str]])
_TYPE: Final = "org.kubeflow.serving.inference."
_EXTENSIONS: Final = ("inferenceservicename", "namespace", "component", "endpoint", "metadata")
_PREDICTOR: Final = "predictor"
"""A transformer's half has the same id, and is of what it was given or what it gave back."""


@dataclass(frozen=True, slots=True)
class _KServe:
    named: bool
    limits: Limits

    def read(self, record: Record) -> Read:
        event = cloud_event(record.headers, record.value, self.limits, _EXTENSIONS)
        given = event.attributes
        kind = given["type"].removeprefix(_TYPE)
        if kind not in {"request", "response"} or given.get("component", _PREDICTOR) not in {"", _PREDICTOR}:
            return DropReason.NOT_A_PREDICTION
        body = body_of(examine(event.data, self.limits))
        time = record.timestamp if math.isnan(event.time) else event.time
        if math.isnan(time):
            raise Refused(RejectReason.BAD_TIME, "CloudEvents time: missing, and the record has no timestamp")
        model, identity = _model(event), given["id"]
        if kind == "response":
            head, rows = answer_of(body)
            return Half(model, identity, answer=True, time=time, head=head, rows=rows)
        members = [b'"variant":%b' % encode(given["endpoint"])] if given.get("endpoint") else []
        members += _metadata(given.get("metadata", ""))
        rows = requested_of(body, listed=self.named)
        return Half(model, identity, answer=False, time=time, head=b",".join(members), rows=rows)


def _metadata(text: str) -> list[bytes]:
    """Headers of the request that its service logs (`metadataHeaders`), for a mapping to read."""
    if text in {"", "{}"}:
        return []
    try:
        return [b'"metadata":%b' % encode(_headers.decode(text))]
    except DECODE_ERRORS:
        return []


def _model(event: CloudEvent) -> str:
    name, namespace = event.attributes.get("inferenceservicename"), event.attributes.get("namespace")
    if not name:
        raise Refused(RejectReason.BAD_ENVELOPE, "CloudEvents inferenceservicename: missing")
    return f"{namespace}/{name}" if namespace else name


def opener(mapping: RecordMapping, limits: Limits) -> EachRecord:
    return EachRecord(_KServe(lists_rows(mapping), limits), limits)


def recognise(record: Record) -> bool:
    kind = record.headers.get("ce_type", b"")
    return kind.startswith(_TYPE.encode()) or (_TYPE.encode() in (record.value or b"")[:2000])
