"""The pages as text: what they say first, that names from outside stay text, and that every link leads somewhere."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from driftd.core.channel import Role
from driftd.core.finding import Finding, Joint, Status
from driftd.judge.budget import Certificate
from driftd.metrics.aggregates import ModelCounts
from driftd.metrics.telemetry import Telemetry
from driftd.monitor.silence import Quiet, Silence
from driftd.monitor.timeline import P50
from driftd.monitor.view import Snapshot
from driftd.web import ModelView
from driftd.web.episodes import episodes
from driftd.web.health import Fact, health
from driftd.web.site import MAX_FIELDS, PATHS, answer, request_of
from driftd.web.snapshot import channels
from tests.stage.judgement import END, NAN, changes, cover, evidence, finding, judgement, reference, scores
from tests.stage.snapshot import NOW, incidents, snapshot, view

HOSTILE = "</title><script>alert(1)</script><img src=x onerror='alert(2)'>\"\n\u202e/?&#%"
OPEN, PAST = incidents()
PAGES = ("/", "/model?model=fraud", "/channel?model=fraud&channel=hour", "/channel?model=fraud&channel=cat_country",
         "/findings", "/health", "/model?model=pricing", f"/incident?id={OPEN.id}", "/incidents",
         f"/incident?id={PAST.id}", "/model?model=nobody", "/incident?id=nothing",
         "/runbook?alert=DriftdModelDrift&model=fraud", "/runbook?alert=DriftdDown")  # fmt: skip


class Elements(HTMLParser):
    """All elements with their attributes, and the text outside of them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.elements if found == tag]


def shown(target: str, given: Snapshot | None = None, cookies: str | None = None) -> str:
    known = snapshot() if given is None else given
    return answer(request_of(target, cookies), lambda: known).body.decode()


def said(target: str, given: Snapshot | None = None) -> str:
    text = Elements(shown(target, given)).text
    return " ".join(text.replace("\u2068", "").replace("\u2069", "").replace("\u00a0", " ").split())


def headline(given: Snapshot) -> str:
    found = re.search(
        r"<h1>.*?</span></?[^>]*> ?(.*?)</h1>|<h1><span.*?</span> [A-Z]+</span> (.*?)</h1>",
        shown("/", given),
        re.DOTALL,
    )
    assert found
    return (found[1] or found[2]).strip().strip("\u2068\u2069")


def model(name: str, status: Status) -> ModelView:
    if status is Status.LEARNING:
        return ModelView(name, None, 0.5)
    quiet = scores("psi", [0.31 if status >= Status.WARNING else 0.01, 0.02, 0.02])
    page = changes([2.0, 0.0, 0.0]) if status is Status.DRIFT else changes([0.0, 0.0, 0.0])
    return ModelView(name, judgement(name, verdicts=(quiet, page)))


@pytest.mark.parametrize(
    ("statuses", "not_ready", "says"),
    [
        pytest.param([], (), "No model seen yet", id="nothing yet"),
        pytest.param([Status.OK], (), "Nothing has changed in 1 model", id="one quiet model"),
        pytest.param([Status.OK] * 3, (), "Nothing has changed in 3 models", id="all quiet"),
        pytest.param([Status.LEARNING], (), "The model is still learning; nothing is judged yet", id="learns"),
        pytest.param([Status.OK, Status.LEARNING], (), "Nothing has changed in 1 model; 1 is still learning", id="2"),
        pytest.param([Status.OK, Status.WARNING], (), "No page. m1 has a ticket", id="a ticket is no page"),
        pytest.param([Status.WARNING] * 2, (), "No page. 2 models have tickets", id="two tickets"),
        pytest.param(
            [Status.WARNING, Status.DRIFT], (),
            "m1: amount: 30..40: 25.0% → 70.0% of the events since 05:53 UTC", id="w",
        ),
        pytest.param(
            [Status.DRIFT] * 2, (),
            "m0: amount: 30..40: 25.0% → 70.0% of the events since 05:53 UTC; 1 more model pages", id="two page",
        ),
        pytest.param([Status.OK], ("no partitions",), "driftd is not ready: no partitions", id="blind before quiet"),
    ],
)  # fmt: skip
def test_the_headline_says_the_worst(statuses: list[Status], not_ready: tuple[str, ...], says: str) -> None:
    models = [model(f"m{i}", status) for i, status in enumerate(statuses)]
    assert headline(snapshot(models=models, not_ready=not_ready, findings=[])) == says


def test_a_page_that_goes_on_is_named_also_where_driftd_is_blind() -> None:
    text = headline(snapshot(models=[model("m", Status.DRIFT)], not_ready=("a", "b"), findings=[]))
    assert text.startswith("driftd is not ready: a; b. m: amount")


def test_the_fleet_says_what_since_when_and_how_many_in_one_line_a_model() -> None:
    text = said("/")
    for part in (
        "PAGE fraud: cat_country 24% missing (usually 0%) and 1 more channel changed since 05:53 UTC; 4 other channels",
        "Incidents ▲ 1 paging",
        "Open incidents Incidents that are open, pages first Status What Since (UTC) ▲ PAGE fraud: cat",
        "4 models · ▲ 1 page · ◆ 1 ticket · ○ 1 learning · ✓ 1 OK",
        "▲ PAGE fraud version 7, 8 cat_country 24% missing (usually 0%)",
        "05:53 8 min",
        "42% of the reference",
        "◆ TICKET churn",
        "no event for 1 h 6 min",
    ):
        assert part in text
    order = [text.index(f"{name} version") for name in ("fraud", "churn", "recommendations")]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("quiet", "expected"),
    [
        pytest.param(None, None, id="old events arrive now: a backlog"),
        pytest.param(Quiet(90.0), None, id="shorter than its windows, nobody knows what is usual"),
        pytest.param(Quiet(7200.0), "2 h", id="longer than its windows"),
        pytest.param(Quiet(7200.0, Silence(9000.0, 9999.0, 12.0)), None, id="natural for it"),
        pytest.param(
            Quiet(7200.0, Silence(600.0, 9999.0, 120.0)), "2 h, where 120 an hour are usual", id="longer than natural"
        ),
    ],
)
def test_silence_is_told_by_what_arrives_and_not_by_how_old_that_is(quiet: Quiet | None, expected: str | None) -> None:
    judged = next(m.judgement for m in snapshot().models if m.judgement is not None)
    given = snapshot(models=(view(judged, ModelCounts(9_000, last_event=NOW - 40 * 86_400), quiet=quiet),), findings=())
    fleet, model = said("/", given), said(f"/model?model={judged.model}", given)
    assert ("no events" in fleet) == (expected is not None)
    assert (f"No event for {expected}" in model) if expected else ("No event for" not in model)


def test_a_model_says_what_has_changed_by_size_and_what_to_do() -> None:
    text = said("/model?model=fraud")
    for part in (
        "fraud: cat_country 24% missing (usually 0%) since 05:53",
        "Values are missing: look at the producer",
        "DriftdModelDrift",
        "2 versions answered in the last window (7 and 8): a rollout?",
        "1.2 × a page's size",
        "how channels move together",
        "What driftd cannot see here",
        "v4, fixed, 1,000 events",
    ):
        assert part in text
    assert text.index("1.2 × a page's size") < text.index("3.1 × its threshold")


def test_a_channel_says_how_much_how_sure_and_what_it_cannot_see() -> None:
    text = said("/channel?model=fraud&channel=cat_country")
    for part in (
        "cat_country 24% missing (usually 0%) since 05:53",
        "1.2 times what makes a page",
        "Beyond its natural variation, at the budget of pages",
        "missing 0.24 0.05 4.8",
        "2.6 × A; without drift, A = 1 million events pass before it is reached once",
        "independent: autocorrelation 0.01",
    ):
        assert part in text
    numbers = said("/channel?model=fraud&channel=hour")
    assert "Share of events per bar" in numbers
    assert "median 20 32.9 × 1.6" in numbers
    assert "Median, and 5 to 95 %" in numbers
    assert "version 8" in numbers


def test_what_a_channel_cannot_see_stands_on_its_page_and_on_its_models() -> None:
    from dataclasses import replace  # noqa: PLC0415

    j = judgement("m", ["x"], verdicts=(evidence([0.4, 0.0]),))
    promise = Certificate.of(1.0, 1, [replace(cover(j.reference, dependent=[0]), blind=(("level", "mix"), ()))])
    given = snapshot(models=[ModelView("m", j)], findings=[], certificate=promise)
    page = said("/channel?model=m&channel=x", given)
    assert "no level and no mix is seen, whatever its size" in page
    assert "It makes tickets, never pages." in page
    assert "x level, mix" in said("/model?model=m", given)
    body = orjson.loads(answer(request_of("/api/v1/model?model=m", None), lambda: given).body)
    assert {c["channel"]: c["cannot_see"] for c in body["channels"]} == {"x": ["level", "mix"], "prediction": []}


def test_findings_open_and_past() -> None:
    before = finding("m", "x", detector="change", kind="missing", value=0.5, reference_value=0.0, window_end=END - 9000)
    over = finding("m", "x", detector="change", kind="missing", status=Status.OK, previous=Status.DRIFT,
                   since=None, window_end=END - 5400)  # fmt: skip
    again = finding("m", "y", detector="change", kind="level", value=4.0, reference_value=2.0)
    text = said("/findings", snapshot(findings=[again, over, before]))
    assert "Open on channels: 1 page" in text
    assert "y : is 2 times larger (mean 2 → 4)" in text
    assert "50% missing (usually 0%)" in text
    assert text.index("Open") < text.index("Past") < text.index("As it was told")
    assert "is over" in text
    early = said("/findings?as_of=2026-11-23+03:40", snapshot(findings=[again, over, before]))
    assert "x : 50% missing (usually 0%)" in early
    assert "mean 2 → 4" not in early


def test_an_episode_begins_with_its_first_finding_and_keeps_the_worst_that_it_was() -> None:
    def told(status: Status, at: float, **over: object) -> Finding:
        return finding("m", "x", detector="change", status=status, window_end=END + at, **over)

    chain = [
        told(Status.WARNING, 0),
        told(Status.DRIFT, 60),
        told(Status.WARNING, 120),
        told(Status.OK, 180, since=None),
    ]
    (one,) = episodes(chain[::-1])
    assert (one.status, one.told, one.ended, one.since) == ("page", END, END + 180, END - 420)
    (still,) = episodes(chain[:2][::-1])
    assert (still.status, still.ended) == ("page", None)


def test_incidents_open_and_past_with_their_sentences() -> None:
    text = said("/incidents")
    whole = "fraud: cat_country 24% missing (usually 0%) and 1 more channel changed since 05:53 UTC"
    assert text.startswith(f"▲ {whole}; 4 other channels unchanged · driftd")
    was = "cat_country 50% missing (usually 0%) from Sun 04:55 to 07:00 UTC missing Sun 07:00 2 h 5 min"
    assert f"◆ was ticket fraud: {was}" in text
    places = [text.index("Open Incidents"), text.rindex(f"▲ PAGE {whole}"), text.index("Past Inc"), text.index(was)]
    assert places == sorted(places)
    assert "No incident is open" in said("/incidents", snapshot(findings=[]))
    assert "None has ended yet." in said("/incidents", snapshot(findings=[]))


def test_incidents_are_searched_by_model_channel_and_id() -> None:
    def ids(query: str) -> list[str]:
        return re.findall(r'href="/incident\?id=(\w+)"', shown(f"/incidents?{query}"))

    assert ids("") == [OPEN.id, PAST.id]
    assert ids("q=HOUR") == ids("status=page") == [OPEN.id]
    assert ids(f"q={PAST.id}") == ids("status=ticket") == [PAST.id]
    assert ids("kind=missing") == [OPEN.id, PAST.id]
    assert ids("kind=level") == ids("q=nobody") == []
    assert "None like that." in said("/incidents?q=nobody")


def test_an_incident_says_what_since_when_where_and_what_else_changed() -> None:
    text = said(f"/incident?id={OPEN.id}")
    for part in (
        "▲ PAGE fraud: cat_country 24% missing (usually 0%) and 1 more channel changed since 05:53 UTC; 4 other",
        "Values are missing: look at the producer",
        "Since 05:53 8 min ago, told 05:57",
        "How much 24% missing (usually 0%) cat_country of fraud",
        "Where 1 model, 2 channels 4 other channels unchanged",
        "State Going on called somebody 05:57",
        "Kind missing DriftdModelDrift",
        "What happened: cat_country of fraud Missing",
        "▲ PAGE cat_country fraud 24% missing (usually 0%) 05:53 8 min 3.1 × a page's size",
        "◆ TICKET hour fraud is 65% larger (mean 20 → 33)",
        "05:57 ▲ fraud , cat_country: missing 0% → 24% (page)",
        "05:57 ▲ fraud : somebody was called (page)",
        "06:00 ◆ fraud , hour: mean 20 → 33 (ticket)",
        "What else changed at that time 05:50 fraud : version 8 began to answer",
        "Before the change 05:51 9f3c predictions / 3 18205",
        "Since the change of cat_country and hour 05:53 – predictions / 3 18290",
        "--topic predictions --partition 3 --offset 18311 --max-messages 1",
    ):
        assert part in text
    over = said(f"/incident?id={PAST.id}")
    assert "lasted 2 h 5 min" in over
    assert "State Ended Sun 07:00 called nobody" in over
    assert "Nothing that driftd sees: no version began to answer" in over
    gone = answer(request_of("/incident?id=nothing", None), snapshot)
    assert gone.status == 404
    assert "A model remembers its last 50." in said("/incident?id=nothing")


def test_of_a_model_that_is_gone_an_incident_is_shown_without_its_chart_and_links() -> None:
    html = Elements(shown(f"/incident?id={OPEN.id}", snapshot(models=[], findings=[], incidents=incidents())))
    assert "What happened" not in html.text
    assert "24% missing" in html.text
    assert not [a for a in html.of("a") if str(a["href"]).startswith(("/model", "/channel"))]


def test_a_model_leads_to_its_open_incident_and_another_to_none() -> None:
    link = f'href="/incident?id={OPEN.id}"'
    assert link in shown("/model?model=fraud")
    assert f"id={PAST.id}" not in shown("/model?model=fraud")
    assert "/incident?" not in shown("/model?model=churn")


@pytest.mark.parametrize("address", ["", "https://driftd.example/watch/"])
def test_a_report_is_one_file_that_asks_for_nothing(address: str) -> None:
    found = answer(request_of(f"/report?id={OPEN.id}", None), lambda: snapshot(external_url=address))
    assert dict(found.headers)["Content-Disposition"] == 'attachment; filename="report.html"'
    html = Elements(found.body.decode())
    assert not [tag for tag, _ in html.elements if tag in {"script", "iframe", "object", "img", "form"}]
    assert len(html.of("style")) == 1
    assert [a["href"] for a in html.of("link")] == ["data:,"]
    links = [str(a["href"]) for a in html.of("a")]
    mine = [link for link in links if not link.startswith("https://runbooks.example.com/")]
    assert all(link.startswith("https://driftd.example/watch/") for link in mine)
    assert bool(mine) == bool(address)
    assert html.of("svg")
    assert "url(" not in found.body.decode()
    assert "24% missing" in html.text
    assert answer(request_of("/report?id=x", None), snapshot).status == 404


def test_a_unit_stands_on_the_channels_page_in_charts_and_in_the_effect_on_answers() -> None:
    plain = snapshot()
    models = [replace(m, judgement=m.judgement and replace(m.judgement, units={"age": "years"})) for m in plain.models]
    given = replace(plain, models=models)
    page = said("/channel?model=fraud&channel=age", given)
    assert "feature, number in years ·" in page
    assert "years; grey: 5 to 95 % of the reference" in page
    pictures = shown("/channel?model=fraud&channel=age", given)
    assert re.search(r"Mean of age, years; dashed: the reference&#39;s: last [\d.]+\u00a0years", pictures)
    other = said("/channel?model=fraud&channel=amount", given)
    assert "years" not in other
    assert "numbers as they come" in other


def test_joint_channels_are_a_line_of_their_own() -> None:
    joint = Joint(0.2, math.log1p(1e6), Status.DRIFT, END - 300)
    j = judgement("m", verdicts=(evidence([0.0, 0.0, 0.0]),), joint=joint)
    f = finding("m", "*", detector="judge", because="evidence; amount and age no longer move together")
    given = snapshot(models=[ModelView("m", j)], findings=[f])
    assert "m: how channels move together: amount and age no longer move together since 05:55" in said("/", given)
    assert "Each channel alone may look normal" in said("/model?model=m", given)


@pytest.mark.parametrize("target", PAGES)
def test_every_page_has_what_screen_readers_need(target: str) -> None:
    html = Elements(shown(target))
    assert [len(html.of(tag)) for tag in ("h1", "main", "nav", "header", "footer")] == [1] * 5
    assert re.search(r"<title>. .+ · driftd</title>|<title>(No|Over:|Driftd\w+:?) ?.* · driftd</title>", shown(target))
    assert html.of("html")[0]["lang"] == "en"
    ids = [attributes["id"] for _, attributes in html.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in html.elements:
        assert attributes.get("aria-labelledby") in {None, *ids}
    pictures = [a for a in html.of("svg") if "role" in a]
    assert all(a["role"] == "img" and a["aria-label"] for a in pictures)
    assert all(a.get("scope") for a in html.of("th"))
    assert html.of("svg") or target not in PAGES[:4]


@pytest.mark.parametrize("target", PAGES)
def test_the_pages_need_no_other_address_and_nothing_inline(target: str) -> None:
    html = Elements(shown(target, snapshot(runbooks="/runbooks")))
    assert not [tag for tag, _ in html.elements if tag in {"iframe", "object", "style"}]
    assert all(set(a) == {"src", "defer"} for a in html.of("script"))
    assert not [a for _, attributes in html.elements for a in attributes if a.startswith("on") or a == "style"]
    links = {a.get("href") or a.get("src") or a.get("action") for _, a in html.elements} - {None, ""}
    assert all(str(link).startswith(("/", "data:,", "#")) for link in links)
    assert not [link for link in links if str(link).startswith("//")]


def test_every_link_leads_somewhere() -> None:
    seen, waiting = set[str](), ["/"]
    while waiting:
        target = waiting.pop()
        if target in seen or urlsplit(target).path in {"/metrics", "/theme"} or "range=" in target or "sort=" in target:
            continue
        seen.add(target)
        found = answer(request_of(target, None), snapshot)
        assert found.status == 200, target
        if found.type.startswith("text/html"):
            links = [a["href"] for a in Elements(found.body.decode()).of("a") if a.get("href")]
            waiting += [str(link) for link in links if str(link).startswith("/")]
    paths = {"/", "/model", "/channel", "/findings", "/health", "/incidents", "/incident", "/report"}
    assert {urlsplit(target).path for target in seen} >= paths


def hostile() -> Snapshot:
    j = judgement(HOSTILE, [HOSTILE, "cat<b>"], versions=(HOSTILE,), verdicts=(scores("psi", [1.0, 1.0, NAN]),),
                  kinds={0: "missing"})  # fmt: skip
    object.__setattr__(j, "because", HOSTILE)
    f = finding(HOSTILE, HOSTILE, because=HOSTILE, detector="change", kind=HOSTILE)
    models = [view(j, ModelCounts(1, refused={HOSTILE: 3})), ModelView("\ud800", None)]
    told = incidents(HOSTILE, HOSTILE, "cat<b>")
    return snapshot(models=models, findings=[f], not_ready=[HOSTILE], certificate=None, incidents=told)


def test_hostile_names_are_text_on_every_page_and_every_link_finds_its_model() -> None:
    given, seen, waiting = hostile(), set[str](), ["/", "/findings", "/health", "/incidents"]
    tame = {tag for target in PAGES for tag, _ in Elements(shown(target)).elements}
    while waiting:
        target = waiting.pop()
        found = answer(request_of(target, None), lambda: given)
        seen.add(target)
        assert found.status == 200, target
        html = Elements(found.body.decode())
        assert {tag for tag, _ in html.elements} <= tame
        assert not [a for _, attributes in html.elements for a in attributes if a.startswith("on")]
        ours = "/model", "/channel", "/incident"
        links = {str(a["href"]) for a in html.of("a") if str(a.get("href", "")).startswith(ours)}
        waiting += [link for link in links - seen if "range=" not in link]
    names = {parse_qs(urlsplit(target).query).get("channel", [""])[0] for target in seen}
    assert {HOSTILE, "cat<b>"} <= names
    assert "<script>alert(1)</script>" in Elements(shown("/", given)).text


def test_search_filter_and_sort_stand_in_the_address() -> None:
    def names(target: str) -> list[str]:
        return re.findall(r'rowheader"><a href="/model\?model=(\w+)"', shown(target))

    assert names("/") == ["fraud", "churn", "pricing", "recommendations"]
    assert names("/?sort=name") == ["churn", "fraud", "pricing", "recommendations"]
    assert names("/?sort=events")[-1] == "pricing"
    for by, how in (("name", "ascending"), ("events", "descending")):
        assert re.findall(rf'aria-sort="(\w+)"><a href="/\?sort={by}"', shown(f"/?sort={by}")) == [how]
    assert "aria-sort" not in shown("/")
    assert names("/?q=COUNTRY") == ["fraud"]
    assert names("/?status=ticket") == ["churn"]
    assert names("/?kind=missing") == ["fraud"]
    assert names("/?q=nobody") == []
    assert "No model is like that." in said("/?q=nobody")
    assert 'value="&lt;b&gt;&#34;"' in shown('/?q=<b>"')


def test_old_addresses_and_the_choice_of_colours() -> None:
    old = answer(request_of("/?model=a%2Fb", None), snapshot)
    assert (old.status, dict(old.headers)["Location"]) == (303, "/model?model=a%2Fb")
    chosen = answer(request_of("/theme?theme=dark&back=/model?model=m", None), snapshot)
    assert dict(chosen.headers)["Location"] == "/model?model=m"
    assert dict(chosen.headers)["Set-Cookie"].startswith("theme=dark; Path=/;")
    for back in ("https://evil.example/", "//evil.example/", "/\\evil", "/nowhere", "/%0d%0aX: y"):
        found = answer(request_of(f"/theme?theme=x&back={back}", None), snapshot)
        assert dict(found.headers)["Location"] == "/"
        assert dict(found.headers)["Set-Cookie"].startswith("theme=auto;")
    assert '<html lang="en" data-theme="dark">' in shown("/", cookies="theme=dark")
    assert '<html lang="en">' in shown("/", cookies='theme="><script>')


def test_too_many_fields_are_refused_and_refreshing_can_be_stopped() -> None:
    with pytest.raises(ValueError, match="fields"):
        request_of("/?" + "&".join(f"a{i}=1" for i in range(MAX_FIELDS + 1)), None)
    assert 'http-equiv="refresh"' in shown("/")
    assert 'http-equiv="refresh"' not in shown("/?refresh=off")


@pytest.mark.parametrize("target", [*PAGES[1:7]])
def test_every_page_says_when_driftd_is_blind(target: str) -> None:
    assert "driftd is not ready: no partitions. What stands here may be old." in said(
        target, snapshot(not_ready=("no partitions",))
    )
    assert "not ready" not in said(target)


def test_any_field_in_an_address_is_only_text() -> None:
    for target in ("/?path=x&self=y&query=z&<script>=1", "/model?model=fraud&path=x&range=<b>&as_of=%00&<i>=1"):
        html = Elements(shown(target))
        assert len(html.of("h1")) == 1
        assert len(html.of("script")) == 1


def test_without_an_address_for_runbooks_driftds_own_are_linked_with_the_model_filled_in() -> None:
    html = shown("/model?model=fraud", snapshot(runbooks=""))
    links = [str(a.get("href")) for a in Elements(html).of("a")]
    assert "/runbook?alert=DriftdModelDrift&model=fraud" in links
    assert ".md" not in "".join(links)


def test_the_certificate_says_what_a_page_is_worth() -> None:
    card = said("/health")
    for part in (
        "Budget 1 false page a month, for all models together",
        "At most 0.023 expected false pages a month from the models known now",
        "the budget is shared by up to 100 models",
        "Counted 1 page in the last 30 days, 2 since monitoring began",
        "Pages 16 of 17 channels; pricing: the reference holds counts alone, tickets only",
        "Threshold without drift one false alarm in 1 million events, or fewer",
        "spans 1 hour or more; daily patterns are unknown to driftd",
        "Assumes that each channel keeps the regime that was measured on the reference",
        "fraud · age dependent autocorrelation 0.61",
    ):
        assert part in card


def test_before_the_first_reference_nothing_is_promised() -> None:
    card = said("/health", snapshot(models=[], certificate=Certificate.of(0.5, 10, [])))
    assert "Budget 0.5 false pages a month" in card
    assert "no model has a judge yet: nothing pages" in card
    assert "Can you trust a page?" not in said("/health", snapshot(certificate=None))


def test_health_shows_lag_refused_events_and_what_is_wrong() -> None:
    counts = ModelCounts(9_000, last_event=NOW, refused={"amount": 12})
    given = snapshot(models=[ModelView("m", judgement("m"), counts=counts)])
    text = said("/health", given)
    for part in ("predictions / 1 830 2 s", "wrong_type 100", "amount m 12", "1,204,001 of 1,204,113 events"):
        assert part in text
    given.telemetry.set("driftd_kafka_connected", 0)
    assert "Kafka: does not answer" in said("/health", given)


def test_a_model_between_reference_and_first_window_says_what_it_waits_for() -> None:
    assert "waits for a full window" in said("/", snapshot(models=[ModelView("m", None, 1.0)]))


def test_what_driftd_sheds_is_on_the_page() -> None:
    usual, bent = snapshot(), snapshot()
    bent.telemetry.set("driftd_degradation_level", 2)
    bent.telemetry.set("driftd_circuit_breaker_open", 1)
    for told in ("level 2: half of the records are read", "DriftdDegraded", "none are sent", "DriftdMostRejected"):
        assert told in said("/health", bent)
        assert told not in said("/health", usual)


def test_channels_come_worst_first_and_those_not_judged_last() -> None:
    j = judgement(features=["a", "b", "c"], verdicts=(scores("psi", [0.05, 0.3, NAN, 0.2]),))
    assert [c.name for c in channels(j)] == ["b", "prediction", "a", "c"]


def test_a_replay_has_no_broker_to_speak_of() -> None:
    named = {fact.name for fact in health(snapshot(telemetry=Telemetry()))}
    assert not named & {"Kafka", "Lag", "Checkpoint"}


@pytest.mark.parametrize(
    ("metric", "value", "alert"),
    [
        ("driftd_kafka_connected", 0, "DriftdKafkaDisconnected"),
        ("driftd_config_last_reload_successful", 0, "DriftdConfigReloadFailed"),
    ],
)
def test_what_is_wrong_names_its_alert(metric: str, value: float, alert: str) -> None:
    given = snapshot()
    assert [fact.name for fact in health(given) if fact.alert] == ["Silent"]  # churn
    given.telemetry.set(metric, value)
    assert [fact.alert for fact in health(given) if fact.alert and fact.name != "Silent"] == [alert]


def test_failed_checkpoints_are_shown_and_alarm_only_while_none_succeeds() -> None:
    given = snapshot()
    given.telemetry.set("driftd_checkpoint_failures_total", 2)
    assert Fact("Checkpoint", "saved 7\u00a0s ago, 2 failed") in health(given)
    given.telemetry.set("driftd_checkpoint_timestamp_seconds", NOW - 600)
    assert Fact("Checkpoint", "saved 10\u00a0min ago, 2 failed", "DriftdCheckpointFailing") in health(given)


def test_a_reject_among_thousands_is_no_reason_to_get_up() -> None:
    quiet, loud = snapshot(), snapshot()
    loud.telemetry.set("driftd_events_total", 50_000, "rejected")
    assert "DriftdRejects" not in said("/health", quiet)
    assert "DriftdRejects" in said("/health", loud)


def test_all_paths_answer() -> None:
    for path in PATHS:
        assert answer(request_of(path, None), snapshot).status in {200, 303, 404}


def test_what_lies_beyond_the_references_values_is_said_and_not_made_up() -> None:
    v = view(judgement("m", ["x"]), ModelCounts(last_event=NOW))
    for level in v.timeline.levels:
        level.tail.values[-30:, :, P50] = math.inf
    text = said("/channel?model=m&channel=x&range=1h", snapshot(models=[v], findings=[], certificate=None))
    assert "> 40" in text
    assert "the reference's greatest: 40" in text
    assert "inf" not in text


def test_requests_that_fail_are_a_share_and_neither_missing_nor_quantiles() -> None:
    plain = reference("m", ["x", "error"])
    channels = (replace(c, role=Role.ERROR) if c.name == "error" else c for c in plain.channels)
    failing = view(judgement("m", on=replace(plain, channels=tuple(channels))), ModelCounts(900))
    known = snapshot(models=[failing], findings=[], incidents=[])
    page, other = (said(f"/channel?model=m&channel={name}", known) for name in ("error", "x"))
    assert re.search(r"Requests that fail share of the events; dashed: the reference's 0 % [\d.]+ %", page)
    for text in ("Missing share", "5 to 95 %", "Quantiles are interpolated"):
        assert text not in page
        assert text in other


def test_a_calm_channel_has_no_number_in_the_colour_of_a_change_and_latency_is_in_seconds() -> None:
    calm = shown("/channel?model=recommendations&channel=age")
    assert 'class="num up"' not in calm
    assert 'class="num up"' in shown("/channel?model=fraud&channel=hour")
    known = reference("slow", ["age"])
    timed = replace(known, channels=(*known.channels[:-1], replace(known.channels[-1], role=Role.LATENCY)))
    model = view(judgement("slow", ["age"], on=timed), ModelCounts(last_event=NOW))
    assert "latency, number in s · reference" in said(
        "/channel?model=slow&channel=prediction", snapshot(models=[model], findings=[])
    )
