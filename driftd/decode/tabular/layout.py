"""Which columns of a flat file play which part in an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from driftd.core.errors import ConfigError
from driftd.core.text import did_you_mean
from driftd.decode.fields import PARTS
from driftd.decode.mapping.spec import UNITS, Path, RecordMapping, Source, spell


@dataclass(frozen=True, slots=True)
class Layout:
    """``columns`` maps the event's field to its column; a field that is not there has the column of its own name, where
    the file has one. Columns that play no part and are not in ``ignore`` are features.

    The model and the version may be given themselves where the file has no such column. ``units``: how many of a
    field's unit make a second. ``under``: features are the columns that begin with it, and a dot; ``only``: they are
    these, by name. ``by`` says what asked for the columns.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    units: Mapping[str, float] = field(default_factory=dict)
    under: str = ""
    only: Mapping[str, str] = field(default_factory=dict)
    by: str = "--"

    @classmethod
    def of(cls, mapping: RecordMapping, columns: Sequence[str], file: str) -> Layout:
        """A mapping's, for a file of these columns. Raises ConfigError for paths that no column can have."""
        asked: dict[str, str] = {}
        units: dict[str, float] = {}
        ignore = [*mapping.features.ignore]
        for part in PARTS:
            source = mapping.fields.get(part.name)
            if not isinstance(source, Source):
                continue
            if source.path is not None:
                asked[part.name] = _column(source.path, part.option, file)
                if source.unit:
                    units[part.name] = UNITS[source.unit]
            elif source.value is not None:
                asked[part.name] = str(source.value)
            elif part.name in columns:
                ignore.append(part.name)
        under = ".".join(map(str, mapping.features.under or ()))
        under = under if any(c.startswith(f"{under}.") for c in columns) else ""
        only = {name: _column(path, "features.paths", file) for name, path in mapping.features.paths.items()}
        wanted = only if mapping.features.under is None else {}
        return cls(asked, tuple(ignore), units, under, wanted, "mapping.")

    def over(self, other: Layout) -> Layout:
        """This where it says something, else the other."""
        units = {name: each for name, each in other.units.items() if name not in self.columns}
        by = self.by if self.columns else other.by
        return Layout(
            {**other.columns, **self.columns}, (*other.ignore, *self.ignore), units, other.under, other.only, by
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
                    both = f"as {self.by}{options[name]} and as {self.by}{part.option}"
                    mistakes.append(f"{file}: column '{name}' is asked for {both}")
                options[name] = part.option
            elif asked and not part.literal:
                mistakes.append(f"{file}: {self.by}{part.option}: no column '{asked}'{did_you_mean(asked, columns)}")
        mistakes += [
            f"{file}: {where}: no column '{c}'{did_you_mean(c, columns)}"
            for where, wanted in (
                ("--ignore" if self.by == "--" else "mapping.features.ignore", self.ignore),
                ("mapping.features.paths", self.only.values()),
            )
            for c in wanted
            if c not in columns
        ]
        if mistakes:
            raise ConfigError("\n".join(mistakes))
        return replace(self, columns=found)

    def _column_of(self, part: str, columns: Sequence[str]) -> str | None:
        """The column of the file that plays the part: the one asked for, or that of its own name, unless taken."""
        asked = self.columns.get(part)
        name = asked or part
        return name if name in columns and (asked or name not in self.columns.values()) else None

    def features(self, columns: Sequence[str]) -> dict[str, str]:
        """The other columns by the features' names, of a resolved layout. A column without a name is an index that
        somebody wrote along.
        """
        if self.only:
            return dict(self.only)
        used = {*self.columns.values(), *self.ignore}
        there = {c: c for c in columns if c and c not in used}
        start = f"{self.under}." if self.under else ""
        return {c.removeprefix(start): c for c in there if c.startswith(start) and c != start}

    def needed(self, columns: Sequence[str]) -> list[str]:
        """The columns that play a part or are features, of a resolved layout."""
        needed = {*self.columns.values(), *self.features(columns).values()}
        return [c for c in columns if c in needed]


def _column(path: Path, where: str, file: str) -> str:
    if any(isinstance(step, int) for step in path):
        raise ConfigError(f"{file}: mapping.{where}: '{spell(path)}' is in a list, and a flat file has columns alone")
    return ".".join(map(str, path))
