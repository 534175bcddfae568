"""Whatever stands in the file, it is either a configuration or a ConfigError that names the file."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from driftd import config
from driftd.config.describe import settings as every_setting
from driftd.core.errors import ConfigError

KEYS = sorted({part.strip("[]<>") for s in every_setting() for part in s.path.replace("[]", "").split(".")})
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from(["psi", "numeric", "10m", "a:1", "-", "*a", "&a b", "!x y", "<<"]),
)  # fmt: skip
DATA = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=4)), inner, max_size=4),
    ),
    max_leaves=12,
)
SECTIONS = st.dictionaries(st.sampled_from([*config.Settings.model_fields, "x"]), DATA, max_size=4)
FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def attempt(path: Path) -> None:
    try:
        loaded = config.load(path, {})
    except ConfigError as e:
        assert all(line.startswith(str(path)) for line in str(e).split("\n"))  # noqa: PT017
    else:
        assert loaded.rows()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "driftd.yaml"


@FUZZ
@given(data=SECTIONS)
@example(data={"models": [{"features": {"\0": "\x7f"}}]})
@example(data={"kafka": {"\n": None}})
def test_any_data_is_a_configuration_or_a_config_error(file: Path, data: dict[str, Any]) -> None:
    file.write_text(yaml.safe_dump(data))
    attempt(file)


@FUZZ
@given(
    raw=st.one_of(st.binary(max_size=60), st.text(alphabet="a:-{}[]&*!<>|'\"#\n\t ,%@0~", max_size=60).map(str.encode))
)
def test_any_bytes_are_a_configuration_or_a_config_error(file: Path, raw: bytes) -> None:
    file.write_bytes(raw)
    attempt(file)
