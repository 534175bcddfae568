"""The fields of an event, one row each: for JSON and for flat files, and for the options that name their columns.

A new field whose values are of a sort that is here already is a row. With ``column`` its values are
``EventBatch.fields[name]``, for a role of driftd.core.channel to read. Imports nothing heavy: the command line's help
comes from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class Holds(Enum):
    """What the values of a field are. Each codec has one reader for each (``json/columns``, ``tabular/columns``)."""

    MODEL = auto()
    TIME = auto()
    FEATURES = auto()
    PREDICTION = auto()  # as the model's predictions are, numbers or classes
    LABEL = auto()  # whatever each value is
    SCORE = auto()
    NUMBER = auto()
    FLAG = auto()  # set unless it is null, false, 0 or empty
    TEXT = auto()
    NAME = auto()  # text; a number stands for its text
    NUMBERS = auto()
    STRINGS = auto()


@dataclass(frozen=True, slots=True)
class Field:
    """``expected`` is the JSON type in words. ``column``: batches have a column of it; the others are part of the
    event's frame, or checked only. ``signed``: may be negative. In flat files ``--option COLUMN`` names its column; ""
    where a column of that name is a feature. ``literal``: the option may give the value of all rows instead.
    """

    name: str
    holds: Holds
    expected: str
    column: bool = False
    signed: bool = True
    option: str = ""
    literal: bool = False
    help: str = ""


FIELDS: Final = (
    Field(
        "model",
        Holds.MODEL,
        "a string",
        option="model",
        literal=True,
        help="Column with the model's name, or the name itself.",
    ),
    Field(
        "version",
        Holds.TEXT,
        "a string or a number",
        option="version",
        literal=True,
        help="Column with the model's version, or the version itself.",
    ),
    Field(
        "time",
        Holds.TIME,
        "RFC 3339 with an offset, or epoch seconds",
        option="time",
        help="Column with the event's time: epoch seconds (or ms, us, ns), a timestamp, or RFC 3339.",
    ),
    Field("features", Holds.FEATURES, "an object of name to value"),
    Field(
        "variant",
        Holds.NAME,
        "a string or a number",
        column=True,
        option="variant",
        literal=True,
        help="Column with the variant that answered, or the variant itself.",
    ),
    Field(
        "unit",
        Holds.TEXT,
        "a string or a number",
        column=True,
        option="unit",
        help="Column with what variants are given to: a user, a session, a device.",
    ),
    Field("id", Holds.TEXT, "a string or a number", option="id", help="Column with the event's id."),
    Field(
        "prediction",
        Holds.PREDICTION,
        "a number, a string, a boolean or a list of numbers",
        column=True,
        option="prediction",
        help="Column with the prediction.",
    ),
    Field(
        "score",
        Holds.SCORE,
        "a number, an object of class to probability or a list of probabilities",
        column=True,
        option="score",
        help="Column with the score.",
    ),
    Field(
        "label",
        Holds.LABEL,
        "a number, a string or a boolean",
        column=True,
        option="label",
        help="Column with the true label.",
    ),
    Field(
        "latency_seconds",
        Holds.NUMBER,
        "a number of seconds",
        column=True,
        signed=False,
        option="latency",
        help="Column with the latency in seconds.",
    ),
    Field(
        "error",
        Holds.FLAG,
        "a JSON value",
        column=True,
        option="error",
        help="Column that is set where the service failed.",
    ),
    Field("cost", Holds.NUMBERS, "an object of numbers", column=True),
    Field("segments", Holds.STRINGS, "an object of strings", column=True),
)
COLUMNS: Final = tuple(field for field in FIELDS if field.column)
"""Those that batches have columns of."""
COSTS: Final[Mapping[str, tuple[str, ...]]] = {
    "amount": ("response_cost",),
    "tokens_in": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "tokens_out": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "tokens_cached": ("gen_ai.usage.cache_read.input_tokens",),
    "tokens_cache_write": ("gen_ai.usage.cache_creation.input_tokens",),
    "tokens_reasoning": ("gen_ai.usage.reasoning.output_tokens",),
}
"""What ``cost`` may say, and the names that OpenTelemetry and LiteLLM have for it. Its columns are ``cost.amount`` and
so on."""
MOST_SEGMENTS: Final = 32
"""Names in ``segments`` that have columns, of the events of a batch: more than anybody watches, and what a producer
that makes names up costs is bounded."""
MOST_SCORED: Final = 50
"""Classes in a ``score`` that have columns, of an event and of the events of a batch: as many as have counts of right
and wrong of their own."""
COST_NAMES: Final = frozenset(COSTS).union(*COSTS.values())
MOST_COST: Final = 1e9
"""More is refused, of money and of tokens: nobody means it, and sums of it would end."""
PARTS: Final = tuple(field for field in FIELDS if field.option)
"""Those that a flat file may have a column of; every other column is a feature."""
