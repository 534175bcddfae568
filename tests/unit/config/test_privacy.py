"""Settings of privacy: a hash needs a secret that cannot be found by trying, and the secret is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftd import config
from driftd.core.errors import ConfigError
from driftd.wiring.decoding import limits_of

KEY = "0123456789abcdef"


def load(tmp_path: Path, text: str) -> config.Loaded:
    file = tmp_path / "driftd.yaml"
    file.write_text(text)
    return config.load(file, {})


def mistakes(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as e:
        load(tmp_path, text)
    return str(e.value).removeprefix(f"{tmp_path}/driftd.yaml:")


@pytest.mark.parametrize("asked", ["hash_text: true", "hash_channels: [x]", "dead_letters: hash"])
def test_a_hash_needs_a_key(tmp_path: Path, asked: str) -> None:
    name = asked.partition(":")[0]
    assert mistakes(tmp_path, f"privacy: {{{asked}}}").startswith(f"1: privacy.{name}: needs privacy.key_file: a hash")
    assert load(tmp_path, f"privacy: {{{asked}, key: {KEY}}}").settings.privacy.hides


def test_a_key_can_be_too_short(tmp_path: Path) -> None:
    text = mistakes(tmp_path, f"privacy: {{hash_text: true, key: {KEY[:-1]}}}")
    assert text == "1: privacy.key: expected 16 characters or more: a short secret can be found by trying"
    (tmp_path / "key").write_text("short")
    (tmp_path / "key").chmod(0o600)
    assert "privacy.key_file: expected 16" in mistakes(tmp_path, "privacy: {hash_text: true, key_file: key}")


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o644)
    assert "others than its owner can read it" in mistakes(tmp_path, "privacy: {hash_text: true, key_file: key}")
    (tmp_path / "key").chmod(0o600)
    loaded = load(tmp_path, "privacy: {hash_text: true, key_file: key}")
    assert KEY not in repr((loaded.rows(), loaded.settings, limits_of(loaded.settings)))


def test_a_key_is_not_quoted_where_it_is_wrong(tmp_path: Path) -> None:
    assert "81600100" not in mistakes(tmp_path, "privacy: {key: 81600100}")


def test_a_number_cannot_be_a_category_as_well(tmp_path: Path) -> None:
    text = (
        f"privacy: {{hash_channels: ['m/am*'], key: {KEY}}}\nmodels: [{{name: NAME, features: {{amount: numeric}}}}]\n"
    )
    said = mistakes(tmp_path, text.replace("NAME", "m"))
    assert said.endswith(
        "models[0].features.amount.type: numeric, and privacy.hash_channels makes it a category; keep one of them"
    )
    assert load(tmp_path, text.replace("NAME", "n")).settings.models


def test_dropping_needs_no_key_and_hides_what_is_said_of_records(tmp_path: Path) -> None:
    limits = limits_of(load(tmp_path, "privacy: {dead_letters: drop}").settings)
    assert (limits.show_values, limits.hasher) == (False, None)
    assert limits_of(load(tmp_path, "{}").settings).show_values
