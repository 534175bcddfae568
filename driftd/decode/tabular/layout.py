"""Which columns of a flat file play which part in an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from driftd.core.errors import ConfigError
from driftd.core.text import did_you_mean
from driftd.core.values import category
from driftd.decode.fields import COSTS, PARTS, Field
from driftd.decode.mapping.spec import UNITS, Path, RecordMapping, Source, parse, spell


@dataclass(frozen=True, slots=True)
class Layout:
    """``columns`` maps the event's field to its column; a field that is not there has the column of its own name, where
    the file has one. Columns that play no part and are not in ``ignore`` are features.

    The model and the version may be given themselves where the file has no such column. ``units``: how many of a
    field's unit make a second. ``under``: features are the columns that begin with it, and a dot, or all where it is
    ""; with a ``prefix`` those of them that have it. ``picked``: these are, too, by name, and alone where ``under`` is
    None. Of a mapping are ``mapped``, the fields that it asks for, and ``unread``, columns that are no features by it.
    ``costs``: the column of each ``cost.NAME``; else that of this name, or of another of driftd.decode.fields.COSTS.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    units: Mapping[str, float] = field(default_factory=dict)
    under: str | None = ""
    picked: Mapping[str, str] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    mapped: frozenset[str] = frozenset()
    costs: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""

    @classmethod
    def of(cls, mapping: RecordMapping, columns: Sequence[str], file: str) -> Layout:
        """A mapping's, for a file of these columns. Raises ConfigError for paths that no column can have."""
        asked: dict[str, str] = {}
        units: dict[str, float] = {}
        unread: list[str] = []
        for part in PARTS:
            source = mapping.fields.get(part.name)
            if not isinstance(source, Source):
                continue
            if source.path is not None:
                name = asked[part.name] = _column(source.path, part.option, file)
                if part.literal and name not in columns:  # else it would be the value of all rows
                    raise ConfigError(f"{file}: mapping.{part.option}: no column '{name}'{did_you_mean(name, columns)}")
                if source.unit:
                    units[part.name] = UNITS[source.unit]
            elif source.value is not None:
                asked[part.name] = category(source.value)
            elif part.name in columns:
                unread.append(part.name)
        features = mapping.features
        under = None if features.under is None else ".".join(map(str, features.under))
        if under is not None and not any(c.startswith(f"{under}.") for c in columns):
            under = ""
        for text in features.ignore:
            name = _column(((under,) if under else ()) + parse(text), "features.ignore", file)
            unread += [c for c in columns if _within(c, name)] or [name]
        unread += [c for c in columns if any(_within(c, name) for name in _elsewhere(mapping))]
        picked = {name: _column(path, "features.paths", file) for name, path in features.paths.items()}
        given = mapping.fields.get("cost")
        paths = {} if given is None or isinstance(given, Source) else given
        named = {inner: name for name, others in COSTS.items() for inner in (name, *others)}
        costs = {f"cost.{named[n]}": _column(path, "cost", file) for n, path in paths.items() if n in named}
        return cls(asked, (), units, under, picked, tuple(unread), frozenset(asked), costs, features.prefix)

    def over(self, other: Layout) -> Layout:
        """This where it says something, else the other, a mapping's."""
        return replace(
            other,
            columns={**other.columns, **self.columns},
            ignore=self.ignore,
            units={name: each for name, each in other.units.items() if name not in self.columns},
            mapped=other.mapped - self.columns.keys(),
        )

    def resolve(self, columns: Sequence[str], file: str) -> Layout:
        """With what the file has: afterwards a field that is not there has no column.

        Raises ConfigError, one line a mistake, for columns that the file has not, or that are named twice.
        """
        mistakes: list[str] = []
        found: dict[str, str] = {}
        options: dict[str, str] = {}
        for part in PARTS:
            asked = self.columns.get(part.name)
            name = self._column_of(part.name, columns)
            if name is not None:
                found[part.name] = name
                if name in options:
                    both = f"as {options[name]} and as {self._option(part)}"
                    mistakes.append(f"{file}: column '{name}' is asked for {both}")
                options[name] = self._option(part)
            elif asked and not part.literal:
                where = self._option(part)
                mistakes.append(f"{file}: {where}: no column '{asked}'{did_you_mean(asked, columns)}")
        mistakes += [
            f"{file}: {where}: no column '{c}'{did_you_mean(c, columns)}"
            for where, wanted in (
                ("--ignore", self.ignore),
                ("mapping.features.ignore", self.unread),
                ("mapping.features.paths", self.picked.values()),
            )
            for c in wanted
            if c not in columns
        ]
        mistakes += [
            f"{file}: mapping.{where}: no column '{c}'{did_you_mean(c, columns)}"
            for where, c in self.costs.items()
            if c not in columns
        ]
        if mistakes:
            raise ConfigError("\n".join(mistakes))
        used = {*found.values(), *self.ignore, *self.unread, *self.picked.values()}
        costs = dict(self.costs)
        for name, others in COSTS.items():
            key = f"cost.{name}"
            there = [c for c in (key, *others) if c in columns and c not in used]
            if there and key not in costs:
                costs[key] = there[0]
        return replace(self, columns=found, costs=costs)

    def _option(self, part: Field) -> str:
        """What asked for the field's column."""
        return f"mapping.{part.option}" if part.name in self.mapped else f"--{part.option}"

    def _column_of(self, part: str, columns: Sequence[str]) -> str | None:
        """The column of the file that plays the part: the one asked for, or that of its own name, unless taken."""
        asked = self.columns.get(part)
        name = asked or part
        return name if name in columns and (asked or name not in self.columns.values()) else None

    def features(self, columns: Sequence[str]) -> dict[str, str]:
        """The other columns by the features' names, of a resolved layout. A column without a name is an index that
        somebody wrote along.
        """
        picked = {name: c for name, c in self.picked.items() if c not in self.ignore}
        if self.under is None:
            return picked
        used = {*self.columns.values(), *self.costs.values(), *self.ignore, *self.unread, *self.picked.values()}
        start = (f"{self.under}." if self.under else "") + self.prefix
        under = [c for c in columns if c and c not in used and c.startswith(start) and c != start]
        return {**{c.removeprefix(start): c for c in under}, **picked}

    def needed(self, columns: Sequence[str]) -> list[str]:
        """The columns that play a part or are features, of a resolved layout."""
        needed = {*self.columns.values(), *self.costs.values(), *self.features(columns).values()}
        return [c for c in columns if c in needed]


def _column(path: Path, where: str, file: str) -> str:
    if any(isinstance(step, int) for step in path):
        raise ConfigError(f"{file}: mapping.{where}: '{spell(path)}' is in a list, and a flat file has columns alone")
    return ".".join(map(str, path))


def _within(column: str, name: str) -> bool:
    """Whether it is the column of that name, or of something in it."""
    return column == name or column.startswith(f"{name}.")


def _elsewhere(mapping: RecordMapping) -> list[str]:
    """What a mapping reads as fields that flat files have no column for: no features here either."""
    flat = {part.name for part in PARTS}
    sources = [source for name, source in mapping.fields.items() if name not in flat]
    paths = [p for s in sources for p in ([s.path] if isinstance(s, Source) else s.values()) if p]
    return [".".join(map(str, path)) for path in paths]
