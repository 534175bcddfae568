"""driftd.yaml as data, with the line of every key and item; strict where YAML is treacherous."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from driftd.core.errors import ConfigError

Place = tuple[str | int, ...]

MAX_BYTES: Final = 1 << 20
MAX_NODES: Final = 50_000
"""After aliases are expanded: nine levels of nine aliases each ("billion laughs") are refused at once."""
MAX_DEPTH: Final = 32

_INT: Final = re.compile(r"[-+]?[0-9]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_QUOTED: Final = re.compile(r"'(?![<\\])[^']{2,}'")
"""What PyYAML quotes from the file, but for kinds of tokens and single characters."""
_WORDS: Final = {"true": True, "false": False, "null": None, "~": None, "": None}
_TAG: Final = "tag:yaml.org,2002:"
_TAGS: Final = {
    _TAG + tag for tag in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge", "value")
}


@dataclass(frozen=True, slots=True)
class Document:
    """``data`` is mappings with text keys, lists, text, numbers, booleans and None; ``lines`` are 1-based."""

    data: dict[str, Any]
    lines: dict[Place, int]
    mistakes: tuple[str, ...]


def read(path: Path, name: str) -> Document:
    """Reads ``path``, calling it ``name`` in messages.

    Scalars follow YAML 1.2: ``no``, ``on``, ``10:30`` and dates are text, not what YAML 1.1 makes of them.
    Raises ConfigError where there is nothing to go on with; lesser mistakes are in the result.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as e:
        raise ConfigError(f"{name}: cannot be read: {e.strerror}") from e
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{name}: larger than {MAX_BYTES} bytes; expected a configuration file")
    try:
        root = yaml.compose(raw.decode("utf-8-sig"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as e:
        raise ConfigError(f"{name}: not UTF-8 at byte {e.start}") from None
    except yaml.MarkedYAMLError as e:  # it quotes the line that it is about, and a secret may stand there
        raise ConfigError(_where(e, name)) from None
    except (yaml.YAMLError, RecursionError) as e:
        raise ConfigError(f"{name}: not valid YAML: {str(e).splitlines()[0]}") from None
    if root is None:
        return Document({}, {}, ())
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(
            f"{name}:{root.start_mark.line + 1}: expected a mapping of settings such as 'kafka:', got {_kind(root)}"
        )
    reader = _Reader(name)
    data = reader.value(root, ())
    return Document(data, reader.lines, tuple(reader.mistakes))


class _Dumper(yaml.SafeDumper):
    """Quotes text that ``read`` takes for a number, besides what YAML 1.1 takes for something else."""


_Dumper.add_implicit_resolver(_TAG + "float", re.compile(rf"(?:{_FLOAT.pattern})$"), [*"+-.0123456789"])


def flow(value: Any) -> str:
    """Text, or lists and mappings of it, in one line of YAML."""
    # as a list of one, because text that stands alone would end with "..."
    listed: str = yaml.dump(
        [value], Dumper=_Dumper, default_flow_style=True, allow_unicode=True, sort_keys=False, width=math.inf
    )
    return listed.strip()[1:-1]


def _where(error: yaml.MarkedYAMLError, name: str) -> str:
    mark = error.problem_mark or error.context_mark
    line = f":{mark.line + 1}" if mark else ""
    said = str(error.problem or error.context)
    hint = "; indent with spaces, not tabs" if "'\\t'" in said else ""
    if _QUOTED.search(said):  # a name of an alias, an anchor or a tag: a password that begins with * & ! % is one
        hint = "; text that begins with * & ! or % must be in quotes"
    hidden = _QUOTED.sub("'...'", said)
    return f"{name}{line}: not valid YAML: {hidden}{hint}"


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a single value"


class _Reader:
    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[Place, int] = {}
        self.mistakes: list[str] = []
        self.nodes = 0

    def value(self, node: yaml.Node, place: Place) -> Any:
        self.nodes += 1
        line = node.start_mark.line + 1
        self.lines.setdefault(place, line)
        if self.nodes > MAX_NODES:
            raise ConfigError(f"{self.name}:{line}: more than {MAX_NODES} values once aliases are expanded; refused")
        if len(place) > MAX_DEPTH:
            raise ConfigError(f"{self.name}:{line}: nested more than {MAX_DEPTH} deep; refused")
        if node.tag not in _TAGS:
            self.mistakes.append(
                f"{self.name}:{line}: tags are not supported; expected a plain value, in quotes where it begins with !"
            )
            return {} if isinstance(node, yaml.MappingNode) else [] if isinstance(node, yaml.SequenceNode) else None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*place, i)) for i, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        out: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge":
                merged.update(self._merge(value_node, place))
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.mistakes.append(f"{self.name}:{line}: expected a name as key, got {_kind(key_node)}")
                continue
            key = str(key_node.value)
            if key_node.tag == _TAG + "merge":
                continue
            if key in out:
                first = self.lines[(*place, key)]
                self.mistakes.append(
                    f"{self.name}:{line}: key '{key}' appears twice, first in line {first}; keep one of them"
                )
                continue
            self.lines[(*place, key)] = line
            out[key] = self.value(value_node, (*place, key))
        return {**merged, **out}

    def _merge(self, node: yaml.Node, place: Place) -> dict[str, Any]:
        if isinstance(node, yaml.MappingNode):
            merged = self.value(node, place)
            return merged if isinstance(merged, dict) else {}
        line = node.start_mark.line + 1
        self.mistakes.append(f"{self.name}:{line}: expected '<<: *name' of a mapping, got {_kind(node)}")
        return {}

    def _scalar(self, node: yaml.Node) -> Any:
        text = str(node.value)
        if getattr(node, "style", None) is not None:
            return text
        if text.lower() in _WORDS and text in (text.lower(), text.upper(), text.capitalize()):
            return _WORDS[text.lower()]
        if _INT.fullmatch(text) and len(text) < 40:
            return int(text)
        return float(text) if _FLOAT.fullmatch(text) and len(text) < 40 else text
