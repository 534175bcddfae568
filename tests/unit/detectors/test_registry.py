"""The registry finds what is there, builds it, and says what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import driftd.detectors
from driftd.core.channel import Role
from driftd.core.errors import ConfigError
from driftd.core.event import Kind
from driftd.detectors.psi import PSI
from driftd.detectors.registry import build, defaults_for, faults, in_order, registry, settings_of


def test_a_detector_is_a_file() -> None:
    files = {p.stem for p in Path(driftd.detectors.__path__[0]).glob("*.py")} - {"__init__", "registry"}
    assert set(registry()) == {f for f in files if not f.startswith("_")}


def test_people_read_shapes_before_faults_before_what_sees_every_value() -> None:
    order = in_order()
    assert sorted(order) == list(registry())
    places = [order.index(name) for name in ("ks", "psi", "missing", "unseen", "adwin", "hddm")]
    assert places == sorted(places)


def test_settings_are_those_given_and_else_the_defaults() -> None:
    assert build("psi") == PSI()
    assert build("psi", effect=1) == PSI(effect=1.0)
    assert settings_of("psi") == {"effect": 0.1, "binning": "driftd"}


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("psy", {}, r"unknown detector 'psy'; did you mean 'psi'\?"),
        ("nothing like it", {}, "expected one of adwin, chi2"),
        ("psi", {"efect": 1}, r"'psi': unknown key 'efect'; did you mean 'effect'\?"),
        ("psi", {"effect": "a lot"}, "effect: expected a number, got 'a lot'"),
        ("psi", {"effect": True}, "expected a number, got True"),
        ("psi", {"effect": 0}, "expected a number above 0, got 0"),
        ("psi", {"effect": float("nan")}, "expected a number above 0"),
        ("adwin", {"delta": 2}, "delta: expected a number above 0, at most 1, got 2"),
        ("adwin", {"clock": 0}, "clock: expected a whole number at least 1, got 0"),
        ("adwin", {"clock": 1.5}, "clock: expected a whole number, got 1.5"),
        ("hddm", {"two_sided_test": "yes"}, "expected true or false, got 'yes'"),
    ],
)
def test_mistakes_are_named_with_what_would_help(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(name, **settings)


@pytest.mark.parametrize(
    ("kind", "role", "names"),
    [
        (Kind.NUMERIC, Role.FEATURE, "psi missing out_of_range"),
        (Kind.CATEGORICAL, Role.FEATURE, "psi missing unseen"),
        (Kind.NUMERIC, Role.SCORE, "psi missing out_of_range adwin"),
        (Kind.CATEGORICAL, Role.PREDICTION, "psi missing unseen adwin"),
        (Kind.NUMERIC, Role.ERROR, "wasserstein out_of_range adwin"),
        (Kind.NUMERIC, Role.PREDICTION_ERROR, "wasserstein out_of_range adwin"),
    ],
)
def test_defaults(kind: Kind, role: Role, names: str) -> None:
    assert " ".join(defaults_for(kind, role)) == names
    assert set(defaults_for(kind, role)) <= set(registry())


def test_a_detector_of_a_data_fault_has_an_alert_of_its_own() -> None:
    found = faults()
    assert set(found) == {"missing", "out_of_range", "unseen"}
    assert len({fault.alert for fault in found.values()}) == len(found)
    assert all(fault.hint.endswith((".", "?")) for fault in found.values())
