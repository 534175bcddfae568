"""What a mapping says: where in a record of somebody else's shape each of driftd's fields is.

Imports nothing heavy, and holds only plain values: settings are made of it, and Spark sends it to its workers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from driftd.decode.fields import FIELDS, Holds

Step = str | int
Path = tuple[Step, ...]
ROOT: Final[Path] = ()
UNITS: Final[Mapping[str, float]] = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
"""How many of a unit make a second."""
JSON: Final = "json"
"""The format of records that have no other (driftd.decode.formats)."""
MAX_STEPS: Final = 32
"""Of one path. Chosen: deeper than any record that people name fields of."""
MAX_INDEX: Final = 9999
"""Of an item of a list: as ``parse`` reads it, four digits."""
KEYS: Final[Mapping[str, str]] = {f.option or f.name: f.name for f in FIELDS}
"""Key of a mapping to the event's field: they differ where the name has a unit, which mappings give themselves."""
CALLED: Final[Mapping[str, str]] = {name: key for key, name in KEYS.items()}
NAMED: Final = frozenset(f.name for f in FIELDS if f.holds in {Holds.NUMBERS, Holds.STRINGS})
"""Fields that are objects: a mapping gives a path to one, or a path for each name."""
TIMED: Final = frozenset({"time", "latency_seconds"})
CONSTANT: Final = frozenset({"model", "version", "variant"})
"""Fields that may have the same value in all records."""

_STEP: Final = re.compile(
    r'\[(?P<index>\d{1,4})\]|(?P<dot>\.?)(?:"(?P<quoted>[^"\\\x00-\x1f]+)"|(?P<plain>[^.\[\]"\\\s]+))'
)


def parse(text: str) -> Path:
    """``a.b[0]."c.d"`` as steps; ``.`` is the record itself. Raises ValueError in words."""
    if text == ".":
        return ROOT
    steps: list[Step] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None or (match["index"] is None and (match["dot"] == ".") is (at == 0)):
            raise ValueError(f"expected names with dots, and [0] for lists, such as request.inputs[0]{_at(text, at)}")
        steps.append(int(match["index"]) if match["index"] is not None else match["quoted"] or match["plain"])
        at = match.end()
    if not steps or isinstance(steps[0], int) or not all(_writable(step) for step in steps):
        raise ValueError("expected a path that begins with a name, such as request.inputs[0]")
    if len(steps) > MAX_STEPS:
        raise ValueError(f"expected at most {MAX_STEPS} steps, got {len(steps)}")
    return tuple(steps)


def _writable(step: Step) -> bool:
    """Whether JSON has a name like it, unescaped."""
    return isinstance(step, int) or not any(c < " " or "\ud800" <= c <= "\udfff" for c in step)


def _at(text: str, at: int) -> str:
    return f"; not so at character {at + 1}" if 0 < at < len(text) else ""


def spell(path: Path) -> str:
    """The text that ``parse`` reads back, and that settings do not take for a JSON object."""
    out = ""
    for step in path:
        if isinstance(step, int):
            out += f"[{step}]"
        else:
            name = step if re.fullmatch(r'[^.\[\]"\\\s{]+', step) else f'"{step}"'
            out += f".{name}" if out else name
    return out or "."


@dataclass(frozen=True, slots=True)
class Source:
    """Where the value of a field comes from: ``path``, or else the ``value`` of all records (None: there is none).

    ``unit`` of a time or a latency, "" as driftd's own; ``type`` "number" reads text as one, "text" the other way.
    ``zone`` is that of times without an offset, "" where these are none.
    """

    path: Path | None = None
    value: str | float | bool | None = None
    unit: str = ""
    type: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True)
class FeatureSource:
    """Features: what is ``under`` a path (None: nothing), a list by ``names``, and each of ``paths`` by its own name;
    ``ignore`` has names (and what is under them) that are none. With a ``prefix`` only names that begin with it are
    features, without it.
    """

    under: Path | None = ("features",)
    names: tuple[str, ...] = ()
    paths: Mapping[str, Path] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    prefix: str = ""

    def mistakes(self) -> Iterator[tuple[str, str]]:
        """(key, what is wrong), as of the whole mapping."""
        if self.names and self.under is None:
            yield "features.names", "names are of the list under features.under; give its path"
        if self.names and self.under == ROOT:
            yield "features.names", "the record is no list; give features.under a path"
        if self.prefix and (self.names or self.under is None):
            yield "features.prefix", "a prefix is of the names in the object under features.under"
        doubled = sorted({n for n in self.names if self.names.count(n) > 1} | (set(self.names) & set(self.paths)))
        if doubled:
            yield "features", f"feature '{doubled[0][:60]}' appears twice; give each a name of its own"
        if self.under is None and not self.paths and self.ignore:
            yield "features.ignore", "nothing is under features.under to be ignored"


@dataclass(frozen=True)
class RecordMapping:
    """``fields`` by the event's names, an object's as paths by name. What is not there is read from its own name.
    ``format``: what makes a record the JSON that the paths are of.
    """

    fields: Mapping[str, Source | Mapping[str, Path]] = field(default_factory=dict)
    features: FeatureSource = field(default_factory=FeatureSource)
    format: str = JSON

    @cached_property
    def sources(self) -> dict[str, Source | Mapping[str, Path]]:
        """Of every field but features: as given, else its own name, unless that is another's path."""
        taken = {path for _, path in self.given()}
        out: dict[str, Source | Mapping[str, Path]] = {}
        for f in FIELDS:
            if f.holds is Holds.FEATURES:
                continue
            own = Source() if (f.name,) in taken else Source((f.name,))
            out[f.name] = self.fields.get(f.name, own)
        return out

    def given(self) -> Iterator[tuple[str, Path]]:
        """(where in the mapping, path) of every path that somebody wrote, but ``features.under``."""
        for name, source in self.fields.items():
            key = CALLED[name]
            if not isinstance(source, Source):
                yield from ((f"{key}.{inner}", path) for inner, path in source.items())
            elif source.path is not None:
                yield key, source.path
        yield from ((f"features.paths.{name}", path) for name, path in self.features.paths.items())

    def path_of(self, name: str) -> Path | None:
        """Where the event's field ``name`` is read from; None where it is not one value of the record."""
        if name == "features":
            return self.features.under
        source = self.sources.get(name)
        return source.path if isinstance(source, Source) else None

    def mistakes(self) -> Iterator[tuple[str, str]]:
        """(key, what is wrong) of what cannot be, or what nobody means."""
        seen: dict[Path, str] = {}
        for where, path in self.given():
            if path in seen:
                yield where, f"'{spell(path)}' is the path of {seen[path]} already; give each field a path of its own"
            seen.setdefault(path, where)
        for where, path in self.given():
            if where.partition(".")[0] in {"score", "error", "cost", "segments"} and "." not in where:
                continue  # these may be objects
            inside = next((w for w, p in self.given() if len(p) > len(path) and p[: len(path)] == path), None)
            if inside is not None and not (where == "prediction" and isinstance(dict(self.given())[inside][-1], int)):
                yield where, f"'{spell(path)}' must be a value here, and {inside} is inside it"
        yield from self.features.mistakes()


@dataclass(frozen=True, slots=True)
class Mappings:
    """By topic, or else by file's name; ``default`` for all others, None where their records are driftd's own."""

    default: RecordMapping | None = None
    topics: Mapping[str, RecordMapping] = field(default_factory=dict)

    def of(self, topic: str) -> RecordMapping | None:
        return self.topics.get(topic, self.default)
