"""The values of the metrics that describe driftd itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from driftd.metrics.catalogue import SELF_METRICS

_WRITTEN_BY_SINK: Final = frozenset(("driftd_series", "driftd_series_limit", "driftd_series_dropped_total"))


class Telemetry(Collector):
    """The values behind SELF_METRICS, as a collector for prometheus_client.

    Counters are set to what the state says rather than incremented: after a restart from a checkpoint they go on
    where they were. The loop's thread writes, the scrape's thread reads a copy; neither takes a lock.
    """

    def __init__(self) -> None:
        # known series start at 0, or increase() would miss the first event of each
        self._values: dict[tuple[str, tuple[str, ...]], float] = {
            (m.name, label_values): 0.0 for m in SELF_METRICS.values() for label_values in m.known
        }

    def set(self, name: str, value: float, *label_values: str) -> None:
        """Sets one series; ``label_values`` in the order of the table. KeyError for a metric that is not in it."""
        if len(SELF_METRICS[name].labels) != len(label_values):
            raise ValueError(f"{name} has the labels {SELF_METRICS[name].labels}, got {label_values}")
        self._values[name, label_values] = float(value)

    def add(self, name: str, amount: float = 1, *label_values: str) -> None:
        self.set(name, self._values.get((name, label_values), 0.0) + amount, *label_values)

    def get(self, name: str, *label_values: str) -> float:
        """The value set last, 0 if none was."""
        return self._values.get((name, label_values), 0.0)

    def replace(self, name: str, values: Mapping[tuple[str, ...], float]) -> None:
        """Sets all series of a metric at once and forgets the others: partitions given up have no lag.

        A scrape sees the old ones or the new ones, never a gap between.
        """
        rest = {k: v for k, v in self._values.items() if k[0] != name}
        self._values = rest | {(name, label_values): float(v) for label_values, v in values.items()}

    def clear(self, name: str) -> None:
        """Forgets all series of a metric."""
        self.replace(name, {})

    def rows(self, name: str) -> list[tuple[tuple[str, ...], float]]:
        """All series of a metric: label values and value, sorted."""
        return sorted((k[1], v) for k, v in self._values.copy().items() if k[0] == name)

    def collect(self) -> Iterator[Family]:
        values = self._values.copy()
        rows: dict[str, list[tuple[tuple[str, ...], float]]] = {}
        for (name, label_values), value in values.items():
            rows.setdefault(name, []).append((label_values, value))
        for name, metric in SELF_METRICS.items():
            if name in rows and name not in _WRITTEN_BY_SINK:
                kind = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
                family = kind(name, metric.help, labels=metric.labels)
                for label_values, value in sorted(rows[name]):
                    family.add_metric(label_values, value)
                yield family
