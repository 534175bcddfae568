"""Seldon Core 2 pipelines: topics of inputs and of outputs, tensors in Protobuf or JSON (docs/how-to/seldon.md).

topic  seldon.default.model.iris.inputs           prefix, namespace, model or pipeline, name, inputs or outputs
key    0.iris-pipeline.7d0c                       partition, pipeline or model, the request's id
value  ModelInferRequest or ModelInferResponse, behind 6 bytes where Seldon has a schema registry
       seldon.default.errors.errors               a call that failed; header seldon-pipeline-errors names the model

Source: SeldonIO/seldon-core, scheduler/pkg/kafka.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from driftd.core.event import DropReason, RejectReason
from driftd.decode.json.strict import Refused, examine
from driftd.decode.limits import Limits
from driftd.decode.mapping.spec import RecordMapping
from driftd.decode.opening import EachRecord, Read, Record, lists_rows, text_of, time_of
from driftd.decode.protocol import Body, answer_of, body_of, requested_of
from driftd.decode.registry import checked
from driftd.decode.tensors import request_of, response_of
from driftd.ingest.halves import Half

TITLE: Final = "Seldon Core 2"
PAIRS: Final = True
PROPOSED: Final[Mapping[str, Any]] = {}
REMARKS: Final = ("driftd has to read the topic of inputs and the topic of outputs",)
NEEDS: Final = "the topics of inputs and of outputs have to be read, with the same key or x-request-id on both"
_FRAME: Final = 6
"""Bytes of the frame of a schema registry, with the place of the message: Seldon always cuts so many."""


class _Topic(NamedTuple):
    namespace: str
    kind: str
    name: str
    way: str


@dataclass(frozen=True, slots=True)
class _Seldon:
    named: bool
    limits: Limits

    def read(self, record: Record) -> Read:
        topic = _topic_of(record.source)
        if topic is None:
            return DropReason.NOT_A_PREDICTION
        identity, scope = _id_of(record)
        time = time_of(record)
        if topic.kind == "errors":
            failed = text_of(record.headers.get("seldon-pipeline-errors"), "header seldon-pipeline-errors")
            if not failed:
                return DropReason.NOT_A_PREDICTION
            model = f"{topic.namespace}/{failed}"
            return Half(model, identity, answer=True, time=time, head=b'"error":true', scope=f"model {scope}")
        model, scope = f"{topic.namespace}/{topic.name}", f"{topic.kind} {scope}"
        body = self._body(record, answer=topic.way == "outputs")
        body.model_version = None  # the model's name and generation
        if topic.way == "outputs":
            head, rows = answer_of(body)
            return Half(model, identity, answer=True, time=time, head=head, rows=rows, scope=scope)
        if body.inputs is None and body.outputs is not None:  # what an earlier step has answered
            body.inputs = body.outputs
        rows = requested_of(body, listed=self.named)
        return Half(model, identity, answer=False, time=time, head=b"", rows=rows, scope=scope)

    def _body(self, record: Record, *, answer: bool) -> Body:
        value = checked(record.value, self.limits)
        if value[0] == 0:  # no message of these begins with it
            value = value[_FRAME:]
        kind = record.headers.get("seldon-infer-type", b"").lower()
        if kind.startswith(b"json/") or (not kind and value[:1] == b"{"):
            return body_of(examine(value, self.limits))
        if kind:
            answer = kind.endswith(b"response")
        return response_of(value) if answer else request_of(value)


def _topic_of(topic: str) -> _Topic | None:
    """From the right, since the prefix may have dots."""
    parts = topic.split(".")
    if parts[-2:] == ["errors", "errors"] and len(parts) >= 3:
        return _Topic(parts[-3], "errors", "", "")
    if len(parts) >= 4 and parts[-3] in {"model", "pipeline"} and parts[-1] in {"inputs", "outputs"}:
        return _Topic(parts[-4], *parts[-3:])
    return None


def _id_of(record: Record) -> tuple[str, str]:
    """The request's id, and what the key has before it: a request may call a model from several pipelines."""
    key = text_of(record.key, "the record's key")
    given = text_of(record.headers.get("x-request-id"), "header x-request-id")
    if given and (not key or key.endswith(given)):
        return given, key.removesuffix(given)
    before, dot, identity = key.rpartition(".")
    if not identity:
        raise Refused(
            RejectReason.MISSING_FIELD, "id: neither a key nor a header x-request-id, so no answer can be found"
        )
    return identity, before + dot


def opener(mapping: RecordMapping, limits: Limits) -> EachRecord:
    return EachRecord(_Seldon(lists_rows(mapping), limits), limits, across=True)


def recognise(record: Record) -> bool:
    return _topic_of(record.source) is not None and bool(record.key or "x-request-id" in record.headers)
