"""The tables and data sheets in docs/, between ``<!-- generated: NAME -->`` and ``<!-- end -->``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from inspect import cleandoc
from typing import Any, Final

from driftd.config.describe import settings
from driftd.core.channel import Role
from driftd.core.errors import ConfigError
from driftd.core.event import Kind
from driftd.detectors.registry import defaults_for, in_order, is_sequential, registry, settings_of
from driftd.metrics.catalogue import RECEIVE, SECTIONS
from driftd.metrics.exposition import Metric
from driftd.monitor.steps import in_markdown

_BLOCK: Final = re.compile(r"(<!-- generated: (.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_FIELD: Final = re.compile(r"^(Unit|Settings|Fed|Reads|Returns|Detects|Noise|Raises|Source): +", re.MULTILINE)
RUNBOOKS: Final = "../alert_rules/runbooks/"
"""From docs/; on the site they are docs/runbooks/ (deploy/site/hooks.py)."""
_SHOWN: Final = ("Unit", "Settings", "Fed", "Returns", "Noise", "Source")


def fill(text: str, blocks: Mapping[str, Callable[[], str]]) -> str:
    """The page with each of its blocks renewed. Raises ConfigError where it has other blocks than these."""
    found = {match[2] for match in _BLOCK.finditer(text)}
    if found != blocks.keys():
        raise ConfigError(f"blocks of generated text: expected {sorted(blocks)}, found {sorted(found)}")
    return _BLOCK.sub(lambda match: f"{match[1]}\n{blocks[match[2]]().strip()}\n\n{match[4]}", text)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = [*head]
    lines = [f"| {' | '.join(line)} |" for line in (heads, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(heads), *lines[1:]])


def metrics(text: str) -> str:
    return fill(text, {name: partial(metric_table, rows) for name, rows in {**SECTIONS, "Receive": RECEIVE}.items()})


def metric_table(rows: Iterable[Metric]) -> str:
    return table(
        ("metric", "type", "unit", "labels", "meaning"),
        ((f"`{m.name}`", m.type, m.unit or "-", _codes(m.labels), m.help) for m in rows),
    )


def detectors(text: str) -> str:
    return fill(
        text,
        {
            "defaults": defaults,
            "all": all_detectors,
            "effects": effects,
            "window detectors": lambda: "\n\n".join(data_sheets(sequential=False)),
            "sequential detectors": lambda: "\n\n".join(data_sheets(sequential=True)),
        },
    )


def defaults() -> str:
    """Roles and kinds that have the same detectors share a row."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for role in Role:
        known = role.row.kind
        for kind in (Kind.NUMERIC, Kind.CATEGORICAL) if known is Kind.ANY else (known,):
            what = "feature" if role is Role.FEATURE else f"`{role.value}`"
            rows.setdefault(defaults_for(kind, role), []).append(f"{kind.value} {what}" if known is Kind.ANY else what)
    return table(("channel", "detectors"), ((", ".join(what), ", ".join(names) or "-") for names, what in rows.items()))


def all_detectors() -> str:
    rows = ((f"`{name}`", f"`{registry()[name].metric}`", _settings(name)) for name in registry())
    return table(("detector", "metric", "settings with their defaults"), rows)


def effects() -> str:
    """What the least change that matters is for each window detector: the data sheet's words."""
    rows = []
    for name in in_order():
        if not is_sequential(name):
            _, fields = sheet(registry()[name])
            rows.append((name, f"{settings_of(name)['effect']:g}", fields["Settings"].removeprefix("`effect`, ")))
    return table(("detector", "effect", "what it is"), rows)


def data_sheets(*, sequential: bool) -> Iterator[str]:
    """A section a detector, from its docstring."""
    for name in in_order():
        if is_sequential(name) is sequential:
            cls = registry()[name]
            text, fields = sheet(cls)
            formula = getattr(cls, "noise_formula", "")
            fields["Noise"] = fields["Noise"].replace("`noise_formula`", f"`{formula}`")
            if sequential:
                fields["Settings"] += f" The budget sets `{cls.sensitivity}`."
            if values := fields.get("Returns", "").partition("NaN ")[2]:
                fields["Returns"] = f"none {values}"
            points = "\n".join(f"- {key}: {fields[key]}" for key in _SHOWN if key in fields)
            yield f"### {name}\n\n{text}\n\n{points}"


def sheet(cls: Any) -> tuple[str, dict[str, str]]:
    """The docstring's description and its fields, as Markdown."""
    text, *parts = _FIELD.split(cleandoc(cls.__doc__ or "").replace("``", "`"))
    pairs = zip(parts[::2], parts[1::2], strict=True)
    paragraphs = [" ".join(p.split()) for p in text.split("\n\n") if p.strip()]
    return "\n\n".join(paragraphs), {key: " ".join(value.split()) for key, value in pairs}


def configuration(text: str) -> str:
    return fill(text, {"settings": setting_tables})


def setting_tables() -> str:
    sections: dict[str, list[tuple[str, ...]]] = {}
    for s in settings():
        name = re.split(r"[.\[]", s.path)[0]
        env = f"`{s.env}`" if s.env else ""
        sections.setdefault(name, []).append((f"`{s.path}`", s.type, s.default, env, s.meaning))
    head = ("setting", "type", "default", "variable", "meaning")
    return "\n\n".join(f"### {name}\n\n{table(head, rows)}" for name, rows in sections.items())


def runbooks(text: str, alerts: Iterable[tuple[str, str, str]]) -> str:
    """The index of runbooks; ``alerts`` are names, severities and areas."""
    head = ("alert", "severity", "area")
    return fill(text, {"runbooks": lambda: table(head, ((f"[{a}]({RUNBOOKS}{a}.md)", *more) for a, *more in alerts))})


def branches(alert: str, text: str) -> str:
    """A runbook with what to do by kind and cause, as the page of an incident has it."""
    return fill(text, {"branches": partial(in_markdown, alert)})


def _settings(name: str) -> str:
    """`` `effect` 0.1, `budget` true``"""
    return ", ".join(f"`{k}` {str(v).lower() if isinstance(v, bool) else v}" for k, v in settings_of(name).items())


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "-"
