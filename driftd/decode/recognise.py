"""Which format records have: for `driftd check --sample`, which proposes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from msgspec.json import decode, encode

from driftd.core.event import RecordBatch
from driftd.decode import format_names
from driftd.decode.formats import arrow, mlserver
from driftd.decode.json.strict import DECODE_ERRORS, Refused
from driftd.decode.limits import DEFAULT_LIMITS, Limits
from driftd.decode.mapping.flat import as_json, in_columns
from driftd.decode.mapping.frames import MOST_ID, frame_of
from driftd.decode.mapping.proposal import Proposal
from driftd.decode.mapping.propose import propose
from driftd.decode.mapping.spec import Mappings, RecordMapping
from driftd.decode.opening import PATH, Record, each
from driftd.decode.registry import GLUE, SchemaRef, unframed
from driftd.ingest.halves import Halves

_FRAMED: Final = frozenset({"avro", "protobuf", "jsonschema"})
"""Formats whose records are of any shape behind the frame: fields need a mapping of their own."""

_STRANGERS: Final = {
    b'"%b"' % name: f"these are {what} of OpenTelemetry, and driftd reads its spans: kafkaexporter's topic otlp_spans"
    for name, what in ((b"resourceLogs", "logs"), (b"resourceMetrics", "metrics"))
}
"""What no format reads, by what stands at its begin."""


def recognised(records: Sequence[RecordBatch]) -> Proposal | None:
    """The format of most of the records; None where that is none."""
    modules: dict[str, Any] = {name: import_module(f"driftd.decode.formats.{name}") for name in format_names()}
    found: Counter[str] = Counter()
    for record in _all(records):
        found.update(name for name, module in modules.items() if module.recognise(record))
    for name, count in found.most_common(1):
        if 2 * count > sum(map(len, records)):
            return proposal_of(name, records)
    strange = next((words for head, words in _STRANGERS.items() if _most_begin_with(head, records)), None)
    if strange is not None:
        return Proposal(warnings=[strange])
    if not found and mlserver.are_bodies(value for batch in records if not _headed(batch) for value in batch.values):
        title = f"{mlserver.TITLE} (open inference protocol V2)"
        return Proposal([title], {"format": "mlserver"}, [*mlserver.OF_BODIES], needs=mlserver.NEEDS)
    return None


def _most_begin_with(head: bytes, records: Sequence[RecordBatch]) -> bool:
    count = sum(value is not None and head in value[:200] for batch in records for value in batch.values)
    return 2 * count > sum(map(len, records))


def proposal_of(name: str, records: Sequence[RecordBatch]) -> Proposal:
    """For records of which most are of the format ``name``."""
    module: Any = import_module(f"driftd.decode.formats.{name}")
    about = [*module.REMARKS]
    if hasattr(module, "seen"):
        about += module.seen(_all(records))
    return Proposal([module.TITLE], {"format": name, **module.PROPOSED}, about, needs=module.NEEDS)


def with_fields(proposal: Proposal, records: Sequence[RecordBatch], limits: Limits, name: str) -> Proposal:
    """With the places of fields, where the format does not say them: of what is behind the frame of a registry, and of
    tables.
    """
    chosen = proposal.mapping.get("format")
    if chosen == "arrow":
        return _with_columns(proposal, records, limits, name)
    if chosen not in _FRAMED:
        return proposal
    mapping = RecordMapping(format=chosen)
    module: Any = import_module(f"driftd.decode.formats.{chosen}")
    opener = module.opener(mapping, replace(limits, mappings=Mappings(mapping)))
    values: list[bytes | None] = []
    for batch in records:
        opened = opener.open(batch, Halves())
        values += [value for i, value in enumerate(opened.values) if i not in opened.refused]
    inside = propose(values, name)
    if inside is None:
        return proposal
    proposal.mapping |= inside.mapping
    proposal.remarks += inside.remarks
    proposal.warnings += inside.warnings
    return proposal


def _with_columns(proposal: Proposal, records: Sequence[RecordBatch], limits: Limits, name: str) -> Proposal:
    rows = [{key: as_json(v) for key, v in row.items()} for row in arrow.first_rows(_all(records), limits)]
    inside = propose([encode(row) for row in rows], name) if rows else None
    if inside is not None:
        proposal.mapping |= in_columns(inside.mapping)
        if "value" in inside.mapping.get("model", ()):
            proposal.mapping["model"] = inside.mapping["model"]
        proposal.remarks = [*proposal.remarks, *inside.remarks]
    return proposal


@dataclass(frozen=True, slots=True)
class Framing:
    """``frame``: in words. ``proposal``: the format of what is inside; None where ``missing`` says what to set up for
    driftd to see it. ``cut``: the sample has the first record in several parts.
    """

    frame: str
    proposal: Proposal | None = None
    missing: str = ""
    cut: bool = False


def framed(records: Sequence[RecordBatch], limits: Limits) -> Framing | None:
    """What frame of a schema registry most of the records have; None where they have none. Of a file of lines the first
    one tells: where a record has a line's end in it, what follows is no record.

    Raises SourceError where the registry does not answer.
    """
    frames: Counter[str] = Counter()
    refs: dict[str, SchemaRef] = {}
    count = sum(map(len, records))
    for batch in records:
        headers = batch.headers or [()] * len(batch)
        for record, names in zip(each(batch), headers, strict=True):
            if frame := frame_of(record.value, names):
                frames[frame] += 1
                with suppress(Refused):
                    refs.setdefault(frame, unframed(record, limits).ref)
    cut = 2 * frames.total() <= count
    if cut and not _first_is_framed(records):
        return None
    frame = next(iter(frames)) if cut else frames.most_common(1)[0][0]
    ref = refs.get(frame)
    if ref is None:
        return Framing(frame, missing="There is no schema's id in it that driftd can read.")
    if limits.registry is None:
        return Framing(frame, missing=_without_registry(ref, frame), cut=cut)
    schema = limits.registry.load(ref, serialized=False)
    if isinstance(schema, str):
        return Framing(frame, missing=f"{ref}: {schema}. {_FOLDER.format(id=ref.value)}", cut=cut)
    chosen = {"AVRO": "avro", "PROTOBUF": "protobuf", "JSON": "jsonschema"}.get(schema.type) or _kind_of(schema.text)
    if find_spec(_PACKAGES.get(chosen, "json")) is None:
        needs = f"'driftd[{chosen}]'"
        return Framing(frame, missing=f"Its schema is {chosen.title()}, which needs a package: pip install {needs}.")
    return Framing(frame, proposal_of(chosen, records), cut=cut)


def _first_is_framed(records: Sequence[RecordBatch]) -> bool:
    """Whether a file of lines begins with a record of a registry, by an id as registries give them."""
    first = next(_all(records), None)
    with suppress(Refused):
        if first is not None and PATH in first.headers and frame_of(first.value):
            ref = unframed(first, DEFAULT_LIMITS).ref
            return not ref.value.isdigit() or 0 < int(ref.value) < MOST_ID
    return False


def _without_registry(ref: SchemaRef, frame: str) -> str:
    """What to configure: a mapping is of the fields inside, which only the schema tells."""
    folder = _FOLDER.format(id=ref.value)
    if ref.kind == GLUE:
        return f"driftd does not ask AWS Glue's registry. {folder}"
    url = "{url: http://HOST:8080, type: apicurio}" if "Apicurio" in frame else "{url: http://HOST:8081}"
    return (
        "What is inside can be seen with its schema alone: put `schema_registry: "
        f"{url}` into driftd.yaml, and check the sample again. Without a registry: {folder[0].lower()}{folder[1:]}"
    )


_FOLDER: Final = (
    "Put the schema into a folder as {id}.avsc or {id}.proto, and `schema_registry: {{folder: FOLDER}}` "
    "into driftd.yaml."
)
_PACKAGES: Final = {"avro": "fastavro", "protobuf": "google.protobuf"}


def _kind_of(text: str) -> str:
    """Of a schema whose registry does not say it."""
    try:
        schema = decode(text)
    except DECODE_ERRORS:
        return "protobuf"
    is_json = isinstance(schema, dict) and ("$schema" in schema or "properties" in schema)
    return "jsonschema" if is_json else "avro"


def _all(records: Sequence[RecordBatch]) -> Iterator[Record]:
    for batch in records:
        yield from each(batch)


def _headed(batch: RecordBatch) -> bool:
    return any(name != PATH for headers in batch.headers or () for name, _ in headers)
