"""Files that change while driftd runs: read anew, the old value kept where the new one is no good; who may read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from driftd.core.errors import ConfigError
from driftd.sources.renewed import Renewed
from driftd.sources.secret_file import read_secret, read_text, secret_now


class Number:
    """A value made of a file: a whole number."""

    def __init__(self, file: Path) -> None:
        self.made, self.told = 0, list[str]()
        self._file = file
        self.renewed = Renewed(lambda: [file], self.make, self.told.append)

    def make(self) -> int:
        self.made += 1
        try:
            return int(self._file.read_text())
        except (OSError, ValueError):
            raise ConfigError("no number") from None

    @property
    def value(self) -> int:
        return self.renewed.get()


def replace(file: Path, text: str) -> None:
    """As Kubernetes and certbot do it."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


def test_a_value_is_made_once_for_each_state_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "n"
    file.write_text("1")
    number = Number(file)
    assert [number.value, number.value, number.made] == [1, 1, 1]
    replace(file, "2")
    assert [number.value, number.value, number.made] == [2, 2, 2]


def test_a_broken_file_leaves_the_old_value_and_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "n"
    file.write_text("1")
    number = Number(file)
    assert number.value == 1
    replace(file, "one")
    assert [number.value, number.value] == [1, 1]
    file.unlink()
    assert [number.value, number.value] == [1, 1]
    assert number.told == ["no number; what was read before stays in use"] * 2, "two states, each told once"
    file.write_text("3")
    assert number.value == 3


def test_what_is_wrong_from_the_beginning_on_is_raised(tmp_path: Path) -> None:
    number = Number(tmp_path / "n")
    for _ in range(2):
        with pytest.raises(ConfigError, match="no number"):
            _ = number.value
    (tmp_path / "n").write_text("4")
    assert number.value == 4
    assert number.told == []


@pytest.mark.parametrize(
    ("mode", "mine", "taken"),
    [
        pytest.param(0o600, True, True, id="mine"),
        pytest.param(0o400, True, True, id="mine, to read"),
        pytest.param(0o640, True, False, id="mine, and my group's"),
        pytest.param(0o440, False, True, id="root's and our group's, as Kubernetes mounts it with fsGroup"),
        pytest.param(0o640, False, True, id="another's and our group's"),
        pytest.param(0o660, False, False, id="our group may write it"),
        pytest.param(0o444, False, False, id="everybody may read it"),
    ],
)
def test_who_may_read_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, mine: bool, taken: bool
) -> None:
    file = tmp_path / "secret"
    file.write_text("hush\n")
    file.chmod(mode)
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + (not mine))
    if taken:
        assert read_secret(file) == "hush"
    else:
        with pytest.raises(ValueError, match="others than its owner can read it"):
            read_secret(file)
        assert read_text(file, "a token") == "hush"


def test_a_secret_is_that_of_its_file_if_it_has_one(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hush")
    file.chmod(0o600)
    assert secret_now("ssl_password", "other", file) == "hush"
    assert secret_now("ssl_password", "other", None) == "other"
    assert secret_now("ssl_password", None, None) == ""
    file.unlink()
    with pytest.raises(ConfigError, match=r"kafka\.ssl_password_file: .*secret: No such file"):
        secret_now("ssl_password", None, file)
