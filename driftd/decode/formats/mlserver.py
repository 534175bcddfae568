"""MLServer's Kafka topics: requests and answers of the open inference protocol in JSON (docs/how-to/seldon.md).

Requests have the header `mlserver-model`, answers the header `Ce-Modelid`; the key is the call's id, else the body's.
Source: SeldonIO/MLServer, mlserver/kafka and mlserver/cloudevents.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec.json import encode

from driftd.core.event import DropReason, RejectReason
from driftd.decode.json.strict import Refused, examine
from driftd.decode.limits import Limits
from driftd.decode.mapping.spec import RecordMapping
from driftd.decode.opening import EachRecord, Read, Record, lists_rows, text_of, time_of
from driftd.decode.protocol import answer_of, body_of, requested_of
from driftd.ingest.halves import Half

TITLE: Final = "MLServer"
PAIRS: Final = True
PROPOSED: Final[Mapping[str, Any]] = {}
REMARKS: Final = ("driftd has to read the topic of requests and the topic of answers",)


@dataclass(frozen=True, slots=True)
class _MLServer:
    named: bool
    limits: Limits

    def read(self, record: Record) -> Read:
        asked, answered = record.headers.get("mlserver-model"), record.headers.get("ce-modelid")
        name = asked if answered is None else answered
        if name is None:
            return DropReason.NOT_A_PREDICTION
        body = body_of(examine(record.value, self.limits))
        identity = text_of(record.key, "the record's key") or body.id or ""
        if not identity:
            raise Refused(
                RejectReason.MISSING_FIELD, "id: neither a key nor an id in the body, so no answer can be found"
            )
        model, time = text_of(name, "a header"), time_of(record)
        if answered is not None:
            head, rows = answer_of(body)
            return Half(model, identity, answer=True, time=time, head=head, rows=rows)
        version = text_of(record.headers.get("mlserver-version"), "a header")
        head = b'"version":%b' % encode(version) if version else b""
        rows = requested_of(body, listed=self.named)
        return Half(model, identity, answer=False, time=time, head=head, rows=rows)


def opener(mapping: RecordMapping, limits: Limits) -> EachRecord:
    return EachRecord(_MLServer(lists_rows(mapping), limits), limits, across=True)


def recognise(record: Record) -> bool:
    return "mlserver-model" in record.headers or record.headers.get("ce-type", b"").startswith(b"io.seldon.serving.")
