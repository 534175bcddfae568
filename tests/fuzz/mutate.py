"""Inputs that are nearly right: valid ones with something changed, as bytes or as the values that they hold."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np

NUMBERS: Final = (
    0,
    1,
    -1,
    2,
    127,
    128,
    255,
    256,
    32767,
    32768,
    65535,
    2**31 - 1,
    2**31,
    2**32,
    2**53,
    2**63 - 1,
    -(2**63),
)
VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, "", "x", "\0", "\u00e9", "\ud83d\ude00", "1e400", "12,50", "#0123456789ab", "a" * 300),
    *(0.0, -0.0, 1.5, 1e300, -1e300, 5e-324, *NUMBERS, [], {}, [[]], [1, "x", None], {"": ""}, {"model": "m"}),
)  # fmt: skip
LONGEST: Final = 1 << 16

Parse = Callable[[bytes], Any]
Unparse = Callable[[Any], bytes]


def mutated(data: bytes, others: Sequence[bytes], tokens: Sequence[bytes], rng: random.Random) -> bytes:
    """A few changes of bytes; ``others`` are inputs to take pieces of."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        _BYTES[rng.randrange(len(_BYTES))](out, others, tokens, rng)
        del out[LONGEST:]
    return bytes(out)


def _span(out: bytearray, rng: random.Random) -> slice:
    at = rng.randint(0, len(out))
    return slice(at, min(len(out), at + rng.choice((1, 1, 2, 4, 8, 32, len(out)))))


def _flip(out: bytearray, _: Any, __: Any, rng: random.Random) -> None:
    if out:
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)


def _byte(out: bytearray, _: Any, __: Any, rng: random.Random) -> None:
    if out:
        out[rng.randrange(len(out))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, 0x22, 0x5B, 0x7B, rng.randrange(256)))


def _delete(out: bytearray, _: Any, __: Any, rng: random.Random) -> None:
    del out[_span(out, rng)]


def _double(out: bytearray, _: Any, __: Any, rng: random.Random) -> None:
    span = _span(out, rng)
    out[span] = out[span] * rng.choice((2, 2, 3, 64, 1000))


def _token(out: bytearray, _: Any, tokens: Sequence[bytes], rng: random.Random) -> None:
    span = _span(out, rng)
    new = rng.choice(tokens) if tokens else bytes(rng.randrange(256) for _ in range(rng.randint(1, 8)))
    out[span if rng.random() < 0.5 else slice(span.start, span.start)] = new


def _number(out: bytearray, _: Any, __: Any, rng: random.Random) -> None:
    size = rng.choice((1, 2, 4, 8))
    if len(out) >= size:
        at = rng.randint(0, len(out) - size)
        number = rng.choice(NUMBERS) % (1 << 8 * size)
        out[at : at + size] = number.to_bytes(size, rng.choice(("big", "little")))


def _splice(out: bytearray, others: Sequence[bytes], _: Any, rng: random.Random) -> None:
    other = bytearray(rng.choice(others)) if others else bytearray()
    out[_span(out, rng)] = other[_span(other, rng)]


_BYTES: Final[tuple[Callable[[bytearray, Any, Any, random.Random], None], ...]] = (
    _flip, _byte, _delete, _double, _token, _token, _number, _splice,
)  # fmt: skip


def mutated_tree(tree: Any, rng: random.Random) -> Any:
    """The same values but for a few; the tree itself stays."""
    alike = rng.random() < 0.6
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        tree = _alike(tree, rng) if alike else _changed(tree, rng, rng.random())
    return tree


def _alike(node: Any, rng: random.Random) -> Any:
    """With another value somewhere, of the same type: what typed decoding lets through."""
    match node:
        case dict() if node:
            key = rng.choice([*node])
            return {**node, key: _alike(node[key], rng)}
        case list() if node:
            at = rng.randrange(len(node))
            if rng.random() < 0.15:
                return rng.choice((node[:at], node[at:], [*node, node[at]], [*reversed(node)]))
            return [*node[:at], _alike(node[at], rng), *node[at + 1 :]]
        case bool():
            return not node
        case int():
            return rng.choice((node + 1, node - 1, -node, *NUMBERS[:10]))
        case float():
            return rng.choice((node + 1, -node, 0.0, 1e300, float("nan"), float("inf")))
        case str():
            return rng.choice(("", "x", "m", "\0", node + "2", node[:-1]))
        case bytes():
            return rng.choice((b"", node[:-1], node + b"x", mutated(node, (), (), rng)))
        case msgspec.msgpack.Ext():
            return _array_alike(node, rng)
    return node


def _array_alike(node: msgspec.msgpack.Ext, rng: random.Random) -> msgspec.msgpack.Ext:
    """An array of other numbers, or of another number of rows, columns or dimensions."""
    dtype, shape, _, values = msgspec.msgpack.decode(node.data)
    out = np.frombuffer(values, dtype).reshape(shape) if node.code == 1 else np.zeros(shape, dtype)
    match rng.randrange(6):
        case 0 if out.ndim:
            out = np.delete(out, rng.randrange(len(out)), axis=0) if len(out) else out
        case 1 if out.ndim:
            out = np.concatenate([out, out[-1:]])
        case 2 if out.ndim:
            out = np.delete(out, -1, axis=-1) if out.shape[-1] else out
        case 3:
            out = out.ravel()
        case 4 if out.size and out.dtype.kind in "iuf":
            out = out.copy()
            out.flat[rng.randrange(out.size)] = rng.choice((0, 1, 2, 127, *([] if out.dtype.kind == "u" else [-1])))
        case _:
            out = out.astype(rng.choice(("<f8", "<i8", "|b1", "<i4"))) if out.dtype.kind in "iufb" else out
    return msgspec.msgpack.Ext(1, msgspec.msgpack.encode([out.dtype.str, out.shape, b"", out.tobytes()]))


def _changed(node: Any, rng: random.Random, deeper: float) -> Any:
    """``deeper``: how likely a change is made within the node, not of it."""
    if isinstance(node, list) and node and rng.random() < max(deeper, 0.6):
        return _changed_list(node, rng, deeper)
    if isinstance(node, dict) and node and rng.random() < max(deeper, 0.6):
        return _changed_dict(node, rng, deeper)
    if isinstance(node, msgspec.msgpack.Ext):
        return _changed_ext(node, rng)
    if isinstance(node, bytes) and rng.random() < 0.7:
        return mutated(node, (), (), rng)
    if isinstance(node, str) and rng.random() < 0.5:
        return mutated(node.encode("utf-8", "surrogatepass"), (), (), rng).decode("utf-8", "replace")
    if isinstance(node, int | float) and rng.random() < 0.5:
        return rng.choice((-node, node + 1, node - 1, node * 2, float(node), *NUMBERS))
    return rng.choice(VALUES)


def _changed_list(node: list[Any], rng: random.Random, deeper: float) -> list[Any]:
    at, out = rng.randrange(len(node)), [*node]
    match rng.randrange(8):
        case 0:
            del out[at]
        case 1:
            out.insert(at, rng.choice(node))
        case 2:
            out[at:at] = [node[at]] * rng.choice((1, 2, 1000))
        case 3:
            out[at] = rng.choice(node)
        case _:
            out[at] = _changed(node[at], rng, deeper)
    return out


def _changed_dict(node: dict[Any, Any], rng: random.Random, deeper: float) -> dict[Any, Any]:
    key, out = rng.choice([*node]), {**node}
    match rng.randrange(8):
        case 0:
            del out[key]
        case 1:
            out[rng.choice(("", "x", "\0", "features", "score", "a" * 200, f"{key}2"))] = out.pop(key)
        case 2:
            out[key] = node[rng.choice([*node])]
        case _:
            out[key] = _changed(node[key], rng, deeper)
    return out


def _changed_ext(node: msgspec.msgpack.Ext, rng: random.Random) -> msgspec.msgpack.Ext:
    """An array of driftd.engine.codec: what is said of it changes, or what is in it."""
    try:
        head = msgspec.msgpack.decode(node.data)
    except msgspec.MsgspecError:
        head = None
    if head is None or rng.random() < 0.1:
        return msgspec.msgpack.Ext(rng.choice((0, 1, 2, 3, 127)), mutated(bytes(node.data), (), (), rng))
    if isinstance(head, list) and head and rng.random() < 0.3:
        head = [rng.choice(("<f8", "<i8", "<u4", "|b1", "|O", "<U8", "V0", "x", "<M8[s]")), *head[1:]]
    return msgspec.msgpack.Ext(node.code, msgspec.msgpack.encode(_changed(head, rng, 0.8)))


def json_bytes(tree: Any) -> bytes:
    return json.dumps(tree).encode("utf-8", "surrogatepass")


def json_tree(data: bytes) -> Any:
    return json.loads(data)


def packed(tree: Any) -> bytes:
    return msgspec.msgpack.encode(tree)


def unpacked(data: bytes) -> Any:
    return msgspec.msgpack.decode(data, strict=False)
