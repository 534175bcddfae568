"""The house: a module imports only from its own room and those before it; the core has no clock and no servers."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[1]
ORDER: Final = (
    *("client", "core", "ingest", "judge", "detectors", "learn", "migrate", "decode", "sources", "config", "metrics"),
    *("sinks", "monitor", "engine", "web", "receive", "wiring", "replay", "spark", "data", "generate", "cli"),
    "__main__",
)
CORE: Final = frozenset({"core", "ingest", "judge", "detectors", "learn", "decode", "monitor"})
CLOCKLESS: Final = frozenset({
    *("engine/pipeline", "engine/frontier", "engine/slices", "engine/judging", "engine/state"),
    *("replay/counting", "replay/merging"),
})  # fmt: skip
"""Modules of other rooms that belong to the core."""
NOT_IN_CORE: Final = frozenset({"kafka", "prometheus_client", "pydantic", "logging", "time", "random", "os"})
TOP_LEVEL: Final = frozenset({
    *("pyproject.toml", "README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "Makefile", ".gitignore"),
    *(".ci", "docs", "driftd", "deploy", "tests", "alert_rules"),
})  # fmt: skip
MODULES: Final = sorted((ROOT / "driftd").rglob("*.py"))
MOST_LINES: Final = 400
"""Of a module: most have about 100."""
LONGER: Final = frozenset(
    {
        "cli/check",
        "core/event",
        "core/pane_block",
        "decode/json/fast",
        "decode/json/strict",
        "decode/tabular/codec",
        "engine/exchange/member",
        "judge/natural/cause_numbers",
        "judge/natural/episodes",
        "judge/natural/fit",
        "judge/natural/kinds",
        "judge/natural/step",
        "metrics/catalogue",
        "metrics/series",
        "monitor/growing",
        "monitor/model",
        "sources/kafka/patches",
    }
)
"""Those that are longer today. None joins them: what grows beyond the bound is split."""


def place(module: Path) -> tuple[str, ...]:
    """Where a module stands: ``("driftd", "sinks", "log")``."""
    return module.relative_to(ROOT).with_suffix("").parts


def imports(tree: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    """Full names of what is imported, in functions too; not under ``if TYPE_CHECKING``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            for other in node.orelse:
                yield from imports(ast.Module([other], []), package)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            source = ".".join((*above, *([node.module] if node.module else ())))
            yield from (f"{source}.{alias.name}" for alias in node.names)
        else:
            yield from imports(node, package)


def faults(source: str, where: tuple[str, ...]) -> list[str]:
    """What the module ``where`` with this text imports and must not."""
    room = where[1]
    core = room in CORE or "/".join(where[1:]) in CLOCKLESS
    found = []
    for name in imports(ast.parse(source), where[:-1]):
        first, *rest = name.split(".")
        if first in NOT_IN_CORE and core:
            found.append(f"{'.'.join(where)} imports {name}, which the core must not know")
        elif first == "driftd" and rest not in ([], ["__version__"]):
            other = rest[0]
            if other not in ORDER or ORDER.index(other) > ORDER.index(room):
                found.append(f"{'.'.join(where)} imports {name} from a room that comes later")
    return found


def module_of(name: str, modules: frozenset[str]) -> str | None:
    """The longest beginning of a full name that is a module."""
    parts = name.split(".")
    for size in range(len(parts), 0, -1):
        if (head := ".".join(parts[:size])) in modules:
            return head
    return None


def cycles(texts: dict[str, str]) -> list[tuple[str, ...]]:
    """Groups of modules that import each other, directly or not; ``texts`` maps a module's full name to its source.

    A package's ``__init__`` is a module of the package's name; that importing a module runs it is not counted.
    """
    modules = frozenset(texts)
    graph: dict[str, set[str]] = {}
    for module, text in texts.items():
        package = tuple(module.split("."))[: None if any(m.startswith(module + ".") for m in modules) else -1]
        found = {module_of(name, modules) for name in imports(ast.parse(text), package)}
        graph[module] = {other for other in found if other is not None} - {module}
    reach = {module: _reach(module, graph) for module in graph}
    groups = {tuple(sorted(o for o in reach[m] if m in reach[o])) for m in graph}
    return sorted(group for group in groups if group)


def _reach(start: str, graph: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [*graph[start]]
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += graph[module]
    return seen


def test_every_module_has_its_room() -> None:
    assert {place(module)[1] for module in MODULES} <= {*ORDER, "__init__"}


@pytest.mark.parametrize("room", sorted({place(module)[1] for module in MODULES} - {"__init__"}))
def test_a_room_imports_only_from_rooms_before_it(room: str) -> None:
    mine = [module for module in MODULES if place(module)[1] == room]
    assert [fault for module in mine for fault in faults(module.read_text(), place(module))] == []


def long(texts: dict[str, str]) -> set[str]:
    """The names of the modules that have more lines than MOST_LINES."""
    return {name for name, text in texts.items() if len(text.splitlines()) > MOST_LINES}


def test_modules_are_short_but_for_those_that_are_named() -> None:
    found = long({"/".join(place(module)[1:]): module.read_text() for module in MODULES})
    assert found - LONGER == set(), f"split what is longer than {MOST_LINES} lines"
    assert LONGER - found == set(), "these are short now: take them off the list"


def test_a_module_is_long_from_one_line_beyond_the_bound_on() -> None:
    assert long({"a": "x\n" * MOST_LINES, "b": "x\n" * (MOST_LINES + 1)}) == {"b"}


def test_the_package_itself_imports_nothing() -> None:
    assert list(imports(ast.parse((ROOT / "driftd" / "__init__.py").read_text()), ("driftd",))) == []


def test_the_client_imports_nothing_of_the_daemon() -> None:
    """A service that logs its predictions pays for the client alone."""
    mine = [module for module in MODULES if place(module)[1] == "client"]
    ours = [name for m in mine for name in imports(ast.parse(m.read_text()), place(m)[:-1]) if "driftd" in name]
    assert ours
    assert {".".join(name.split(".")[:2]) for name in ours} == {"driftd.client"}


def test_no_modules_import_each_other_in_a_circle() -> None:
    texts = {".".join(place(m)).removesuffix(".__init__"): m.read_text() for m in MODULES}
    assert cycles(texts) == []


def test_a_circle_is_seen_also_through_a_function() -> None:
    texts = {
        "driftd.core.a": "from driftd.core.b import B",
        "driftd.core.b": "def f():\n    from driftd.core import c",
        "driftd.core.c": "import driftd.core.a",
        "driftd.core.d": "from driftd.core.a import A",
    }
    assert cycles(texts) == [("driftd.core.a", "driftd.core.b", "driftd.core.c")]
    assert cycles({**texts, "driftd.core.c": "from driftd.core import e", "driftd.core.e": ""}) == []


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("driftd.core.window", "from driftd.engine.pipeline import Pipeline"),
        ("driftd.core.window", "import driftd.monitor.thresholds"),
        ("driftd.monitor.thresholds", "from driftd.engine import state"),
        ("driftd.engine.store", "def f():\n    from driftd.web.server import HttpServer"),
        ("driftd.engine.daemon", "from driftd.wiring import app"),
        ("driftd.web.page", "from driftd import cli"),
        ("driftd.detectors.ks", "from ..engine.pipeline import Pipeline"),
        ("driftd.judge.learned", "try:\n    import time\nexcept ImportError:\n    pass"),
        ("driftd.decode.json.fast", "from os import path"),
        ("driftd.engine.pipeline", "import os.path"),
        ("driftd.monitor.assignment", "import prometheus_client.core"),
        ("driftd.ingest.state", "if TYPE_CHECKING:\n    pass\nelse:\n    import logging"),
    ],
)
def test_a_forbidden_import_is_seen(where: str, source: str) -> None:
    assert faults(source, tuple(where.split("."))) != []


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("driftd.core.window", "if TYPE_CHECKING:\n    from driftd.engine.pipeline import Pipeline"),
        (
            "driftd.detectors.ks",
            "from driftd.detectors import registry\nfrom . import _bins\nfrom ..core.event import Kind",
        ),
        ("driftd.engine.store", "import os\nimport time"),
        ("driftd.cli.run", "from driftd.engine.daemon import Daemon\nfrom driftd.wiring.app import pipeline_of"),
        ("driftd.web.server", "from driftd import __version__"),
    ],
)
def test_an_allowed_import_is_let_through(where: str, source: str) -> None:
    assert faults(source, tuple(where.split("."))) == []


def test_the_top_of_the_repository_holds_what_it_must_and_no_more() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split("/")[0] for line in listed.splitlines()} == TOP_LEVEL
