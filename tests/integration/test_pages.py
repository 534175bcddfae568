"""The pages in a real browser: laid out from 390 to 1920 px, light and dark, readable, and without a complaint."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from driftd.core.act import Act, Deed
from driftd.engine.desk import Done
from driftd.metrics.aggregates import ModelCounts
from driftd.web import HttpServer, Snapshot, Views
from driftd.web.pages import frame
from tests.stage.judgement import finding, judgement
from tests.stage.snapshot import many, snapshot, view

pytestmark = pytest.mark.integration
HOSTILE: Final = "</title><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
PAGES: Final = ("/", "/model?model=fraud", "/channel?model=fraud&channel=hour",
                "/channel?model=fraud&channel=cat_country", "/findings", "/health")  # fmt: skip
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
  const wide = document.documentElement.scrollWidth - innerWidth;
  document.title = "measured overflow=" + wide + " poor=" + JSON.stringify([...new Set(poor)].slice(0, 5));
})();
"""
"""Runs in the page in the place of its script: how far it is wider than the window, and text that is hard to read."""

Browse = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def browse(chromium: str, tmp_path: Path) -> Browse:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--hide-scrollbars",
        ]
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        return subprocess.run([*command, profile, *arguments], capture_output=True, text=True, timeout=120, check=True)

    return run


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


@pytest.fixture
def measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages' script is one that measures them."""
    plain = frame.static
    monkeypatch.setattr(frame, "static", lambda name: MEASURE.encode() if name == "driftd.js" else plain(name))


def still(target: str) -> str:
    return f"{target}{'&' if '?' in target else '?'}refresh=off"


def complaints(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What the page's console says, chiefly of the content security policy."""
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 1920)])
def test_the_pages_are_painted_without_a_complaint(
    browse: Browse, address: str, tmp_path: Path, scheme: str, width: int
) -> None:
    dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    for target in PAGES:
        picture = tmp_path / "page.png"
        done = browse(f"--window-size={width},1400", *dark, f"--screenshot={picture}", f"{address}{still(target)}")
        assert complaints(done) == []
        assert picture.stat().st_size > 20_000, target  # an unstyled or empty page is far smaller


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.usefixtures("measuring")
def test_nothing_is_wider_than_the_window_and_all_text_is_readable(
    browse: Browse, address: str, width: int, theme: str
) -> None:
    dark = ["--blink-settings=preferredColorScheme=0"] if theme == "dark" else []
    for target in PAGES:
        done = browse(f"--window-size={width},1400", *dark, "--dump-dom", f"{address}{still(target)}")
        found = re.search(r"<title>measured overflow=(-?\d+) poor=(.*?)</title>", done.stdout)
        assert found, target
        assert int(found[1]) <= 0, f"{target} is {found[1]} px too wide"
        assert found[2] == "[]", f"{target}: {found[2]}"


@pytest.mark.usefixtures("measuring")
def test_a_hundred_models_fit_too(browse: Browse, address: str, stage: Stage) -> None:
    stage.shown = many(100, 20)
    done = browse("--window-size=390,1400", "--dump-dom", f"{address}{still('/')}")
    assert "<title>measured overflow=0 " in done.stdout
    assert done.stdout.count('role="row"') == 101


def test_the_script_filters_while_one_types(browse: Browse, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = b"""const q = document.querySelector("input[type=search]"); q.value = "CHURN";
        q.dispatchEvent(new Event("input"));
        const left = [...document.querySelectorAll("tr[data-name]")].filter(r => !r.hidden);
        document.title = left.map(r => r.dataset.name);"""
    plain = frame.static
    monkeypatch.setattr(frame, "static", lambda name: plain(name) + (typed if name == "driftd.js" else b""))
    done = browse("--dump-dom", f"{address}{still('/')}")
    assert complaints(done) == []
    assert "<title>churn tenure</title>" in done.stdout


def test_a_form_is_sent_by_a_browser_and_leads_back(
    browse: Browse, address: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the headers that a browser sends: with another referrer policy its Origin would be null, and be refused."""
    typed = b"""const form = document.querySelector("input[value=rebaseline]")?.form;
        if (form && !sessionStorage.sent) { sessionStorage.sent = 1; form.because.value = "in cents";
          form.elements.as.value = "anna"; form.requestSubmit(); }"""
    plain = frame.static
    monkeypatch.setattr(frame, "static", lambda name: typed if name == "driftd.js" else plain(name))
    done = browse("--dump-dom", "--virtual-time-budget=4000", f"{address}{still('/model?model=fraud')}")
    assert complaints(done) == []
    (act,) = stage.acts
    assert (act.deed, act.who, act.why, act.model) == (Deed.REBASELINE, "local as anna", "in cents", "fraud")
    assert "<h1>" in done.stdout
    assert "fraud" in done.stdout


def test_hostile_names_run_nothing(browse: Browse, address: str, stage: Stage) -> None:
    j = judgement(HOSTILE, [HOSTILE, f"cat{HOSTILE}"], versions=(HOSTILE,), kinds={0: "missing"})
    found = [finding(HOSTILE, HOSTILE, because=HOSTILE)]
    counts = ModelCounts(1, refused={HOSTILE: 2})
    stage.shown = snapshot(models=[view(j, counts)], findings=found, not_ready=[HOSTILE], certificate=None)
    targets = (frame.model_link(HOSTILE), frame.channel_link(HOSTILE, HOSTILE), "/", "/findings", "/health")
    for target in targets:
        done = browse("--dump-dom", f"{address}{still(target)}")
        assert complaints(done) == []  # a script that the policy had to stop would be one
        assert "<title>owned" not in done.stdout
        assert done.stdout.count("<script") == 1
        assert "&lt;script&gt;" in done.stdout
