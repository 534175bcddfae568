"""The pages in a real browser: laid out from 390 to 1920 px, light and dark, readable, and without a complaint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import pytest

from driftd.core.act import Act, Deed
from driftd.core.slice import Slice
from driftd.engine.desk import Done
from driftd.metrics.aggregates import ModelCounts
from driftd.web import HttpServer, Snapshot, Views
from driftd.web.pages import frame
from tests.servers.browser import Tab
from tests.stage.daemon import wait_until
from tests.stage.judgement import finding, judgement
from tests.stage.snapshot import incidents, many, snapshot, view

pytestmark = pytest.mark.integration
HOSTILE: Final = "</title><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
PAGES: Final = ("/", "/model?model=fraud", "/channel?model=fraud&channel=hour",
                "/channel?model=fraud&channel=cat_country", "/findings", "/health", "/incidents",
                *(f"/incident?id={i.id}" for i in incidents()))  # fmt: skip
MEASURE: Final = """
(() => {
  const lum = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
  const rgb = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length && (c.length < 4 || c[3] > .99)) return c; } return [255, 255, 255]; };
  const poor = [];
  for (const e of document.querySelectorAll("main *, header *, footer *")) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || e.closest(".vh, [hidden], title, option") || !e.getClientRects().length) continue;
    const style = getComputedStyle(e), ink = rgb(e instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [lum(ink), lum(ground(e))].sort((x, y) => y - x);
    const what = e.tagName + "." + e.getAttribute("class") + ":" + e.textContent.trim().slice(0, 30);
    if ((a + .05) / (b + .05) < 4.5) poor.push(what);
  }
  return {wider: document.documentElement.scrollWidth - innerWidth, poor: [...new Set(poor)].slice(0, 5)};
})()
"""
"""Of a page: how far it is wider than the window, and text that is hard to read."""


class Stage:
    """What the pages show next."""

    def __init__(self) -> None:
        self.shown = snapshot()
        self.acts: list[Act] = []

    def act(self, acts: Sequence[Act]) -> Done:
        self.acts += acts
        return Done("done")

    def snapshot(self) -> Snapshot:
        return self.shown


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def address(stage: Stage) -> Iterator[str]:
    views = Views(lambda _: b"", lambda: 0.0, lambda: (), lambda: (True, ""), stage.snapshot, stage.act)
    server = HttpServer(("127.0.0.1", 0), views)
    server.start()
    yield server.url
    server.close(1)


def still(target: str) -> str:
    return f"{target}{'&' if '?' in target else '?'}refresh=off"


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 390), ("dark", 390), ("light", 1280), ("dark", 1280), ("dark", 1920)]
)
def test_the_pages_are_painted_fit_the_window_and_can_be_read(tab: Tab, address: str, scheme: str, width: int) -> None:
    tab.look(width, scheme)
    for target in PAGES:
        tab.go(f"{address}{still(target)}")
        assert tab.complaints == []
        assert len(tab.picture) > 20_000, target  # an unstyled or empty page is far smaller
        found = tab.run(MEASURE)
        assert found["wider"] <= 0, f"{target} is {found['wider']} px too wide"
        assert found["poor"] == [], target


def test_a_hundred_models_fit_too(tab: Tab, address: str, stage: Stage) -> None:
    stage.shown = many(100, 20)
    tab.look(390)
    tab.go(f"{address}{still('/')}")
    assert tab.run(MEASURE)["wider"] == 0
    assert tab.dom.count('role="row"') == 101


def test_segments_are_read_on_a_phone_without_moving_sideways(tab: Tab, address: str, stage: Stage) -> None:
    """Their change stood in a column of one word a line, and how large it is beyond the window."""
    parts = ("merchant_category=groceries-and-household", "country=DE")
    names = ("fraud", *(Slice.of_segment("fraud", part).model for part in parts))
    stage.shown = snapshot(models=[view(judgement(n, ["amount"]), ModelCounts(9)) for n in names], findings=[])
    tab.look(390)
    tab.go(f"{address}{still('/model?model=fraud')}")
    assert tab.run(MEASURE)["wider"] == 0
    table = "document.querySelector('section[aria-labelledby=segments]')"
    assert tab.run(f"[...{table}.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).length") == 0
    assert tab.run(f"{table}.querySelector('tbody .what').getBoundingClientRect().width") > 300


def test_the_script_filters_while_one_types(tab: Tab, address: str) -> None:
    tab.go(f"{address}{still('/')}")
    left = """const q = document.querySelector("input[type=search]"); q.value = "CHURN";
        q.dispatchEvent(new Event("input"));
        [...document.querySelectorAll("tr[data-name]")].filter(r => !r.hidden).map(r => r.dataset.name).join()"""
    assert tab.run(left) == "churn tenure"
    assert tab.complaints == []


def test_a_form_is_sent_by_a_browser_and_leads_back(tab: Tab, address: str, stage: Stage) -> None:
    """With the headers that a browser sends: with another referrer policy its Origin would be null, and be refused."""
    tab.go(f"{address}{still('/model?model=fraud')}")
    tab.run("""const form = document.querySelector("input[value=rebaseline]").form;
        form.because.value = "in cents"; form.elements.as.value = "anna"; form.requestSubmit(); window.left = 1""")
    wait_until(lambda: tab.run("document.readyState == 'complete' && !window.left"), "the page that it leads back to")
    (act,) = stage.acts
    assert (act.deed, act.who, act.why, act.model) == (Deed.REBASELINE, "local as anna", "in cents", "fraud")
    assert tab.complaints == []
    assert "<h1>" in tab.dom
    assert "fraud" in tab.dom


def test_hostile_names_run_nothing(tab: Tab, address: str, stage: Stage) -> None:
    j = judgement(HOSTILE, [HOSTILE, f"cat{HOSTILE}"], versions=(HOSTILE,), kinds={0: "missing"})
    found = [finding(HOSTILE, HOSTILE, because=HOSTILE)]
    counts = ModelCounts(1, refused={HOSTILE: 2})
    told = incidents(HOSTILE, HOSTILE, f"cat{HOSTILE}")
    stage.shown = snapshot(
        models=[view(j, counts)], findings=found, not_ready=[HOSTILE], certificate=None, incidents=told
    )
    paths = ("/", "/findings", "/health", "/incidents", *(f"/incident?id={i.id}" for i in told))
    targets = (frame.model_link(HOSTILE), frame.channel_link(HOSTILE, HOSTILE), *paths)
    for target in targets:
        tab.go(f"{address}{still(target)}")
        assert tab.complaints == []  # a script that the policy had to stop would be one
        assert tab.run("document.title") != "owned"
        assert tab.dom.count("<script") == 1
        assert "&lt;script&gt;" in tab.dom
