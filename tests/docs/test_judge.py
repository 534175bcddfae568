"""docs/judge.md holds: every constant of the judge with its value and reason, and where to look."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = (ROOT / "docs" / "judge.md").read_text(encoding="utf-8")
MODULES: Final = sorted(p for p in (ROOT / "driftd" / "judge").rglob("*.py") if p.name != "__init__.py")
UNNAMED: Final = frozenset({0, 1, 2, 3, 4, 0.5, 1e-9, 1e-12, 1e-300, 1e300})
"""Numbers that a function may hold without a name: counts, exponents, halves, and guards against a division by 0."""
LONG: Final = 16


@dataclass(frozen=True, slots=True)
class Constant:
    """``name`` in its module, or in a class of it; ``reason`` is the string below it."""

    name: str
    value: Any
    reason: str

    @property
    def row(self) -> str:
        return f"| `{self.name}` | {shown(self.value)} | {self.reason.replace('``', '`')} |"


def shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        value = tuple(value.ravel().tolist())
    if not isinstance(value, tuple):
        return f'"{value}"' if isinstance(value, str) else f"{value:.6g}"
    parts = [v if isinstance(v, str) else f"{v:.6g}" for v in value]
    return ", ".join(parts if len(parts) <= LONG else [*parts[:3], "...", *parts[-1:]])


def constants(path: Path) -> list[Constant]:
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [
        Constant(name, getattr(module, name), why)
        for name, _, why in assigned(tree)
        if len(name) > 1 and name.isupper()
    ]
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            numbers = (
                (f"{node.name}.{name}", ast.literal_eval(value), why)
                for name, value, why in assigned(node)
                if isinstance(value, ast.Constant) and isinstance(value.value, (int, float))
            )
            found += [Constant(*number) for number in numbers]
    return found


def assigned(node: ast.Module | ast.ClassDef) -> Iterator[tuple[str, ast.expr, str]]:
    """Every assignment in the body: name, value, and the text of the string that follows it."""
    for here, after in zip(node.body, [*node.body[1:], None], strict=True):
        if not isinstance(here, (ast.AnnAssign, ast.Assign)) or here.value is None:
            continue
        value = here.value
        targets: list[ast.expr] = [here.target] if isinstance(here, ast.AnnAssign) else here.targets
        text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
        for target in targets:
            for name in target.elts if isinstance(target, ast.Tuple) else [target]:
                if isinstance(name, ast.Name):
                    yield name.id, value, " ".join(str(text).split())


def table(path: Path) -> list[str]:
    return [constant.row for constant in constants(path)]


def unnamed(path: Path) -> list[str]:
    """Numbers inside functions that are neither small nor named; indices and axes do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    places = [n.slice for f in functions for n in ast.walk(f) if isinstance(n, ast.Subscript)]
    ignored = {id(n) for place in places for n in ast.walk(place)}
    return [
        f"{path.relative_to(ROOT)}:{n.lineno}: {n.value!r}"
        for f in functions
        for n in ast.walk(f)
        if isinstance(n, ast.Constant) and type(n.value) in (int, float) and id(n) not in ignored
        if n.value not in UNNAMED
    ]


@pytest.mark.parametrize("path", [p for p in MODULES if constants(p)], ids=lambda p: p.stem)
def test_every_constant_has_a_reason_and_its_row(path: Path) -> None:
    for constant in constants(path):
        assert re.search(r"\b(Derived|Measured|Chosen)\b", constant.reason), f"{path.name}: {constant.name}"
    title = f"### {path.relative_to(ROOT / 'driftd')}\n"
    assert title in PAGE
    section = PAGE.split(title)[1].split("\n#")[0].splitlines()
    rows = [line for line in section if line.startswith("| `")]
    assert rows == table(path), "the page must say:\n" + "\n".join(table(path))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_no_number_is_without_a_name(path: Path) -> None:
    assert unnamed(path) == []


def test_where_the_page_says_to_look_something_is() -> None:
    places = re.findall(r"`(\w+(?:/\w+)+\.py):([\w.]+)`", PAGE)
    assert len(places) >= 7
    for file, name in places:
        found: Any = importlib.import_module("driftd." + file.removesuffix(".py").replace("/", "."))
        for part in name.split("."):
            found = getattr(found, part)
