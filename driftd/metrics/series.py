"""Series about models and features: rendered when a model is judged, joined when Prometheus asks."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, generate_latest

from driftd.core import bin_values
from driftd.core.bin_values import BinValues
from driftd.core.channel import JOINT
from driftd.core.finding import Judgement, Scores, Status
from driftd.core.slice import Slice
from driftd.core.summary import MISSING
from driftd.judge.budget import ModelGuarantee
from driftd.learn.gaps import gaps_of
from driftd.metrics.aggregates import (
    IncidentText,
    ModelCounts,
    Page,
    count_lines,
    help_line,
    incident_lines,
    learning_lines,
    page_line,
    promise_lines,
    quality_lines,
    quiet_lines,
    segment_lines,
    window_lines,
)
from driftd.metrics.catalogue import BAND, BLIND_CHANGES, METRICS, SECTIONS, STATISTICS, VALUES
from driftd.metrics.exposition import Lines, Metric, labels, sample

BLOCK_SERIES: Final = 1000
_INFO: Final = "driftd_feature_change_info"
_BLIND: Final = "driftd_feature_blind"

Fragments = Mapping[str, tuple[bytes, int]]
"""Family -> its lines for one model, and how many they are."""


def _none() -> NDArray[np.float64]:
    return np.zeros((len(bin_values.STATISTICS), 0))


@dataclass(slots=True, eq=False)
class _Model:
    """What the sink knows of one model.

    Belongs to the loop's thread; the scrape reads ``features``, ``window``, ``counts``, ``learning``, ``quiet`` and
    ``incidents``, whose values are never changed, only replaced. ``window`` has the lines about the last judged window,
    None before there is one; ``quiet`` those of a model that sends nothing; ``incidents`` those of what is open, made
    of what it was ``about``; ``ringing``: of a segment, the channels that have series. None: all have. ``numbers`` and
    ``usual``, of the judgement's reference: how its bins are read, and what they say of its own values; ``now``: of the
    window's. ``wanted`` series about features, ``values`` of them about their values; ``share``: what the limit leaves.
    """

    name: str
    counts: ModelCounts = field(default_factory=ModelCounts)
    judgement: Judgement | None = None
    cover: ModelGuarantee | None = None
    learning: float | None = None
    wanted: int = 0
    values: int = 0
    share: int = 0
    exported: int = 0
    silent: bool = False
    elsewhere: bool = False
    numbers: BinValues | None = None
    usual: NDArray[np.float64] = field(default_factory=_none)
    now: NDArray[np.float64] = field(default_factory=_none)
    label_texts: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    lines: dict[tuple[str, str], Lines] = field(default_factory=dict)
    last_event: float = float("nan")
    moved_at: float | None = None
    features: Fragments = field(default_factory=dict)
    window: Fragments | None = None
    incidents: Fragments = field(default_factory=dict)
    about: object = None
    quiet: Fragments = field(default_factory=dict)
    ringing: frozenset[str] | None = None


class MetricsSink:
    """Holds the latest judgement of each model as exposition text.

    A model's own lines are formatted when it is judged (about 0.4 ms for 1,000 series); a scrape joins them, and
    compresses only the blocks that changed since the last, outside the interpreter's lock. ``update``, ``count``,
    ``learning``, ``quiet``, ``remove`` and ``prune`` belong to one thread; ``render`` may be called from any: what it
    reads is replaced and never changed.

    registry    driftd's own metrics, appended to the page.
    limit       most series to export; aggregates of models count, but are never left out.
    configured  models the user named: first in line for the limit.
    """

    def __init__(
        self,
        *,
        registry: CollectorRegistry | None = None,
        limit: int = 100_000,
        configured: Collection[str] = (),
        window_seconds: float = 600.0,
        keep_windows: int = 12,
    ) -> None:
        self._heads = {name: m.head() for name, m in METRICS.items()}
        self._feature_families = SECTIONS["Features"]
        self._model_families = (*SECTIONS["Models"], *SECTIONS["Experiments"])
        self._registry = registry
        self._limit = limit
        self._configured = frozenset(configured)
        self._window_seconds = window_seconds
        self._keep_windows = keep_windows
        self._models: dict[str, _Model] = {}
        self._dropped = 0
        self._full = False
        self._zipped: dict[tuple[str, int], tuple[tuple[bytes, ...], bytes]] = {}
        self._zipping = threading.Lock()

    @property
    def series(self) -> int:
        """Series about models and features on the page now."""
        return sum(_lines(m.features) + _lines(_aggregates(m)) for m in self._models.values())

    @property
    def limit(self) -> int:
        """Most series to export."""
        return self._limit

    @property
    def dropped(self) -> int:
        """Series left out for the limit, counted at each judgement of their model."""
        return self._dropped

    def update(
        self,
        judgement: Judgement,
        counts: ModelCounts | None = None,
        cover: ModelGuarantee | None = None,
        ringing: frozenset[str] | None = None,
    ) -> None:
        """Takes the judgement of a window in; replaces the model's series. ``cover`` is what the judge promises;
        ``ringing``, of a segment, the channels that ring.
        """
        model = self._model(judgement.model)
        if model.judgement is None or model.judgement.reference is not judgement.reference:
            model.label_texts, model.lines = {}, {}
            model.numbers = None
        if ringing is None:
            if model.numbers is None:
                model.numbers = BinValues.of(judgement.reference)
                model.usual = model.numbers.statistics(judgement.reference.summary)
            model.now = model.numbers.statistics(judgement.summary)
        model.judgement, model.learning, model.silent = judgement, None, False
        model.counts = counts or model.counts
        model.cover, model.ringing = cover, ringing
        labels = self._models.get(Slice(judgement.model).labels.model)
        later = None if labels is None or labels.judgement is None else labels.judgement.reference
        every = (*window_lines(judgement), *quality_lines(judgement, later), *promise_lines(judgement, cover))
        model.window = _collect(every if ringing is None else ())
        needs = [(family, int(shown.sum())) for family, _, _, shown, _ in self._columns(model, judgement)]
        model.wanted = sum(n for _, n in needs)
        model.values = sum(n for family, n in needs if family in VALUES)
        self._share_out(changed=model)
        self._dropped += model.wanted - model.exported

    def count(self, model: str, counts: ModelCounts, *, elsewhere: bool = False) -> None:
        """Takes new counts of a model in between judgements; cheap enough for every poll. ``elsewhere``: another member
        judges it.
        """
        known = self._model(model)
        known.counts, known.elsewhere = counts, elsewhere

    def incidents(
        self,
        model: str,
        about: object,
        texts: Callable[[], Iterable[IncidentText]],
        page: Page | None = None,
        help_: str = "",
    ) -> None:
        """Takes what is open on a model now in place of what was; ``texts`` are made of nothing but ``about``.
        ``help_``: whom and what its owners name for it.
        """
        known = self._model(model)
        if known.about != (about, page, help_):
            calls = [] if page is None else [page_line(model, page)]
            calls += [help_line(model, help_)] if help_ else []
            known.about, known.incidents = (about, page, help_), _collect([*calls, *incident_lines(model, texts())])

    def learning(self, model: str, ratio: float, counts: ModelCounts | None = None) -> None:
        """The model collects its reference; ``ratio`` 0..1 is how far it is. Its feature series end."""
        known = self._model(model)
        known.counts = counts or known.counts
        known.learning = ratio
        if known.judgement is not None:
            known.judgement, known.wanted, known.values, known.window = None, 0, 0, None
            self._share_out(changed=known)

    def quiet(self, models: Mapping[str, Mapping[str, float]]) -> None:
        """The models that send nothing now: seconds under "", and from when on that is a page, a ticket."""
        for known in self._models.values():
            rows = models.get(known.name)
            if rows or known.quiet:
                known.quiet = _collect(quiet_lines(known.name, rows)) if rows else {}

    def remove(self, model: str) -> None:
        """Forgets the model: all its series end."""
        if model in self._models:
            self._models = {k: v for k, v in self._models.items() if k != model}
            self._share_out(changed=None)

    def prune(self, now: float) -> None:
        """Ends the feature series of models that have gone silent; ``now`` of any clock that only goes forward.

        Silence is counted from the first call that sees the latest event time unchanged, so a replay of old events
        and a long catch-up are not silence.
        """
        for model in list(self._models.values()):
            if model.moved_at is None or model.counts.last_event != model.last_event:
                model.moved_at, model.last_event = now, model.counts.last_event
                continue
            window = self._window_seconds
            if model.judgement is not None:
                window = max(window, model.judgement.window_end - model.judgement.window_start)
            silent = now - model.moved_at
            if silent > self._keep_windows * window and model.features:
                model.wanted, model.values, model.silent = 0, 0, True
                self._share_out(changed=model)

    def render(self, *, gzip: bool = False) -> bytes:
        """The whole page. With ``gzip`` as members of about BLOCK_SERIES series, which every gzip reader joins."""
        models = [m for _, m in sorted(self._models.items())]
        features, aggregates = [m.features for m in models], [_aggregates(m) for m in models]
        blocks = [
            *self._blocks(self._feature_families, features, apart=True),
            *self._blocks(self._model_families, aggregates, apart=False),
        ]
        tail = self._tail(sum(map(_lines, (*features, *aggregates))))
        if not gzip:
            return b"".join(part for _, parts in blocks for part in parts) + tail
        return b"".join(self._compressed(blocks)) + _member(tail)

    def _compressed(self, blocks: Iterable[tuple[tuple[str, int], tuple[bytes, ...]]]) -> list[bytes]:
        """The blocks as members; those that have not changed since the last scrape are not compressed again."""
        with self._zipping:
            kept = {}
            for key, parts in blocks:
                old = self._zipped.get(key)
                # equal tuples of the very same bytes objects compare by identity, so this costs nothing
                kept[key] = old if old is not None and old[0] == parts else (parts, _member(b"".join(parts)))
            self._zipped = kept
        return [zipped for _, zipped in kept.values()]

    def _model(self, name: str) -> _Model:
        if name not in self._models:
            # replaced, not changed: a scrape may be going through it
            self._models = {**self._models, name: _Model(name)}
        return self._models[name]

    def _columns(
        self, model: _Model, j: Judgement
    ) -> Iterator[tuple[str, str, NDArray[np.float64], NDArray[np.bool_], bool]]:
        """Family, its third label, values, the channels that have the series, and whether six digits would spoil it."""
        everywhere = np.ones(len(j.channel_status), bool)
        if model.ringing is not None:
            rings = np.array([c.name in model.ringing for c in j.reference.channels], bool)
            yield "driftd_feature_status", "", j.channel_status.astype(np.float64), rings, False
            since = rings & ~np.isnan(j.since)
            yield "driftd_feature_drift_since_timestamp_seconds", "", j.since, since, True
            return
        for s in j.scores:
            statistic = STATISTICS[s.detector]
            applies = _applies(s)
            firing = (s.status >= Status.WARNING).astype(np.float64)
            for family, values, shown, exact in (
                (statistic, s.statistic, everywhere, False),
                (f"{statistic}_threshold", s.threshold, everywhere, False),
                ("driftd_feature_drift_ratio", s.ratio, everywhere, False),
                ("driftd_feature_firing", firing, applies, False),
                ("driftd_feature_firings_total", s.detections.astype(np.float64), applies, True),
            ):
                if family in METRICS:
                    yield family, s.detector, values, shown & ~np.isnan(values), exact
        for name, value, usual in zip(bin_values.STATISTICS, model.now, model.usual, strict=True):
            yield "driftd_feature_value", name, value, ~np.isnan(value), False
            if name in BAND:
                yield "driftd_feature_value_reference", name, usual, ~np.isnan(usual), False
        yield "driftd_feature_status", "", j.channel_status.astype(np.float64), everywhere, False
        since = (j.channel_status >= Status.WARNING) & ~np.isnan(j.since)
        yield "driftd_feature_drift_since_timestamp_seconds", "", j.since, since, True
        if model.cover is not None:
            n, c = len(everywhere), model.cover
            yield "driftd_feature_may_page", "", c.pages[:n].astype(np.float64), everywhere, False
            yield "driftd_feature_inflation_ratio", "", c.design_effect[:n], everywhere, False
            for change in BLIND_CHANGES if len(c.blind) == n else ():
                cannot = np.array([change in mine for mine in c.blind], bool)
                yield _BLIND, change, np.ones(n), cannot, False

    def _render_features(self, model: _Model) -> Fragments:
        j = model.judgement
        if j is None or model.silent:
            return {}
        columns = list(self._columns(model, j))
        if model.share < model.wanted:  # values are for reading, all others are for alerts
            columns = [c for c in columns if c[0] not in VALUES]
        kept = self._kept(model, j, columns)
        if model.ringing is not None:
            kept &= np.array([c.name in model.ringing for c in j.reference.channels], bool)
        out: dict[str, tuple[bytes, int]] = {}
        for family, third, values, shown, exact in columns:
            lines, here = self._lines(model, j, family, third), shown & kept
            text = lines.exact(values, here) if exact else lines.render(values, here)
            if text:
                before, n = out.get(family, (b"", 0))
                out[family] = before + text, n + int(here.sum())
        if j.kinds:
            out[_INFO] = _info(j, kept)
        if model.ringing is None and (text := _valueless(j)):
            before, n = out.get(_BLIND, (b"", 0))
            out[_BLIND] = before + text, n + text.count(b"\n")
        return out

    def _lines(self, model: _Model, j: Judgement, family: str, third: str) -> Lines:
        lines = model.lines.get((family, third))
        if lines is None:
            texts = self._label_texts(model, j, METRICS[family].labels[2:], third)
            lines = model.lines[family, third] = Lines(family, texts)
        return lines

    def _label_texts(self, model: _Model, j: Judgement, names: Sequence[str], third: str) -> list[str]:
        """The labels of each channel; ``names``: that of the third label, or none."""
        by = dict.fromkeys(names, third)
        key = ("", "") if not by else (names[0], third)
        if key not in model.label_texts:
            model.label_texts[key] = [labels({"model": j.model, "feature": c.name, **by}) for c in j.reference.channels]
        return model.label_texts[key]

    def _kept(
        self,
        model: _Model,
        j: Judgement,
        columns: Iterable[tuple[str, str, NDArray[np.float64], NDArray[np.bool_], bool]],
    ) -> NDArray[np.bool_]:
        """bool[channels]: those whose series fit into what the model is allowed."""
        n = len(j.channel_status)
        model.exported = model.wanted
        if model.share >= model.wanted:
            return np.ones(n, bool)
        needs = np.sum([shown for _, _, _, shown, _ in columns], axis=0)
        present = j.summary.channel_events - j.summary.counts[:, MISSING]
        channels = j.reference.channels
        order = sorted(
            range(n),
            key=lambda i: (channels[i].feature is not None, -int(present[i]).bit_length(), channels[i].name),
        )
        kept = np.zeros(n, bool)
        kept[order] = np.cumsum(needs[order]) <= model.share
        model.exported = int(needs[kept].sum())
        return kept

    def _share_out(self, changed: _Model | None) -> None:
        """Shares the limit out over the models and renders those whose features changed or whose share did."""
        wanted = sum(m.wanted for m in self._models.values())
        left = self._room(wanted)
        full = wanted > left
        concerned = [changed] if changed is not None else []
        if full or self._full:
            concerned = self._by_precedence()
        self._full = full
        shares = self._within(left, concerned) if full else [m.wanted for m in concerned]
        for model, share in zip(concerned, shares, strict=True):
            if model is changed or share != model.share:
                model.share = share
                model.features = self._render_features(model)

    @staticmethod
    def _within(left: int, models: Sequence[_Model]) -> list[int]:
        """At most ``left`` series, first come first served: what alerts ask for of all models, then their values."""
        shares = []
        for model in models:
            shares.append(min(model.wanted - model.values, left))
            left -= shares[-1]
        for i, model in enumerate(models):
            if shares[i] + model.values == model.wanted and model.values <= left:
                shares[i] += model.values
                left -= model.values
        return shares

    def _room(self, wanted: int) -> int:
        """How many series the limit leaves for features, which want ``wanted``."""
        # aggregates are counted only where they could matter: a model has about 34 of them, with labels up to 50 more,
        # and its refused values
        close = wanted + sum(100 + len(m.counts.refused) for m in self._models.values()) > self._limit
        aggregates = sum(_lines(_aggregates(m)) for m in self._models.values()) if close else 0
        return max(0, self._limit - aggregates)

    def _by_precedence(self) -> list[_Model]:
        """The models the user named first, then those with the most predictions."""
        # Powers of two, or two models with nearly the same traffic would swap places at every window.
        return sorted(
            self._models.values(),
            key=lambda m: (m.name not in self._configured, -m.counts.predictions.bit_length(), m.name),
        )

    def _blocks(
        self, families: Iterable[Metric], pages: Sequence[Fragments], *, apart: bool
    ) -> Iterator[tuple[tuple[str, int], tuple[bytes, ...]]]:
        """The page's fragments in order, cut where about BLOCK_SERIES series have come together.

        Families that stand ``apart`` begin a new block each: then a model that is judged touches its own blocks and
        no others. Aggregates are few and share blocks.
        """
        key, n = ("", 0), 0
        parts: list[bytes] = []
        for place, text, lines in self._fragments(families, pages):
            if parts and (n >= BLOCK_SERIES or (place[1] == 0 and apart)):
                yield key, tuple(parts)
                parts, n = [], 0
            if not parts:
                key = place
            parts.append(text)
            n += lines
        if parts:
            yield key, tuple(parts)

    def _fragments(
        self, families: Iterable[Metric], pages: Sequence[Fragments]
    ) -> Iterator[tuple[tuple[str, int], bytes, int]]:
        """Family and number, text and series of each fragment: a family's head is number 0, its models follow."""
        for metric in families:
            found = [page[metric.name] for page in pages if metric.name in page]
            if found:
                for i, (text, lines) in enumerate([(self._heads[metric.name], 0), *found]):
                    yield (metric.name, i), text, lines

    def _tail(self, series: int) -> bytes:
        """The sink's own numbers and everything that prometheus_client serves."""
        dropped = sample("driftd_series_dropped_total", {"reason": "limit"}, self._dropped)
        own = (
            (self._heads["driftd_series"], sample("driftd_series", {}, series)),
            (self._heads["driftd_series_limit"], sample("driftd_series_limit", {}, self._limit)),
            (self._heads["driftd_series_dropped_total"], dropped),
        )
        rest = generate_latest(self._registry) if self._registry is not None else b""
        return b"".join(part for pair in own for part in pair) + rest


def _lines(fragments: Fragments) -> int:
    return sum(n for _, n in fragments.values())


def _collect(rows: Iterable[tuple[str, bytes]]) -> Fragments:
    out: dict[str, tuple[bytes, int]] = {}
    for family, text in rows:
        before, n = out.get(family, (b"", 0))
        out[family] = before + text, n + text.count(b"\n")
    return out


def _aggregates(model: _Model) -> Fragments:
    """What is said of the model as a whole: its window's lines, written when it was judged, and the counts of now. Of a
    model that another member judges only the counts.
    """
    counts = {**_collect(count_lines(model.name, model.counts)), **model.quiet}
    if Slice(model.name).within:
        j, events = model.judgement, model.counts.predictions
        status, joint = Status.LEARNING if j is None else j.status, JOINT in (model.ringing or ())
        return {**_collect(segment_lines(model.name, status, events, j, joint)), **counts, **model.incidents}
    if model.window is not None:
        return {**model.window, **counts, **model.incidents}
    if model.elsewhere:
        return counts
    return {**_collect(learning_lines(model.name, model.learning)), **counts, **model.incidents}


def _applies(s: Scores) -> NDArray[np.bool_]:
    """bool[channels]: the detector judges the channel, even where it abstains in this window."""
    out: NDArray[np.bool_] = ~(np.isnan(s.ratio) & np.isnan(s.threshold)) | (s.detections > 0)
    return out


def _member(text: bytes) -> bytes:
    """One gzip member. Level 1: six times smaller at a quarter of level 6's time; no time stamp in it."""
    press = zlib.compressobj(1, zlib.DEFLATED, 31)
    return press.compress(text) + press.flush()


def _valueless(j: Judgement) -> bytes:
    """The lines of features that have never had a value: the reference has no channel of theirs."""
    names = [gap.channel for gap in gaps_of(j.reference) if gap.never]
    each = [{"model": j.model, "feature": name, "change": change} for name in names for change in BLIND_CHANGES]
    return b"".join(sample(_BLIND, texts, 1) for texts in each)


def _info(j: Judgement, kept: NDArray[np.bool_]) -> tuple[bytes, int]:
    """A line with the kind of each open change, and how many these are."""
    channels = [(j.reference.channels[row].name, kind) for row, kind in j.kinds.items() if kept[row]]
    texts = [labels({"model": j.model, "feature": name, "kind": kind}) for name, kind in channels]
    return "".join(f"{_INFO}{text} 1\n" for text in texts).encode(), len(texts)
