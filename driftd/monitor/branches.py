"""What happened and what to do, by kind and by cause: the words. driftd.monitor.steps says where they stand.

Steps are Markdown. What is filled in stands in `code`: MODEL, CHANNEL, SINCE (when the change began), INCIDENT (its
id), OTHER (the channel that it was swapped with) and VERSION (of the model, that began to answer then).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from driftd.core.incident import PIPELINE as EVERYTHING
from driftd.judge.natural.cause import Cause
from driftd.judge.natural.kinds import Kind

ACK: Final = '`driftd ack INCIDENT --as "$USER"`'
REBASELINE: Final = '`driftd rebaseline MODEL CHANNEL --from "SINCE" --because "..."`'
WHOLE: Final = '`driftd rebaseline MODEL --from "SINCE" --because "..."`'
BUILD: Final = "`driftd reference build MODEL`"
VERDICT: Final = (
    '`driftd feedback INCIDENT --real --because "..."`, or `driftd feedback INCIDENT --false-alarm --because "..."`'
)


@dataclass(frozen=True, slots=True)
class Branch:
    """``title`` and ``happened`` say what it is, ``steps`` what to do, in their order. ``stays``: the case in which
    what came is right from now on and the reference is to follow; "" where that is never so.
    """

    title: str
    happened: str
    steps: tuple[str, ...]
    stays: str = ""


MISSING: Final = Branch(
    "Missing",
    "Values are null or absent.",
    (
        "Read an event of before and one of after `SINCE` UTC: does the field of `CHANNEL` have another name, or null?",
        "All of the events: a source is down, or a join fails. A part: which client, region or version sends those?",
        "Mend or roll back the producer or the join. A default in the model helps only if it was trained with it.",
    ),
)
TYPE: Final = Branch(
    "Another type",
    "Values have another type: text for numbers, or numbers for text. Each counts as missing.",
    (
        "Look at the first such value: driftd's log has it (`driftd explain MODEL CHANNEL` has the share).",
        "What was released at the producer shortly before `SINCE` UTC? Its schema, its serialisation?",
        "Mend or roll back the producer. driftd needs nothing: it reads the old type again at once.",
    ),
)
FROZEN: Final = Branch(
    "Frozen",
    "Values repeat the one before.",
    (
        "When did the source of `CHANNEL` last change? A cache, a stuck job, a default that is always taken, a sensor.",
        "Restart what is stuck, or fall back: what came since `SINCE` UTC is old.",
        "Decide whether answers since then are made again.",
    ),
)
ERRORS: Final = Branch(
    "Requests fail",
    "Requests fail more often: there is no answer, so this is an incident of the service, not of the data.",
    (
        "Read the model server's log from `SINCE` UTC on: which error is it?",
        "What was released then? Roll it back before you look on.",
        "A part of the requests: which client, replica or dependency do those share? Take it out.",
    ),
)
WRONG: Final = Branch(
    "Wrong predictions",
    "Predictions are wrong more often than they were, by the labels.",
    (
        "Did inputs change, too? See to those first: the model's page has them.",
        "Was a version released shortly before `SINCE` UTC? Roll it back.",
        "Alone: check ten labels by hand, for a labelling job that broke looks the same. Then its owner decides.",
    ),
)
UNIT: Final = Branch(
    "Another unit",
    "All numbers are multiplied by one factor, or converted (degrees).",
    (
        "Compare an event of before and one of after `SINCE` UTC: cents, milliseconds, percent, a currency, degrees?",
        "Ask the producer of `CHANNEL` what was released then, and roll it back.",
        "Until it is: convert before the model, or fall back. The model takes the numbers as they come.",
    ),
    "the new unit stays, and the model has been made for it",
)
SWAPPED: Final = Branch(
    "Columns swapped",
    "Two channels carry each other's values.",
    (
        "Compare an event of before and one of after `SINCE` UTC: do `CHANNEL` and `OTHER` have each other's values?",
        "Look at what fills both: the order of columns, a mapping, positional arguments.",
        "Roll it back. No single value looks wrong, so nothing else will tell.",
    ),
)
SIGN: Final = Branch(
    "Sign flipped",
    "All numbers have the other sign.",
    (
        "Which convention changed: debit and credit, east and west, a difference the other way round?",
        "Ask the producer of `CHANNEL` what was released shortly before `SINCE` UTC, and roll it back.",
        "Until it is: turn the sign before the model, or fall back.",
    ),
    "the new convention stays, and the model has been made for it",
)
CLIPPED: Final = Branch(
    "Clipped",
    "Nothing lies beyond a limit any more, and what did lies on it.",
    (
        "The limit that the sentence names: who has it? A cap, a validation, a narrower type (127, 32,767, 65,535).",
        "Take it back at the producer: what lay beyond is lost, so the model cannot make it up.",
    ),
    "the limit is meant, and the model has been made for it",
)
HOURS: Final = Branch(
    "Hours shifted",
    "Hours of the day moved as one.",
    (
        "A time zone, or clocks that were changed (daylight saving): where is the hour of `CHANNEL` made?",
        "Let it use UTC, or the zone that the model was trained with. Look at other times of that producer, too.",
    ),
)
RENAMED: Final = Branch(
    "Renamed values",
    "Known values are gone and new ones came in their place.",
    (
        "Which became which? The incident names one; the channel's page has the shares.",
        "An encoding (`DE` became `de`), a code list, a normalisation: what was released shortly before `SINCE` UTC?",
        "Map the names back before the model, or roll back.",
    ),
    "the new names stay, and the model has been trained with them",
)
NEW_VALUE: Final = Branch(
    "New values",
    "A category has values that the reference lacks.",
    (
        "Which client sends them? A release, a new market, a spelling, a placeholder such as `unknown`.",
        "Does the model know the value? If not, it takes it as missing, or worse: its owner decides.",
        "A spelling or a placeholder: mend the producer of `CHANNEL`.",
    ),
    "the value is legitimate and the model knows it",
)
RANGE: Final = Branch(
    "Out of range",
    "Numbers lie outside the reference's range.",
    (
        "Are they sentinels (-1, 9999, 1970-01-01)? The producer writes them for missing: let it write null.",
        "By a round factor (100, 1000)? A unit changed: roll the producer back.",
        "Do they grow (counters, ids, prices)? Transform the feature; its reference is outdated again and again.",
    ),
    "what is out of range is right, and the model copes with it",
)
JOINT: Final = Branch(
    "Relation gone",
    "A channel no longer moves with others. Each alone may look normal.",
    (
        "Look at the join that fills it: a wrong key, another order of rows, an old copy of one side.",
        "Then a mapping, a sign, two columns that were swapped.",
        "Take one event of after `SINCE` UTC and look the same thing up at the source: does it have these values?",
    ),
)
LEVEL: Final = Branch(
    "Level, spread or mix",
    "The mean, the deviation or the shares of values moved, and no single value is wrong.",
    (
        "What was released shortly before `SINCE` UTC? The incident names new versions and what else changed then.",
        "Is it one segment (a client, a country) that grew, vanished or broke?",
        "Does the calendar explain it: a holiday, a campaign, a season? Then nothing is broken.",
        "Else: check the model's quality on recent labels; its owner decides whether it is trained anew.",
    ),
    "it is how the world is now",
)
GRADUAL: Final = Branch(
    "Gradual",
    "Numbers moved away little by little.",
    (
        "Does the season explain it, or growth? Then the reference is outdated, and perhaps the model.",
        "Else a sensor that wears out, a buffer that fills, a leak: compare the source with another one.",
    ),
    "it is how the world is now",
)
P50: Final = Branch(
    "All requests slow",
    "Half of the requests take longer (latency p50).",
    (
        "Do more requests come than usual? Add replicas.",
        "Did a version begin to answer about `SINCE` UTC? Roll it back.",
        "Else what every request needs: the feature store, a database, processors.",
    ),
    "it is to be as slow from now on",
)
P99: Final = Branch(
    "Some requests slow",
    "A part of the requests takes far longer (latency p99).",
    (
        "Is it a round number of seconds? A timeout or a retry: what do these requests call?",
        "One replica or one shard alone? Take it out.",
        "Did a version begin to answer about `SINCE` UTC? Roll it back.",
    ),
    "it is to be as slow from now on",
)
UNKNOWN: Final = Branch(
    "Unknown",
    "Something changed, and no name fits.",
    (
        "See the channel's page, the reference beside now: `driftd explain MODEL CHANNEL` says the same.",
        "What was released shortly before `SINCE` UTC?",
        "Read an event of before and one of after it.",
    ),
    "it is how the world is now",
)
PIPELINE: Final = Branch(
    "Everything at once",
    "Half of the channels of a model or more changed together.",
    (
        "Do not look at single channels. What feeds all of them: a join, a feature store, a schema, a new client?",
        "What was released there shortly before `SINCE` UTC? Roll it back.",
        "Do other models that read the same change, too? Then call who runs the pipeline, not the models' owners.",
    ),
)

BY_KIND: Final[Mapping[str, Branch]] = {
    Kind.MISSING: MISSING,
    Kind.REFUSED: TYPE,
    Kind.FROZEN: FROZEN,
    Kind.ERRORS: ERRORS,
    Kind.UNIT: UNIT,
    Kind.RENAMED: RENAMED,
    Kind.NEW_VALUE: NEW_VALUE,
    Kind.RANGE: RANGE,
    Kind.JOINT: JOINT,
    Kind.SPREAD: LEVEL,
    Kind.LEVEL: LEVEL,
    Kind.GRADUAL: GRADUAL,
    Kind.MIX: LEVEL,
    Kind.LATENCY_P50: P50,
    Kind.LATENCY_P99: P99,
    Kind.UNKNOWN: UNKNOWN,
}
BY_CAUSE: Final[Mapping[str, Branch]] = {
    Cause.MISSING: MISSING,
    Cause.TYPE: TYPE,
    Cause.FROZEN: FROZEN,
    Cause.ERRORS: ERRORS,
    Cause.SWAPPED: SWAPPED,
    Cause.UNIT: UNIT,
    Cause.SIGN: SIGN,
    Cause.CLIPPED: CLIPPED,
    Cause.HOURS: HOURS,
    Cause.RENAMED: RENAMED,
    Cause.NEW_VALUE: NEW_VALUE,
    Cause.JOIN: JOINT,
    Cause.GRADUAL: GRADUAL,
    EVERYTHING: PIPELINE,
}
OF_NUMBERS: Final = (Cause.UNIT, Cause.SWAPPED, Cause.SIGN, Cause.CLIPPED, Cause.HOURS, Cause.GRADUAL)
FINER: Final[Mapping[str, tuple[str, ...]]] = {
    Kind.UNIT: OF_NUMBERS,
    Kind.RANGE: OF_NUMBERS,
    Kind.LEVEL: OF_NUMBERS,
    Kind.SPREAD: OF_NUMBERS,
    Kind.MIX: OF_NUMBERS,
    Kind.FROZEN: OF_NUMBERS,
    Kind.NEW_VALUE: (Cause.TYPE, Cause.RENAMED),
    Kind.RENAMED: (Cause.TYPE,),
}
"""Causes that say more than their kind, by kind (judge.natural.causes)."""
