"""What a file is that nothing can be read from, by its first bytes, and what makes records of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec.json import Decoder

from driftd.core.errors import SourceRefused
from driftd.decode.json.strict import DECODE_ERRORS
from driftd.decode.mapping.frames import MOST_ID
from driftd.sources.files.stream import open_bytes, undamaged

HEAD_BYTES: Final = 1 << 16
"""Of a file, that tell what it is."""
_MAGIC: Final[Mapping[bytes, str]] = {
    b"\x1f\x8b": "It is compressed: its name must end with .gz.",
    b"\x28\xb5\x2f\xfd": "It is compressed: its name must end with .zst.",
    b"PK\x03\x04": "It is a zip archive: unpack it, or pack it with gzip.",
    b"BZh": "It is compressed with bzip2: driftd reads .gz and .zst, 'bunzip2' unpacks it.",
    b"\xfd7zXZ": "It is compressed with xz: driftd reads .gz and .zst, 'unxz' unpacks it.",
    b"Obj\x01": "It is a file of Avro: driftd reads Avro on topics, 'avro-tools tojson' makes JSON lines.",
    b"ORC": "It is ORC: driftd reads Parquet, CSV and JSON lines.",
    b"ARROW1": "It is a file of Arrow: driftd reads Arrow on topics, pyarrow.parquet.write_table makes Parquet of it.",
}
_UTF_16: Final = "It is UTF-16: driftd reads UTF-8, 'iconv -f UTF-16 -t UTF-8' makes it."
_BINARY: Final = "It is binary: driftd reads JSON lines, CSV, Parquet and TFRecord."
_MARKS: Final = (b",", b";", b"\t", b"|")
_LOOKED_AT: Final = 20
"""Lines."""
_dumped: Final = re.compile(rb"(?:Dumping |Starting offset: |Log starting offset: |baseOffset: |\| offset: )")
_any: Final = Decoder(Any)


def looks_like_at(path: str) -> str:
    """Of a file that has lines. Empty where it cannot be read, or is of a kind that is no text."""
    if not Path(path).is_file() or Path(path).suffix.lower() in {".parquet", ".pq", ".tfrecord", ".tfrecords"}:
        return ""
    try:
        with undamaged(path), open_bytes(path) as (stream, _):
            return looks_like(stream.read(HEAD_BYTES))
    except SourceRefused:
        return ""


def may_be_csv(head: bytes) -> bool:
    """Whether all lines have as many separators, of one kind."""
    lines = [line for line in head.splitlines() if line.strip()][:_LOOKED_AT]
    whole = lines[:-1] if len(head) == HEAD_BYTES else lines
    return any(len({line.count(mark) for line in whole}) == 1 and mark in whole[0] for mark in _MARKS if whole)


def looks_like(head: bytes) -> str:
    """Empty where nobody knows, or where it is what driftd reads. ``head``: of what is packed, plain or not."""
    if not head.strip():
        return "There is nothing in it." if not head else "There are blank lines in it and nothing else."
    for magic, words in _MAGIC.items():
        if head.startswith(magic):
            return words
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"} or (head[1:2] == b"\0" and head[:1].isascii() and head[:1].isalnum()):
        return _UTF_16
    if head[1:2] == b"\0" and head[:1] in b'{["':
        return _UTF_16
    lines = [line.strip() for line in head.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()]
    whole = lines if len(head) < HEAD_BYTES else lines[:-1] or lines
    return _of_lines(whole[:_LOOKED_AT], len(lines), cut_off=len(head) == HEAD_BYTES)


def _of_lines(lines: list[bytes], count: int, *, cut_off: bool) -> str:
    first = lines[0]
    if any(_dumped.match(line) for line in lines[:3]):
        return "It is what kafka-dump-log prints: \"sed -n 's/^.* payload: //p'\" leaves its records."
    if first[:1] in {b"[", b"{"}:
        return _of_json(lines, long=cut_off and count == 1)
    if first[:1] == b"<":
        return "It is HTML or XML: driftd reads JSON lines, CSV, Parquet and TFRecord."
    if all(map(_is_text_of_object, lines)):
        return "Its lines are JSON inside of text: 'jq -r .' takes it out."
    if all(map(_behind, lines)):
        what = "what kafka-console-consumer prints of keys and times" if b"\t" in first else "something else"
        return f"There is {what} before the JSON of each line: \"sed 's/^[^{{]*//'\" takes it off."
    if b"\0" in b"".join(lines) or not _is_utf_8(lines):
        return "" if _may_be_framed(first) else _BINARY
    return "It has a header and no row." if count == 1 and b"," in first and first[:1] != b'"' else ""


def _of_json(lines: list[bytes], *, long: bool) -> str:
    """What begins as JSON does."""
    first = lines[0]
    if first in {b"[", b"{", b"[{"} or _is_spread(lines):
        how = "jq -c '.[]'" if first[:1] == b"[" else "jq -c ."
        return f'Its JSON goes over several lines: driftd reads one record a line, "{how}" makes them.'
    if first[:1] == b"[" and long:
        return "It is one long array: a line is a record, of at most limits.record_bytes; \"jq -c '.[]'\" makes lines."
    if all(line.endswith(b",") and _is_object(line[:-1]) for line in lines[:-1] or lines):
        return "Its lines end with commas: \"sed 's/,$//'\" takes them off."
    if first[:2] == b"{'":
        return "It is what Python prints of a dict, not JSON: 'json.dumps' writes JSON."
    return ""


def _may_be_framed(first: bytes) -> bool:
    """Whether binary data may be records of a schema registry: driftd.decode.recognise looks closer."""
    return first[:1] in {b"\1", b"\3"} or (first[:1] == b"\0" and int.from_bytes(first[1:5]) < MOST_ID)


def _is_json(line: bytes) -> bool:
    try:
        _any.decode(line)
    except DECODE_ERRORS:
        return False
    return True


def _is_object(line: bytes) -> bool:
    return line[:1] == b"{" and _is_json(line)


def _is_spread(lines: list[bytes]) -> bool:
    """Whether lines begin as the members of an object that is written for people, or of lists of them."""
    return not any(map(_is_json, lines[:1])) and any(re.match(rb'"[^"]*"\s*:', line) for line in lines)


def _is_text_of_object(line: bytes) -> bool:
    try:
        text = _any.decode(line)
    except DECODE_ERRORS:
        return False
    return isinstance(text, str) and _is_object(text.strip().encode("utf-8", "replace"))


def _behind(line: bytes) -> bool:
    """Whether an object of JSON is behind something else."""
    at = line.find(b"{")
    return at > 0 and line[:1] not in {b"[", b'"'} and _is_object(line[at:])


def _is_utf_8(lines: list[bytes]) -> bool:
    try:
        b"\n".join(lines).decode()
    except UnicodeDecodeError:
        return False
    return True
