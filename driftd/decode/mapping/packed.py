"""JSON that is inside of text in a record, plain or as base64: a mapping does not read into it, and jq unpacks it."""

from __future__ import annotations

import base64
import binascii
import gzip
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec.json import Decoder

from driftd.decode.json.strict import DECODE_ERRORS
from driftd.decode.mapping.spec import Path, spell

_any: Final = Decoder(Any)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{8,}={0,2}")
_MOST_BYTES: Final = 1 << 20
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Packed:
    """``how``: what jq does with the text. ``inside``: the object, or the first of a list of them."""

    path: Path
    how: str
    words: str
    inside: Mapping[str, Any]


def packed(values_at: Mapping[Path, Any]) -> list[Packed]:
    """In the order of the paths."""
    found = ((path, _opened(value)) for path, value in values_at.items() if isinstance(value, str))
    return [Packed(path, *opened) for path, opened in found if opened is not None]


def advice(found: list[Packed]) -> str:
    """What it is, and the command that makes records of it."""
    one = found[0]
    lists = any(isinstance(step, int) for step in one.path[:-1])
    in_place = " | ".join(f"{_of_jq(p.path)} |= {p.how}" for p in found if p.how)
    command = f"{_of_jq(one.path)} | {one.how}" if lists else in_place
    what = f"`{spell(one.path)}` is {one.words}, and a mapping does not read into that"
    if not one.how:
        return f"{what}: let the producer, or what copies it to the topic, unpack it"
    return (
        f"{what}: \"jq -c '{command}'\" makes records of a file that driftd reads. On a topic the producer, or what "
        "copies the records, has to send them so"
    )


def _opened(text: str) -> tuple[str, str, Mapping[str, Any]] | None:
    begin = text[:64].lstrip()[:1]
    if begin in {"{", "["} and (inside := _object(text.encode("utf-8", "replace"))) is not None:
        return "fromjson", "JSON as text", inside
    if len(text) > _MOST_BYTES or not _BASE64.fullmatch(text):
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if (inside := _object(data)) is not None:
        return "(@base64d | fromjson)", "JSON as base64", inside
    if data[:2] == b"\x1f\x8b":
        try:
            inside = _object(gzip.decompress(data))
        except (OSError, EOFError, zlib.error):
            return None
        return None if inside is None else ("", "JSON as gzip and base64", inside)
    return None


def _object(data: bytes) -> Mapping[str, Any] | None:
    try:
        value = _any.decode(data)
    except DECODE_ERRORS:
        return None
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, dict) and first else None


def _of_jq(path: Path) -> str:
    """The path as jq has it; of a list all items."""
    out = ""
    for step in path:
        if isinstance(step, int):
            out += "[]"
        else:
            out += f".{step}" if _PLAIN_NAME.fullmatch(step) else f'."{step}"'
    return out
