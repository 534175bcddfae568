"""The protocols that every detector meets; registry.py finds them, and driftd.generate writes the tables about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import Kind
from driftd.core.reference import Reference
from driftd.core.summary import Summary

Group = Literal["features", "outputs", "errors"]
"""Channels that get the same detectors by default: features and labels; predictions and scores; error streams."""

NUMBERS: Final = frozenset({Kind.NUMERIC})
CATEGORIES: Final = frozenset({Kind.CATEGORICAL})
EVERY_KIND: Final = NUMBERS | CATEGORIES


@dataclass(frozen=True, slots=True)
class Fault:
    """What is special about a detector of data faults: tickets about what it measures have an alert of their own.

    alert    name of the alert and of its runbook.
    summary  of the alert; {feature} and {model} stand for the names.
    share    what is said of the share of values: "73 % of the values of age <share>".
    hint     where to look, for the web pages.
    changes  the kinds of change (docs/judge.md "Kinds") whose tickets are this alert's.
    """

    alert: str
    summary: str
    share: str
    hint: str
    changes: tuple[str, ...]


@runtime_checkable
class Described(Protocol):
    """The class fields of every detector from which tables, dashboard, rules and pages are made."""

    title: ClassVar[str]  # "Population stability index": of its panel
    unit: ClassVar[str]  # "nats"
    help: ClassVar[str]  # HELP of its gauge, without a full stop
    kinds: ClassVar[frozenset[Kind]]  # what it can judge
    default_for: ClassVar[frozenset[Group]]  # where it runs unless the user chooses


@runtime_checkable
class DescribedWindow(Described, Protocol):
    """Those of a window detector.

    ``noise_formula``: ``noise`` as a Python expression in n and m (events of reference and window), bins (merged
    ones), chi2 (exceeded by chi-squared of bins - 1 degrees of freedom with probability alpha), least (events to expect
    in the thinnest bin of the smaller side) and alpha; "" where a formula does not say it. The contract suite evaluates
    it. ``fault`` None: it says how the shape has changed.
    """

    noise_formula: ClassVar[str]
    fault: ClassVar[Fault | None]


@runtime_checkable
class WindowDetector(Protocol):
    """Compares a window's Summary with the Reference, all channels of a model in one call.

    A frozen dataclass; its fields are its settings. Arrays are float64[channels], NaN where it abstains. Of several
    windows at once, ``current`` with counts int64[windows, channels, width], they are float64[windows, channels].
    """

    kind: ClassVar[str]  # "psi": the name in configuration, findings and the `detector` label
    metric: ClassVar[str]  # "driftd_feature_psi": the gauge of the statistic

    @property
    def effect(self) -> float:
        """The smallest change that matters, in the unit that the detector's docstring states."""
        ...

    def applies(self, reference: Reference) -> NDArray[np.bool_]:
        """bool[channels]: the channels it can judge."""
        ...

    def statistic(self, reference: Reference, current: Summary) -> NDArray[np.float64]: ...

    def noise(self, reference: Reference, current: Summary, alpha: float) -> NDArray[np.float64]:
        """The level that the statistic reaches without drift with probability ``alpha`` at these numbers of events."""
        ...

    def material(self, reference: Reference, current: Summary) -> NDArray[np.float64]:
        """``effect`` as a level of the statistic: itself for a distance, the reference's rate plus it for a rate.

        The threshold is ``np.maximum(material, noise)``.
        """
        ...


@dataclass(frozen=True, slots=True)
class Detection:
    """A sequential detector's alarm: after value ``index`` (0-based, of the values just fed); ``width`` values back
    the change is thought to have begun; mean before and after.
    """

    index: int
    width: int
    before: float
    after: float


@runtime_checkable
class SequentialDetector(Protocol):
    """Sees every value of one channel in one partition in order.

    A frozen dataclass of settings with pure methods over an opaque state. Missing values are not fed.
    """

    kind: ClassVar[str]
    metric: ClassVar[str]  # "driftd_feature_adwin_detections": the gauge of detections in the window
    errors_only: ClassVar[bool]  # fed the 0/1 error channels only
    sensitivity: ClassVar[
        str
    ]  # the setting that the budget sets; a user who sets it takes the detector out of the budget

    @property
    def budget(self) -> bool:
        """Whether its sensitivity is set from the false-alarm budget; with one of its own it never pages."""
        ...

    def within_budget(self, values: float, *, errors: bool = False) -> Self:
        """The same detector, no more sensitive, set to about one false alarm in ``values`` values at most.

        ``errors``: it is fed 0/1 errors, which vary more than places in the reference.
        """
        ...

    def start(self) -> Any: ...

    def feed(self, state: Any, values: NDArray[np.float64]) -> Sequence[Detection]:
        """Takes the values in, changing ``state`` in place; the result does not depend on how they were batched."""
        ...

    def dump(self, state: Any) -> bytes:
        """The state as data, never pickle; ``load`` gives back one that goes on bit for bit."""
        ...

    def load(self, data: bytes) -> Any: ...
