"""`driftd check --sample` of records that nobody has thought of: it says something, and what it proposes is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.cli.pasting import Sampled
from tests.unit.decode.mapping.test_propose import JSON, WORDS

RECORD = st.dictionaries(st.sampled_from(WORDS) | st.text(), JSON, min_size=1, max_size=6) | JSON


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(RECORD, min_size=1, max_size=4))
@example([{"": None}, {"a.b": None, "": {"": [None]}}])
@example([{"payload": "{" * 5000}, {"payload": "e30="}])
@example([{"resourceSpans": 5}, {"captureData": 5}, {"databricks_request_id": 5, "request": "{"}])
def test_whatever_it_is_there_is_an_answer_and_what_is_proposed_can_be_pasted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], records: list[Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    sampled = Sampled(capsys)
    lines = [json.dumps(record).encode("utf-8", "replace") for record in records]
    out = sampled.check(lines)
    assert sampled.code in {0, 2}
    assert "please report" not in out + sampled.err
    if sampled.proposal:
        report = sampled.pasted()
        assert report["on_topic"] or report["waiting"], sampled.proposal
