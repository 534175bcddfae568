"""Records of somebody else's shape, as bytes, to driftd's own: what is read is cut out and set in again, not decoded.

    {"ts": 1795413611828, "request": {"inputs": {"amount": 12.5}}, "result": {"class": 1}, "trace": [...]}
    {"time": 1795413611.828, "features": {"amount": 12.5}, "prediction": 1, "model": "fraud"}

What comes out is decoded like any event, so it is accepted, refused and counted as docs/events.md says.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from msgspec import Raw, ValidationError
from msgspec.json import encode

from driftd.core.event import RejectReason
from driftd.decode.json.lists import ONE, of_one
from driftd.decode.json.strict import DECODE_ERRORS, Refused, got, malformed
from driftd.decode.limits import Limits
from driftd.decode.mapping.leaves import Leaves, as_list, as_object, walk
from driftd.decode.mapping.spec import ROOT, TIMED, UNITS, Path, RecordMapping, Source, parse

_NUMBER_TEXT: Final = re.compile(rb'"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*"')
_NO_OFFSET: Final = re.compile(rb'"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d)(:\d\d(?:\.\d+)?)?"')
_OTHER_SHAPE: Final = (*DECODE_ERRORS, AttributeError)
_OBJECT: Final = b"{"[0]
Convert = Callable[[Any], Any]


class Rewriter:
    """Of one mapping. ``limits`` bound what is flattened, and what is looked at in the first place."""

    def __init__(self, mapping: RecordMapping, limits: Limits) -> None:
        self._limits = limits
        self._names = mapping.features.names
        self._under = mapping.features.under
        self._prefix = mapping.features.prefix
        paths: list[Path] = []
        converts: list[Convert | None] = []
        members: list[bytes] = []

        def slot(path: Path, convert: Convert | None = None) -> bytes:
            paths.append(path)
            converts.append(convert)
            return b"%b"

        for name, source in mapping.sources.items():
            if not isinstance(source, Source):
                inner = b", ".join(encode(n).replace(b"%", b"%%") + b": " + slot(p) for n, p in source.items())
                members.append(_member(name, b"{" + inner + b"}"))
            elif source.path is not None:
                members.append(_member(name, slot(source.path, _converter(name, source))))
            elif source.value is not None:
                members.append(_member(name, encode(source.value).replace(b"%", b"%%")))
        picked = mapping.features.paths
        if self._under is None:
            inner = b", ".join(encode(n).replace(b"%", b"%%") + b": " + slot(p) for n, p in picked.items())
            members.append(_member("features", b"{" + inner + b"}" if picked else b"null"))
        elif self._under != ROOT:
            slot(self._under)
        else:
            members.append(_member("features", b"%b"))
        if self._under not in {None, ROOT}:
            members.append(_member("features", b"%b"))
        self._at = None if self._under is None else len(paths) - (self._under != ROOT)
        """Where among the values the features are, of those that are under a path; ``picked`` come behind them."""
        self._picked = [] if self._under is None else [*picked]
        for name in self._picked:
            slot(picked[name])
        self._template = b"{" + b", ".join(members) + b"}"
        self._leaves = Leaves(paths)
        self._converts = [
            (i, _composed(rest, convert))
            for i, (rest, convert) in enumerate(zip(self._leaves.rests, converts, strict=True))
            if rest or convert is not None
        ]
        self._skip = frozenset() if self._under is None else skipped(mapping, self._under)

    def rewritten(self, value: Any) -> bytes:
        """A record, or an array of them. Raises Refused where nothing can be read from it."""
        try:
            return self._fast(value)
        except _OTHER_SHAPE:
            return self._slow(value)

    def _fast(self, value: Any) -> bytes:
        leaves = self._leaves
        return self._written(leaves.read(leaves.decode(value)), value)

    def _slow(self, value: Any) -> bytes:
        """A record that is no object, or not of the shape of most. Raises Refused where nothing can be read from it."""
        try:
            if bytes(value).lstrip(b" \t\r\n")[:1] == b"[":
                items = [self._item(item) for item in as_list.decode(value)]
                return b"[" + b", ".join(items) + b"]"
            as_object.decode(value)
            return self._written(self._leaves.slowly(value), value)
        except ValidationError:
            detail = f"a record is a JSON object, got {got(value, self._limits)}"
            raise Refused(RejectReason.NOT_AN_EVENT, detail) from None
        except DECODE_ERRORS as error:
            raise malformed(bytes(value), error) from None

    def _item(self, item: Raw) -> bytes:
        """One of an array of records; what cannot be read is no event."""
        try:
            return self._fast(item)
        except _OTHER_SHAPE:
            try:
                as_object.decode(item)
                return self._written(self._leaves.slowly(item), item)
            except DECODE_ERRORS:
                return b"0"

    def _written(self, leaves: Sequence[Any], value: Any) -> bytes:
        if self._at is None and not self._converts:
            return self._template % (leaves if isinstance(leaves, tuple) else tuple(leaves))
        values = [*leaves]
        for i, convert in self._converts:
            values[i] = convert(values[i])
        if self._at is not None:
            if self._under == ROOT:
                values.insert(self._at, value)
            picked = values[self._at + 1 :]
            del values[self._at + 1 :]
            values[self._at] = self._features(values[self._at], picked)
        return self._template % tuple(values)

    # -- features --

    def _features(self, raw: Any, picked: list[Any]) -> Any:
        """What is under the path, as one flat object; as it is where it is none, for the decoder to refuse."""
        text = bytes(raw)
        first = text.lstrip(b" \t\r\n")[:1]
        if first == b"[" and self._names:
            items = as_list.decode(raw)
            if len(items) != len(self._names):
                return raw
            found = dict(zip(self._names, items, strict=True))
        elif first == b"{":
            nested = text.count(b"{") > 1 and _nests(text)
            if not nested and not self._skip and not picked and not self._prefix:
                return raw
            found = self._flat(raw) if nested else self._without(as_object.decode(raw))
        elif text == b"null" and picked:
            found = {}
        else:
            return raw
        found.update(zip(self._picked, picked, strict=True))
        return encode(found)

    def _without(self, found: dict[str, Raw]) -> dict[str, Raw]:
        for name in self._skip:
            found.pop(name, None)
        return self._stripped({name: v for name, v in found.items() if self._has(name)}) if self._prefix else found

    def _has(self, name: str) -> bool:
        """Whether a name has the prefix of features, and more."""
        return not self._prefix or (name.startswith(self._prefix) and name != self._prefix)

    def _stripped(self, found: dict[str, Raw]) -> dict[str, Raw]:
        return {name.removeprefix(self._prefix): value for name, value in found.items()} if self._prefix else found

    def _flat(self, raw: Any) -> dict[str, Raw]:
        """Objects in objects as names with dots. Ends where the event has too many features, or a name is too long:
        then the decoder refuses it.
        """
        out: dict[str, Raw] = {}
        most, longest = self._limits.features_per_event, self._limits.name_bytes
        stack = [("", iter(as_object.decode(raw).items()))]
        while stack and len(out) <= most:
            prefix, items = stack[-1]
            for key, value in items:
                name = prefix + key
                if name in self._skip or not (self._has(name) or self._prefix.startswith(f"{name}.")):
                    continue
                if memoryview(value)[0] == _OBJECT and len(name) <= longest:
                    stack.append((f"{name}.", iter(as_object.decode(value).items())))
                    break
                if not self._has(name):
                    continue
                out[name] = value
                if len(out) > most:
                    break
            else:
                stack.pop()
        return self._stripped(out)


_IN_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')


def _nests(text: bytes) -> bool:
    """Whether there is an object in the object, outside of strings."""
    return _IN_STRINGS.sub(b"", text).count(b"{") > 1


def _member(name: str, value: bytes) -> bytes:
    return b'"%b": %b' % (name.encode(), value)


def skipped(mapping: RecordMapping, under: Path) -> frozenset[str]:
    """Names, with dots, that are no features: what is read as something else, and what is ignored."""
    read = [p for s in mapping.sources.values() for p in ([s.path] if isinstance(s, Source) else s.values()) if p]
    read += mapping.features.paths.values()
    inside = [path[len(under) :] for path in read if len(path) > len(under) and path[: len(under)] == under]
    inside += [parse(text) for text in mapping.features.ignore]
    names = (path[: next((i for i, s in enumerate(path) if isinstance(s, int)), len(path))] for path in inside)
    return frozenset(".".join(map(str, path)) for path in names if path)


def _composed(rest: Path, convert: Convert | None) -> Convert:
    if not rest:
        assert convert is not None
        return convert
    if convert is None:
        return partial(walk, path=rest)
    return lambda raw: convert(walk(raw, rest))


def _converter(name: str, source: Source) -> Convert | None:
    convert = _of_type(name, source)
    return convert if convert is None or name not in ONE else _composed_of_one(convert)


def _composed_of_one(convert: Convert) -> Convert:
    return lambda raw: convert(of_one(raw))


def _of_type(name: str, source: Source) -> Convert | None:
    if source.zone:
        return partial(_zoned, each=UNITS[source.unit or "s"])
    if name in TIMED and source.unit:
        return partial(_seconds, each=UNITS[source.unit])
    if source.type == "number":
        return partial(_seconds, each=1.0)
    return _quoted if source.type == "text" else None


def _seconds(raw: Any, each: float) -> Any:
    """A number of ``each`` to one, as JSON; what is no number, nor text of one, stays as it is."""
    try:
        number = float(raw) / each
    except ValueError:
        text = _NUMBER_TEXT.fullmatch(bytes(raw))
        if text is None:
            return raw
        number = float(text[1]) / each
    return repr(number).encode() if math.isfinite(number) else raw


def _zoned(raw: Any, each: float) -> Any:
    """A time without an offset in UTC; others as ``_seconds``."""
    found = _NO_OFFSET.fullmatch(bytes(raw))
    return _seconds(raw, each) if found is None else b'"%b%bZ"' % (found[1], found[2] or b":00")


def _quoted(raw: Any) -> Any:
    """A number or a boolean as text."""
    text = bytes(raw)
    return b'"%b"' % text if text[:1] not in {b'"', b"{", b"[", b"n"} else raw
