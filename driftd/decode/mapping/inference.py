"""Bodies of the open inference protocol and of Seldon, inside of whatever records: where a mapping finds a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from driftd.decode.limits import DEFAULT_LIMITS
from driftd.decode.mapping.proposal import Proposal, sayable
from driftd.decode.mapping.spec import MAX_INDEX, Path, spell


def propose_bodies(values_at: Mapping[Path, Any], found: Proposal) -> None:
    """Bodies of the open inference protocol, wherever they are: V1's instances and predictions, V2's tensors."""
    for path, value in values_at.items():
        if not isinstance(value, list) or not value:
            continue
        first, tensors = value[0], _tensors_of(value)
        match path[-1]:
            case "instances" if "features" not in found.mapping:
                found.shape("open inference protocol V1")
                found.mapping["features"] = row_of(spell((*path, 0)), first)  # each of them is an event (rows.py)
            case "predictions" if not isinstance(first, dict) and "prediction" not in found.mapping:
                found.shape("open inference protocol V1")
                found.mapping["prediction"] = spell((*path, 0))
            case "inputs" if tensors and "features" not in found.mapping:
                found.shape("open inference protocol V2")
                found.mapping["features"] = _tensors(tensors, path)
                found.one_row(max(_rows(tensor) for tensor in tensors.values()))
            case "ndarray" if isinstance(first, list) and first:
                found.shape("Seldon's data.ndarray")
                names = values_at.get((*path[:-1], "names"))
                # an answer stands beside its request, or by itself
                if "features" not in found.mapping and isinstance(names, list) and "response" not in path:
                    found.mapping["features"] = row_of(spell((*path, 0)), first, [*map(str, names)])
                elif "prediction" not in found.mapping:
                    found.mapping["prediction"] = spell((*path, 0, 0))
            case "outputs" if tensors and "prediction" not in found.mapping:
                found.shape("open inference protocol V2")
                found.mapping["prediction"] = spell((*path, min(tensors), "data", 0))


def row_of(path: str, row: Any, names: Sequence[str] = ()) -> dict[str, Any]:
    """``names`` are those of a list's items, where they are as many and can be features' names."""
    if not isinstance(row, list) or not row:
        return {"under": path}
    fit = len(names) == len(row) and nameable(names)
    return {"under": path, "names": [*names] if fit else [f"f{i}" for i in range(len(row))]}


def _tensors_of(items: list[Any]) -> dict[int, dict[str, Any]]:
    """Those of a list that are tensors which a path can reach, by their place in it."""
    return {
        i: t
        for i, t in enumerate(items[: MAX_INDEX + 1])
        if isinstance(t, dict) and isinstance(t.get("data"), list) and nameable([t.get("name")])
    }


def _rows(tensor: Mapping[str, Any]) -> int:
    shape = tensor.get("shape")
    return shape[0] if isinstance(shape, list) and shape and isinstance(shape[0], int) else 1


def nameable(names: Sequence[Any]) -> bool:
    """Whether features may have these names, each its own."""
    fit = all(isinstance(n, str) and sayable(n) and len(n.encode()) <= DEFAULT_LIMITS.name_bytes for n in names)
    return fit and len(set(names)) == len(names)


def _tensors(tensors: Mapping[int, dict[str, Any]], path: Path) -> dict[str, Any]:
    """A feature for each tensor; for a single tensor with columns, a name for each of them."""
    if len(tensors) == 1:
        ((at, only),) = tensors.items()
        if len(only["data"]) > 1 and only.get("shape") and _rows(only) == 1:
            names = [f"{only['name']}[{i}]" for i in range(len(only["data"]))]
            return row_of(spell((*path, at, "data")), only["data"], names)
    paths: dict[str, str] = {}
    for i, tensor in tensors.items():
        paths.setdefault(tensor["name"], spell((*path, i, "data", 0)))
    return {"paths": paths}
