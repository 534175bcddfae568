"""docs/judge.md holds: every constant of the judge with its value and reason, and where to look."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from driftd.judge.natural import features
from driftd.judge.natural.changes import CHANGES, SIZES, TRAIT_SIZES, Change, TraitSize

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = (ROOT / "docs" / "judge.md").read_text(encoding="utf-8")
MODULES: Final = sorted(p for p in (ROOT / "driftd" / "judge").rglob("*.py") if p.name != "__init__.py")
UNNAMED: Final = frozenset({0, 1, 2, 3, 4, 0.5, 1e-9, 1e-12, 1e-300, 1e300})
"""Numbers that a function may hold without a name: counts, exponents, halves, and guards against a division by 0."""
LONG: Final = 16
MOST_WHOLE: Final = 10**9
FEATURE: Final = {v: k for k, v in vars(features).items() if k.isupper() and isinstance(v, int)}
SIZE_TABLE: Final = "[table](#ticket-and-page-sizes)"


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
    """A number, a text, or a collection; ``[table]`` where the page has a table of its own."""
    if isinstance(value, np.ndarray):
        value = tuple(value.ravel().tolist())
    if value in (SIZES, TRAIT_SIZES):
        return SIZE_TABLE
    if isinstance(value, Mapping):
        return joined([shown_pair(*pair) for pair in value.items()])
    if isinstance(value, tuple):
        return joined([shown_item(v) for v in value])
    return f'"{value}"' if isinstance(value, str) else number(value)


def number(value: float) -> str:
    """``1200``, ``0.003``, ``1e+250``."""
    return f"{value:.0f}" if value == round(value) and abs(value) < MOST_WHOLE else f"{value:.6g}"


def shown_item(value: Any) -> str:
    """In a collection: texts without quotes, the fields of a dataclass that are not 0 by name, tuples with slashes."""
    if is_dataclass(value):
        return ", ".join(f"{f.name} {size(n)}" for f in fields(value) if (n := getattr(value, f.name)))
    if isinstance(value, tuple) and isinstance(value[0], Change):
        change, hits, of = value
        return f"{change}: {FEATURE[hits]} of {FEATURE[of]}"
    if isinstance(value, tuple):
        return " / ".join(map(shown_item, value))
    return value if isinstance(value, str) else number(value)


def shown_pair(key: str, value: Any) -> str:
    return f"{key}{':' if isinstance(value, str) else ''} {shown_item(value)}"


def joined(parts: list[str]) -> str:
    """With semicolons where a part has commas."""
    between = "; " if any("," in part for part in parts) else ", "
    return between.join(parts if len(parts) <= LONG else [*parts[:3], "...", *parts[-1:]])


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


def size(value: float) -> str:
    return "never" if np.isinf(value) else number(value)


def rows_under(head: str) -> list[list[str]]:
    """The cells of the table with this head."""
    lines = PAGE.split(head + "\n")[1].split("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_has_the_sizes_of_tickets_and_pages() -> None:
    rows = rows_under("| change | what is measured | unit | ticket from | page from | share of the budget |")
    said = [[change, *numbers] for change, _, _, *numbers in rows]
    assert said == [[f"`{c}`", size(s.ticket), size(s.page), number(s.share)] for c, s in SIZES.items()]


def test_the_page_has_the_other_page_sizes() -> None:
    rows = rows_under("| channels | changes | page from | why |")
    assert rows == [[traits_of(s), changes_of(s), size(s.page), s.why] for s in TRAIT_SIZES]


def traits_of(row: TraitSize) -> str:
    return ", ".join([*row.traits, *([f"not {row.lacks}"] if row.lacks else [])])


def changes_of(row: TraitSize) -> str:
    left = [c for c in CHANGES if c not in row.changes]
    if len(left) <= 1:
        return " but ".join(["all", *(f"`{c}`" for c in left)])
    return ", ".join(f"`{c}`" for c in row.changes)


def test_where_the_page_says_to_look_something_is() -> None:
    places = re.findall(r"`(\w+(?:/\w+)+\.py):([\w.]+)`", PAGE)
    assert len(places) >= 7
    for file, name in places:
        found: Any = importlib.import_module("driftd." + file.removesuffix(".py").replace("/", "."))
        for part in name.split("."):
            found = getattr(found, part)
