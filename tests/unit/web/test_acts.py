"""Forms become acts, or a sentence that says what is wrong; who may not act sees no form."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

import orjson
import pytest

from driftd.cli.ask import status_lines
from driftd.core.act import Act, Deed
from driftd.core.errors import ActRefused
from driftd.core.incident import Incident
from driftd.engine.desk import Done
from driftd.monitor.incidents import folded
from driftd.monitor.view import Snapshot
from driftd.web.acts import NOBODY, REPLAY, acts_of, form_of, said
from driftd.web.answer import Answer
from driftd.web.guarantee import promises
from driftd.web.site import answer, answer_act, request_of
from tests.stage.snapshot import NOW, snapshot

REBASELINE = {"do": "rebaseline", "model": "fraud", "because": "cents"}
MAINTENANCE = {"do": "maintenance", "model": "fraud", "because": "retrain", "to": "+2h"}


def incidents() -> tuple[Incident, ...]:
    return folded((), [f for f in reversed(snapshot().findings) if f.feature == "cat_country"], 6)


def shown(**over: object) -> Snapshot:
    known = snapshot(**({"incidents": incidents()} | over))
    return replace(known, models=[replace(m, keeps_events=True, renews=True) for m in known.models])


def acts(form: dict[str, str], who: str = "anna", given: Snapshot | None = None) -> list[Act]:
    return acts_of(form_of(urlencode(form).encode()), who, NOW, given or shown())


def with_acts(*done: Act) -> Snapshot:
    known = shown()
    return replace(known, models=[replace(m, acts=tuple(a for a in done if a.model == m.name)) for m in known.models])


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (REBASELINE, Act(Deed.REBASELINE, "anna", NOW, "cents", "fraud")),
        (REBASELINE | {"channel": "hour", "from": "-30m"},
         Act(Deed.REBASELINE, "anna", NOW, "cents", "fraud", ("hour",), NOW - 1800)),
        (MAINTENANCE, Act(Deed.MAINTENANCE, "anna", NOW, "retrain", "fraud", (), NOW, NOW + 7200)),
        (MAINTENANCE | {"as": "bob"},
         Act(Deed.MAINTENANCE, "anna as bob", NOW, "retrain", "fraud", (), NOW, NOW + 7200)),
    ],
)  # fmt: skip
def test_a_form_is_an_act(form: dict[str, str], expected: Act) -> None:
    assert acts(form) == [expected]


def test_maintenance_of_all_models_is_one_act_each() -> None:
    every = [m.name for m in shown().models]
    assert [act.model for act in acts({**MAINTENANCE, "model": "", "all": "1"})] == every


def test_a_time_is_utc() -> None:
    (act,) = acts(MAINTENANCE | {"from": "2036-11-29 10:00", "to": "2036-12-01T03:07:00+01:00"})
    assert (act.start, act.end) == (2111565600.0, 2111710020.0)


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({}, "do: unknown ''"),
        (REBASELINE | {"do": "rebasline"}, "did you mean 'rebaseline'"),
        (REBASELINE | {"because": " "}, "because: say why"),
        (REBASELINE | {"because": "x" * 501}, "because: expected at most 500"),
        (REBASELINE | {"because": "a\nb"}, "in one line"),
        (REBASELINE | {"from": "yesterday"}, "from: expected now"),
        (REBASELINE | {"from": "+1h"}, "from: expected a time that has been"),
        (REBASELINE | {"from": "-1h", "to": "-2h"}, "to: expected a time after 'from'"),
        (REBASELINE | {"model": ""}, "model: not given"),
        (MAINTENANCE | {"to": ""}, "to: expected a time after"),
        (MAINTENANCE | {"from": "-3h", "to": "-2h"}, "after now"),
        (MAINTENANCE | {"to": "+100d"}, "to: 3.3 months is more than the 1 month that a window may last"),
        (MAINTENANCE | {"all": "1"}, "'fraud' and all models contradict each other"),
        ({"do": "cancel", "about": "nothing"}, "no maintenance window has the id 'nothing'"),
        ({"do": "acknowledge", "about": "nothing"}, "no incident has the id 'nothing'"),
        ({"do": "feedback", "about": "nothing", "verdict": "maybe"}, "verdict: expected one of real, false_alarm"),
    ],
)
def test_what_is_wrong_is_said(form: dict[str, str], why: str) -> None:
    with pytest.raises(ActRefused, match=why):
        acts(form)


def test_a_form_of_too_many_fields_or_bytes_that_are_none_is_refused() -> None:
    for body in (b"&".join(b"a=1" for _ in range(251)), b"do=\xff", b"do=%ff"):
        with pytest.raises(ActRefused, match="expected a form"):
            form_of(body)


def test_acts_about_an_incident_are_those_of_the_model_that_began_it() -> None:
    (i,) = incidents()
    (act,) = acts({"do": "feedback", "about": i.id, "verdict": "false_alarm"})
    assert (act.model, act.about, act.verdict) == ("fraud", i.id, "false_alarm")
    assert said(act) == "judged a false alarm"


def test_who_looks_at_an_incident_stands_with_it() -> None:
    (i,) = incidents()
    (act,) = acts({"do": "acknowledge", "about": i.id, "because": "looking at the join"})
    page = read(f"/incident?id={i.id}", with_acts(act))
    assert "looking at the join" in page
    assert page.count("looks at it") == 1
    assert "anna looks at it" in read("/incidents", with_acts(act))
    body = orjson.loads(read(f"/api/v1/incident?id={i.id}", with_acts(act)))
    assert body["incident"]["acknowledged"] == "anna"
    assert [a["why"] for a in body["acts"]] == ["looking at the join"]


def test_of_several_verdicts_on_an_incident_the_last_one_counts() -> None:
    (i,) = incidents()
    (first,) = acts({"do": "feedback", "about": i.id, "verdict": "real"})
    (other,) = acts({"do": "feedback", "about": i.id, "verdict": "false_alarm"})
    assert "nobody has said" in dict(promises(shown()))["Judged"]
    assert i.called is None
    assert "0 of 1 ticket of the last 30 days were false alarms" in dict(promises(with_acts(first)))["Judged"]
    both = with_acts(first, replace(other, when=NOW + 1))
    ticket = "1 of 1 ticket of the last 30 days was a false alarm, people said"
    page = "1 of 1 page of the last 30 days was a false alarm, people said; the budget is 1 false page a month"
    assert dict(promises(both))["Judged"] == ticket
    assert dict(promises(replace(both, incidents=(replace(i, called=i.opened),))))["Judged"] == page


def test_the_budget_of_false_pages_stands_beside_pages_alone() -> None:
    (i,) = incidents()
    page, ticket = replace(i, called=i.opened), replace(i, id="ticket", ids=("ticket",))
    said_of = [Act(Deed.FEEDBACK, "anna", NOW, "", "fraud", about=x.id, verdict="false_alarm") for x in (page, ticket)]
    assert dict(promises(replace(with_acts(*said_of), incidents=(page, ticket))))["Judged"] == (
        "1 of 1 page of the last 30 days was a false alarm, people said; the budget is 1 false page a month; "
        "1 of 1 ticket of the last 30 days was a false alarm"
    )


def test_a_model_s_page_and_the_health_page_say_whether_its_last_pages_were_right() -> None:
    (i,) = incidents()
    (act,) = acts({"do": "feedback", "about": i.id, "verdict": "false_alarm"})
    told = "of the last page 0 were real, 1 false alarm, 0 not answered"
    before, after = (replace(s, incidents=(replace(i, called=i.opened),)) for s in (shown(), with_acts(act)))
    assert "nobody has said whether the last page was real" in read("/model?model=fraud", before)
    assert told in read("/model?model=fraud", after)
    assert dict(promises(after))["fraud"] == told
    assert "fraud" not in dict(promises(before))


def read(target: str, given: Snapshot, who: str = "") -> str:
    text = answer(request_of(target, None, who), lambda: given).body.decode()
    return text.replace("\u2068", "").replace("\u2069", "")


@pytest.mark.parametrize("target", ["/model?model=fraud", "/channel?model=fraud&channel=hour", "/incident?id={id}"])
def test_who_may_not_act_reads_why_and_sees_no_form(target: str) -> None:
    target = target.format(id=incidents()[0].id)
    alone, known = read(target, shown()), read(target, shown(), "local")
    assert 'method="post"' not in alone
    assert NOBODY.split(":")[0] in alone
    assert 'method="post"' in known
    assert NOBODY.split(":")[0] not in known


def test_a_channel_that_is_learned_anew_says_so_and_the_form_what_comes_of_it() -> None:
    told = "hour: cannot see: learning again since 2026-11-29 05:00 UTC, ready at 2026-11-29 05:30 UTC"
    known = shown()
    models = [replace(m, keeps_events=False, renewed={"hour": told}) for m in known.models]
    page = read("/channel?model=fraud&channel=hour", replace(known, models=models), "local")
    assert told in page
    assert (
        "from what comes from now on: its events are not kept any more. For half an hour and 500 events it is" in page
    )
    assert 'name="to"' in page
    fixed = replace(known, models=[replace(m, renews=False) for m in known.models])
    assert "One channel alone cannot be learned anew" in read("/channel?model=fraud&channel=hour", fixed, "local")


def test_a_model_in_maintenance_says_so_and_its_windows_can_be_ended() -> None:
    window = Act(Deed.MAINTENANCE, "bob", NOW - 60, "retrain", "fraud", (), NOW - 60, NOW + 7200)
    known = shown()
    models = [replace(m, windows=(window,), muted=window) if m.name == "fraud" else m for m in known.models]
    page = read("/model?model=fraud", replace(known, models=models), "local")
    assert "nothing of fraud rings" in page
    assert f'name="about" value="{window.id}"' in page
    assert "maintenance until 08:01: nothing rings" in read("/", replace(known, models=models))
    lines = [*status_lines(orjson.loads(read("/api/v1/models", replace(known, models=models))))]
    assert [line for line in lines if line.endswith(", in maintenance until 08:01: nothing rings")] != []


def sent(
    form: dict[str, str], *, page: bool = False, done: Done | Exception | None = None, others: tuple[str, ...] = ()
) -> Answer:
    def act(_: object) -> Done:
        if isinstance(done, Exception):
            raise done
        return done or Done("noted")

    return answer_act(page, urlencode(form).encode(), "anna", shown, act, lambda: others)


def test_members_that_can_do_it_are_named_and_of_all_models_the_others() -> None:
    there, every = "http://d-1:9477", ("http://d-1:9477", "http://d-2:9477")
    one = sent(REBASELINE, done=ActRefused("another member judges it", (there,)), others=every)
    assert one.status is HTTPStatus.CONFLICT
    assert orjson.loads(one.body) == {"error": "another member judges it", "members": [there]}
    unknown = {"do": "acknowledge", "about": "nobody-knows"}
    assert orjson.loads(sent(unknown, others=every).body)["members"] == [*every]
    assert sent(unknown).status is HTTPStatus.BAD_REQUEST
    window = {"do": "maintenance", "all": "1", "to": "+2h", "because": "release"}
    assert orjson.loads(sent(window, others=every).body) == {"done": "noted", "members": [*every]}
    assert orjson.loads(sent(REBASELINE, others=every).body) == {"done": "noted"}


def test_a_page_leads_to_the_member_that_can_with_what_was_typed_and_nothing_is_done_before_it_is_sent_there() -> None:
    """The page of the one is asked as a browser does it: links are followed, forms are sent as they stand."""
    typed = REBASELINE | {"channel": "hour", "because": 'cents & <b>"', "as": "Zoë", "back": "/model?model=fraud"}
    refused = ActRefused("another member judges it", ("http://d-1:9477",))
    page = sent(typed, page=True, done=refused).body.decode()
    assert 'method="post"' not in page
    (target,) = re.findall(r'href="(http://d-1:9477[^"]*)"', page)
    url = urlsplit(unescape(target))
    there = read(f"{url.path}?{url.query}", shown(), "local")
    assert "do <b>rebaseline</b>, model <b>fraud</b>, channel <b>hour</b>" in there
    form = there[there.index('<form class="bar" method="post" action="/act">') : there.index("Do it")]
    fields = {name: unescape(value) for name, value in re.findall(r'name="([^"]*)" value="([^"]*)"', form)}
    assert fields == typed
    assert NOBODY in unescape(read(f"{url.path}?{url.query}", shown()))
    assert 'method="post"' not in read(f"{url.path}?{url.query}", shown())
    assert answer(request_of("/asked?do=harm&model=fraud", None, "local"), shown).status is HTTPStatus.NOT_FOUND
    many = urlencode([*REBASELINE.items(), ("channel", "a"), ("channel", "b")]).encode()

    def act(_: object) -> Done:
        raise refused

    assert 'href="http://d-1:9477/"' in answer_act(True, many, "anna", shown, act, tuple).body.decode()


def test_the_answer_says_what_came_of_it() -> None:
    assert orjson.loads(sent(REBASELINE).body) == {"done": "noted"}
    refused = sent(REBASELINE, done=ActRefused("no model"))
    assert (refused.status, orjson.loads(refused.body)) == (HTTPStatus.BAD_REQUEST, {"error": "no model"})
    late = sent(REBASELINE, done=TimeoutError())
    assert late.status is HTTPStatus.SERVICE_UNAVAILABLE
    assert b"it is done when it does" in late.body
    unsaved = sent(REBASELINE, done=Done("noted", "disk full"))
    assert unsaved.status is HTTPStatus.SERVICE_UNAVAILABLE
    assert b"not saved yet: disk full" in unsaved.body


@pytest.mark.parametrize(
    ("back", "leads"), [("/model?model=fraud", "/model?model=fraud"), ("https://evil.example/", "/"), ("//evil", "/")]
)
def test_a_page_leads_back_to_pages_of_ours_alone(back: str, leads: str) -> None:
    found = sent(REBASELINE | {"back": back}, page=True)
    assert (found.status, dict(found.headers)["Location"]) == (HTTPStatus.SEE_OTHER, leads)


def test_a_page_shows_what_is_wrong() -> None:
    found = sent(REBASELINE | {"because": "", "back": "/model?model=fraud"}, page=True)
    assert found.status is HTTPStatus.BAD_REQUEST
    assert b"because: say why" in found.body
    assert b'href="/model?model=fraud"' in found.body


@pytest.mark.parametrize("target", ["/model?model=fraud", "/channel?model=fraud&channel=hour", "/incident?id={id}"])
def test_a_replay_has_no_forms_and_says_so(target: str) -> None:
    known = replace(snapshot(), replay=True)
    target = target.format(id=known.incidents[0].id)
    page = read(target, known, "local")
    assert 'method="post"' not in page
    assert REPLAY in page
    assert "kafka-console-consumer" not in page
    assert REPLAY not in read(target, snapshot(), "local")


def test_without_a_script_nothing_refreshes_where_somebody_types() -> None:
    refresh = '<noscript><meta http-equiv="refresh"'
    assert refresh in read("/model?model=fraud", shown())
    assert refresh not in read("/model?model=fraud", shown(), "local")
    assert refresh in read("/health", shown(), "local")


def test_what_is_refused_can_be_asked_again_as_it_was_typed() -> None:
    form = {"do": "rebaseline", "model": "fraud", "channel": "hour", "because": '"cents" <b>', "from": "yesterday",
            "back": "/model?model=fraud"}  # fmt: skip
    body = sent(form, page=True).body.decode()
    assert 'name="because" value="&#34;cents&#34; &lt;b&gt;"' in body
    assert 'name="from" value="yesterday"' in body
    for name in ("do", "model", "channel", "back"):
        assert f'type="hidden" name="{name}" value="{form[name]}"' in body
    assert "data-refresh" not in body
    assert "refresh" not in body.split("</head>")[0]
