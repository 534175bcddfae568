"""Rows about all models: what is open, how they are, and what a page is worth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from driftd.generate.grafana import (
    MODEL,
    STATUS_NAMES,
    STATUS_STEPS,
    Panel,
    address,
    labels,
    mapping,
    stat,
    statuses,
    steps,
    table,
)


def all_models() -> Iterator[Panel]:
    to_model = {"title": "Show this model", "targetBlank": False, "url": address(MODEL, model="${__value.raw}")}
    to_incident = {"title": "Show on driftd's page", "targetBlank": True, "url": "${__data.fields.Address}"}
    yield labels(
        "Open now",
        "What is open, as alerts tell it: pages, and up to five tickets a model. Each leads to its incident on the "
        "pages of driftd, where http.external_url is set.",
        "max by (severity, model, summary, url) (driftd_incident_info)",
        {"severity": "Severity", "model": "Model", "summary": "What has changed", "url": "Address"},
        empty="Nothing is open.",
        fields={
            "Severity": {"custom.width": 90},
            "Model": {"links": [to_model], "custom.width": 220},
            "What has changed": {"links": [to_incident]},
            "Address": {"custom.hidden": True},
        },
    )
    yield statuses(
        "Status of models",
        "Status of each model: OK, LEARNING (no reference yet), WARNING (tickets), DRIFT (an episode pages). "
        "The worst of two members counts.",
        ("max by (model) (driftd_model_status)", "{{model}}"),
        runbooks=["DriftdModelDrift"],
        links=[
            {"title": "Show this model", "targetBlank": False, "url": address(MODEL, model="${__field.labels.model}")}
        ],
    )
    yield table(
        "Models now",
        "One line a model: status, channels with a page and with a ticket, events in the last judged window, their "
        "rate, error ratio, and the time of the latest event (event time, UTC as in the dashboard).",
        {
            "Status": "max by (model) (driftd_model_status)",
            "Page": "max by (model) (driftd_model_page_features)",
            "Ticket": "max by (model) (driftd_model_ticket_features)",
            "Channels": "max by (model) (driftd_model_features)",
            "Window events": "max by (model) (driftd_window_events)",
            "Rate": "max by (model) (driftd_window_events_per_second)",
            "Errors": "max by (model) (driftd_window_error_ratio)",
            "Latest event": "max by (model) (driftd_last_event_timestamp_seconds) * 1000",
        },
        sort="Status",
        fields={
            "Status": {
                "mappings": mapping(STATUS_NAMES),
                "custom.cellOptions": {"type": "color-background", "mode": "basic"},
                "thresholds": steps(STATUS_STEPS),
            },
            "Rate": {"unit": "eps", "decimals": 1},
            "Errors": {"unit": "percentunit"},
            "Latest event": {"unit": "dateTimeAsIso"},
        },
    )


def _figure(title: str, description: str, query: str, *, runbooks: Iterable[str], **more: Any) -> Panel:
    return stat(title, description, query, size=(4, 4), colors=("text",), runbooks=runbooks, **more)


def trust() -> Iterator[Panel]:
    yield _figure(
        "Budget",
        "False pages a month that the user accepts, for everything together (alarms.false_alarms_per_month).",
        "max(driftd_false_alarms_budget)",
        runbooks=["DriftdModelDrift"],
    )
    yield _figure(
        "False pages to expect",
        "A month, at most, from the models known now, under any dependence, if every channel is what its regime says.",
        "max(driftd_false_alarms_bound)",
        runbooks=["DriftdModelDrift"],
        decimals=2,
    )
    yield _figure(
        "Pages in 30 days",
        "All that came, the true ones included.",
        "sum(increase(driftd_pages_total[30d]))",
        runbooks=["DriftdModelDrift"],
    )
    yield _figure(
        "Channels that can page",
        "Over all models, joint paths included.",
        "sum(max by (model) (driftd_model_may_page_features))",
        runbooks=["DriftdModelDrift"],
    )
    yield _figure(
        "Channels with tickets only",
        "Their values follow each other and too few seasons are known, or the reference is too short. "
        "The runbook says what to do.",
        "sum(max by (model) (driftd_model_ticket_only_features))",
        runbooks=["DriftdFeatureDrift"],
    )
    yield _figure(
        "Shortest reference",
        "What the judge learned the shortest reference from. It contains no rhythm that is longer.",
        "min(driftd_model_reference_span_seconds)",
        unit="s",
        runbooks=["DriftdModelDrift"],
    )
    yield table(
        "Certificate of each model",
        "Channels that can page and that make tickets only; the least A (within n events of a channel a false episode "
        "has a chance of n / A); what the reference spans; pages in 30 days, the true ones included.",
        {
            "Can page": "max by (model) (driftd_model_may_page_features)",
            "Tickets only": "max by (model) (driftd_model_ticket_only_features)",
            "A (events)": "max by (model) (driftd_model_false_alarm_threshold_events)",
            "Reference spans": "min by (model) (driftd_model_reference_span_seconds)",
            "Pages in 30 days": "sum by (model) (increase(driftd_pages_total[30d]))",
        },
        sort="Can page",
        fields={"Reference spans": {"unit": "s"}, "Pages in 30 days": {"decimals": 0}},
        size=(24, 9),
        runbooks=["DriftdModelDrift"],
    )
