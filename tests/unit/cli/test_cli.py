"""The command line: exit codes, one clear line for an error, output for people and for scripts, a quick start."""

import io
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from driftd.cli import _reader_may_go, cli, main, output
from driftd.cli.reports import _nothing
from driftd.cli.strict import takes_one
from driftd.config import Settings
from driftd.core.act import Act, Deed
from driftd.core.slice import Slice
from driftd.detectors.registry import registry, settings_of
from driftd.engine.state import State
from driftd.engine.store import CheckpointFile
from driftd.monitor.incidents import folded
from driftd.monitor.state import ModelState
from driftd.replay.run import Accounts
from driftd.sources.files.stream import Progress
from driftd.wiring.app import pipeline_of
from tests.unit.monitor.test_incidents import PAGE, call, finding


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [n for n in os.environ if n.startswith("DRIFTD_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def run_command(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as leaving:
            main(list(words))
        out = capsys.readouterr()
        return int(leaving.value.code or 0), out.out, out.err

    return run_command


def commands(group: click.Group = cli, prefix: str = "driftd") -> Iterator[tuple[str, click.Command]]:
    for name, command in sorted(group.commands.items()):
        yield f"{prefix} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_explains_itself(run: Any, name: str) -> None:
    code, out, _ = run(*name.split()[1:], "--help")
    assert code == 0
    assert out.startswith(f"Usage: {name}")
    if name not in {"driftd version", "driftd reference list", "driftd reference show"}:
        assert "Examples:\n  " in out


def test_help_waits_for_nothing_heavy() -> None:
    heavy = ["numpy", "pyarrow", "pydantic", "kafka", "river", "scipy", "rich", "yaml", "msgspec", "prometheus_client"]
    program = f"import sys, driftd.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_products_of_matrices_use_one_thread_unless_somebody_asks_for_more() -> None:
    name = "OPENBLAS_NUM_THREADS"
    program = f"import os, driftd.cli\ntry: driftd.cli.main(['version'])\nfinally: print(os.environ['{name}'])"
    without = {key: value for key, value in os.environ.items() if key != name}
    for environment, wanted in ((without, "1"), (without | {name: "2"}, "2")):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
        )
        assert done.stdout.splitlines()[-1] == wanted


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("nonsense",), 2, "No such command 'nonsense'"),
        (("check", "--offline", "--set", "windows"), 2, "expected KEY=VALUE"),
        (("check", "--offline", "--set", "windows.hop=3"), 2, "--set windows.hop: unknown setting 'windows.hop'"),
        (("check", "--config", "gone.yaml"), 2, "gone.yaml: cannot be read: No such file or directory"),
        (("check",), 2, "kafka.bootstrap_servers: not set"),
        (("run", "--topic", "a b"), 2, "--topic: kafka.topics[0]: expected a topic name"),
        (("replay",), 2, "expected either --events FILE or --topic TOPIC"),
        (("replay", "--events", "gone.csv"), 2, "gone.csv: cannot be read"),
        (("replay", "--events", "broken.parquet"), 3, "broken.parquet: not a Parquet file"),
        (("reference", "show", "fraud"), 2, "no reference of model 'fraud': none are stored yet"),
        (("reference", "show", "broken.parquet"), 4, "broken.parquet"),
        (("completion", "tcsh"), 2, "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
    ],
)
def test_errors_are_told_without_a_traceback_and_with_their_exit_code(
    run: Any, words: tuple[str, ...], code: int, message: str
) -> None:
    Path("broken.parquet").write_bytes(b"broken")
    seen, out, err = run(*words)
    assert seen == code
    assert message in err
    assert "Traceback" not in out + err


def test_debug_shows_where_an_error_came_from() -> None:
    with pytest.raises(Exception, match="gone") as e:
        main(["--debug", "check", "--config", "gone.yaml"])
    assert type(e.value).__name__ == "ConfigError"


def test_check_says_what_each_setting_came_from_and_what_would_be_watched(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("driftd.yaml").write_text(
        "kafka:\n  group_id: fraud\n"
        "models:\n- name: fraud\n  features: {amount: numeric, country: {effect: {psi: 0.5}}}\n"
    )
    monkeypatch.setenv("DRIFTD_WINDOWS__HOPS", "6")
    code, out, err = run("check", "--offline", "--topic", "predictions")
    assert (code, err) == (0, "")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert rows["kafka.group_id"] == ["fraud", "driftd.yaml:2"]
    assert rows["windows.hops"] == ["6", "DRIFTD_WINDOWS__HOPS"]
    assert rows["kafka.topics"] == ["predictions", "--topic"]
    assert "Reference: grows by itself" in out
    assert "Sensitivity is shown once there is a reference" in out
    assert "No model has a reference yet. Until then nothing pages." in out
    assert rows["amount"][:4] == ["feature", "numeric", "psi", "(effect"]
    assert rows["country"] == ["feature", "to", "be", "learned", "depend", "on", "the", "type"]
    assert "broker not contacted" in out
    code, out, _ = run("check", "--offline", "--output", "json")
    report = json.loads(out)
    assert report["models"][0]["channels"][0]["detectors"][0] == {
        "detector": "psi",
        "settings": {"effect": 0.1, "binning": "driftd"},
    }
    assert report["problems"] == []


def test_check_says_whether_the_last_pages_were_right(run: Any, tmp_path: Path) -> None:
    incidents = folded((), [finding("amount", 600.0, PAGE), call(600.0, "amount")], 10)
    feedback = Act(Deed.FEEDBACK, "anna", 1.0, "", "fraud", about=incidents[0].id, verdict="false_alarm")
    model = ModelState(Slice("fraud"), incidents=incidents, acts=(feedback,))
    CheckpointFile(tmp_path / "state", lambda: 0.0).save(State(models={model.slice: model}), pipeline_of(Settings()))
    Path("driftd.yaml").write_text("kafka:\n  group_id: fraud\nmodels:\n- name: fraud\n- name: calm\n")
    words = ("check", "--offline", "--topic", "predictions", "--set", f"state.directory={tmp_path / 'state'}")
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    told = [line.strip() for line in out.splitlines() if "Pages:" in line]
    assert told == ["Pages: of the last page 0 were real, 1 false alarm, 0 not answered (driftd feedback)"]
    pages = {m["model"]: m["pages"] for m in json.loads(run(*words, "--output", "json")[1])["models"]}
    assert pages == {"fraud": {"real": 0, "false_alarms": 1, "unanswered": 0}, "calm": None}
    (tmp_path / "state" / "checkpoint").write_bytes(b"damaged")
    assert run(*words)[0] == 0, "it says nothing of what it cannot read; driftd run does"


def test_check_says_what_a_reference_lets_it_see(run: Any) -> None:
    assert run("reference", "build", "--events", events(seconds=0.1), *COLUMNS[:6], "--first", "2000")[0] == 0
    windows = ("--set", "windows.window_seconds=40", "--set", "windows.min_events=300")
    words = ("check", "--offline", "--set", "discovery.max_models=1", *windows)
    code, out, err = run(*words, "--all")
    assert (code, err) == (0, "")
    assert "Window: 40 seconds, 400 events at the reference's rate (864,432 a day); judged every 10 seconds" in out
    rows = [re.split(r"  +", line.strip()) for line in out.splitlines()]
    (temp,) = [row for row in rows if row[0] == "temp" and row[1] == "independent"]
    assert re.match(r"[\d.]+ months \(A = [\d.e+]+ events\)", temp[2])
    assert re.match(r"a shift of 0\.\d+ standard deviations", temp[3])
    assert re.search(r"psi 0\.\d+ \(noise\), missing 0\.\d+ \((effect|noise)\)", out)
    assert "Certificate: budget of 1 false page a month\n" in out

    def report(*more: str) -> Any:
        return json.loads(run(*words, "--output", "json", *more)[1])

    one, ten = report(), report("--false-alarms-per-month", "10")
    (model,), (sooner,) = one["models"], ten["models"]
    assert one["certificate"]["false_alarms_per_month"] == 1
    assert one["certificate"]["expected_false_pages_per_month_at_most"] == pytest.approx(1, rel=0.1)
    assert model["window"]["seconds"] == 40
    mine, then = ({c["channel"]: c for c in m["channels"]}["temp"] for m in (model, sooner))
    assert mine["events_to_a_false_page"] == pytest.approx(10 * then["events_to_a_false_page"], rel=0.9)
    assert (mine["regime"], mine["pages"], mine["unknown"]) == ("independent", True, None)
    assert mine["finds"][0]["least"] > then["finds"][0]["least"]
    assert {t["detector"] for t in mine["thresholds"]} == {"psi", "missing", "out_of_range"}


def test_check_prints_one_table_a_model_of_what_each_channel_sees_and_what_it_does_not(run: Any) -> None:
    assert run("reference", "build", "--events", events(seconds=60), *COLUMNS[:6], "--first", "2000")[0] == 0
    code, out, _ = run("check", "--offline")
    assert code == 0
    assert "Where the judge's evidence" not in out
    rows = [re.split(r"  +", line.strip()) for line in out.splitlines()]
    assert ["channel", "faults", "level: page / ticket", "mix: page / ticket", "cannot see"] in rows
    (temp,) = [row for row in rows if row[0] == "temp"]
    assert re.fullmatch(r"\d+[mhd](-\d+[mhd])?", temp[1])
    every = run("check", "--offline", "--all")[1]
    rows = [re.split(r"  +", line.strip()) for line in every.splitlines()]
    assert ["channel", "change", "seen from this size on, and within how long"] in rows
    (temp,) = [row for row in rows if row[:2] == ["temp", "faults"]]
    assert re.match(r"missing \+\d+, wrong type \+\d+", temp[2])
    assert re.search(r"page in \d+ minutes", every)
    said = " ".join(out.split())
    assert "events (1,441 a day), " in said
    assert "has not seen a weekend or a month end: what such a time changes can make a page or a ticket, a week" in said
    assert run("reference", "build", "--events", events(seconds=0.1), *COLUMNS[:6], "--first", "1500")[0] == 0
    (model,) = json.loads(run("check", "--offline", "--output", "json")[1])["models"]
    assert model["unseen"] == ["a night", "a weekend", "a month end"]
    channel = {c["channel"]: c for c in model["channels"]}["temp"]
    few = "fewer than 2,000 events in the reference"  # of levels and mixes the evidence is exact
    assert {"change": "spread", "class": "level", "direction": "either", "why": few} in channel["cannot_see"]
    assert {u["change"] for u in channel["cannot_see"]} == {"far", "spread", "unit"}
    missing = [s for s in channel["sees"] if s["change"] == "missing" and s["severity"] == "page"]
    assert missing[0].keys() == {"change", "class", "severity", "direction", "least", "unit", "within_seconds"}
    assert (missing[0]["within_seconds"], missing[0]["unit"]) == (600, "share")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(("learning.kind=seasonal",), "first 10,000 events. It needs weeks", id="seasonal"),
        pytest.param(("learning.kind=rolling",), "first 10,000 events", id="rolling"),
        pytest.param(("learning.kind=fixed",), None, id="fixed is that"),
        pytest.param(("learning.kind=seasonal", "learning.seconds=14d"), None, id="somebody said how much"),
        pytest.param((), None, id="grows"),
    ],
)
def test_check_says_what_a_kind_alone_is_learned_from(run: Any, words: tuple[str, ...], told: str | None) -> None:
    code, out, _ = run("check", "--offline", "--output", "json", *(part for word in words for part in ("--set", word)))
    assert code == 0
    remarks = json.loads(out)["remarks"]
    assert [told in remark for remark in remarks] == ([] if told is None else [True])


def test_check_tells_of_a_broker_that_is_not_there(run: Any) -> None:
    words = ("check", "--bootstrap-servers", "127.0.0.1:1", "--topic", "predictions")
    code, out, _ = run(*words)
    assert code == 3
    assert "127.0.0.1:1" in out
    assert "1 problem found." in out
    code, out, _ = run(*words, "--output", "json")
    assert code == 3
    assert len(json.loads(out)["problems"]) == 1


def test_config_shows_every_setting_and_never_a_secret(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTD_KAFKA__SASL_PASSWORD", "hunter2")
    for words in (("config",), ("config", "--output", "json"), ("check", "--offline", "--output", "json")):
        code, out, err = run(*words)
        assert code == 0
        assert "DRIFTD_KAFKA__SASL_PASSWORD" in out
        assert "hunter2" not in out + err
    assert run("config", "--given", "--set", "windows.hops=6")[1].count("--set windows.hops") == 1
    _, out, _ = run("config", "--given", "--output", "json")
    assert [row["setting"] for row in json.loads(out)] == ["kafka.sasl_password"]


def test_detectors_lists_what_the_registry_has(run: Any) -> None:
    _, out, _ = run("detectors", "--output", "json")
    rows = {row["detector"]: row for row in json.loads(out)}
    assert list(rows) == list(registry())
    assert rows["psi"]["settings"] == settings_of("psi")
    assert rows["adwin"]["sequential"]
    assert rows["psi"]["default"]
    _, out, _ = run("detectors")
    assert all(f"\n{name} " in f"\n{out}" for name in registry())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(run: Any, shell: str) -> None:
    code, out, _ = run("completion", shell)
    assert code == 0
    assert f"_DRIFTD_COMPLETE={shell}_complete" in out


def test_completion_completes() -> None:
    env = {**os.environ, "_DRIFTD_COMPLETE": "bash_complete", "COMP_WORDS": "driftd re", "COMP_CWORD": "1"}
    done = subprocess.run([sys.executable, "-m", "driftd"], capture_output=True, text=True, env=env, check=False)
    assert {"plain,replay", "plain,reference"} <= set(done.stdout.split())


def events(rows: int = 3000, seconds: float = 5) -> str:
    """A row every so many ``seconds``, independent of each other; the temperature jumps after two thirds of them."""
    rng = random.Random(7)
    jump = rows * 2 // 3
    lines = [f"{i * seconds},{rng.randrange(2)},{rng.randrange(50) + 100 * (i >= jump)}\n" for i in range(rows)]
    Path("events.csv").write_text("ts,p,temp\n" + "".join(lines) + "1,2\n")
    return "events.csv"


COLUMNS = ("--model", "m", "--time", "ts", "--prediction", "p", "--reference-events", "1000")
WINDOWS = ("--set", "windows.window_seconds=600", "--set", "windows.min_events=300")
ACCOUNTS = "read 3001 = accepted 3000 + rejected 1 (not_an_event 1) + late 0 + dropped 0"


def test_replay_writes_the_same_bytes_each_time_and_accounts_for_every_event(run: Any) -> None:
    seen = set()
    for _ in range(2):
        code, out, err = run("replay", "--events", events(seconds=100), *COLUMNS, *WINDOWS, "--findings", "out.jsonl")
        assert code == 0
        assert err.splitlines()[-1] == ACCOUNTS
        seen.add((out, Path("out.jsonl").read_bytes()))
    ((report, text),) = seen
    found = [json.loads(line) for line in text.splitlines()]
    assert {(f["model"], f["feature"], f["detector"], f["status"]) for f in found} >= {
        ("m", "temp", "change", "DRIFT"),
        ("m", None, "model", "DRIFT"),
    }
    assert not [f for f in found if f["detector"] == "psi"]  # a statistic of a window is no finding by itself
    assert "  1 page" in report
    _, out, err = run("replay", "--events", "events.csv", *COLUMNS, *WINDOWS, "--findings", "-")
    assert out.encode() == text
    assert report in err  # standard output is for findings


def turned_to_text(rows: int = 3000) -> str:
    """JSON events; x is text from two thirds of them on, and y once."""
    rng = random.Random(7)
    with Path("text.jsonl").open("w") as file:
        for i in range(rows):
            x, y = round(rng.gauss(50, 10), 2), rng.randrange(50)
            features = {"x": str(x) if i >= rows * 2 // 3 else x, "y": "many" if i == rows - 5 else y}
            file.write(json.dumps({"model": "m", "time": 1.7e9 + i * 5, "features": features}) + "\n")
    return "text.jsonl"


def test_replay_tells_which_feature_was_refused_and_that_it_is_blind(run: Any) -> None:
    words = ("replay", "--events", turned_to_text(), "--reference-events", "1000", *WINDOWS)
    code, out, err = run(*words)
    assert code == 0
    assert err.splitlines()[-1] == "read 3000 = accepted 3000 + rejected 0 + late 0 + dropped 0"
    (x, y) = out.split("Values refused: each counts as missing, its event is accepted.\n")[1].splitlines()[1:]
    assert x.split()[:5] == ["m", "x", "1,000", "2023-11-15", "01:00"]
    assert "expected a number, got " in x
    assert x.endswith("; blind: the last window has no usable value")
    assert y.split()[:3] == ["m", "y", "1"]
    assert y.endswith("expected a number, got a string")
    found = json.loads(run(*words, "--output", "json")[1])
    assert [(f["model"], f["feature"], f["values"], f["first"], f["blind"]) for f in found["refused"]] == [
        ("m", "x", 1000, 1_700_010_000.0, True),
        ("m", "y", 1, 1_700_014_975.0, False),
    ]
    assert not found["rejected"]
    last = max(f["at"] for f in found["pages"] if "x" in f["channels"])
    assert [f["ended"] for f in found["pages"] if f["at"] == last] == [None]  # no page is over while it is blind


def test_reference_build_tells_which_values_it_could_not_use(run: Any) -> None:
    code, out, _ = run("reference", "build", "--events", turned_to_text(60), "--first", "41", *WINDOWS)
    assert code == 0
    (row,) = out.split("Values refused: each counts as missing, its event is accepted.\n")[1].splitlines()[1:]
    assert row.split() == ["m", "x", "1", "2023-11-14", "22:16", "expected", "a", "number"]


def test_reference_events_win_over_what_is_stored_or_configured(run: Any) -> None:
    events()
    words = ("replay", "--events", "events.csv", *COLUMNS, *WINDOWS, "--findings", "-")
    expected = run(*words)[1]
    assert run("reference", "build", "--events", "events.csv", *COLUMNS[:6])[0] == 0
    Path("driftd.yaml").write_text("models: [{name: m, reference: {events: 50}}]")
    assert run(*words)[1] == expected


def test_replay_says_which_stored_references_it_uses_and_does_without_when_asked(run: Any) -> None:
    events()
    words = ("replay", "--events", "events.csv", *COLUMNS[:6], *WINDOWS, "--findings", "-")
    _, fresh, err = run(*words, "--set", "learning.events=500")
    assert "References" not in err
    assert run("reference", "build", "--events", "events.csv", *COLUMNS[:6], "--first", "500")[0] == 0
    _, stored, err = run(*words, "--set", "learning.events=500")
    first, second, *_ = err.splitlines()
    assert first.startswith("References known before the events, from driftd-state or the configuration: m v1 (1970-")
    assert second == "'--fresh' learns them from the events instead."
    _, again, err = run(*words, "--set", "learning.events=500", "--fresh")
    assert "References" not in err
    assert again == fresh != stored


def test_replay_names_the_sizes_of_channels_that_are_not_there(run: Any) -> None:
    events()
    Path("driftd.yaml").write_text("models: [{name: m, alarms: {channels: {tmep: {missing: {page: 0.5}}}}}]")
    words = ("replay", "--events", "events.csv", *COLUMNS[:6], *WINDOWS, "--set", "learning.events=500")
    assert (
        "m: alarms.channels: the reference has no channel 'tmep'; did you mean 'temp'?" in run(*words)[2].splitlines()
    )


def test_check_is_no_wider_than_a_page(run: Any) -> None:
    events()
    assert run("reference", "build", "--events", "events.csv", *COLUMNS[:6], "--first", "500")[0] == 0
    code, out, _ = run("check", "--offline", "--all", *WINDOWS)
    assert code == 0
    assert "seen from this size on" in out
    assert max(map(len, out.splitlines())) <= 100


def test_replay_writes_every_window_when_asked(run: Any) -> None:
    words = ("replay", "--events", events(), *COLUMNS, *WINDOWS, "--findings", "-")
    changes, windows = run(*words)[1].splitlines(), run(*words, "--every-window")[1].splitlines()
    assert 0 < len(changes) < len(windows)


def test_replay_without_a_file_for_findings_tells_them_to_people(run: Any) -> None:
    code, out, err = run("replay", "--events", events(seconds=100), *COLUMNS, *WINDOWS)
    assert code == 0
    assert re.search(
        r"1970-01-03 07:4\d UTC  PAGE    m: temp changed about 1970-01-03 07:33 UTC\n"
        r" {30}temp: range 0% -> 100% since 1970-01-03 07:33\n",
        out,
    )
    assert re.search(r"    1970-01-03 07:4\d  m +1\.\d days, still open +1970-01-03 07:33 +temp \(range\)\n", out)
    assert "\x1b" not in out + err
    _, out, _ = run("replay", "--events", events(), *COLUMNS, *WINDOWS)  # of hours a ticket: a night may do that
    assert re.search(r"1970-01-01 02:50 UTC  ticket  m: temp: range 0% -> \d+% since 1970-01-01 02:46\n", out)
    assert "PAGE" not in out


def test_replay_says_how_fast_it_was_where_it_cannot_spoil_the_output(run: Any) -> None:
    _, out, err = run("replay", "--events", events(), *COLUMNS, *WINDOWS)
    assert re.search(r"3,001 events in [\d.]+ s: [\d,]+ a second", err)
    assert " a second" not in out


def test_without_an_event_there_is_nothing_to_trust(run: Any, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    code, out, err = run("replay", "--events", str(empty))
    assert (code, out) == (2, "Nothing was watched: no event was accepted.\n")
    assert "empty.jsonl: there is no event in it\nread 0 = accepted 0" in err


def test_who_has_read_enough_is_no_failure() -> None:
    """``driftd detectors | head -0``: the reader has gone before anything is written."""
    reader, writer = os.pipe()
    os.close(reader)
    for command in (["detectors"], ["--help"], ["replay", "--help"]):
        done = subprocess.run(
            [sys.executable, "-m", "driftd", *command], stdout=writer, stderr=subprocess.PIPE, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")
    os.close(writer)


def test_another_pipe_that_breaks_is_no_reader_that_has_gone() -> None:
    with pytest.raises(BrokenPipeError), _reader_may_go():
        raise BrokenPipeError


def test_replay_says_when_nothing_was_watched(run: Any) -> None:
    _, out, _ = run("replay", "--events", events(), *COLUMNS[:6], "--reference-events", "100000")
    assert out.startswith("Nothing was watched: the events ended before a reference was learned.\n")
    assert "It takes the first 100,000 events of a model; 3,000 events were accepted.\n" in out
    assert "'--reference-events 1000' learns from the first 1,000" in out  # a third of them


@pytest.mark.parametrize(
    ("accepted", "asked", "said"),
    [
        (0, None, "no event was accepted"),
        (10, 50, "It takes the first 50 events of a model; 10 events were accepted. A reference of fewer than 100"),
        (1, None, "500 events of a model; 1 event was accepted. A reference of fewer than 100 events"),
        (450, None, "500 events of a model; 450 events were accepted. '--reference-events 150' learns"),
    ],
)
def test_what_is_proposed_where_nothing_was_watched_fits_the_events(
    accepted: int, asked: int | None, said: str
) -> None:
    assert said in " ".join(_nothing(Accounts(accepted, accepted, {}, 0, {}), asked))


def test_a_quiet_replay_has_no_pages_and_says_so_in_one_plain_sentence(run: Any) -> None:
    rows = [{"model": "m", "time": i / 10, "features": {"x": i % 7}} for i in range(3000)]
    Path("quiet.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    _, out, _ = run("replay", "--events", "quiet.jsonl", "--reference-events", "1000")
    assert "\n  No pages, with a budget of 1 false page a month.\n  No tickets.\n" in out


def strict(text: str) -> Any:
    """Refuses NaN and Infinity, which Python reads and nobody else does."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


def test_a_replay_that_learns_to_the_end_can_be_compared_and_its_json_has_no_nan(run: Any) -> None:
    Path("late.yaml").write_text("learning: {events: 100000}\n")
    Path("driftd.yaml").write_text("learning: {events: 1000}\n")
    words = ("replay", "--events", events(seconds=100), *COLUMNS[:6], *WINDOWS, "--compare", "late.yaml")
    code, out, _ = run(*words)
    assert code == 0
    rows = [re.split(r"  +", line.strip()) for line in out.splitlines()]
    assert next(row for row in rows if row[0] == "watched")[2] == "nothing (no reference yet)"
    assert ["pages", "1", "-"] in rows
    code, out, _ = run(*words, "--output", "json")
    second = strict(out)["configurations"][1]
    assert (code, second["months"], second["start"], second["budget"]["pages_per_month"]) == (0, 0.0, None, None)


@pytest.mark.parametrize(
    "words",
    [
        ("check", "--offline"),
        ("reference", "show", "m"),
        ("reference", "list"),
        ("reference", "build", "--events", "events.csv", "--model", "m", "--time", "ts", "--prediction", "p"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_json_for_scripts_has_no_nan(run: Any, words: tuple[str, ...]) -> None:
    assert run("reference", "build", "--events", events(), *COLUMNS[:6], "--first", "30")[0] == 0
    code, out, _ = run(*words, "--output", "json")
    assert code == 0
    assert strict(out)


def test_replay_for_scripts_prints_one_object(run: Any) -> None:
    _, out, _ = run("replay", "--events", events(seconds=100), *COLUMNS, *WINDOWS, "--output", "json")
    report = json.loads(out)
    assert (report["read"], report["accepted"], report["rejected"]) == (3001, 3000, {"not_an_event": 1})
    assert report["models"] == {"m": "DRIFT"}
    assert report["findings"] > 0
    (page,) = report["pages"]
    assert (page["model"], page["channels"][0], page["ended"]) == ("m", "temp", None)
    assert page["kinds"][0] == "range"
    assert 199_900 <= page["since"] <= page["at"] <= 201_500
    assert report["tickets"] == []
    assert report["budget"]["pages"] == 1
    again = json.loads(run("replay", "--events", "events.csv", *COLUMNS, *WINDOWS, "--output", "json")[1])
    assert {**again, "speed": None} == {**report, "speed": None}


def test_two_configurations_are_put_side_by_side(run: Any) -> None:
    Path("a.yaml").write_text("alarms: {false_alarms_per_month: 1}\ndetectors: {numeric: [psi]}\n")
    Path("b.yaml").write_text("alarms: {false_alarms_per_month: 10}\ndetectors: {numeric: [out_of_range]}\n")
    words = ("replay", "--events", events(seconds=100), *COLUMNS, *WINDOWS, "--config", "a.yaml", "--compare", "b.yaml")
    code, out, err = run(*words)
    assert code == 0
    assert err.splitlines()[-1] == ACCOUNTS
    lines = [re.split(r"  +", line.strip()) for line in out.splitlines()]
    assert ["a.yaml", "b.yaml"] in lines
    assert ["pages", "1", "1"] in lines
    assert ["alarms.false_alarms_per_month", "1", "10"] in lines
    assert any(row[0] == "m: psi" and row[2] == "-" for row in lines)
    _, out, _ = run(*words, "--output", "json")
    both = json.loads(out)
    first, second = both["configurations"]
    assert (first["name"], second["name"]) == ("a.yaml", "b.yaml")
    alone = json.loads(run(*words[:-2], "--output", "json")[1])
    assert {**first, "name": None, "speed": None} == {**alone, "name": None, "speed": None}
    (found,) = [f for f in both["found"] if f["channel"] == "temp"]
    assert second["pages"][0]["at"] == found["second"]["page"] <= found["first"]["page"]
    assert found["first"]["kind"] == "range"


def test_a_configuration_beside_itself_differs_in_nothing(run: Any) -> None:
    words = ("replay", "--events", events(), *COLUMNS, *WINDOWS)
    Path("driftd.yaml").write_text("windows: {hops: 2}")
    _, out, _ = run(*words, "--compare", "driftd.yaml")
    assert "Settings that differ: none" in out
    assert "Thresholds that differ (at the last judgement): none" in out


def test_standard_input_can_be_compared_for_it_is_read_once(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"model": "m", "time": i / 10, "features": {"x": i % 7}} for i in range(2000)]
    text = "\n".join(json.dumps(row) for row in rows).encode()
    Path("b.yaml").write_text("discovery: {enabled: false}\nmodels: [{name: other}]")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    words = ("replay", "--events", "-", "--reference-events", "500", "--compare", "b.yaml", "--output", "json")
    first, second = json.loads(run(*words)[1])["configurations"]
    assert (first["accepted"], second["accepted"]) == (2000, 0)
    assert second["dropped"] == {"unconfigured_model": 2000}


@pytest.mark.parametrize(
    "words",
    [
        ("--events", "events.csv", "--topic", "t"),
        ("--events", "events.csv", "--from", "-2h"),
        ("--topic", "t", "--time", "ts"),
        ("--events", "events.csv", "--findings", "-", "--output", "json"),
    ],
)
def test_replay_refuses_options_that_contradict_each_other(run: Any, words: tuple[str, ...]) -> None:
    events()
    assert run("replay", *words)[0] == 2


def test_no_option_that_takes_one_value_is_taken_twice(run: Any) -> None:
    """The second would silently take the first one's place."""
    asked = [
        (name, p.opts[0]) for name, c in commands() for p in c.params if isinstance(p, click.Option) and takes_one(p)
    ]
    assert ("driftd replay", "--from") in asked
    for name, option in asked:
        code, _, err = run(*name.split()[1:], option, "1", option, "2")
        assert (code, f"Error: {option}: given 2 times, and takes one value" in err) == (2, True), name


def test_the_demo_finds_the_drift_and_takes_nothing_from_the_users_configuration(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("driftd.yaml").write_text("windows: {hops: 0}")
    monkeypatch.setenv("DRIFTD_NONSENSE", "1")
    code, out, _ = run("demo", "--exit", "--listen", "127.0.0.1:0")
    assert code == 0
    assert re.search(
        r"\n2013-03-0\d \d\d:00 UTC  ticket  flight-delay: dest: new value 0% -> 0\.\d+% since 2013-03", out
    )
    assert re.search(r"\n2013-12-30 \d\d:00 UTC  PAGE    flight-delay: temp, ", out)
    assert re.search(r"\n {30}temp: missing 0% -> 100% since 2013-12-30 19:00\n", out)
    assert "All events accounted for: read 309772 = accepted 309772" in out
    assert not Path("driftd-state").exists()


def test_references_are_built_stored_listed_and_shown(run: Any) -> None:
    words = ("reference", "build", "--events", events(), *COLUMNS[:6])
    assert run(*words, "--first", "1000", "--reason", "clean stretch")[0] == 0
    assert run(*words)[0] == 0
    _, out, _ = run("reference", "list", "--output", "json")
    listed = [(r["model"], r["version"], r["events"], r["reason"]) for r in json.loads(out)]
    assert listed == [("m", 1, 1000, "clean stretch"), ("m", 2, 3000, "driftd reference build")]
    _, out, _ = run("reference", "show", "m", "--version", "1", "--output", "json")
    assert set(json.loads(out)["bins"]) == {"temp", "prediction", "error"}
    assert re.search(r"\ntemp +numeric +0.0%", run("reference", "show", "m")[1])
    assert "there are v1, v2" in run("reference", "show", "m", "--version", "7")[2]
    assert "did you mean 'm'?" in run("reference", "show", "M")[2]
    assert run(*words, "--to-file", "m.reference")[0] == 0
    assert "3,000" in run("reference", "show", "m.reference")[1]
    assert "no usable events of model 'x'" in run("reference", "build", "x", *words[2:])[2]


def test_colour_is_for_terminals_and_for_those_who_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert output.colourful(Terminal())
    assert not output.colourful(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not output.colourful(Terminal())


def test_output_that_is_not_for_a_terminal_has_no_escapes_and_no_cut_lines(run: Any) -> None:
    for words in (("detectors",), ("config",), ("check", "--offline")):
        _, out, _ = run(*words)
        assert "\x1b" not in out
        assert not re.search(r"…|\.\.\.$", out)


def test_progress_is_a_line_now_and_then_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, 3.0, 11.0, 11.0, 12.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    bar = output.Bar("driftd replay")
    with bar.shown():
        for done in (1000, 5000, 6000):
            bar.update(Progress(done, 10_000, "rows"))
    assert capsys.readouterr().err == "driftd replay: 5,000 rows (50%)\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "joined to predictions by id, within 7 days"),
        (("labels.join=never",), "counted only (labels.join: never)"),
        (("members.enabled=true",), "within 7 days, by the member that judges the model"),
    ],
)
def test_check_says_what_becomes_of_labels_that_come_alone(run: Any, words: tuple[str, ...], says: str) -> None:
    options = [part for word in words for part in ("--set", word)]
    _, out, _ = run("check", "--offline", *options)
    assert says in " ".join(out.split())
    assert says in json.loads(run("check", "--offline", "--output", "json", *options)[1])["labels"]
