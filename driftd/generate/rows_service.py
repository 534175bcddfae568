"""Rows about what a model is worth: its service, latency and cost, how right it is, later labels and experiments."""

from __future__ import annotations

from collections.abc import Iterator

from driftd.generate.grafana import Panel, lines


def performance() -> Iterator[Panel]:
    """By statistic: those of a model that has none of them are not there."""

    def of(names: str, ending: str = "") -> str:
        return f'max by (statistic) (driftd_model_quality{ending}{{model="$model", statistic=~"{names}"}})'

    shares, losses, numbers = (
        "accuracy|precision|recall|f1|auc|auc_macro|average_precision",
        "log_loss|brier|calibration_error",
        ("mae|rmse|bias"),
    )
    yield lines(
        "How right the model is",
        "Shares and areas of the last judged window, of events with a label; and of the reference (dashed). No data "
        "without labels.",
        [(of(shares), "{{statistic}}"), (of(shares, "_reference"), "{{statistic}}, reference threshold")],
        size=(12, 8),
        runbooks=["DriftdErrorDrift"],
    )
    yield lines(
        "Accuracy and its interval",
        "95 % of independent events; the mean absolute error where predictions are numbers.",
        [
            (of("accuracy|mae"), "{{statistic}}"),
            (of("accuracy|mae", "_lower"), "{{statistic}}, lower"),
            (of("accuracy|mae", "_upper"), "{{statistic}}, upper"),
            (of("accuracy", "_estimate"), "{{statistic}} by scores alone"),
        ],
        size=(12, 8),
        runbooks=["DriftdErrorDrift"],
    )
    yield lines(
        "Losses and errors",
        "Less is better. Errors are in the unit of the label.",
        [(of(f"{losses}|{numbers}"), "{{statistic}}")],
        size=(12, 8),
        runbooks=["DriftdErrorDrift"],
    )
    yield lines(
        "Events with a label",
        "In the last judged window.",
        [('max(driftd_model_labelled_events{model="$model"})', "events")],
        size=(12, 8),
        runbooks=["DriftdErrorDrift"],
    )


def service() -> Iterator[Panel]:
    def rate(metric: str) -> str:
        return f'sum(rate({metric}{{model="$model"}}[$__rate_interval]))'

    yield lines(
        "Predictions",
        "Prediction events that driftd accepted, per second.",
        [(rate("driftd_predictions_total"), "predictions"), (rate("driftd_labels_total"), "labels")],
        size=(12, 8),
        unit="eps",
        runbooks=["DriftdNoData", "DriftdModelSilent"],
    )
    yield lines(
        "Errors",
        "Share of predictions with a service error, by arrival at driftd; and the objective's budget "
        "(driftd_slo_error_budget_ratio).",
        [
            (f"{rate('driftd_prediction_errors_total')} / {rate('driftd_predictions_total')}", "errors"),
            ('max by (model) (driftd_slo_error_budget_ratio{model=~"$model"})', "budget threshold"),
        ],
        size=(12, 8),
        unit="percentunit",
        runbooks=["DriftdErrorBudgetBurnFast", "DriftdErrorBudgetBurnSlow"],
    )


def latency_and_cost() -> Iterator[Panel]:
    latency = 'sum by (le) (rate(driftd_prediction_latency_seconds_bucket{model="$model"}[$__rate_interval]))'
    yield lines(
        "Latency",
        "Quantiles of the latency that the events state.",
        [(f"histogram_quantile({q}, {latency})", f"p{q * 100:g}") for q in (0.5, 0.9, 0.99)],
        size=(8, 8),
        unit="s",
        runbooks=["DriftdLatencyBudgetBurnFast", "DriftdLatencyBudgetBurnSlow"],
    )
    spent = 'sum by (model, currency) (driftd_cost_month{model=~"$model"})'
    yield lines(
        "Cost this month",
        "Money of the calendar month (UTC), what it comes to by its end, and the budget; no data where no event says "
        "what it costs or has a price.",
        [
            (spent, "spent, {{currency}}"),
            (spent.replace("month{", "month_forecast{"), "forecast, {{currency}}"),
            ('max by (model, currency) (driftd_cost_budget{model=~"$model"})', "budget threshold, {{currency}}"),
        ],
        size=(8, 8),
        runbooks=["DriftdCostBudgetBurnFast", "DriftdCostBudgetExceeded"],
    )
    spent, events, failed = (
        f'sum by (version{also}) (increase(driftd_cost_{name}total{{model=~"$model"}}[1h]))'
        for name, also in (("", ", currency"), ("events_", ""), ("failed_events_", ""))
    )
    yield lines(
        "Money per success",
        "Money of all events of the last hour, failed ones too, for each that did not fail; by version.",
        [(f"{spent} / on (version) group_left () ({events} - {failed})", "{{version}}, {{currency}}")],
        size=(8, 8),
    )


def later_labels() -> Iterator[Panel]:
    joins = 'sum by (outcome) (rate(driftd_{}_joins_total{{model="$model"}}[$__rate_interval])) > 0'
    yield lines(
        "Labels that come later",
        "Labels that came alone and predictions that wait for one, by what became of them; docs/labels.md.",
        [(joins.format("label"), "label {{outcome}}"), (joins.format("prediction"), "prediction {{outcome}}")],
        size=(8, 8),
        unit="eps",
        runbooks=["DriftdLabelsStopped"],
    )
    delay = 'sum by (le) (rate(driftd_label_delay_seconds_bucket{model="$model"}[$__rate_interval]))'
    yield lines(
        "Label delay",
        "Quantiles of the time from a prediction to its label, of labels that were joined.",
        [(f"histogram_quantile({q}, {delay})", f"p{q * 100:g}") for q in (0.5, 0.9, 0.99)],
        size=(8, 8),
        unit="s",
        runbooks=["DriftdLabelsStopped"],
    )
    yield lines(
        "Label coverage",
        "Share of predictions that got a label, of those that have one or are beyond labels.horizon_seconds.",
        [('max by (model) (driftd_label_coverage_ratio{model=~"$model"})', "labelled")],
        size=(8, 8),
        unit="percentunit",
        runbooks=["DriftdLabelsStopped"],
    )


def experiments() -> Iterator[Panel]:
    mine = 'model=~"$model"'
    yield lines(
        "Variants: verdicts",
        "What experiments say of challengers: -1 worse by more than the margin, 0 not yet, 1 not worse, 2 better; no "
        "data without experiments in driftd.yaml.",
        [
            (
                f"min by (experiment, challenger, metric) (driftd_variant_verdict{{{mine}}})",
                "{{experiment}} {{challenger}} {{metric}}",
            )
        ],
        size=(12, 8),
        runbooks=["DriftdChallengerWorse"],
    )
    yield lines(
        "Variants: traffic",
        "Events of each variant that count, a second.",
        [
            (
                f"sum by (experiment, variant) (rate(driftd_variant_events_total{{{mine}}}[$__rate_interval]))",
                "{{experiment}} {{variant}}",
            )
        ],
        size=(12, 8),
        unit="eps",
        runbooks=["DriftdSampleRatioBroken"],
    )
