"""MLServer's Kafka topics: requests and answers of the open inference protocol in JSON (docs/how-to/seldon.md).

Requests have the header `mlserver-model`, answers the header `Ce-Modelid`; the key is the call's id, else the body's.
Bodies without headers, as a dump of both topics has them, are told apart by what is in them; answers name the model.
Source: SeldonIO/MLServer, mlserver/kafka and mlserver/cloudevents.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec.json import encode

from driftd.core.event import DropReason, RejectReason
from driftd.decode.json.strict import Refused, examine
from driftd.decode.limits import Limits
from driftd.decode.mapping.spec import RecordMapping
from driftd.decode.opening import PATH, EachRecord, Read, Record, lists_rows, text_of, time_of
from driftd.decode.protocol import Body, answer_of, body_of, requested_of
from driftd.ingest.halves import Half

TITLE: Final = "MLServer"
PAIRS: Final = True
PROPOSED: Final[Mapping[str, Any]] = {}
REMARKS: Final = ("driftd has to read the topic of requests and the topic of answers",)
OF_BODIES: Final = (
    "these are bodies alone: the topics have the model in headers, the id in keys and the time in timestamps",
)
NEEDS: Final = (
    "both topics have to be read, with the same key and the header mlserver-model on a request and its answer"
)


@dataclass(frozen=True, slots=True)
class _MLServer:
    named: bool
    limits: Limits

    def read(self, record: Record) -> Read:
        asked, answered = record.headers.get("mlserver-model"), record.headers.get("ce-modelid")
        name = asked if answered is None else answered
        if name is None and record.headers.keys() - {PATH}:
            return DropReason.NOT_A_PREDICTION
        body = body_of(examine(record.value, self.limits))
        if name is None and not _is_half(body):
            return DropReason.NOT_A_PREDICTION
        identity = text_of(record.key, "the record's key") or body.id or ""
        if not identity:
            raise Refused(
                RejectReason.MISSING_FIELD, "id: neither a key nor an id in the body, so no answer can be found"
            )
        if name is None:
            return self._of_body(body, identity, time_of(record))
        model, time = text_of(name, "a header"), time_of(record)
        if answered is not None:
            head, rows = answer_of(body)
            return Half(model, identity, answer=True, time=time, head=head, rows=rows)
        version = text_of(record.headers.get("mlserver-version"), "a header")
        head = b'"version":%b' % encode(version) if version else b""
        rows = requested_of(body, listed=self.named)
        return Half(model, identity, answer=False, time=time, head=head, rows=rows)

    def _of_body(self, body: Body, identity: str, time: float) -> Half:
        """The halves of a call have no model in common, and the answer brings the event's."""
        if body.outputs is None:
            rows = requested_of(body, listed=self.named)
            return Half("", identity, answer=False, time=time, head=b"", rows=rows)
        head, rows = answer_of(body)
        names = b'"model":%b' % encode(body.model_name) if body.model_name else b""
        return Half("", identity, answer=True, time=time, head=b",".join(filter(None, (names, head))), rows=rows)


def _is_half(body: Body) -> bool:
    tensors = body.inputs if body.outputs is None else body.outputs
    return (body.inputs is None) is not (body.outputs is None) and all(t.name and t.datatype for t in tensors or ())


def opener(mapping: RecordMapping, limits: Limits) -> EachRecord:
    return EachRecord(_MLServer(lists_rows(mapping), limits), limits, across=True)


def recognise(record: Record) -> bool:
    return "mlserver-model" in record.headers or record.headers.get("ce-type", b"").startswith(b"io.seldon.serving.")


def are_bodies(values: Iterable[bytes | None]) -> bool:
    """Whether most are requests and answers without headers, some of either."""
    kinds: Counter[str] = Counter()
    for value in values:
        try:
            body = body_of(value or b"")
        except Refused:
            kinds["other"] += 1
            continue
        half = "asked" if body.outputs is None else "answered"
        kinds[half if _is_half(body) and body.id else "other"] += 1
    return kinds["asked"] > 0 and kinds["answered"] > 0 and kinds["asked"] + kinds["answered"] > kinds["other"]
