"""Bodies of the inference protocols V1 and V2 (open inference protocol) as rows of events.

V1  {"instances": [[12.5, "DE"]]} -> {"predictions": [0.9]}          a row an item
V2  {"inputs": [tensor ...]}      -> {"outputs": [tensor ...]}       a row an item of the first dimension
    tensor  shape [n] or [n, 1]: one feature, its name; [n, k]: name[0] ... name[k-1]

Source: kserve/kserve, docs/predict-api/v2/rest_predict_v2.yaml.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import Any, Final

from msgspec import Raw, Struct, ValidationError
from msgspec.json import Decoder, encode

from driftd.core.event import MAX_NAME_BYTES, RejectReason
from driftd.decode.json.lists import of_one
from driftd.decode.json.strict import DECODE_ERRORS, Refused, expected_in, malformed, shown

_NULL: Final = Raw(b"null")
_PREDICTED: Final = ("predict", "prediction", "predictions", "predicted_label", "label", "class", "predicted_value")
_SCORED: Final = ("predict_proba", "probabilities", "probability", "proba", "scores", "score", "prediction_score")
"""Names of outputs that are what they say; else the first output is the prediction."""
_MOST_DIMENSIONS: Final = 32
"""As numpy has them."""


class Tensor(Struct, gc=False):
    """A tensor of V2. ``data`` is flat or nested, row by row."""

    name: str = ""
    shape: list[int] = []
    datatype: str = ""
    parameters: Raw = _NULL
    data: list[Any] | None = None


class Body(Struct, gc=False):
    """A request or an answer of either protocol."""

    id: str | None = None
    model_name: str | None = None
    model_version: str | None = None
    message: str | None = None
    instances: list[Raw] | None = None
    predictions: list[Raw] | None = None
    inputs: list[Tensor] | None = None
    outputs: list[Tensor] | None = None


_body: Final = Decoder(Body)
_list: Final = Decoder(list[Raw])
_members: Final = Decoder(dict[str, Raw])


def body_of(value: bytes) -> Body:
    """Raises Refused."""
    try:
        return _body.decode(value)
    except ValidationError as error:
        path = str(error).partition(" - at `$")[2].rstrip("`") or "body"
        said = f"{path.lstrip('.')}: not as the inference protocol has it{expected_in(error)}"
        raise Refused(RejectReason.WRONG_TYPE, said) from None
    except DECODE_ERRORS as error:
        raise malformed(value, error) from None


def requested_of(body: Body, *, listed: bool) -> tuple[bytes, ...]:
    """`"features": ...` of each row. ``listed``: rows that are lists stay lists, a mapping has names for the items."""
    if body.instances is not None:
        rows: Iterable[bytes] = (features_of(bytes(raw), listed=listed) for raw in body.instances)
    elif body.inputs is not None:
        rows = _features(body.inputs, listed=listed)
    else:
        raise Refused(RejectReason.MISSING_FIELD, "features: neither instances nor inputs in the request")
    return some([b'"features":' + row for row in rows], "the request")


def answer_of(body: Body) -> tuple[bytes, tuple[bytes, ...]]:
    """Members that all rows have, and those of each row: none where the answer is that the call failed."""
    head = b'"version":%b' % encode(body.model_version) if body.model_version else b""
    if body.predictions is not None:
        return head, some([answered(bytes(raw)) for raw in body.predictions], "the answer")
    if body.outputs is not None:
        return head, some([*_answers(body.outputs)], "the answer")
    if body.message:  # KServe's batcher: status 200, and no predictions
        return b'"error":true', ()
    raise Refused(RejectReason.MISSING_FIELD, "prediction: neither predictions nor outputs in the answer")


def some(rows: Sequence[bytes], what: str) -> tuple[bytes, ...]:
    """Raises Refused where there are none."""
    if not rows:
        raise Refused(RejectReason.EMPTY, f"no rows in {what}")
    return tuple(rows)


def features_of(raw: bytes, *, listed: bool) -> bytes:
    """An object's keys are names. ``listed``: a list stays one, and a single value becomes one."""
    first = raw[:1]
    if first == b"{" or (listed and first == b"["):
        return raw
    if listed:
        return b"[%b]" % raw
    items = _list.decode(raw) if first == b"[" else [raw]
    return b"{" + b",".join(b'"f%d":%b' % (i, item) for i, item in enumerate(items)) + b"}"


def answered(raw: bytes) -> bytes:
    """Members of an event for what a model says of a row: a value, a list of one, or an object of several."""
    raw = bytes(of_one(raw))
    if raw[:1] != b"{":
        return b'"prediction":' + raw
    named = _members.decode(raw)
    scored = next((n for n in _SCORED if n in named and len(named) > 1), None)
    predicted = next((n for n in _PREDICTED if n in named), next((n for n in named if n != scored), scored))
    parts = [(name, named[of]) for name, of in (("prediction", predicted), ("score", scored)) if of is not None]
    return b",".join((*(b'"%b":%b' % (name.encode(), value) for name, value in parts), b'"outputs":' + raw))


# -- tensors --


class _Table:
    """A tensor by its rows."""

    __slots__ = ("columns", "name", "rows", "values")

    def __init__(self, tensor: Tensor, what: str, i: int) -> None:
        if tensor.parameters is not _NULL and b"binary_data_size" in bytes(tensor.parameters):
            raise Refused(RejectReason.WRONG_TYPE, f"{what}[{i}]: binary data behind the JSON (binary_data_size)")
        name, data = tensor.name, tensor.data or []
        if 4 * len(name) > MAX_NAME_BYTES and len(name.encode()) > MAX_NAME_BYTES:  # it may stand beside every value
            raise Refused(RejectReason.NAME_TOO_LONG, f"{what}[{i}]: a name of more than {MAX_NAME_BYTES} bytes")
        self.name = name
        self.values = _flat(data) if data and type(data[0]) is list else data
        shape, there = tensor.shape or [len(self.values)], len(self.values)
        fits = len(shape) <= _MOST_DIMENSIONS and min(shape) >= 0
        self.rows, self.columns = shape[0], prod(shape[1:]) if fits and len(shape) > 1 else 1
        if fits and not there and 0 in shape:
            self.rows, self.columns = 0, 1  # a shape like [1000000000, 0] costs its sender nothing
        if not fits or self.rows * self.columns != there:
            raise Refused(RejectReason.WRONG_TYPE, f"{what}[{i}]: {there} values do not fit the shape")

    def row(self, i: int) -> list[Any]:
        return self.values[i * self.columns : (i + 1) * self.columns]


def _flat(data: list[Any]) -> list[Any]:
    """Nested lists, row by row; the depth of JSON is limited."""
    while data and isinstance(data[0], list):
        if not all(isinstance(item, list) for item in data):
            raise Refused(RejectReason.WRONG_TYPE, "data: lists beside values")
        data = [value for item in data for value in item]
    return data


def _tables(tensors: Sequence[Tensor], what: str) -> list[_Table]:
    tables = [_Table(tensor, what, i) for i, tensor in enumerate(tensors)]
    sizes = sorted({table.rows for table in tables})
    if len(sizes) > 1:
        raise Refused(RejectReason.ROWS_DIFFER, f"{what}: tensors of {sizes[0]} and of {sizes[-1]} rows")
    return tables


def _features(tensors: Sequence[Tensor], *, listed: bool) -> Iterator[bytes]:
    tables = _tables(tensors, "inputs")
    if not tables:
        return
    if listed and len(tables) == 1:
        yield from (encode(tables[0].row(i)) for i in range(tables[0].rows))
        return
    names = [name for t in tables for name in _names(t)]
    if len(names) == len(tables):  # a column each
        yield from (encode(by_name(names, row, "inputs")) for row in zip(*(t.values for t in tables), strict=True))
        return
    for i in range(tables[0].rows):
        yield encode(by_name(names, [value for t in tables for value in t.row(i)], "inputs"))


def by_name(names: Sequence[str], values: Sequence[Any], where: str) -> dict[str, Any]:
    """As many values as names. Raises Refused where two have one name: only one of them could be a feature."""
    out = dict(zip(names, values, strict=True))
    if len(out) < len(names):
        doubled = next(name for i, name in enumerate(names) if name in names[:i])
        raise Refused(RejectReason.WRONG_TYPE, f"{where}: two of the name {shown(doubled)}")
    return out


def _names(table: _Table) -> list[str]:
    return [table.name] if table.columns == 1 else [f"{table.name}[{j}]" for j in range(table.columns)]


def _answers(tensors: Sequence[Tensor]) -> Iterator[bytes]:
    """Prediction and score of each row; where there are several outputs all of them, for a mapping to choose from."""
    tables = _tables(tensors, "outputs")
    if not tables:
        return
    scored = next((t for t in tables if t.name in _SCORED and len(tables) > 1), None)
    left = [t for t in tables if t is not scored]
    predicted = next((t for name in _PREDICTED for t in left if t.name == name), left[0])
    for i in range(tables[0].rows):
        members: dict[str, Any] = {"prediction": _value(predicted, i)}
        if scored is not None:
            members["score"] = _value(scored, i)
        if len(tables) > 1:
            members["outputs"] = by_name([t.name for t in tables], [_value(t, i) for t in tables], "outputs")
        yield encode(members)[1:-1]


def _value(table: _Table, i: int) -> Any:
    row = table.row(i)
    return row[0] if table.columns == 1 else row
