"""Precedence, origins, durations, secrets: what is read and where it came from."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from driftd import config
from driftd.config import Flag, Settings
from driftd.config.values import seconds, spell_seconds
from driftd.core.errors import ConfigError


@pytest.fixture
def yaml(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "driftd.yaml"
        path.write_text(text)
        return path

    return write


def test_flags_win_over_environment_over_file_over_defaults(yaml: Callable[[str], Path]) -> None:
    path = yaml("kafka:\n  topics: [file]\n  group_id: file\n  client_id: file\n")
    env = {"DRIFTD_KAFKA__TOPICS": "env", "DRIFTD_KAFKA__GROUP_ID": "env"}
    loaded = config.load(path, env, {"kafka.topics": Flag("--topic", ["flag"])})
    assert loaded.settings.kafka.topics == ("flag",)
    assert loaded.settings.kafka.group_id == "env"
    assert loaded.settings.kafka.client_id == "file"
    assert loaded.settings.kafka.start == "latest"
    assert [loaded.origins[f"kafka.{k}"] for k in ("topics", "group_id", "client_id", "start")] == [
        "--topic",
        "DRIFTD_KAFKA__GROUP_ID",
        f"{path}:4",
        "default",
    ]


def test_settings_alone_read_neither_environment_nor_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "driftd.yaml").write_text("kafka: {group_id: file}")
    monkeypatch.setenv("DRIFTD_KAFKA__GROUP_ID", "env")
    assert Settings().kafka.group_id == "driftd"
    assert config.load().settings.kafka.group_id == "env"


def test_driftd_yaml_of_the_working_directory_is_read_and_a_variable_names_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, yaml: Callable[[str], Path]
) -> None:
    yaml("kafka: {group_id: here}")
    monkeypatch.chdir(tmp_path)
    assert config.load(env={}).settings.kafka.group_id == "here"
    other = tmp_path / "other.yaml"
    other.write_text("kafka: {group_id: there}")
    assert config.load(env={"DRIFTD_CONFIG": str(other)}).settings.kafka.group_id == "there"


def test_lists_come_from_variables_with_commas_or_as_json() -> None:
    env = {
        "DRIFTD_KAFKA__BOOTSTRAP_SERVERS": "one, two:9093",
        "DRIFTD_KAFKA__TOPICS": '["a", "b"]',
        "DRIFTD_MODELS": json.dumps([{"name": "fraud", "features": {"amount": "numeric"}}]),
    }
    loaded = config.load(env=env)
    assert loaded.settings.kafka.bootstrap_servers == ("one:9092", "two:9093")
    assert loaded.settings.kafka.topics == ("a", "b")
    assert loaded.settings.models[0].features["amount"].type == "numeric"
    assert loaded.origins["models[0].name"] == "DRIFTD_MODELS"
    assert loaded.origins["models[0].task"] == "default"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (30, 30),
        (0.5, 0.5),
        ("30", 30),
        ("10m", 600),
        ("31d", 2_678_400),
        ("1h30m", 5400),
        ("250ms", 0.25),
        ("2w", 1_209_600),
    ],
)
def test_durations(given: object, expected: float) -> None:
    assert seconds(given) == expected


@pytest.mark.parametrize(
    "given", ["", "10 minutes", "m", "-5", -5, True, float("nan"), float("inf"), "1e999", [1], None]
)
def test_what_is_no_duration_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        seconds(given)


@pytest.mark.parametrize("value", [0.0, 0.25, 1.5, 59.0, 600.0, 5400.0, 86400.0, 2_678_400.0, 123_456_789.5])
def test_a_duration_reads_back_as_it_was_spelled(value: float) -> None:
    assert seconds(spell_seconds(value)) == value


def test_yaml_1_1_does_not_turn_words_and_times_into_something_else(yaml: Callable[[str], Path]) -> None:
    path = yaml(
        "models:\n- name: no\n  features: {on: numeric, 2026-01-01: categorical, y: numeric}\nkafka: {client_id: 10:30}"
    )
    loaded = config.load(path, {})
    assert loaded.settings.models[0].name == "no"
    assert set(loaded.settings.models[0].features) == {"on", "2026-01-01", "y"}
    assert loaded.settings.kafka.client_id == "10:30"


def test_anchors_and_merge_keys_work_and_the_nearer_key_wins(yaml: Callable[[str], Path]) -> None:
    path = yaml("models:\n- &m {name: a, task: regression}\n- {<<: *m, name: b}\n")
    assert [(m.name, m.task) for m in config.load(path, {}).settings.models] == [
        ("a", "regression"),
        ("b", "regression"),
    ]


def test_relative_paths_in_the_file_are_relative_to_the_file(yaml: Callable[[str], Path], tmp_path: Path) -> None:
    loaded = config.load(yaml("state: {directory: here}\nfindings: {path: '-'}"), {"DRIFTD_LOG__LEVEL": "debug"})
    assert loaded.settings.state.directory == tmp_path / "here"
    assert loaded.settings.findings.path == Path("-")
    assert config.load(env={"DRIFTD_STATE__DIRECTORY": "here"}).settings.state.directory == Path("here")


def test_learning_by_events_or_by_seconds_is_for_the_higher_layer_to_say(yaml: Callable[[str], Path]) -> None:
    path = yaml("learning: {seconds: 1d}")
    learning = config.load(path, {"DRIFTD_LEARNING__EVENTS": "50"}).settings.learning
    assert (learning.events, learning.seconds) == (50, None)
    flags = {"learning.seconds": Flag("--set learning.seconds", "2d")}
    learning = config.load(path, {"DRIFTD_LEARNING__EVENTS": "50"}, flags).settings.learning
    assert (learning.events, learning.seconds) == (None, 172_800)


def test_an_unset_group_instance_is_the_host_name_and_an_empty_one_means_dynamic_membership() -> None:
    assert config.load(env={}).settings.kafka.instance_id
    assert config.load(env={"DRIFTD_KAFKA__GROUP_INSTANCE_ID": ""}).settings.kafka.instance_id is None


def test_kubernetes_service_links_are_not_taken_for_settings() -> None:
    env = {
        "DRIFTD_SERVICE_HOST": "10.0.0.7",
        "DRIFTD_SERVICE_PORT": "9477",
        "DRIFTD_SERVICE_PORT_METRICS": "9477",
        "DRIFTD_PORT": "tcp://10.0.0.7:9477",
        "DRIFTD_PORT_9477_TCP": "tcp://10.0.0.7:9477",
        "DRIFTD_PORT_9477_TCP_ADDR": "10.0.0.7",
        "DRIFTD_METRICS_PORT_9477_TCP_PROTO": "tcp",
    }
    assert config.load(env=env).settings == Settings()
    with pytest.raises(ConfigError, match="DRIFTD_HTTP_PORT: unknown"):
        config.load(env={"DRIFTD_HTTP_PORT": "9477"})


def secret(tmp_path: Path, text: str = "hunter2\n", mode: int = 0o600) -> dict[str, str]:
    path = tmp_path / "password"
    path.write_text(text)
    path.chmod(mode)
    return {
        "DRIFTD_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
        "DRIFTD_KAFKA__SASL_MECHANISM": "PLAIN",
        "DRIFTD_KAFKA__SASL_USERNAME": "me",
        "DRIFTD_KAFKA__SASL_PASSWORD_FILE": str(path),
    }


def test_a_secret_comes_from_its_file_and_is_never_shown(tmp_path: Path) -> None:
    loaded = config.load(env=secret(tmp_path))
    password = loaded.settings.kafka.sasl_password
    assert password is not None
    assert password.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(loaded) + str(loaded.rows()) + loaded.settings.model_dump_json()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o666])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError, match=f"mode {mode:o}.*chmod 600"):
        config.load(env=secret(tmp_path, mode=mode))


def test_an_empty_secret_and_two_secrets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is empty"):
        config.load(env=secret(tmp_path, "\n"))
    with pytest.raises(ConfigError, match="given as well") as e:
        config.load(env={**secret(tmp_path), "DRIFTD_KAFKA__SASL_PASSWORD": "hunter3"})
    assert "hunter" not in str(e.value)


def test_reading_again_sees_the_new_file_and_a_bad_one_leaves_the_old_settings(yaml: Callable[[str], Path]) -> None:
    loaded = config.load(path := yaml("kafka: {group_id: old}"), {})
    path.write_text("kafka: {group_id: new}")
    assert loaded.again().settings.kafka.group_id == "new"
    path.write_text("kafka: {group_idd: worse}")
    with pytest.raises(ConfigError):
        loaded.again()
    assert loaded.settings.kafka.group_id == "old"
