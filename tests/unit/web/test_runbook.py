"""A runbook with an alert's names in it: what is pasted is quoted, what is shown is escaped, nothing else is served."""

from __future__ import annotations

import shlex
from http import HTTPStatus
from urllib.parse import quote

import pytest

from driftd.config.share import runbooks
from driftd.web.runbook import Names, page_of
from driftd.web.site import answer, request_of
from tests.stage.snapshot import snapshot
from tests.unit.web.test_site import HOSTILE, PAST, Elements, said, shown


def test_commands_and_queries_have_the_names_of_the_alert() -> None:
    text = said("/runbook?alert=DriftdFeatureDrift&model=fraud&feature=amount")
    assert "driftd explain fraud amount --url http://driftd:9477" in text
    assert 'driftd_feature_change_size{model="fraud",feature="amount"}' in text
    assert "amtool silence add alertname=DriftdFeatureDrift model=fraud feature=amount" in text
    assert "MODEL" not in text
    assert "Filled in: model fraud , channel amount" in text


def test_without_names_it_says_what_to_replace() -> None:
    text = said("/runbook?alert=DriftdModelDrift")
    assert "driftd explain MODEL" in text
    assert "Replace MODEL and FEATURE" in text


def test_driftd_is_asked_where_people_reach_it() -> None:
    text = said("/runbook?alert=DriftdFeatureDrift&model=fraud", snapshot(external_url="https://driftd.example/w"))
    assert "driftd explain fraud hour --url https://driftd.example/w" in text


@pytest.mark.parametrize(
    ("name", "word", "string"),
    [
        ("fraud", "fraud", '"fraud"'),
        ("card fraud", "'card fraud'", '"card fraud"'),
        ("$(reboot)", "'$(reboot)'", '"$(reboot)"'),
        ("a'; rm -rf / #", shlex.quote("a'; rm -rf / #"), '"a\'; rm -rf / #"'),
        ('x"} or vector(1) #', "'x\"} or vector(1) #'", r'"x\"} or vector(1) #"'),
        ("back\\slash", r"'back\slash'", r'"back\\slash"'),
        (r"\g<1>", r"'\g<1>'", r'"\\g<1>"'),
        ("MODEL", "MODEL", '"MODEL"'),
        ("FEATURE", "FEATURE", '"FEATURE"'),
    ],
)
def test_names_are_quoted_for_the_shell_and_for_queries(name: str, word: str, string: str) -> None:
    names = Names(name, "amount")
    assert names.fill("driftd explain MODEL FEATURE") == f"driftd explain {word} amount"
    assert names.fill('{model="MODEL",feature="FEATURE"}') == f'{{model={string},feature="amount"}}'
    assert shlex.split(names.fill("driftd explain MODEL"))[2] == name


@pytest.mark.parametrize("name", ["two\nlines", "\u202eleft", "\x1b[2J", ""])
def test_a_name_that_does_not_read_as_it_pastes_is_not_filled_in(name: str) -> None:
    assert Names(name).fill("driftd explain MODEL") == "driftd explain MODEL"


def test_hostile_names_stay_text() -> None:
    html = Elements(shown(f"/runbook?alert=DriftdModelDrift&model={quote(HOSTILE)}&feature={quote(HOSTILE)}"))
    assert not html.of("img")
    assert {script.get("src", "") for script in html.of("script")} == {Elements(shown("/")).of("script")[0]["src"]}


@pytest.mark.parametrize(
    "alert", ["", "Nothing", "../../../etc/passwd", "DriftdModelDrift.md", "driftdmodeldrift", HOSTILE]
)
def test_only_an_alert_s_name_leads_to_a_file(alert: str) -> None:
    found = answer(request_of(f"/runbook?alert={quote(alert)}", None), snapshot)
    assert found.status is HTTPStatus.NOT_FOUND
    with pytest.raises(KeyError):
        page_of(alert, Names(), str)


def test_every_runbook_is_shown_whole_and_its_links_lead_to_others() -> None:
    assert "DriftdModelDrift" in runbooks()
    for alert in sorted(runbooks()):
        html = Elements(shown(f"/runbook?alert={alert}&model=fraud"))
        assert "```" not in html.text, alert
        assert {"Meaning", "Diagnosis", "Silence"} <= set(html.text.split()) | (
            {"Silence"} if "Watchdog" in alert else set()
        )
        mine = [a["href"] or "" for a in html.of("a") if (a["href"] or "").startswith("/runbook")]
        for link in mine:
            assert answer(request_of(link, None), snapshot).status is HTTPStatus.OK


def test_an_incident_leads_to_what_to_do_about_its_model() -> None:
    links = [a["href"] or "" for a in Elements(shown(f"/incident?id={PAST.id}")).of("a")]
    (mine,) = [link for link in links if link.startswith("/runbook")]
    assert f"model={PAST.first.model}" in mine
    assert f"feature={PAST.first.channel}" in mine
    assert answer(request_of(mine, None), snapshot).status is HTTPStatus.OK


def test_a_table_is_moved_alone_on_a_phone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftd.web.runbook.shared", lambda _: "# DriftdDown\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    page = shown("/runbook?alert=DriftdDown")
    assert page.count('<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>') == 1
    assert page.count("</table></div>") == page.count("<table>") == 1
