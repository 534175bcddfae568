"""A request's body as records of the topic: JSON, JSON lines, and the three modes of CloudEvents over HTTP."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from itertools import islice
from json import JSONDecoder
from typing import Final
from urllib.parse import unquote_to_bytes

from msgspec import DecodeError, Raw, Struct
from msgspec.json import Decoder

from driftd.core.event import Headers

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
LINES: Final = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines", "application/json-lines")
JSON: Final = "application/json"
KNOWN: Final = (JSON, LINES[0], STRUCTURED, BATCH)


MOST_EVENTS: Final = 10_000
"""Of a request. A refused one takes some 13 us, however small it is: so many take an eighth of a second."""
_MOST_MEMBERS: Final = 100
"""Of a gzip (RFC 1952 2.2), each of which copies what is left of the body."""


class BadRequest(Exception):
    """Nothing of the request can be used: the status and what to say."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Record:
    """``envelope``: a CloudEvent, whose content is nobody's business here."""

    value: bytes
    key: bytes | None = None
    headers: Headers = ()
    envelope: bool = False

    @property
    def size(self) -> int:
        """Bytes of what the topic gets, but for a few around it."""
        return len(self.value) + len(self.key or b"") + sum(len(name) + len(text or b"") for name, text in self.headers)


class _Keyed(Struct, gc=False):
    partitionkey: str | None = None


_list: Final = Decoder(list[Raw])
_keyed: Final = Decoder(_Keyed)
_members: Final = Decoder(dict[str, Raw])
_LOOKED_AT: Final = 1 << 16
"""Bytes of a body."""
_lenient: Final = JSONDecoder(strict=False, parse_int=len, parse_float=len)
"""For the ends of values alone: numbers are not read, however many digits they have."""
_OPENED, _COMMA, _CLOSED = (re.compile(rf"[ \t\r\n]*{sign}[ \t\r\n]*") for sign in (r"\[", ",", r"\]"))


def records_of(headers: Message, body: bytes, most_bytes: int) -> list[Record]:
    """In the order in which they stand. A compressed body has at most ``most_bytes`` when it is unpacked.

    Raises: BadRequest.
    """
    kind = headers.get_content_type() if headers["Content-Type"] else ""
    body = _unpacked(headers.get("Content-Encoding", "identity").strip().lower(), body, most_bytes)
    if headers["ce-specversion"] is not None:
        return [_binary(headers, body)]
    if kind == STRUCTURED:
        return [_structured(body)]
    if kind in {BATCH, JSON, *LINES}:
        if kind == BATCH:
            out = [_structured(item) for item in _items(body)]
        else:
            values = _values(body) if kind == JSON else _lines(body)
            out = [Record(value) for value in islice(values, MOST_EVENTS + 1)]
        _require_few(out)
        if not out:
            raise BadRequest(HTTPStatus.BAD_REQUEST, f"no events in it: {_expected(kind)}")
        return out
    text = (
        f"content-type: expected {', '.join(KNOWN)}, or headers of a CloudEvent (ce-specversion), got {kind or 'none'}"
    )
    looks = f"; this body looks like {found}" if (found := content_type_of(body)) else ""
    raise BadRequest(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{text}{looks}")


def _expected(kind: str) -> str:
    what = {JSON: "an event or an array of events", BATCH: "an array of CloudEvents"}
    return f"expected {what.get(kind, 'an event a line')}, and the body is empty or has none"


def content_type_of(body: bytes) -> str:
    """What a body is by its looks, of a size that is looked at; "" where nobody can say."""
    head = body.lstrip()[:_LOOKED_AT]
    if head[:1] not in {b"{", b"["}:
        return ""
    try:
        items = _list.decode(body) if head[:1] == b"[" else [Raw(body)]
        first = _members.decode(items[0]) if items else {}
    except (DecodeError, RecursionError):
        lines = [line for line in head.split(b"\n") if line.strip()]
        try:
            return LINES[0] if len(lines) > 1 and all(_members.decode(line) for line in lines[:2]) else ""
        except (DecodeError, RecursionError):
            return ""
    if {"specversion", "type", "source"} <= first.keys():
        return BATCH if head[:1] == b"[" else STRUCTURED
    return JSON


def hint(headers: Message, body: bytes) -> str:
    """Why nothing of a request may be an event though something in it is: it says that it is something else."""
    if body[:2] == b"\x1f\x8b" and headers["Content-Encoding"] is None:
        return "the body is gzip: content-encoding: gzip says so"
    kind, looks = headers.get_content_type(), content_type_of(body)
    if looks and looks != kind and not (looks == JSON and kind in LINES):
        return f"the body looks like {looks}, and content-type says {kind}"
    return ""


def _unpacked(encoding: str, body: bytes, most: int) -> bytes:
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "x-gzip"}:
        raise BadRequest(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content-encoding: expected gzip or none")
    out = b""
    for _ in range(_MOST_MEMBERS):
        unpack = zlib.decompressobj(wbits=31)
        try:
            out += unpack.decompress(body, most - len(out) + 1)
        except zlib.error:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "content-encoding says gzip, and the body is not") from None
        if len(out) > most:
            text = f"a body of more than {most} bytes when it is unpacked"
            raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
        if not unpack.eof:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "a gzip that is cut short")
        body = unpack.unused_data
        if not body:
            return out
    raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a gzip of more than {_MOST_MEMBERS} members")


def _require_few(events: Sequence[object]) -> None:
    if len(events) > MOST_EVENTS:
        text = f"more than {MOST_EVENTS:,} events; send them in several requests"
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)


def _values(body: bytes) -> Iterator[bytes]:
    """An event, or an array of events."""
    return iter(_items(body)) if body.lstrip()[:1] == b"[" else iter([body] if body.strip() else [])


def _lines(body: bytes) -> Iterator[bytes]:
    for line in filter(bytes.strip, body.split(b"\n")):
        try:
            yield from _values(line)
        except BadRequest as e:
            if e.status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                raise
            yield line  # an array without an end is refused as one event, and the other lines are not


def _items(body: bytes) -> list[bytes]:
    """What stands in an array. An item that is no JSON is one all the same where it can be seen to end."""
    try:
        items = _list.decode(body)
        _require_few(items)
        return [*map(bytes, items)]
    except (DecodeError, RecursionError) as e:
        try:
            return _scanned(body)
        except RecursionError:
            why = "nested too deep"
        except ValueError:
            why = str(e)
    text = f"not an array of JSON: {why}; no item after that can be found, so none is taken; JSON lines ({LINES[0]})"
    raise BadRequest(HTTPStatus.BAD_REQUEST, f"{text} are read one by one") from None


def _scanned(body: bytes) -> list[bytes]:
    """Where the standard library sees items: it also reads NaN, Infinity, lone surrogates and line feeds in strings.

    Raises: ValueError, RecursionError.
    """
    text, out = body.decode("utf-8", "surrogateescape"), list[bytes]()
    at = _end(_OPENED, text, 0)
    while True:
        begin, (_, at) = at, _lenient.raw_decode(text, at)
        out.append(text[begin:at].encode("utf-8", "surrogateescape"))
        _require_few(out)
        if closed := _CLOSED.match(text, at):
            if closed.end() < len(text):
                raise ValueError("more behind the array")
            return out
        at = _end(_COMMA, text, at)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    if found is None:
        raise ValueError("not an array")
    return found.end()


def _structured(value: bytes) -> Record:
    try:
        key = _keyed.decode(value).partitionkey
    except DecodeError:  # of another type, or no JSON: the envelope is checked with all others
        key = None
    return Record(value, _text(key), [("content-type", STRUCTURED.encode())], envelope=True)


def _binary(headers: Message, body: bytes) -> Record:
    """Attributes as HTTP has them (percent-encoded, ``ce-id``) become those of Kafka (``ce_id``)."""
    given = {name.lower(): value for name, value in headers.items()}
    own = [(f"ce_{name[3:]}", _decoded(value)) for name, value in given.items() if name.startswith("ce-")]
    if "content-type" in given:
        own.append(("content-type", _decoded(given["content-type"])))
    key = _decoded(given["ce-partitionkey"]) if "ce-partitionkey" in given else None
    return Record(body, key, own, envelope=True)


def _decoded(value: str) -> bytes:
    return unquote_to_bytes(value.strip().encode("latin-1", "replace"))


def _text(key: str | None) -> bytes | None:
    return None if key is None else key.encode("utf-8", "replace")
