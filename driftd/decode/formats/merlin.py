"""Merlin (CaraML): PredictionLog and ObservationLog of its prediction interface (docs/how-to/prediction-logs.md).

PredictionLog   a call: tables of features and of results as {"columns", "data", "row_ids"}, one row an event
ObservationLog  a label for (prediction_id, row_id)

Source: caraml-dev/universal-prediction-interface, proto/caraml/upi/v1/prediction_log.proto and observation_log.proto.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec.json import encode

from driftd.core.event import DropReason, RejectReason
from driftd.decode.json.strict import Refused
from driftd.decode.limits import Limits
from driftd.decode.mapping.spec import RecordMapping
from driftd.decode.opening import EachRecord, Read, Record, events_of_call, lists_rows
from driftd.decode.payload import Rows
from driftd.decode.protocol import answered, by_name, features_of, some
from driftd.decode.registry import checked
from driftd.decode.wire import Message, fields, text_in

TITLE: Final = "Merlin prediction log"
PROPOSED: Final[Mapping[str, Any]] = {}
REMARKS: Final = ("a topic of ObservationLog needs `model: {value: PROJECT/MODEL}`: its records do not name one",)
NEEDS: Final = "each PredictionLog needs rows in features_table and in prediction_results_table"
_DEEPEST: Final = 32
"""Lists in lists of a table. Chosen: a table has two, and features may be lists."""
_OF_PREDICTIONS: Final = frozenset({10, 11, 20, 100})
"""Fields that a PredictionLog has and an ObservationLog has not."""


@dataclass(frozen=True, slots=True)
class _Merlin:
    named: bool
    limits: Limits

    def read(self, record: Record) -> Read:
        message = Message(checked(record.value, self.limits))
        identity = message.text(1)
        if not identity:
            raise Refused(RejectReason.MISSING_FIELD, "prediction_id: missing")
        if not _OF_PREDICTIONS & message.values.keys():
            return _observed(message, identity)
        names = [part for part in (message.text(3), message.text(4)) if part]
        head = [b'"version":%b' % encode(version)] if (version := message.text(5)) else []
        asked, told = message.inner(10), message.inner(11)
        status = told.whole(11)  # gRPC's, 0 for a call that went well
        if status:
            head.append(b'"error":true')
        features, results = _struct(asked.data(1)), _struct(told.data(1))
        requests = _rows(features, listed=self.named) if features else ()
        answers = _answers(results) if results and not status else ()
        ids = results.get("row_ids") or features.get("row_ids")
        named = [f"{identity}/{row}" for row in ids] if isinstance(ids, list) and ids else identity
        some(requests or answers, "the log")
        return events_of_call("/".join(names), _time(message, 20), named, head, requests, answers)


def _observed(message: Message, identity: str) -> Read:
    """A label: the first value that was observed."""
    values = message.several(4)
    if not values:
        return DropReason.NOT_A_PREDICTION
    value = Message(values[0])
    label = value.text(5) if 5 in value else value.real(3) if 3 in value else value.whole(4)
    name = f"{identity}/{row}" if (row := message.text(2)) else identity
    return events_of_call("", _time(message, 6), name, (), (), (b'"label":%b' % encode(label),))


def _rows(table: Mapping[str, Any], *, listed: bool) -> Rows:
    columns = _columns(table)
    out = []
    for row in _data(table):
        if columns and not listed:
            _require_as_many(columns, row)
            out.append(b'"features":' + encode(by_name(columns, row, "columns")))
        else:
            out.append(b'"features":' + features_of(encode(row), listed=listed))
    return tuple(out)


def _answers(table: Mapping[str, Any]) -> Rows:
    columns = _columns(table)
    out = []
    for row in _data(table):
        if len(columns) > 1:
            _require_as_many(columns, row)
            out.append(answered(encode(by_name(columns, row, "columns"))))
        else:
            out.append(answered(encode(row)))
    return tuple(out)


def _columns(table: Mapping[str, Any]) -> list[str]:
    given = table.get("columns") or table.get("column_names") or []
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise Refused(RejectReason.WRONG_TYPE, "columns: expected a list of names")
    return given


def _data(table: Mapping[str, Any]) -> list[list[Any]]:
    """Rows; of a flat list each value is one."""
    data = table.get("data")
    if not isinstance(data, list):
        raise Refused(RejectReason.WRONG_TYPE, "data: expected a list of rows")
    return [row if isinstance(row, list) else [row] for row in data]


def _require_as_many(columns: Sequence[str], row: Sequence[Any]) -> None:
    if len(columns) != len(row):
        raise Refused(RejectReason.ROWS_DIFFER, f"{len(columns)} columns, and a row of {len(row)} values")


# -- google.protobuf --


def _time(message: Message, number: int) -> float:
    """A Timestamp."""
    if number not in message:
        return math.nan
    moment = message.inner(number)
    return moment.whole(1) + moment.whole(2) / 1e9


def _struct(data: bytes, depth: int = 0) -> dict[str, Any]:
    """A Struct."""
    pairs = (Message(entry) for entry in Message(data).several(1))
    return {pair.text(1): _value(pair.data(2), depth) for pair in pairs}


def _value(data: bytes, depth: int) -> Any:
    """A Value."""
    if depth > _DEEPEST:
        raise Refused(RejectReason.TOO_DEEP, f"a table of more than {_DEEPEST} levels")
    out: Any = None
    for number, value in fields(data):
        if number == 2 and isinstance(value, float):
            out = value
        elif number == 3 and isinstance(value, bytes):
            out = text_in(value)
        elif number == 4:
            out = bool(value)
        elif number == 5 and isinstance(value, bytes):
            out = _struct(value, depth + 1)
        elif number == 6 and isinstance(value, bytes):
            out = [_value(item, depth + 1) for n, item in fields(value) if n == 1 and isinstance(item, bytes)]
    return out


def opener(mapping: RecordMapping, limits: Limits) -> EachRecord:
    return EachRecord(_Merlin(lists_rows(mapping), limits), limits)


def recognise(record: Record) -> bool:
    try:
        message = Message(record.value or b"")
        return bool(message.text(1)) and "data" in _struct(message.inner(10).data(1))
    except Refused:
        return False
