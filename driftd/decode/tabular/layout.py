"""Which columns of a flat file play which part in an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from driftd.core.errors import ConfigError
from driftd.core.text import did_you_mean
from driftd.decode.fields import PARTS


@dataclass(frozen=True, slots=True)
class Layout:
    """``columns`` maps the event's field to its column; a field that is not there has the column of its own name, where
    the file has one. Columns that play no part and are not in ``ignore`` are features.

    The model and the version may be given themselves where the file has no such column.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()

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
                    mistakes.append(f"{file}: column '{name}' is asked for as --{options[name]} and as --{part.option}")
                options[name] = part.option
            elif asked and not part.literal:
                mistakes.append(f"{file}: --{part.option}: no column '{asked}'{did_you_mean(asked, columns)}")
        mistakes += [
            f"{file}: --ignore: no column '{c}'{did_you_mean(c, columns)}" for c in self.ignore if c not in columns
        ]
        if mistakes:
            raise ConfigError("\n".join(mistakes))
        return Layout(found, self.ignore)

    def _column_of(self, part: str, columns: Sequence[str]) -> str | None:
        """The column of the file that plays the part: the one asked for, or that of its own name, unless taken."""
        asked = self.columns.get(part)
        name = asked or part
        return name if name in columns and (asked or name not in self.columns.values()) else None

    def features(self, columns: Sequence[str]) -> list[str]:
        """The other columns, of a resolved layout. A column without a name is an index that somebody wrote along."""
        used = {*self.columns.values(), *self.ignore}
        return [c for c in columns if c and c not in used]

    def needed(self, columns: Sequence[str]) -> list[str]:
        """The columns that play a part or are features, of a resolved layout."""
        needed = {*self.columns.values(), *self.features(columns)}
        return [c for c in columns if c in needed]
