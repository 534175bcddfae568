"""Objectives in the text of the rules: budgets and the latency that is slow, of all models and of single ones.

Without objectives of single models budgets stay one number for all. With some, a recording rule has the budget of each
model, and the alerts compare with that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_SLOW: Final = re.compile(r'rate\(driftd_prediction_latency_seconds_bucket\{le="0\.25"\}\[(\w+)\]\)')
_GROUP: Final = "  - name: driftd-objectives\n    rules:\n"


@dataclass(frozen=True, slots=True)
class Objective:
    """Shares of predictions that may fail, and that may take longer than ``latency_seconds``."""

    errors: float = 0.01
    slow: float = 0.01
    latency_seconds: float = 0.25


@dataclass(frozen=True, slots=True)
class Objectives:
    """That of all models, and those of models that have their own."""

    fleet: Objective = Objective()
    models: Mapping[str, Objective] = field(default_factory=dict)


def with_objectives(text: str, given: Objectives) -> str:
    if given == Objectives():
        return text
    fleet = given.fleet
    for kind, share in (("error", fleet.errors), ("latency", fleet.slow)):
        text = re.sub(rf"(record: driftd:slo:{kind}_budget\n +expr: )vector\(0\.01\)", rf"\g<1>vector({share:g})", text)
    text = text.replace("may take longer than 0.25 s", f"may take longer than {fleet.latency_seconds:g} s")
    text = _SLOW.sub(lambda match: _within(given, match[1]), text)
    text = text.replace("take longer than 0.25 s;", f"take longer than {_limit(given)} s;")
    return _of_each_model(text, given) if given.models else text


def _of_each_model(text: str, given: Objectives) -> str:
    """Budgets by model, recorded and compared with."""
    records = ""
    for kind, attribute in (("error", "errors"), ("latency", "slow")):
        name = f"model:driftd_{kind}_budget:ratio"
        text = re.sub(
            rf"> ([\d.]+) \* scalar\(driftd:slo:{kind}_budget\)", rf"> on (model) group_left () (\g<1> * {name})", text
        )
        asked = f'{{{{ with printf "{name}{{model=%q}}" $labels.model | query }}}}'
        text = text.replace(f'{{{{ with query "driftd:slo:{kind}_budget" }}}}', asked)
        own = "".join(
            f"          {_labelled(getattr(objective, attribute), model)}\n            or\n"
            for model, objective in sorted(given.models.items())
        )
        rest = f"          0 * max by (model) (driftd_predictions_total) + {getattr(given.fleet, attribute):g}\n"
        records += f"      - record: {name}\n        expr: |\n{own}{rest}"
    return text.replace(_GROUP, _GROUP + records)


def _labelled(share: float, model: str) -> str:
    """In a replacement ``$`` would begin a group's name."""
    return f'label_replace(vector({share:g}), "model", {_quoted(model.replace("$", "$$"))}, "", "")'


def _within(given: Objectives, window: str) -> str:
    """The rate of predictions that are fast enough, each model by its own limit."""
    metric, fleet = "driftd_prediction_latency_seconds_bucket", given.fleet.latency_seconds
    own = {m: o.latency_seconds for m, o in sorted(given.models.items()) if o.latency_seconds != fleet}
    if not own:
        return f"rate({metric}{{{_le(fleet)}}}[{window}])"
    parts = [f"rate({metric}{{{_le(le)},model={_quoted(m)}}}[{window}])" for m, le in own.items()]
    others = "|".join(re.escape(m) for m in own)
    parts.append(f"rate({metric}{{{_le(fleet)},model!~{_quoted(others)}}}[{window}])")
    return " or ".join(parts)


def _le(bound: float) -> str:
    """The label of a bucket; whole numbers are ``1`` or ``1.0``, as the version of Prometheus has it."""
    return f'le=~"{bound:.0f}([.]0)?"' if bound == int(bound) else f'le="{bound:g}"'


def _limit(given: Objectives) -> str:
    fleet = given.fleet.latency_seconds
    own = {m: o.latency_seconds for m, o in sorted(given.models.items()) if o.latency_seconds != fleet}
    if not own:
        return f"{fleet:g}"
    cases = " else ".join(f"if eq $labels.model {_quoted(m)} }}}}{le:g}{{{{" for m, le in own.items())
    return f"{{{{ {cases} else }}}}{fleet:g}{{{{ end }}}}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
