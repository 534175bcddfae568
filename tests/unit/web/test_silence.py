"""A model that sends nothing beyond its limit is told as silent, and never as one in which nothing has changed."""

import pytest

from driftd.cli.ask import channel_lines, model_lines, status_lines
from driftd.metrics.aggregates import ModelCounts
from driftd.monitor.silence import Quiet, Silence
from driftd.web import Snapshot
from tests.stage.judgement import judgement, scores
from tests.stage.snapshot import NOW, snapshot, view
from tests.unit.web.test_api import body
from tests.unit.web.test_site import said, shown

SAYS = "no event for 13 min, where 300 an hour are usual; the last is of 05:47"
"""Beside what else is said of the model, or of a channel of it."""
LINE = "no events (usually 300 an hour)"
"""In the place of what is worst on it; since its last event, 05:47."""


def calm(seconds: float, *, drifted: bool = False) -> Snapshot:
    verdict = scores("psi", [0.31 if drifted else 0.01, 0.01])
    quiet = Quiet(seconds, Silence(600.0, 900.0, 300.0))
    counts = ModelCounts(9_000, last_event=NOW - 840)
    return snapshot(models=[view(judgement("m", ["x"], verdicts=(verdict,)), counts, quiet=quiet)], findings=[])


@pytest.mark.parametrize(("seconds", "status"), [(800.0, "ticket"), (1000.0, "page")])
def test_a_silent_model_is_never_ok(seconds: float, status: str) -> None:
    given, says = calm(seconds), SAYS.replace("13 min", "16 min" if status == "page" else "13 min")
    fleet, model = body("/api/v1/models", given), body("/api/v1/model?model=m", given)
    channel = body("/api/v1/channel?model=m&channel=x", given)
    assert (fleet["status"], fleet["models"][0]["status"], model["model"]["status"]) == (status,) * 3
    assert fleet["models"][0]["events_per_second"] is None
    assert (model["model"]["sentence"], model["model"]["since"]) == (LINE, NOW - 840)
    assert f"m: {LINE} since 05:47" in fleet["sentence"]
    pages = said("/", given), said("/model?model=m", given), said("/channel?model=m&channel=x", given).lower()
    asked = "\n".join(status_lines(fleet)), "\n".join(model_lines(model)), "\n".join(channel_lines(channel))
    for text, wanted in (
        (pages[0], LINE), (pages[1], f"m: {LINE} since 05:47 UTC"), (pages[1][1:], says[1:]), (pages[2], says),
        (asked[0], f"m: {LINE} since 05:47 (14 min)"), (asked[1], f"m: {LINE} since 05:47"), (asked[2], says),
        (channel["silence"], says),
    ):  # fmt: skip
        text = text.replace("\u00a0", " ")  # noqa: PLW2901
        assert wanted in text
        assert "othing has changed" not in text
        assert not text.startswith(("OK", "✓"))
    assert "✓ OK" not in said("/", given)
    assert "✓ OK" not in said("/channel?model=m&channel=x", given)


@pytest.mark.parametrize(
    ("seconds", "alert", "other"),
    [(800.0, "DriftdModelSilent", "DriftdNoData"), (1000.0, "DriftdNoData", "DriftdModelSilent")],
)
def test_a_silent_models_pages_lead_to_the_alert_that_fires_and_are_as_loud(
    seconds: float, alert: str, other: str
) -> None:
    for path in ("/model?model=m", "/channel?model=m&channel=x"):
        page = shown(path, calm(seconds))
        assert f"{alert}.md" in page
        assert f"{other}.md" not in page
        assert ('class="banner"' in page) == (alert == "DriftdNoData")


def test_the_traffic_of_a_silent_model_falls_to_nothing_on_its_chart() -> None:
    """It ended with the last minute that had events, and looked as if they still came."""
    assert "; last 0 a minute" in shown("/model?model=m&range=1h", calm(1000.0))
    assert "; last 0 a minute" not in shown("/model?model=m&range=1h", calm(500.0))


def test_a_silence_that_is_natural_is_not_told() -> None:
    given = calm(500.0)
    channel = body("/api/v1/channel?model=m&channel=x", given)
    assert body("/api/v1/models", given)["status"] == "ok"
    assert channel["silence"] == ""
    assert "nothing has changed" in said("/channel?model=m&channel=x", given)
    assert "no event for" not in said("/", given)


def test_what_has_changed_on_a_silent_model_stays_and_its_silence_stands_beside_it() -> None:
    given = calm(800.0, drifted=True)
    lines = "\n".join(status_lines(body("/api/v1/models", given))).replace("\u00a0", " ")
    assert "m: x: 30..40" in lines
    assert "no event for 13 min; the last is of 05:47" in lines
    assert SAYS in said("/", given)
