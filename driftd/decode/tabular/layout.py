"""Which columns of a flat file play which part in an event."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Final

from driftd.core.errors import ConfigError
from driftd.core.reference import Role
from driftd.core.text import did_you_mean

RESERVED: Final = frozenset(role.value for role in Role if role is not Role.FEATURE)
"""Names of the other channels: a column that is called so and plays no part cannot be a feature."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Column names; None means the column that is called as the event's field, where there is one.

    ``model`` and ``version`` are taken for the name itself where the file has no such column. Columns that play no
    part and are not in ``ignore`` are features.
    """

    model: str | None = None
    version: str | None = None
    time: str | None = None
    id: str | None = None
    prediction: str | None = None
    score: str | None = None
    label: str | None = None
    latency: str | None = None
    error: str | None = None
    ignore: tuple[str, ...] = ()

    def resolve(self, columns: list[str], file: str) -> Layout:
        """With what the file has: afterwards None means that there is no such column.

        Raises ConfigError, one line a mistake, for columns that the file has not, or that are named twice.
        """
        mistakes: list[str] = []
        found: dict[str, str | None] = {}
        parts: dict[str, str] = {}
        for part in (f.name for f in fields(self) if f.name != "ignore"):
            asked = getattr(self, part)
            name = asked or ("latency_seconds" if part == "latency" else part)
            if name in columns:
                found[part] = name
                if name in parts:
                    mistakes.append(f"{file}: column '{name}' is asked for as --{parts[name]} and as --{part}")
                parts[name] = part
            elif asked and part not in {"model", "version"}:
                mistakes.append(f"{file}: --{part}: no column '{asked}'{did_you_mean(asked, columns)}")
            else:
                found[part] = None
        mistakes += [
            f"{file}: --ignore: no column '{c}'{did_you_mean(c, columns)}" for c in self.ignore if c not in columns
        ]
        if mistakes:
            raise ConfigError("\n".join(mistakes))
        return replace(self, **found)  # type: ignore[arg-type]  # found has no 'ignore'

    def parts(self) -> frozenset[str]:
        """The columns that play a part, of a resolved layout."""
        return frozenset(filter(None, (getattr(self, f.name) for f in fields(self) if f.name != "ignore")))

    def features(self, columns: list[str]) -> list[str]:
        """The other columns, of a resolved layout. A column without a name is an index that somebody wrote along."""
        used = self.parts() | set(self.ignore) | RESERVED
        return [c for c in columns if c and c not in used]
