"""What `driftd check --sample` proposes, and which names it may have in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Proposal:
    """``shapes``: what was recognised, in words; ``mapping`` as driftd.yaml has it; ``remarks`` for who reads it.
    ``warnings`` are true without the mapping, too. Of a platform's format ``needs`` is what the platform has to write.
    """

    shapes: list[str] = field(default_factory=list)
    mapping: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    needs: str = ""

    def shape(self, words: str) -> None:
        """Once, however many of it there are."""
        if words not in self.shapes:
            self.shapes.append(words)

    def one_row(self, rows: Any) -> None:
        """A mapping reads the first of so many."""
        remark = "a record holds several rows; a mapping reads the first"
        if isinstance(rows, int) and rows > 1 and remark not in self.remarks:
            self.remarks.append(remark)


def sayable(name: str) -> bool:
    """Whether a path may have the name as a step."""
    return 0 < len(name) <= 128 and name.isprintable() and '"' not in name and "\\" not in name
