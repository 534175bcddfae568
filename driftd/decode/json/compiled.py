"""A schema compiled into msgspec structs: the fast path's idea of an event."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, TypedDict

from msgspec import Meta, Struct, defstruct
from msgspec.json import Decoder

from driftd.core.event import Kind, Schema
from driftd.core.values import TRUTHS
from driftd.decode.fields import COST_NAMES, FIELDS, Holds

_Value = float | str | bool | None

_Costs: Any = TypedDict("_Costs", dict.fromkeys(sorted(COST_NAMES), float | None), total=False)  # type: ignore[misc]
"""Names that ``cost`` has beside these are passed over, whatever they hold: a currency, a prompt."""

TYPES: Final[Mapping[Holds, Any]] = {
    Holds.TIME: float | datetime | None,
    Holds.LABEL: _Value,
    Holds.SCORE: float | dict[str, float | None] | list[float | None] | None,
    Holds.NUMBER: float | None,
    Holds.FLAG: Any,
    Holds.TEXT: float | str | None,
    Holds.NAME: float | str | None,
    Holds.NUMBERS: _Costs | None,
    Holds.STRINGS: dict[str, str | None] | None,
}
"""What msgspec decodes a field into; model, features and prediction depend on the schema."""
FEATURE: Final[dict[Kind, Any]] = {
    Kind.NUMERIC: float | bool | Literal[tuple(TRUTHS)] | None,
    Kind.CATEGORICAL: _Value,
    Kind.ANY: float | str | bool | list[float] | None,
    Kind.LIST: list[float] | None,
}
PREDICTION: Final[dict[Kind, Any]] = {
    Kind.NUMERIC: float | bool | list[float] | None,
    Kind.CATEGORICAL: _Value,
    Kind.ANY: float | str | bool | list[float] | None,
}
MAX_SPARE: Final = 256
NEVER = Annotated[int, Meta(gt=0, lt=0)]
"""A type that no JSON value has."""


Envelope: Final[Any] = defstruct(
    "Envelope", [(field.name, TYPES[field.holds], None) for field in FIELDS if field.holds in TYPES], gc=False
)
"""What surrounds the features, decoded; strict and fast path both end in one of these.

``owner`` is the model: a class attribute on the fast path's own subclasses, a field on the strict path's.
"""
StrictEnvelope: Final[Any] = defstruct(
    "StrictEnvelope",
    [("owner", str, ""), ("features", dict[str, Any] | None, None), ("prediction", Any, None), ("refused", Any, None)],
    bases=(Envelope,),
    gc=False,
)
"""One event as the strict path leaves it: ``features`` by name, or None; ``refused`` has those of them whose values are
not usable, and why.
"""


class _Nameless(Struct, tag_field="model", tag="", gc=False):
    """No event: msgspec wants to see ``model`` only where it has several structs to choose from."""

    never: NEVER


class CompiledSchema:
    """The structs of one schema, and how to read columns off them.

    Feature number i is attribute ``f<i>`` whatever it is called. ``spare`` are names that an open schema has met
    but has no column for: always null so far, or beyond the limit. They are fields only so that events which
    carry them stay on the fast path, which refuses every other unknown name of an open schema.
    """

    __slots__ = ("empty", "envelope", "features", "full", "getters", "names", "schema", "spare", "spare_values")

    def __init__(self, schema: Schema, spare: Iterable[str] = ()) -> None:
        self.schema = schema
        self.names = tuple(schema.features)
        self.full = len(self.names) >= schema.max_features
        self.spare = tuple(name for name in spare if name not in schema.features and plain(name))[:MAX_SPARE]
        self.features = self._features()
        self.envelope = defstruct(
            "Event",
            [("features", self.features | None, None), ("prediction", PREDICTION[schema.prediction], None)],
            bases=(Envelope,),
            namespace={"owner": schema.model},
            tag_field="model",
            tag=schema.model,
            gc=False,
        )
        self.empty = self.features()
        self.getters = getters([*schema.features.values()])
        self.spare_values = tuples([f"s{i}" for i in range(len(self.spare))]) if self.spare and self.full else None

    def _features(self) -> Any:
        columns = {f"f{i}": name for i, name in enumerate(self.names)}
        spares = {f"s{i}": name for i, name in enumerate(self.spare)}
        # msgspec matches no name that JSON has to escape. Such a field gets another name and a type that nothing
        # has, and unknown names are refused: so an event that carries the feature is left to the strict path.
        odd = {attribute for attribute, name in columns.items() if not plain(name)}
        fields: list[Any] = [
            (attribute, (NEVER if attribute in odd else FEATURE[self.schema.features[name]]) | None, None)
            for attribute, name in columns.items()
        ]
        fields += [(attribute, FEATURE[Kind.ANY] if self.full else None, None) for attribute in spares]
        return defstruct(
            "Features",
            fields,
            rename=_rename(columns | spares, odd),
            forbid_unknown_fields=self.schema.open or bool(odd),
            gc=False,
        )

    def fit(self, features: Any) -> Any:
        """The ``features`` of an earlier schema of the model, or of the strict path, as this one's struct."""
        if isinstance(features, self.features):
            return features
        if features is None:
            return self.empty
        if isinstance(features, dict):
            return self.features(*map(features.get, self.names))
        # columns are only ever added at the end, so an attribute means the same column in every schema of a batch
        return self.features(**{a: v for a in features.__struct_fields__ if (v := getattr(features, a)) is not None})


def tuples(attributes: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Attrgetter that gives a tuple for a single attribute too."""
    if len(attributes) == 1:
        name = attributes[0]
        return lambda item: (getattr(item, name),)
    return attrgetter(*attributes)


def getters(kinds: Sequence[Kind]) -> dict[Kind, Callable[[Any], tuple[Any, ...]]]:
    """For each kind among the features, what reads its features off an event."""
    return {kind: tuples([f"f{i}" for i, k in enumerate(kinds) if k is kind]) for kind in Kind if kind in kinds}


def decoder_for(schemas: Iterable[CompiledSchema], tag_field: str = "model") -> Decoder[Any]:
    """Decodes an event of any of the ``schemas``, told apart by ``model`` wherever it stands in the event."""
    union: Any = _Nameless
    if tag_field != "model":
        union = defstruct("Nameless", [("never", NEVER)], tag_field=tag_field, tag="", gc=False)
    for compiled in schemas:
        if compiled.schema.model:
            union |= compiled.envelope
    return Decoder(union)


def _rename(names: dict[str, str], odd: set[str]) -> dict[str, str]:
    taken = set(names.values())
    rename = {}
    for attribute, name in names.items():
        free = f"\x7f{attribute}"
        while free in taken:
            free += "\x7f"
        rename[attribute] = free if attribute in odd else name
    return rename


def plain(name: str) -> bool:
    """Whether msgspec can match the name: nothing in it that JSON has to escape."""
    return '"' not in name and "\\" not in name and all(c >= " " and not "\ud800" <= c <= "\udfff" for c in name)
