"""What is watched: a model, or a part of it that is watched by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

LABELS: Final = "labels"
"""The part of a model that its joined labels are: predictions with the labels that came for them later."""
PARTS: Final = (LABELS,)
_SEGMENTS: Final = "/segments/"
"""Between a model's name and that of its segment: ``fraud/segments/country=DE``."""


@dataclass(frozen=True, slots=True, order=True)
class Slice:
    """The key of everything that is watched. ``variant`` and ``segment`` are empty for the whole model.

    ``model`` is the name under which it is watched and shown. A part has a name of its own, ``fraud/labels``, under
    which it has all that a model has: a reference, findings, pages, series. Its settings are those of the model.
    Segments are of a model, ``fraud/segments/country=DE``, or of its joined labels:
    ``fraud/labels/segments/country=DE``.
    """

    model: str
    variant: str = ""
    segment: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.model, self.variant, self.segment)))

    @classmethod
    def of_labels(cls, model: str) -> Self:
        return cls(f"{model}/{LABELS}")

    @classmethod
    def of_segment(cls, model: str, name: str) -> Self:
        """``name`` as in driftd.core.segmenting: ``country=DE``."""
        return cls(f"{model}{_SEGMENTS}{name}")

    def is_of(self, model: str) -> bool:
        """Whether it is the model, or a part of it."""
        return model in {self.model, self.whole, self.root}

    @property
    def within(self) -> str:
        """The segment of the model that it is, ``country=DE``; "" where it is none."""
        head, _, name = self.model.partition(_SEGMENTS)
        return name if head and "=" in name else ""

    @property
    def part(self) -> str:
        """Which part of a model it is, of a segment its name; "" for a model."""
        head, _, tail = self.model.rpartition("/")
        return self.within or (tail if head and tail in PARTS else "")

    @property
    def whole(self) -> str:
        """The name of what it is a part of: of a segment of joined labels these, else a model; its own where it is of
        nothing.
        """
        if self.within:
            return self.model.partition(_SEGMENTS)[0]
        return self.model.rpartition("/")[0] if self.part else self.model

    @property
    def family(self) -> str:
        """The name of what it is a segment of; its own where it is none."""
        return self.whole if self.within else self.model

    @property
    def root(self) -> str:
        """The name of the model that it is a part of, or of which it is a part's segment."""
        return Slice(self.whole).whole if self.within else self.whole

    @property
    def labels(self) -> Slice:
        """Its joined labels, of a segment those of the same one; itself where it is joined labels."""
        if self.joined:
            return self
        labels = Slice.of_labels(self.whole)
        return Slice.of_segment(labels.model, self.within) if self.within else labels

    @property
    def joined(self) -> bool:
        """Whether its events are labels that were joined, or those of a segment: their time is apart."""
        return self.part in PARTS or (self.within != "" and Slice(self.whole).part in PARTS)
