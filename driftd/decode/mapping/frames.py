"""Frames of schema registries, recognised by their first bytes or headers, and named: what is inside is not JSON."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from driftd.core.event import Headers

_HEADERS: Final = {
    "__value_schema_id": "Confluent schema registry (GUID in a header)",
    "apicurio.value.globalid": "Apicurio registry (id in a header)",
    "apicurio.value.contentid": "Apicurio registry (id in a header)",
}
INSIDE: Final = "mapping.format says what is inside: avro, protobuf or jsonschema"
_GLUE: Final = 18
"""Bytes before the data: 03, compression, UUID."""


MOST_ID: Final = 10_000_000
"""Chosen: registries count from 1, and other binary data rarely begins with a number that is so small in its bytes."""


def with_article(frame: str) -> str:
    """``an AWS Glue schema registry, ...``"""
    return f"{'an' if frame[:1] in 'AEIOU' else 'a'} {frame}"


def frame_of(value: bytes | None, headers: Headers | None = None) -> str | None:
    """The registry's name and the schema's id in words; None where it is no frame."""
    for name, _ in headers or ():
        if name.lower() in _HEADERS:
            return _HEADERS[name.lower()]
    if not value:
        return None
    if value[0] == 0 and len(value) > 9 and not any(value[1:5]):
        return f"Apicurio registry, global id {int.from_bytes(value[1:9])}"
    if value[0] == 0 and len(value) > 5:
        return f"schema registry, schema id {int.from_bytes(value[1:5])}"
    if value[0] == 1 and len(value) > 17:
        return f"schema registry, schema GUID {UUID(bytes=value[1:17])}"
    if value[0] == 3 and len(value) > _GLUE and value[1] in {0, 5}:
        return f"AWS Glue schema registry, schema version {UUID(bytes=value[2:18])}"
    return None
