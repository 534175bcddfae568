"""The house: a module imports only from rooms above its own, and the core knows no clock, no chance, no servers."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[1]
CORE: Final = (
    *("errors", "event", "summary", "reference", "finding", "encode", "judge", "against", "window", "detectors"),
    *("novelty", "natural", "learning", "proposal", "alarm", "cells", "plan", "taking", "rolling", "telling"),
    *("judging", "foresight", "codecs", "pipeline", "report"),
)
BELOW: Final = (
    *("replay", "snapshot", "store", "sources", "sinks"),
    "telemetry",  # below sinks: its own metrics are written with sinks.exposition
    *("systemd", "memory", "http", "status", "daemon"),
)
ORDER: Final = (*CORE, *BELOW)
BOTTOM: Final = frozenset({"config", "data", "history", "run", "app", "cli", "__main__"})
NOT_IN_CORE: Final = frozenset({"kafka", "prometheus_client", "pydantic", "logging", "time", "random", "os"})
TOP_LEVEL: Final = frozenset({
    *("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "Makefile", ".gitignore"),
    *(".ci", "docs", "driftd", "deploy", "tests", "alert_rules"),
})  # fmt: skip
MODULES: Final = sorted((ROOT / "driftd").rglob("*.py"))


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
    found = []
    for name in imports(ast.parse(source), where[:-1]):
        first, *rest = name.split(".")
        if first in NOT_IN_CORE and room in CORE:
            found.append(f"{'.'.join(where)} imports {name}, which the core must not know")
        elif first == "driftd" and rest not in ([], ["__version__"]) and room not in BOTTOM:
            other = rest[0]
            if other not in ORDER or (room in ORDER and ORDER.index(other) > ORDER.index(room)):
                found.append(f"{'.'.join(where)} imports {name} from a room below its own")
    return found


def test_every_module_has_its_room() -> None:
    assert {place(module)[1] for module in MODULES} <= {*ORDER, *BOTTOM, "__init__"}


@pytest.mark.parametrize("room", sorted({place(module)[1] for module in MODULES} - BOTTOM))
def test_a_room_imports_only_from_rooms_above(room: str) -> None:
    mine = [module for module in MODULES if place(module)[1] == room]
    assert [fault for module in mine for fault in faults(module.read_text(), place(module))] == []


def test_the_package_itself_imports_nothing() -> None:
    assert list(imports(ast.parse((ROOT / "driftd" / "__init__.py").read_text()), ("driftd",))) == []


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("driftd.core.window", "from driftd.engine.pipeline import Pipeline"),
        ("driftd.core.window", "import driftd.monitor.thresholds"),
        ("driftd.monitor.thresholds", "from driftd import judging"),
        ("driftd.engine.store", "def f():\n    from driftd.engine.daemon import Daemon"),
        ("driftd.engine.daemon", "from driftd.config import Settings"),
        ("driftd.detectors.ks", "from ..pipeline import Pipeline"),
        ("driftd.judge.learned", "try:\n    import time\nexcept ImportError:\n    pass"),
        ("driftd.decode.json.fast", "from os import path"),
        ("driftd.engine.pipeline", "import os.path"),
        ("driftd.monitor.assignment", "import prometheus_client.core"),
        ("driftd.monitor.state", "if TYPE_CHECKING:\n    pass\nelse:\n    import logging"),
    ],
)
def test_a_forbidden_import_is_seen(where: str, source: str) -> None:
    assert faults(source, tuple(where.split("."))) != []


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("driftd.core.window", "if TYPE_CHECKING:\n    from driftd.engine.pipeline import Pipeline"),
        ("driftd.detectors.ks", "from driftd.detectors import registry\nfrom . import _bins\nfrom ..event import Kind"),
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
