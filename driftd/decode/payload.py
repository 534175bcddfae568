"""Bodies of scoring servers that follow no one protocol, JSON or CSV, as rows of events.

asked  {"instances": [...]}, {"inputs": tensors, rows or columns}, {"dataframe_split": {"columns", "data"}},
       {"dataframe_records": [...]}, [[12.5, "DE"], ...], [12.5, "DE"], {"amount": 12.5}
told   {"predictions": [...]}, {"outputs": tensors}, [0.9, ...], 0.9, {"score": 0.9, "predicted_label": 1}
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Raw, Struct, ValidationError
from msgspec.json import Decoder, encode

from driftd.core.event import RejectReason
from driftd.decode.json.strict import DECODE_ERRORS, Refused, malformed
from driftd.decode.protocol import answer_of, answered, body_of, by_name, features_of, requested_of, some

Rows = tuple[bytes, ...]
"""Members of an event, without braces, for each row."""
_NULL: Final = Raw(b"null")
_CODE: Final = re.compile(r"[+-]?0[0-9]")
"""01234 is a postcode, not a number, as in flat files."""
_ABSENT: Final = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none"})


class _Split(Struct, gc=False):
    columns: list[str] = []
    data: list[Raw] = []


class _Asked(Struct, gc=False):
    instances: Raw = _NULL
    inputs: Raw = _NULL
    dataframe_split: _Split | None = None
    dataframe_records: list[Raw] | None = None


class _Told(Struct, gc=False):
    predictions: Raw = _NULL
    outputs: Raw = _NULL


_asked: Final = Decoder(_Asked)
_told: Final = Decoder(_Told)
_BEYOND: Final = b"1e999"
"""A number beyond floats, which is refused and counted."""
_list: Final = Decoder(list[Raw])
_members: Final = Decoder(dict[str, Raw])
_raw: Final = Decoder(Raw)
_SPACED: Final = re.compile(r"\[\s*[-+.\deE]+(?:\s+[-+.\deE]+)*\s*\]")


def asked(data: bytes, *, listed: bool) -> Rows:
    """``listed``: rows that are lists stay lists, a mapping has names for the items. Raises Refused."""
    try:
        rows = _asked_rows(data.strip(), listed=listed)
    except ValidationError:
        raise Refused(RejectReason.WRONG_TYPE, "features: a request of no shape that driftd knows") from None
    except DECODE_ERRORS as error:
        raise malformed(data, error) from None
    return some(rows, "the request")


def told(data: bytes, rows_asked: int = 0) -> Rows:
    """``rows_asked``: of the request, 0 where nobody knows; a list for one row is its answer. Raises Refused."""
    try:
        rows = _told_rows(data.strip(), rows_asked)
    except ValidationError:
        raise Refused(RejectReason.WRONG_TYPE, "prediction: an answer of no shape that driftd knows") from None
    except DECODE_ERRORS as error:
        raise malformed(data, error) from None
    return some(rows, "the answer")


def _asked_rows(data: bytes, *, listed: bool) -> Sequence[bytes]:
    first = data[:1]
    if first != b"{":
        return _features(_rows(data) if first == b"[" else [Raw(data)], listed=listed)
    shape = _asked.decode(data)
    if shape.dataframe_records is not None:
        return _features(shape.dataframe_records, listed=listed)
    if shape.dataframe_split is not None:
        split = shape.dataframe_split
        if listed or not split.columns:
            return _features(split.data, listed=listed)
        return [b'"features":' + named_row(row, split.columns) for row in split.data]
    if shape.inputs is not _NULL:
        return _inputs(shape.inputs, data, listed=listed)
    if shape.instances is not _NULL:
        return _features(_list.decode(shape.instances), listed=listed)
    values = _values_of(data)
    return [b'"features":' + (data if values is data else features_of(values, listed=listed))]


def _features(rows: Sequence[Raw], *, listed: bool) -> list[bytes]:
    return [b'"features":' + features_of(_values_of(bytes(row)), listed=listed) for row in rows]


def _values_of(row: bytes) -> bytes:
    """The list inside of `{"features": [...]}` or `{"data": {"features": {"values": [...]}}}`, as SageMaker takes
    rows; else the row. Raises Refused.
    """
    if row[:1] != b"{" or b'"features"' not in row:
        return row
    members = _members.decode(row)
    if not members.keys() <= {"features", "data", "configuration"}:
        return row
    if "data" in members and bytes(members["data"])[:1] == b"{":
        members = _members.decode(members["data"])
    inside = bytes(members.get("features", _NULL))
    if inside[:1] == b"{" and "values" in (named := _members.decode(inside)):
        if "keys" in named:
            raise Refused(RejectReason.UNDECODABLE, "features: values by keys (sparse), which driftd does not read")
        inside = bytes(named["values"])
    return inside if inside[:1] == b"[" else row


def _rows(data: bytes | Raw) -> list[Raw]:
    """The rows of a list of them; a list of single values is one row."""
    items = _list.decode(data)
    nested = any(bytes(item)[:1] in {b"[", b"{"} for item in items)
    return items if nested or not items else [Raw(bytes(data))]


def named_row(row: Raw, columns: Sequence[str]) -> bytes:
    """An object of a row's values by the columns' names. Raises Refused."""
    values = _list.decode(row) if bytes(row)[:1] == b"[" else [row]
    if len(values) != len(columns):
        raise Refused(RejectReason.ROWS_DIFFER, f"{len(columns)} columns, and a row of {len(values)} values")
    return encode(by_name(columns, values, "columns"))


def _inputs(inputs: Raw, data: bytes, *, listed: bool) -> Sequence[bytes]:
    """Tensors of the open inference protocol, rows, or an object of columns."""
    if bytes(inputs)[:1] == b"{":
        columns = {
            name: _list.decode(v) if bytes(v)[:1] == b"[" else [v] for name, v in _members.decode(inputs).items()
        }
        sizes = {len(values) for values in columns.values()}
        if len(sizes) > 1:
            raise Refused(RejectReason.ROWS_DIFFER, f"inputs: columns of {min(sizes)} and of {max(sizes)} rows")
        rows = zip(*columns.values(), strict=True)
        return [b'"features":' + encode(by_name([*columns], row, "inputs")) for row in rows]
    items = _list.decode(inputs)
    if items and bytes(items[0])[:1] == b"{" and b'"datatype"' in bytes(items[0]):
        return requested_of(body_of(data), listed=listed)
    return _features(_rows(inputs), listed=listed)


def _told_rows(data: bytes, rows_asked: int) -> Sequence[bytes]:
    first = data[:1]
    if first == b"[":
        return [answered(bytes(item)) for item in (_rows(data) if rows_asked == 1 else _list.decode(data))]
    if first == b"{":
        shape = _told.decode(data)
        if shape.outputs is not _NULL and bytes(shape.outputs)[:1] == b"[" and b'"datatype"' in bytes(shape.outputs):
            return answer_of(body_of(data))[1]
        for given in (shape.predictions, shape.outputs):
            if given is not _NULL:
                return [answered(bytes(i)) for i in (_list.decode(given) if bytes(given)[:1] == b"[" else [given])]
    return [answered(bytes(Raw(data)))] if data else []


# -- CSV --


def json_in(text: str) -> bytes | None:
    """The JSON that a text is, or a list of those on its lines, whatever it is called; None where it is neither."""
    for whole in (text, f"[{','.join(line for line in text.splitlines() if line.strip())}]"):
        if _is_json(whole):
            return whole.encode()
    return None


def items_of(data: bytes) -> list[Raw]:
    """Of a list its items; what is none by itself. Raises Refused."""
    try:
        return _list.decode(data) if data.lstrip()[:1] == b"[" else [_raw.decode(data)]
    except DECODE_ERRORS as error:
        raise malformed(data, error) from None


def _is_json(text: str) -> bool:
    try:
        _raw.decode(text)
    except DECODE_ERRORS:
        return False
    return True


def table(text: str) -> list[list[bytes]]:
    """The lines of a CSV without header, each value as JSON. Raises Refused."""
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline="")) if line]
    except csv.Error:
        raise Refused(RejectReason.UNDECODABLE, "data: not CSV") from None
    return [[_cell(value) for value in line] for line in lines]


def asked_of_table(lines: Sequence[Sequence[bytes]], *, listed: bool) -> Rows:
    """A row a line."""
    rows = (b"[" + b",".join(line) + b"]" for line in lines)
    return some([b'"features":' + features_of(row, listed=listed) for row in rows], "the request")


def told_of_table(lines: Sequence[Sequence[bytes]], rows: int) -> Rows:
    """A row a line, whose first value is the prediction. ``rows``: of the request, 0 where nobody knows: some
    containers answer them in one line.
    """
    if len(lines) == 1 and 1 < len(lines[0]) == rows:
        lines = [[value] for value in lines[0]]
    return some([_told_line(line) for line in lines], "the answer")


def _told_line(line: Sequence[bytes]) -> bytes:
    head = b'"prediction":' + line[0]
    return head if len(line) == 1 else head + b',"outputs":[' + b",".join(line) + b"]"


def _cell(value: str) -> bytes:
    text: Any = value.strip()
    if text.lower() in _ABSENT:
        return b"null"
    if text[:1] in {"[", "{"}:
        return _list_in(text)
    if not _CODE.match(text):
        try:
            number = float(text)
        except ValueError:
            return encode(text)
        return encode(number) if math.isfinite(number) else b"null" if math.isnan(number) else _BEYOND
    return encode(text)


def _list_in(text: str) -> bytes:
    """A list or an object in one value: JSON, or a list as Python or NumPy prints it. Raises Refused for half a list,
    which is what commas make of one without quotes.
    """
    spaced = ",".join(text.split()) if _SPACED.fullmatch(text) else text
    for written in (text, text.replace("'", '"'), spaced):
        if _is_json(written):
            return written.encode()
    detail = "data: half a list: commas in a value of CSV need quotes around it"
    raise Refused(RejectReason.UNDECODABLE, detail)
