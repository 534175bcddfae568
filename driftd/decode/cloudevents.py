"""CloudEvents 1.0 on Kafka: what the envelope says, and the event inside it.

Binary mode: headers ``ce_specversion``, ``ce_id``, ...; the value is the event. Structured mode: the header
``content-type`` begins with ``application/cloudevents+json``; the value is the envelope, ``data`` (or
``data_base64``) the event. Kafka has no batch mode. ``time`` and ``id`` of the envelope stand in where the event
has none. Source: cloudevents/spec, kafka-protocol-binding.md 1.0.2.
"""

from __future__ import annotations

import binascii
import math
from base64 import b64decode
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
from msgspec import Raw, Struct, ValidationError
from msgspec.json import Decoder, encode

from driftd.core.event import Headers, RecordBatch, RejectReason
from driftd.decode.json.fast import Unwrapped
from driftd.decode.json.strict import DECODE_ERRORS, Refused, examine, got, malformed
from driftd.decode.limits import Limits

_STRUCTURED: Final = "application/cloudevents"
_FORMAT: Final = "application/cloudevents+json"
_REQUIRED: Final = ("specversion", "id", "source", "type")
_NULL: Final = Raw(b"null")


class _Envelope(Struct, gc=False):
    specversion: Raw = _NULL
    id: Raw = _NULL
    source: Raw = _NULL
    type: Raw = _NULL
    time: Raw = _NULL
    data: Raw = _NULL
    data_base64: Raw = _NULL


class _Opened(NamedTuple):
    value: bytes | None
    time: float
    id: str | None


_envelope: Final = Decoder(_Envelope)
_string: Final = Decoder(str | None)
_members: Final = Decoder(dict[str, Raw])
_time: Final = Decoder(datetime)


class CloudEvent(NamedTuple):
    """An envelope's attributes as text, by name, and what is inside. ``time`` in epoch seconds, NaN if it has none."""

    attributes: Mapping[str, str]
    time: float
    data: bytes | None


def cloud_event(
    headers: Mapping[str, bytes], value: bytes | None, limits: Limits, extensions: Collection[str]
) -> CloudEvent:
    """The event of either mode, with those of the ``extensions`` that it has; a record without headers, as those of
    files, is in structured mode. Raises Refused.
    """
    if "ce_specversion" in headers:
        given: dict[str, str | None] = {}
        for name in (*_REQUIRED, "time", *extensions):
            text = headers.get(f"ce_{name}")
            given[name] = None if text is None else _header(text, name)
        time, _ = _checked(given)
        return CloudEvent({name: value for name, value in given.items() if value is not None}, time, value)
    opened = _structured(examine(value, limits), limits)
    others = _members.decode(value or b"{}")
    texts = {name: _text_of(others[name]) for name in (*_REQUIRED, *extensions) if name in others}
    return CloudEvent({name: text for name, text in texts.items() if text is not None}, opened.time, opened.value)


def _text_of(raw: Raw) -> str | None:
    """Attributes of an extension may be text, numbers or booleans; others are none."""
    try:
        return _string.decode(raw)
    except DECODE_ERRORS:
        return bytes(raw).decode(errors="replace") if bytes(raw)[:1] not in {b"{", b"["} else None


def unwrap(records: RecordBatch, limits: Limits) -> Unwrapped | None:
    """The events inside the envelopes; records without one pass as they are. None when no record has headers."""
    if records.headers is None:
        return None
    count = len(records)
    values = [*records.values]
    ids: list[str | None] = [None] * count
    times = np.full(count, math.nan)
    refused: dict[int, Refused] = {}
    for i, headers in enumerate(records.headers):
        if not headers:
            continue
        try:
            opened = _open(headers, records.values[i], limits)
        except Refused as refusal:
            refused[i] = refusal
        else:
            values[i], times[i], ids[i] = opened
    return Unwrapped(values, refused, times, ids)


def _open(headers: Headers, value: bytes | None, limits: Limits) -> _Opened:
    fields = {name.lower(): text for name, text in headers}
    content_type = (fields.get("content-type") or b"").decode("latin-1").strip().lower()
    if content_type.startswith(_STRUCTURED):
        if content_type.partition(";")[0].rstrip() != _FORMAT:
            raise _bad(f"content-type: expected {_FORMAT}, got another format of CloudEvents")
        return _structured(examine(value, limits), limits)
    if "ce_specversion" in fields:
        attributes = {name: _header(fields.get(f"ce_{name}"), name) for name in (*_REQUIRED, "time")}
        return _Opened(value, *_checked(attributes))
    return _Opened(value, math.nan, None)


def _structured(value: bytes, limits: Limits) -> _Opened:
    try:
        envelope = _envelope.decode(value)
    except ValidationError:
        raise _bad(f"expected a JSON object, got {got(value, limits)}") from None
    except DECODE_ERRORS as error:
        raise malformed(value, error) from None
    attributes = {name: _attribute(getattr(envelope, name), name, limits) for name in (*_REQUIRED, "time")}
    time, identity = _checked(attributes)
    data = bytes(envelope.data)
    if data == b"null":
        text = _attribute(envelope.data_base64, "data_base64", limits)
        if text is None:
            raise _bad("data: missing")
        try:
            data = examine(b64decode(text, validate=True), limits)
        except (binascii.Error, ValueError):
            raise _bad("data_base64: not base64") from None
    return _Opened(data, time, identity)


def _checked(attributes: dict[str, str | None]) -> tuple[float, str | None]:
    for name in _REQUIRED:
        if not attributes[name]:
            raise _bad(f"{name}: missing")
    if not (attributes["specversion"] or "").startswith("1."):
        raise _bad("specversion: expected 1.0")
    return _seconds(attributes["time"]), attributes["id"]


def _seconds(text: str | None) -> float:
    if text is None:
        return math.nan
    try:
        time = _time.decode(encode(text))
    except DECODE_ERRORS:
        raise _bad("time: expected RFC 3339") from None
    if time.tzinfo is None:
        raise _bad("time: expected RFC 3339 with an offset")
    return time.timestamp()


def _header(text: bytes | None, name: str) -> str | None:
    try:
        return None if text is None else text.decode()
    except UnicodeDecodeError:
        raise _bad(f"{name}: not UTF-8") from None


def _attribute(raw: Raw, name: str, limits: Limits) -> str | None:
    try:
        text: str | None = _string.decode(raw)
    except DECODE_ERRORS:
        raise _bad(f"{name}: expected a string, got {got(raw, limits)}") from None
    return text


def _bad(detail: str) -> Refused:
    return Refused(RejectReason.BAD_ENVELOPE, f"CloudEvents {detail}")
