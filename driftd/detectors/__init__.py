"""The protocols that every detector meets; registry.py finds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from driftd.core.reference import Reference
from driftd.core.summary import Summary


@runtime_checkable
class WindowDetector(Protocol):
    """Compares a window's Summary with the Reference, all channels of a model in one call.

    A frozen dataclass; its fields are its settings. Arrays are float64[channels], NaN where it abstains.
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

    @property
    def budget(self) -> bool:
        """Whether its sensitivity is set from the false-alarm budget; with one of its own it never pages."""
        ...

    def within_budget(self, values: float) -> Self:
        """The same detector, no more sensitive, set to about one false alarm in ``values`` values at most."""
        ...

    def start(self) -> Any: ...

    def feed(self, state: Any, values: NDArray[np.float64]) -> Sequence[Detection]:
        """Takes the values in, changing ``state`` in place; the result does not depend on how they were batched."""
        ...

    def dump(self, state: Any) -> bytes:
        """The state as data, never pickle; ``load`` gives back one that goes on bit for bit."""
        ...

    def load(self, data: bytes) -> Any: ...
