"""`driftd maintenance`, `rebaseline` and `feedback`: what is missing or contradicts itself is refused."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from driftd.cli import cli

NOBODY = "http://127.0.0.1:1"
"""Whoever asks there gets another error than one of usage."""


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("feedback 5d0c1e7a9b3f2c64", "was it real"),
        ("feedback 5d0c1e7a9b3f2c64 --real --false-alarm", "was it real"),
        ("rebaseline fraud", "Missing option '--because'"),
        ("maintenance fraud --all --to +1m --because t", "contradict each other"),
        ("maintenance --to +1m --because t", "name a MODEL, or give --all"),
        ("maintenance --cancel 3f2a9c01 --all", "--cancel ends a window"),
        ("maintenance --cancel 3f2a9c01 --to +1h", "--cancel ends a window"),
    ],
)
def test_what_is_not_said_clearly_is_not_done(words: str, why: str) -> None:
    with pytest.raises(click.UsageError) as refused:
        CliRunner().invoke(cli, [*words.split(), "--url", NOBODY], catch_exceptions=False, standalone_mode=False)
    assert why in refused.value.format_message()
