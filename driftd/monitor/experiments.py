"""Experiments of a model: what sources have closed comes in, each pane once, and what it says by now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from driftd.core.event import TopicPartition
from driftd.core.experiment import Rule
from driftd.core.slice import Slice
from driftd.core.trials import Trial, Trials, parted
from driftd.judge.experiments.state import Experiment
from driftd.judge.experiments.verdict import Result, result
from driftd.monitor.state import ModelState


def take_in(model: ModelState, source: TopicPartition, trials: Trials) -> None:
    """Panes that a source has closed. What came before changes nothing; a pane that comes again replaces itself."""
    if model.tried is not None:
        trials = parted(trials, model.tried)[1]
    known = dict(model.trials.get(source, {}))
    for name, fresh in trials.items():
        known[name] = known[name].without(fresh.sums.rows).then(fresh) if name in known else fresh
    if known:
        model.trials[source] = known


def settle(model: ModelState, rules: Sequence[Rule], reached: int, pane_seconds: float) -> None:
    """Takes the panes up to ``reached`` into the experiments that there are; of others nothing is kept."""
    if not rules and not model.experiments and not model.trials:
        return
    later: dict[TopicPartition, Trials] = {}
    known = {rule.id: rule for rule in rules}
    ready: dict[str, list[Trial]] = {name: [] for name in known}
    for source, trials in sorted(model.trials.items()):
        now, rest = parted(trials, reached)
        for name, trial in now.items():
            if name in known and _fits(known[name], trial):
                ready[name].append(trial)
        if rest:
            later[source] = rest
    model.trials, model.tried = later, reached if model.tried is None else max(reached, model.tried)
    experiments = {}
    for name, rule in known.items():
        before = model.experiments.get(name)
        if before is not None or ready[name]:
            before = Experiment.start(rule) if before is None else before
            experiments[name] = before.take(rule, ready[name], reached, pane_seconds)
    model.experiments = experiments


def _fits(rule: Rule, trial: Trial) -> bool:
    """Whether it was counted as we would; another driftd may have sent it."""
    return trial.sums.width == rule.width and int(trial.units.arms.max(initial=0)) < len(rule.arms)


def results(models: Mapping[Slice, ModelState], key: Slice, rules: Sequence[Rule]) -> list[Result]:
    """Of the experiments of a model, with what its joined labels say. One without an event yet is there, too."""
    whole, part = models.get(key), models.get(Slice.of_labels(key.model))
    out = []
    for rule in rules:
        own = None if whole is None else whole.experiments.get(rule.id)
        on_labels = rule.of_labels
        labels = None if part is None or on_labels is None else part.experiments.get(on_labels.id)
        out.append(result(rule, Experiment.start(rule) if own is None else own, labels))
    return out
