"""A secret is in no output: every place where one can stand is found in the settings themselves, and gets a canary."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from driftd import config
from driftd.cli import main
from driftd.config.describe import Setting, settings
from driftd.config.secrets import IN_FILES
from driftd.core.errors import DriftdError
from driftd.web import webconfig
from driftd.wiring.kafka import kafka_settings

CANARY: Final = "tweety-9f3c-and-sylvester"
NUMBER: Final = "90210773"
"""A secret that is one in YAML as well."""
SECRETS: Final = [s for s in settings() if s.type == "secret"]
ADDRESSES: Final = (
    "kafka.bootstrap_servers", "kafka.sasl_oauthbearer_token_endpoint_url", "http.listen", "http.runbooks", "http.hosts"
)  # fmt: skip
"""Where somebody could write ``user:password@host``."""
OAUTH: Final = {
    "sasl_mechanism": "OAUTHBEARER", "security_protocol": "SASL_SSL", "sasl_oauthbearer_client_id": "me",
    "sasl_oauthbearer_token_endpoint_url": "https://127.0.0.1:1/token", "sasl_oauthbearer_client_secret": "other",
}  # fmt: skip
SCRAM: Final = {
    "sasl_mechanism": "PLAIN", "security_protocol": "SASL_SSL", "sasl_username": "me", "sasl_password": "other"
}  # fmt: skip
REGISTRY: Final = {"url": "https://127.0.0.1:1"}
BROKER: Final = {"bootstrap_servers": "127.0.0.1:1", "topics": ["t"]}
COMMANDS: Final = (
    ("--debug", "config"), ("config", "--output", "json"), ("--debug", "check", "--all"), ("check", "--output", "json"),
)  # fmt: skip


def around(name: str) -> dict[str, Any]:
    """Settings of ``kafka`` that make the secret of this name one that is asked for."""
    return {**BROKER, **(OAUTH if "oauth" in name else SCRAM)}


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [n for n in os.environ if n.startswith("DRIFTD_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def outputs(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[..., Iterator[str]]:
    """All that commands say, on standard output and error, in the log, in tracebacks and in what they write."""
    caplog.set_level("DEBUG")

    def outputs(*words: str) -> Iterator[str]:
        for command in COMMANDS:
            try:
                main([*command, *words])
            except SystemExit:
                trace = ""
            except DriftdError:
                trace = traceback.format_exc()
            out = capsys.readouterr()
            yield out.out + out.err + trace + caplog.text

    return outputs


def write(kafka: Mapping[str, Any]) -> None:
    Path("driftd.yaml").write_text(yaml.safe_dump({"kafka": dict(kafka)}))


def write_for(secret: Setting, given: Mapping[str, Any]) -> None:
    """A configuration that asks for the secret, with it only as ``given``."""
    section, name = secret.path.split(".")
    own: dict[str, dict[str, Any]] = {
        "privacy": {"hash_text": True},
        "schema_registry": REGISTRY | ({"username": "me"} if name == "password" else {}),
    }
    whole: dict[str, dict[str, Any]] = (
        {"kafka": around(name)} if section == "kafka" else {"kafka": around(""), section: own[section]}
    )
    whole[section] = {k: v for k, v in whole[section].items() if k != name} | dict(given)
    Path("driftd.yaml").write_text(yaml.safe_dump(whole))


def test_there_are_secrets_and_each_may_stand_in_a_file() -> None:
    registry = {"schema_registry.password", "schema_registry.token"}
    assert {s.path for s in SECRETS} == {"privacy.key", *registry, *(f"kafka.{name}" for name in IN_FILES)}
    assert len(SECRETS) >= 3


@pytest.mark.parametrize("secret", SECRETS, ids=lambda s: s.path)
def test_a_secret_that_is_in_force_is_shown_nowhere(
    secret: Setting, outputs: Callable[..., Iterator[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = secret.path.split(".")[1]
    seen: list[str] = []
    write_for(secret, {name: CANARY})
    seen += outputs()
    write_for(secret, {})
    seen += outputs("--set", f"{secret.path}={CANARY}")
    Path("secret").write_text(CANARY)
    Path("secret").chmod(0o600)
    write_for(secret, {f"{name}_file": "secret"})
    seen += outputs()
    monkeypatch.setenv(secret.env, CANARY)  # as well: a mistake
    seen += outputs()
    Path("driftd.yaml").unlink()
    seen += outputs("--bootstrap-servers", "127.0.0.1:1", "--topic", "t")
    assert [text for text in seen if CANARY in text] == []
    assert any(secret.path in text for text in seen)


@pytest.mark.parametrize("secret", SECRETS, ids=lambda s: s.path)
@pytest.mark.parametrize("mode", [0o644, 0o600], ids=["open to others", "not text"])
def test_a_secret_in_a_file_that_is_refused_is_shown_nowhere(
    secret: Setting, mode: int, outputs: Callable[..., Iterator[str]]
) -> None:
    name = secret.path.split(".")[1]
    Path("secret").write_bytes(CANARY.encode() + b"\xff" * (mode == 0o600))
    Path("secret").chmod(mode)
    write_for(secret, {f"{name}_file": "secret"})
    seen = list(outputs())
    assert [text for text in seen if CANARY in text] == []
    assert all(f"{secret.path}_file: " in text for text in seen)


@pytest.mark.parametrize("secret", SECRETS, ids=lambda s: s.path)
@pytest.mark.parametrize(
    "written",
    [
        pytest.param(NUMBER, id="number"),
        pytest.param(f"[{CANARY}]", id="list"),
        pytest.param(f"{{{CANARY}: 1}}", id="mapping"),
        pytest.param(f"*{CANARY}", id="alias"),
        pytest.param(f"&{CANARY} [x]", id="anchor"),
        pytest.param(f"!{CANARY}", id="tag"),
        pytest.param(f"!!{CANARY} x", id="tag of YAML"),
        pytest.param(f"!{CANARY}!x y", id="tag handle"),
        pytest.param(f"@{CANARY}", id="at"),
        pytest.param(f"%{CANARY}", id="percent"),
        pytest.param(f"`{CANARY}", id="backtick"),
        pytest.param(f"'{CANARY}", id="open quote"),
        pytest.param(f'"\\q{CANARY}"', id="unknown escape"),
        pytest.param(f"a: {CANARY}: b", id="colons"),
        pytest.param(f"|{CANARY}", id="block"),
        pytest.param(f"\t{CANARY}", id="tab"),
        pytest.param(f"x\n  {CANARY}", id="second line"),
        pytest.param(f"{{{CANARY}", id="open brace"),
        pytest.param(f"'{CANARY}' {CANARY}", id="twice"),
    ],
)
def test_a_secret_that_is_written_wrongly_is_shown_nowhere(
    secret: Setting, written: str, outputs: Callable[..., Iterator[str]]
) -> None:
    section, name = secret.path.split(".")
    Path("driftd.yaml").write_text(f"{section}:\n  {name}: {written}\n")
    assert [text for text in outputs() if CANARY in text or NUMBER in text] == []


@pytest.mark.parametrize("secret", SECRETS, ids=lambda s: s.path)
@pytest.mark.parametrize("key", ["sasl_pasword", "secret", "token"])
def test_a_secret_under_a_wrong_key_is_shown_nowhere(
    secret: Setting, key: str, outputs: Callable[..., Iterator[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    section = secret.path.split(".")[0]
    write_for(secret, {key: CANARY})
    seen = [*outputs(), *outputs("--set", f"{section}.{key}={CANARY}"), *outputs("--set", f"{secret.path}:{CANARY}")]
    monkeypatch.setenv(f"DRIFTD_{section.upper()}__{key.upper()}", CANARY)
    seen += outputs()
    assert [text for text in seen if CANARY in text] == []


@pytest.mark.parametrize("setting", [s for s in settings() if s.path in ADDRESSES], ids=lambda s: s.path)
@pytest.mark.parametrize("scheme", ["https://", "http://", "kafka://", "SASL_SSL://", ""])
def test_a_password_in_an_address_is_refused_and_shown_nowhere(
    setting: Setting, scheme: str, outputs: Callable[..., Iterator[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(around("sasl_oauthbearer_client_secret"))
    monkeypatch.setenv(setting.env, f"{scheme}me:{CANARY}@127.0.0.1:1")
    seen = list(outputs())
    assert [text for text in seen if CANARY in text] == []
    assert all(setting.path in text for text in seen)


def test_objects_that_a_traceback_could_print_hide_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(CANARY)
    (tmp_path / "secret").chmod(0o600)
    seen = []
    for name in IN_FILES:
        for kafka in ({name: CANARY}, {f"{name}_file": str(tmp_path / "secret")}):
            write({k: v for k, v in around(name).items() if k != name} | kafka)
            loaded = config.load()
            made = kafka_settings(loaded.settings)
            parts = [loaded, loaded.settings, loaded.settings.kafka, loaded.rows(), made, made.tokens, made.login()]
            parts += [getattr(made.tokens, "endpoint", None), loaded.settings.model_dump(), vars(made.login() or made)]
            seen += [str(part) + repr(part) for part in parts]
            seen.append(loaded.settings.model_dump_json())
    assert [text for text in seen if CANARY in text] == []


@pytest.mark.parametrize(
    "text",
    [
        "basic_auth_users: {me: CANARY}",
        "basic_auth_users: {me: [CANARY]}",
        "basic_auth_users: {me: *CANARY}",
        "basic_auth_users: [CANARY]",
        "basic_auth_users: CANARY",
        "tls_server_config: {cert: x, key: CANARY}",
        "tls_server_config: {cert: x, key: [CANARY]}",
        "tls_server_config: {cert: x, key: CANARY, client_auth_type: RequireAndVerifyClientCert}",
        "tls_server_config: CANARY",
        "CANARY",
        "'CANARY",
        "http_server_config: {headers: {X-Frame-Options: CANARY}}",
    ],
)
def test_a_web_config_that_is_refused_shows_nothing_of_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "web.yml"
    path.write_text(text.replace("CANARY", CANARY))
    with pytest.raises(DriftdError) as refused:
        webconfig.load(path)
    assert CANARY not in "".join(traceback.format_exception(refused.value))
