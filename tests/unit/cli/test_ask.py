"""`driftd status` and `driftd explain` against a real server: the sentences of the pages, and who is not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import bcrypt
import pytest
from click import UsageError
from click.testing import CliRunner

from driftd.cli import cli
from driftd.cli.ask import channel_lines, fetched
from driftd.cli.incident_lines import incident_lines
from driftd.core.errors import ConfigError, SourceError
from driftd.core.text import minute
from driftd.monitor.sentence import sentence
from driftd.monitor.view import Snapshot
from driftd.web import HttpServer, Views
from driftd.web.format import number
from driftd.web.site import answer, request_of
from tests.stage.snapshot import NOW, incidents, snapshot
from tests.unit.web.test_site import HOSTILE, hostile


@pytest.fixture
def url() -> Iterator[str]:
    yield from served(snapshot())


def served(shown: Snapshot, web_config: Path | None = None) -> Iterator[str]:
    views = Views(lambda _: b"", lambda: 0.0, lambda: (), lambda: (True, ""), lambda: shown)
    server = HttpServer(("127.0.0.1", 0), views, web_config=web_config)
    server.start()
    yield server.url
    server.close(1)


def told(*words: str) -> str:
    return CliRunner().invoke(cli, words, catch_exceptions=False, standalone_mode=False).output.replace("\u00a0", " ")


def test_status_is_one_line_a_model_worst_first(url: str) -> None:
    lines = told("status", "--url", url).splitlines()
    incident = incidents()[0]
    assert lines[0] == sentence(incident, NOW)
    assert lines[1] == "4 models (UTC)"
    assert lines[2] == f"PAGE      {sentence(incident, NOW)} [{incident.id}]"
    assert lines[3] == "PAGE      fraud: cat_country 24% missing (usually 0%) since 05:53 (8 min)"
    assert [line.split()[0] for line in lines[3:]] == ["PAGE", "TICKET", "LEARNING", "OK"]


def test_a_report_is_written_to_one_file(url: str, tmp_path: Path) -> None:
    file, incident = tmp_path / "report.html", incidents()[0]
    said = told("report", incident.id, "-o", str(file), "--url", url)
    assert said.strip().endswith(sentence(incident, NOW))
    assert file.read_text().startswith("<!DOCTYPE html>")
    assert "24% missing" in file.read_text()
    with pytest.raises(ConfigError, match="no incident has the id 'x'"):
        told("report", "x", "-o", str(file), "--url", url)
    with pytest.raises(ConfigError, match="No such file"):
        told("report", incident.id, "-o", str(tmp_path / "no" / "x.html"), "--url", url)


def test_explain_says_what_where_and_what_to_do(url: str) -> None:
    text = told("explain", "fraud", "--url", url)
    assert "PAGE      cat_country 24% missing (usually 0%) since 05:53 (8 min), 1.2 times a page's size" in text
    assert "\n3 channels are calm\n" in text  # of 6; how they move together is no channel
    assert "Look: Values are missing" in text
    assert "Runbook: DriftdModelDrift" in text
    one = told("explain", "fraud", "hour", "--url", url)
    assert "mean" in one
    assert "regime               independent" in one


def test_explain_says_the_unit_of_numbers_and_none_of_shares() -> None:
    plain = snapshot()
    models = [replace(m, judgement=m.judgement and replace(m.judgement, units={"hour": "h"})) for m in plain.models]
    body = json.loads(
        answer(request_of("/api/v1/channel?model=fraud&channel=hour", None), lambda: replace(plain, models=models)).body
    )
    lines = {line.split()[0]: line for line in channel_lines(body)}
    assert " h" in lines["mean"]
    assert lines["mean"].count(" h") == 1 + ("usual" in lines["mean"])
    assert " h" not in lines["missing"]
    assert body["channel"]["unit"] == "h"


def test_explain_says_the_timeline_what_came_of_it_and_what_to_do(url: str) -> None:
    lines = told("explain", "fraud", "--url", url).splitlines()
    opened, past = incidents()
    at = lines.index(f"Incident {opened.id}: PAGE {sentence(opened, NOW)}")
    block = lines[at + 1 :]
    timeline = block[block.index("  Timeline (UTC)") + 1 : block.index("  What to do")]
    assert [line.split(maxsplit=1)[0] for line in timeline[:3]] == ["05:57", "05:57", "06:00"]
    assert timeline[0].endswith("fraud, cat_country: missing 0% \u2192 24% (page)")
    assert timeline[1].endswith("fraud: somebody was called (page)")
    assert any("beside it: fraud: version 8 began to answer" in line for line in timeline)
    steps = block[block.index("  What to do") + 1 :]
    assert steps[0].startswith("    1. Say that you look at it")
    assert f"driftd ack {opened.id}" in steps[0]
    assert any("predictions / 3 / 18205  id 9f3c  before" in line for line in steps)
    assert any("predictions / 3 / 18311  id cat_country  since cat_country" in line for line in steps)
    assert past.id not in "\n".join(lines)  # it is over


def test_explain_of_a_channel_has_its_incidents_alone_and_of_a_time_those_that_lasted_then(url: str) -> None:
    opened, past = incidents()
    assert "Incident" not in told("explain", "fraud", "age", "--url", url)
    assert f"Incident {opened.id}: PAGE" in told("explain", "fraud", "hour", "--url", url)
    then = told("explain", "fraud", "cat_country", "--at", minute(past.since + 600), "--url", url)
    assert f"Incident {past.id}: ENDED" in then
    assert opened.id not in then
    found = json.loads(told("explain", "fraud", "--output", "json", "--url", url))["incidents"]
    assert [b["incident"]["id"] for b in found] == [opened.id]


def test_of_many_incidents_two_are_told_whole_and_a_long_timeline_is_cut_in_the_middle() -> None:
    body = json.loads(answer(request_of(f"/api/v1/incident?id={incidents()[0].id}", None), snapshot).body)
    long = body | {"timeline": [body["timeline"][0] | {"text": f"entry {i}"} for i in range(40)]}
    lines = list(incident_lines([long, body, body]))
    assert sum(line.startswith("Incident ") for line in lines) == 3
    assert lines.count("  What to do") == 2
    first = lines[lines.index("  Timeline (UTC)") :]
    assert [line.split()[-2] for line in first[1:14]] == [*"0123", "more", *map(str, range(32, 40))]
    assert first[5].strip() == "... 28 more ..."


def test_explain_has_the_values_of_the_last_stretch_and_none_that_are_older() -> None:
    body = json.loads(answer(request_of("/api/v1/channel?model=fraud&channel=hour", None), snapshot).body)
    mean = next(s for s in body["series"] if s["name"] == "mean")
    median = next(s for s in body["series"] if s["name"] == "p50")
    mean["values"][-1], mean["last"] = None, ""
    median["values"][-1], median["last"] = None, "> 23"
    lines = [line.replace("\u00a0", " ").split() for line in channel_lines(body)]
    assert ["values", "of", "05:59", "to", "06:00"] in lines
    assert ["mean", "none", "usual", number(mean["usual"][-1])] in lines
    assert ["p50", ">", "23", "usual", number(median["usual"][-1])] in lines  # beyond the reference's values


def test_json_is_the_apis(url: str) -> None:
    assert (
        json.loads(told("explain", "fraud", "hour", "--output", "json", "--url", url))["channel"]["channel"] == "hour"
    )
    assert json.loads(told("status", "--output", "json", "--url", url))["status"] == "page"


def test_who_is_not_there_is_said_with_its_own_exit_code(url: str) -> None:
    with pytest.raises(ConfigError, match="no model is called 'nobody'"):
        told("explain", "nobody", "--url", url)
    with pytest.raises(SourceError, match=r"127.0.0.1:1: no driftd answers there .*; --url names another"):
        told("status", "--url", "http://127.0.0.1:1")
    with pytest.raises(ConfigError, match="expected http://HOST:PORT"):
        told("status", "--url", "file:///etc/passwd")


def test_an_unknown_path_of_the_api_answers_as_the_api_does(url: str) -> None:
    with pytest.raises(ConfigError, match=r"no such path; /api/v1/openapi\.json has all"):
        fetched(url, "/api/v1/nope")


def test_a_time_that_makes_no_sense_is_refused(url: str) -> None:
    for at in ("yesterday", "1950-01-01"):
        with pytest.raises(ConfigError, match=rf"as_of: expected a time that has been, .* and not '{at}'"):
            told("explain", "fraud", "hour", "--at", at, "--url", url)
    with pytest.raises(UsageError, match="--at is of a channel"):
        told("explain", "fraud", "--at", "2026-11-23 05:00", "--url", url)


def test_a_password_in_the_address_is_written_as_addresses_are(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    file.write_text(f"basic_auth_users:\n  me@here: {bcrypt.hashpw(b'a/b:c', bcrypt.gensalt(4)).decode()}\n")
    url = next(running := served(snapshot(), file))
    assert "fraud" in told("status", "--url", url.replace("//", "//me%40here:a%2Fb%3Ac@"))
    with pytest.raises(SourceError, match="user and password required"):
        told("status", "--url", url)
    next(running, None)


def test_names_from_outside_cannot_move_the_cursor() -> None:
    for url in served(hostile()):
        assert "\u202e" not in told("status", "--url", url)
        assert "\n\n" not in told("explain", HOSTILE, "--url", url)
