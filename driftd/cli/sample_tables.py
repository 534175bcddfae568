"""Tables whose columns are not called as driftd's fields are: which are the time, the prediction and so on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from driftd.cli.sample_tried import Tried
    from driftd.config import Loaded
    from driftd.core.event import RecordBatch
    from driftd.decode import Codec
    from driftd.decode.tabular.codec import FlatCodec

_MEANT: Final = ("time", "prediction")
"""Without one of these a table is worth a proposal; others that are missing may well not be there."""
NO_TIMES: Final = (
    "No column is called `time`: row n counts as n seconds after 1970-01-01. `--time COLUMN`, or "
    "`mapping: {time: COLUMN}`, names the one that says when."
)


def table_advice(
    mine: Tried, records: Sequence[tuple[Codec, RecordBatch]], loaded: Loaded, what: str
) -> dict[str, Any]:
    """``proposal`` and ``advice`` of the report, for the first rows of a flat file; nothing for anything else."""
    from driftd.cli.sample_advice import reported  # noqa: PLC0415
    from driftd.decode.mapping.proposal import Proposal  # noqa: PLC0415
    from driftd.decode.tabular.codec import FlatCodec  # noqa: PLC0415  it takes pyarrow

    codec = records[0][0] if records else None
    if not isinstance(codec, FlatCodec):
        return {}
    found = _proposal(codec, [rows for _, rows in records])
    out: dict[str, Any] = {}
    if "time" not in codec.layout.columns:
        out["advice"] = [NO_TIMES]
    if not found or (mine.accepted == mine.received and not any(name in found for name in _MEANT)):
        return out
    tried = _tried(loaded, what, found, mine.received)
    if tried.accepted < mine.accepted or not tried.accepted:
        return out
    proposal = reported(Proposal(mapping=found), tried, tried)
    return out | {"proposal": proposal | {"new_format": False, "schema_registry": {}}}


def _proposal(codec: FlatCodec, rows: Sequence[RecordBatch]) -> dict[str, Any]:
    """What records of the same names would be read by, in the words of a flat file."""
    from msgspec.json import encode  # noqa: PLC0415

    from driftd.decode.mapping.flat import in_columns  # noqa: PLC0415
    from driftd.decode.mapping.propose import propose  # noqa: PLC0415
    from driftd.decode.mapping.spec import KEYS, spell  # noqa: PLC0415

    taken = {column for name, column in codec.layout.columns.items() if name != column}
    values = [encode(row) for batch in rows for row in _objects(codec, batch)]
    found = propose(values, codec.model)
    if found is None:
        return {}
    own = {key for key, name in KEYS.items() if name in codec.layout.columns}
    left = {spell((column,)) for column in taken}
    return {
        key: given
        for key, given in in_columns(found.mapping).items()
        if key not in own and (given if isinstance(given, str) else given["path"]) not in left
    }


def _objects(codec: FlatCodec, rows: Any) -> list[dict[str, Any]]:
    """Rows as JSON has them, numbers of a CSV file as numbers."""
    return [{name: _value(v, codec.texts.get(name)) for name, v in row.items()} for row in rows.table.to_pylist()]


def _value(value: Any, numeric: bool | None) -> Any:
    from driftd.decode.mapping.flat import as_json  # noqa: PLC0415

    if isinstance(value, str) and numeric:
        try:
            return float(value)
        except ValueError:
            return None
    return as_json(value)


def _tried(loaded: Loaded, what: str, mapping: Mapping[str, Any], most: int) -> Tried:
    """The same rows with the mapping."""
    from driftd.cli.sample_advice import mapped  # noqa: PLC0415
    from driftd.cli.sample_tried import Tried  # noqa: PLC0415
    from driftd.sources.files.source import open_events  # noqa: PLC0415
    from driftd.wiring.decoding import limits_of  # noqa: PLC0415

    limits = mapped(limits_of(loaded.settings), mapping)
    events = open_events(what, None, limits)
    taken: list[tuple[Any, Any]] = []
    left = most
    for rows in events.batches(most):
        if left and len(rows):
            taken.append((events.codec, rows.first(left)))
            left -= len(taken[-1][1])
        if not left:
            break
    return Tried.of(taken, hidden=loaded.settings.privacy.hides)
