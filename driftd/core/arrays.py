"""Frozen values of arrays as a flat table of arrays, for checkpoints: exact both ways, no pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Table = dict[str, NDArray[Any]]


def dump(value: Any, prefix: str = "") -> Table:
    """Every array and number inside a dataclass, by its path ("rhythm.days.xx"); None is left out."""
    out: Table = {}
    for f in fields(value):
        part, name = getattr(value, f.name), f"{prefix}{f.name}"
        if part is None:
            continue
        if is_dataclass(part):
            out.update(dump(part, f"{name}."))
        else:
            out[name] = np.asarray(part)
    return out


def load(kind: type[T], table: Mapping[str, NDArray[Any]], prefix: str = "") -> T:
    """The inverse: fields that are absent are None."""
    hints = get_type_hints(kind)
    parts: dict[str, Any] = {}
    for f in fields(kind):  # type: ignore[arg-type]
        name, hint = f"{prefix}{f.name}", hints[f.name]
        inner = next((h for h in (hint, *getattr(hint, "__args__", ())) if is_dataclass(h)), None)
        if inner is not None:
            here = any(key.startswith(f"{name}.") for key in table)
            parts[f.name] = load(inner, table, f"{name}.") if here else None  # type: ignore[arg-type]
        elif name not in table:
            parts[f.name] = None
        else:
            parts[f.name] = table[name].item() if hint in (int, float, bool) else np.array(table[name])
    return kind(**parts)
