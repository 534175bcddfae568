"""Every mistake gets file, line, what was expected and what would help; all of them at once."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from driftd import config
from driftd.config import Flag, checks, describe
from driftd.core.errors import ConfigError

MISTAKES = [
    ("mapping: {cost: 7}", "driftd.yaml:1: mapping.cost: expected a mapping or text, got 7"),
    (
        "mapping: {topics: {t: {segments: {country: 1}}}}",
        "driftd.yaml:1: mapping.topics.t.segments.country: expected text, got 1; put it in quotes",
    ),
    (
        "mapping: {model: {value: [1]}}",
        "driftd.yaml:1: mapping.model.value: expected text, a number or true or false, got a list",
    ),
    ("mapping: {features: 7}", "driftd.yaml:1: mapping.features: expected a path or a mapping, got 7"),
    (
        "kafka: {max_poll_records: 10000000}",
        "driftd.yaml:1: kafka.max_poll_records: expected 1,000,000 or less, got 10000000",
    ),
    (
        "prices: {currency: euro}",
        "driftd.yaml:1: prices.currency: expected three capital letters, such as EUR, got 'euro'",
    ),
    (
        "mapping: {modle: a}",
        "driftd.yaml:1: mapping: unknown key 'modle'; did you mean 'model'?",
    ),
    (
        "mapping:\n  model: {path: a, value: fraud}",
        "driftd.yaml:2: mapping.model: expected a path or a value, got both; such as `model: request.model`",
    ),
    (
        "mapping: {time: {path: ts, unit: m}}",
        "driftd.yaml:1: mapping.time.unit: expected one of s, ms, us, ns, got 'm'; did you mean 'ms'?",
    ),
    (
        "mapping: {prediction: result..class}",
        (
            "driftd.yaml:1: mapping.prediction: expected names with dots, and [0] for lists, such as "
            "request.inputs[0]; not so at character 7, got 'result..class'"
        ),
    ),
    (
        "mapping: {prediction: .}",
        (
            "driftd.yaml:1: mapping.prediction: expected a path into the record; only features.under may be the "
            "record, '.'"
        ),
    ),
    (
        "mapping:\n  score: p\n  label: p",
        "driftd.yaml:3: mapping.label: 'p' is the path of score already; give each field a path of its own",
    ),
    (
        "mapping:\n  topics:\n    clicks:\n      time: a\n      prediction: a.b",
        "driftd.yaml:4: mapping.topics.clicks.time: 'a' must be a value here, and prediction is inside it",
    ),
    (
        "mapping: {id: {value: x}}",
        (
            "driftd.yaml:1: mapping.id.value: only model, variant, version may be the same in all records; give a "
            "path, or null for none"
        ),
    ),
    (
        "mapping: {model: {value: 3}}",
        "driftd.yaml:1: mapping.model.value: expected text, got 3; with quotes, '3', it is text",
    ),
    (
        "mapping: {topics: {clicks: {variant: {value: 2.5}}}}",
        ("driftd.yaml:1: mapping.topics.clicks.variant.value: expected text, got 2.5; with quotes, '2.5', it is text"),
    ),
    (
        "mapping: {version: {value: true}}",
        "driftd.yaml:1: mapping.version.value: expected text or a number, got true",
    ),
    ("mapping: {variant: {value: false}}", "driftd.yaml:1: mapping.variant.value: expected text, got false"),
    (
        "mapping: {model: {value: ''}}",
        "driftd.yaml:1: mapping.model.value: expected a name of 1 to 128 bytes, got 0",
    ),
    (
        'mapping: {variant: {value: "\\ud800"}}',
        "driftd.yaml:1: mapping.variant.value: expected text, got half of a UTF-16 pair",
    ),
    (
        "mapping: {label: {path: l, unit: ms}}",
        "driftd.yaml:1: mapping.label.unit: only time and latency have units",
    ),
    (
        "mapping: {time: {path: l, type: number}}",
        "driftd.yaml:1: mapping.time.type: time has no type to choose; see unit",
    ),
    (
        "mapping: {features: {under: x, names: [a, a]}}",
        "driftd.yaml:1: mapping.features: feature 'a' appears twice; give each a name of its own",
    ),
    (
        "mapping: {features: {under: ., names: [a]}}",
        "driftd.yaml:1: mapping.features.names: the record is no list; give features.under a path",
    ),
    (
        "windws: {}",
        "driftd.yaml:1: unknown key 'windws'; did you mean 'windows'?",
    ),
    (
        "topics: [a]",
        "driftd.yaml:1: unknown key 'topics'; it belongs under 'kafka:'",
    ),
    (
        "kafka:\n  topic: a",
        "driftd.yaml:2: kafka: unknown key 'topic'; did you mean 'topics'?",
    ),
    (
        "kafka:\n  group_id: 7",
        "driftd.yaml:2: kafka.group_id: expected text, got 7; put it in quotes",
    ),
    (
        "kafka: 7",
        "driftd.yaml:1: kafka: expected a mapping, got 7",
    ),
    (
        "kafka:\n\n  start: latst",
        "driftd.yaml:3: kafka.start: expected one of latest, earliest, got 'latst'; did you mean 'latest'?",
    ),
    (
        "windows:\n  hops: many",
        "driftd.yaml:2: windows.hops: expected a whole number, got 'many'",
    ),
    (
        "windows:\n  hops: 0",
        "driftd.yaml:2: windows.hops: expected 1 or more, got 0",
    ),
    (
        "windows: {pane_seconds: 10x}",
        (
            "driftd.yaml:1: windows.pane_seconds: expected a duration: seconds, or text such as 10m, 1h30m, 31d, "
            "got '10x'"
        ),
    ),
    (
        "discovery: {enabled: maybe}",
        "driftd.yaml:1: discovery.enabled: expected true or false, got 'maybe'",
    ),
    (
        "alarms: {false_alarms_per_month: 0}",
        "driftd.yaml:1: alarms.false_alarms_per_month: expected more than 0, got 0",
    ),
    (
        "learning: {kind: season}",
        (
            "driftd.yaml:1: learning.kind: expected one of fixed, rolling, seasonal, got 'season'; "
            "did you mean 'seasonal'?"
        ),
    ),
    (
        "learning:\n  exclude:\n    - 2026-12-24",
        "driftd.yaml:3: learning.exclude[0]: expected FROM/TO, such as 2026-12-24/2026-12-27, got '2026-12-24'",
    ),
    (
        "learning:\n  exclude:\n    - {from: 2026-12-24, to: noon}",
        (
            "driftd.yaml:3: learning.exclude[0].to: expected a date or a time, such as 2026-12-24 or "
            "2026-12-24T18:00:00Z, got 'noon'"
        ),
    ),
    (
        "learning:\n  exclude:\n    - 2026-12-24/2026-12-24",
        "driftd.yaml:3: learning.exclude[0].to: expected a time after 'from' (2026-12-24), got '2026-12-24'",
    ),
    (
        "learning:\n  exclude:\n    - {form: 2026-12-24, from: 1, to: 2}",
        "driftd.yaml:3: learning.exclude[0]: unknown key 'form'; did you mean 'from'?",
    ),
    (
        "models:\n- task: auto",
        "driftd.yaml:2: models[0]: missing key 'name'",
    ),
    (
        "models:\n- name: a\n  features:\n    amount: numbers",
        (
            "driftd.yaml:4: models[0].features.amount.type: expected one of numeric, categorical, got 'numbers'; "
            "did you mean 'numeric'?"
        ),
    ),
    (
        "kafka:\n  topics: [a, 'b c']",
        (
            "driftd.yaml:2: kafka.topics[1]: expected a topic name: letters, digits, '.', '_' and '-', at most "
            "249, got 'b c'"
        ),
    ),
    (
        "http:\n  listen: here",
        "driftd.yaml:2: http.listen: expected host:port, such as 127.0.0.1:9477, got 'here'",
    ),
    (
        "http:\n  hosts: ['https://driftd.example']",
        (
            "driftd.yaml:2: http.hosts[0]: expected a host name without scheme and port, such as driftd.example, got "
            "'https://driftd.example'"
        ),
    ),
    (
        "kafka: {bootstrap_servers: 'me:hush@broker:9092'}",
        (
            "driftd.yaml:1: kafka.bootstrap_servers[0]: expected a broker as host:port, such as broker1:9092, got "
            "'***@broker:9092'"
        ),
    ),
    (
        "kafka: {sasl_oauthbearer_token_endpoint_url: login/token}",
        (
            "driftd.yaml:1: kafka.sasl_oauthbearer_token_endpoint_url: expected the URL of a token endpoint, such as "
            "https://login.example/oauth2/token, got 'login/token'"
        ),
    ),
    (
        "kafka:\n  group_id: a\n  group_id: b",
        "driftd.yaml:3: key 'group_id' appears twice, first in line 2; keep one of them",
    ),
    (
        "kafka: {sasl_password: 7}",
        "driftd.yaml:1: kafka.sasl_password: expected text, got something else (not shown); put it in quotes",
    ),
    (
        "- a",
        "driftd.yaml:1: expected a mapping of settings such as 'kafka:', got a list",
    ),
    (
        "kafka:\n\tgroup_id: a",
        (
            "driftd.yaml:2: not valid YAML: found character '\\t' that cannot start any token; indent with spaces,"
            " not tabs"
        ),
    ),
    (
        "kafka: !!python/object:os.system {}",
        "driftd.yaml:1: tags are not supported; expected a plain value, in quotes where it begins with !",
    ),
    (
        "alarms:\n  sizes:\n    mix: {pgae: 1}",
        "driftd.yaml:3: alarms.sizes.mix: unknown key 'pgae'; did you mean 'page'?",
    ),
    (
        "alarms: {sizes: {frozen: {page: often}}}",
        "driftd.yaml:1: alarms.sizes.frozen.page: expected a number, got 'often'",
    ),
    (
        "models:\n- name: a\n  alarms: {sizes: {level: {page: 0}}}",
        "driftd.yaml:3: models[0].alarms.sizes.level.page: expected more than 0, got 0",
    ),
]

TOGETHER = [
    (
        "learning: {kind: rolling, period_seconds: 5m}",
        "learning.period_seconds: expected windows.window_seconds (10m) or more, got 5m",
    ),
    (
        "models: [{name: a, reference: {kind: rolling, period_seconds: 5m}}]",
        "models[0].reference.period_seconds: expected windows.window_seconds (10m) or more, got 5m",
    ),
    (
        "windows: {pane_seconds: 7}",
        "windows.window_seconds: expected a multiple of windows.pane_seconds (7s), got 10m",
    ),
    (
        "windows: {hops: 7}",
        "windows.hops: a window has 60 panes, which do not divide into 7 hops; 6 would do",
    ),
    (
        "windows: {window_seconds: 40d, pane_seconds: 1d}",
        "windows.max_window_seconds: expected windows.window_seconds (40d) or more, got 31d",
    ),
    (
        "limits: {memory_bytes: 1000000000}",
        (
            "limits.memory_bytes: 100 models of 200 features may take 10,856,708,864 bytes, more than 1,000,000,000, "
            "in which 25 models of 4 features would fit (discovery.max_models, discovery.max_features)"
        ),
    ),
    (
        "limits: {memory_bytes: 2500000000}\ndiscovery: {max_models: 90, max_features: 50}",
        (
            "limits.memory_bytes: 90 models of 50 features may take 3,513,348,864 bytes, more than 2,500,000,000, "
            "in which 57 models of 50 features or 90 models of 7 features would fit "
            "(discovery.max_models, discovery.max_features)"
        ),
    ),
    (
        "limits: {memory_bytes: 100000000}\ndiscovery: {enabled: false}\nmodels: [{name: a, features: {x: numeric}}]",
        (
            "limits.memory_bytes: 1 model of 1 feature may take 468,550,864 bytes, more than 100,000,000, "
            "in which no model would fit (models)"
        ),
    ),
    (
        "learning: {events: 5, seconds: 1d}",
        "learning.seconds: learning.events is given as well; keep one of them",
    ),
    (
        "discovery: {enabled: false}",
        "discovery.enabled: nothing to monitor: discovery is off and no models are configured; add 'models:'",
    ),
    (
        "kafka: {topics: [a], findings_topic: a}",
        "kafka.findings_topic: 'a' is among kafka.topics: driftd would read what it writes",
    ),
    (
        "kafka: {security_protocol: SASL_SSL}",
        "kafka.security_protocol: SASL_SSL needs kafka.sasl_mechanism, such as SCRAM-SHA-512",
    ),
    (
        "kafka: {ssl_cafile: ca.pem}",
        "kafka.ssl_cafile: needs kafka.security_protocol SSL or SASL_SSL, got PLAINTEXT",
    ),
    (
        "kafka: {security_protocol: SSL, ssl_cafile: ca.pem}",
        "kafka.ssl_cafile: ca.pem: No such file or directory",
    ),
    (
        "kafka: {sasl_oauthbearer_scope: kafka}",
        "kafka.sasl_oauthbearer_scope: needs kafka.sasl_mechanism OAUTHBEARER, got none",
    ),
    (
        "kafka: {security_protocol: SASL_SSL, sasl_mechanism: OAUTHBEARER}",
        (
            "kafka.sasl_mechanism: OAUTHBEARER needs kafka.sasl_oauthbearer_token_file or kafka.sasl_oa"
            "uthbearer_token_endpoint_url"
        ),
    ),
    (
        (
            "kafka: {security_protocol: SASL_SSL, sasl_mechanism: OAUTHBEARER, sasl_oauthbearer_token_f"
            "ile: t, sasl_oauthbearer_token_endpoint_url: 'https://login/t', sasl_oauthbearer_client_id"
            ": a, sasl_oauthbearer_client_secret: b}"
        ),
        (
            "kafka.sasl_mechanism: OAUTHBEARER needs kafka.sasl_oauthbearer_token_file or kafka.sasl_oa"
            "uthbearer_token_endpoint_url, got both"
        ),
    ),
    (
        "kafka: {security_protocol: SASL_SSL, sasl_mechanism: OAUTHBEARER, sasl_oauthbearer_token_file: gone}",
        "kafka.sasl_oauthbearer_token_file: gone: No such file or directory",
    ),
    (
        (
            "kafka: {security_protocol: SASL_SSL, sasl_mechanism: OAUTHBEARER, sasl_oauthbearer_token_f"
            "ile: driftd.yaml, sasl_oauthbearer_scope: x}"
        ),
        ("kafka.sasl_oauthbearer_scope: needs kafka.sasl_oauthbearer_token_endpoint_url; here tokens come from a file"),
    ),
    (
        (
            "kafka: {security_protocol: SASL_SSL, sasl_mechanism: OAUTHBEARER, sasl_oauthbearer_token_e"
            "ndpoint_url: 'https://login/t', sasl_oauthbearer_client_secret: b}"
        ),
        "kafka.sasl_oauthbearer_token_endpoint_url: needs kafka.sasl_oauthbearer_client_id",
    ),
    (
        (
            "kafka: {security_protocol: SASL_SSL, sasl_mechanism: OAUTHBEARER, sasl_oauthbearer_token_e"
            "ndpoint_url: 'https://login/t', sasl_oauthbearer_client_id: a}"
        ),
        "kafka.sasl_oauthbearer_token_endpoint_url: needs kafka.sasl_oauthbearer_client_secret_file",
    ),
    (
        (
            "kafka: {security_protocol: SASL_SSL, sasl_mechanism: OAUTHBEARER, sasl_oauthbearer_token_f"
            "ile: driftd.yaml, sasl_oauthbearer_extensions: {auth: x}}"
        ),
        "kafka.sasl_oauthbearer_extensions: expected names of letters alone, and values of one line",
    ),
    (
        "models: [{name: a}, {name: a}]",
        "models[1].name: model 'a' appears twice, first as models[0]",
    ),
    (
        "models: [{name: a, reference: {events: 3, seconds: 1d}}]",
        "models[0].reference: expected one of events, seconds, path, got events and seconds",
    ),
    (
        "models: [{name: a, reference: {path: driftd.yaml, new_version: restart}}]",
        (
            "models[0].reference.path: a given reference cannot restart with a new version; "
            "set reference.new_version: keep"
        ),
    ),
    (
        "alarms: {sizes: {missing: {page: 30}}}",
        "alarms.sizes.missing.page: expected a share below 1, got 30; 5 % is 0.05, null is never",
    ),
    (
        "alarms: {sizes: {mix: {ticket: 1}}}",
        "alarms.sizes.mix.ticket: expected a share below 1, got 1; 5 % is 0.05, null is never",
    ),
    (
        "alarms: {sizes: {unit: {page: 0.5}}}",
        "alarms.sizes.unit.page: expected a factor above 1, got 0.5; 2 is twice as large, or half",
    ),
    (
        "models: [{name: a, alarms: {channels: {x: {spread: {ticket: 1}}}}}]",
        "models[0].alarms.channels.x.spread.ticket: expected a factor above 1, got 1; 2 is twice as large, or half",
    ),
    (
        "alarms: {sizes: {unit: {page: 1.2}}}",
        "alarms.sizes.unit: a page from 1.2 would come before the ticket from 1.64872; give both",
    ),
    (
        "alarms: {sizes: {level: {page: 50}}}",
        "alarms.sizes.level.page: expected 5 standard deviations or less, got 50",
    ),
    (
        "alarms: {sizes: {relation: {page: 60}}}",
        "alarms.sizes.relation.page: expected 2 or less, got 60; 1 is all of the relation",
    ),
    (
        "alarms: {sizes: {levl: {page: 1}}}",
        "alarms.sizes: unknown key 'levl'; did you mean 'level'?",
    ),
    (
        "alarms: {sizes: {renamed: {page: 1}}}",
        "alarms.sizes: unknown key 'renamed'; findings of this kind come from 'new' or 'hot'",
    ),
    (
        "alarms: {sizes: {refused: {page: 0.01}}}",
        "alarms.sizes.refused: a page from 0.01 would come before the ticket from 0.02; give both",
    ),
    (
        "models: [{name: a, alarms: {sizes: {level: {ticket: 2, page: 3}}, channels: {x: {level: {page: 1}}}}}]",
        "models[0].alarms.channels.x.level: a page from 1 would come before the ticket from 2; give both",
    ),
]


def complaints(text: str, env: dict[str, str] | None = None, **flags: Flag) -> list[str]:
    path = Path("driftd.yaml")
    path.write_text(text)
    with pytest.raises(ConfigError) as e:
        config.load(path, env or {}, {k.replace("__", "."): v for k, v in flags.items()})
    assert e.value.exit_code == 2
    return str(e.value).splitlines()


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("text", "expected"), MISTAKES)
def test_a_mistake_is_told_with_its_place(text: str, expected: str) -> None:
    assert complaints(text) == [expected]


DETECTORS = [
    ("[psy]", "detectors[0]: unknown detector 'psy'; did you mean 'psi'?"),
    ("[psi, {kind: ks, efect: 1}]", "detectors[1]: unknown key 'efect'; did you mean 'effect'?"),
    ("[{kind: psi, effect: much}]", "detectors[0].effect: expected a number, got 'much'"),
    ("[psi, psi]", "detectors[1]: detector 'psi' appears twice"),
    ("[{effect: 1}]", "detectors[0]: missing key 'kind'"),
]


@pytest.mark.parametrize(("text", "expected"), DETECTORS)
def test_detectors_and_their_settings_are_those_of_the_registry(text: str, expected: str) -> None:
    (line,) = complaints(f"models:\n- name: a\n  detectors: {text}")
    assert line == f"driftd.yaml:3: models[0].{expected}"


def test_an_effect_names_a_detector_that_has_one() -> None:
    lines = complaints("models:\n- name: a\n  features: {x: {effect: {psy: 1}}, y: {effect: {adwin: 1}}}")
    assert [line.partition(": models[0].")[2] for line in lines] == [
        "features.x.effect.psy: unknown detector 'psy'; did you mean 'psi'?",
        "features.y.effect.adwin: detector 'adwin' has no effect to set",
    ]


def test_detectors_are_told_of_even_when_other_things_are_wrong() -> None:
    lines = complaints("windows: {hops: 0}\nmodels:\n- name: a\n  detectors: [psy]")
    assert [line.split(": ")[1] for line in lines] == ["windows.hops", "models[0].detectors[0]"]


@pytest.mark.parametrize(("text", "expected"), TOGETHER)
def test_what_is_wrong_together_is_told_as_well(text: str, expected: str) -> None:
    assert [c for c in complaints(text) if "max_window" not in c or "max_window" in expected] == [
        f"driftd.yaml:1: {expected}"
    ]


def test_all_mistakes_come_at_once_in_the_order_of_the_file() -> None:
    lines = complaints(
        "kafka:\n  start: soon\nwindows:\n  hops: 0\nmodels:\n- name: a\n- name: a\n",
        {"DRIFTD_KAFKA__TOPIC": "x", "DRIFTD_HTTP__LISTEN": "9"},
        kafka__groupid=Flag("--set kafka.groupid", "x"),
    )
    assert [line.split(": ")[0] for line in lines] == [
        "driftd.yaml:2",
        "driftd.yaml:4",
        "driftd.yaml:7",
        "--set kafka.groupid",
        "DRIFTD_HTTP__LISTEN",
        "DRIFTD_KAFKA__TOPIC",
    ]
    assert lines[-1].endswith("unknown environment variable; did you mean 'DRIFTD_KAFKA__TOPICS'?")


def test_a_billion_laughs_are_refused_before_they_are_laughed() -> None:
    laughs = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    laughs += [f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * 9) + "]" for i in range(1, 10)]
    (line,) = complaints("\n".join(laughs))
    assert "more than 50000 values once aliases are expanded" in line


@pytest.mark.parametrize("text", ["a: &a [*a]", "[" * 5000, "a: " + "[" * 50 + "]" * 50, "{" * 900])
def test_endless_nesting_is_refused(text: str) -> None:
    assert "driftd.yaml" in complaints(text)[0]


def test_a_file_that_is_missing_or_too_large_or_not_text_is_told() -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml: cannot be read: No such file"):
        config.load("gone.yaml", {})
    assert complaints("#" * (1 << 20) + "\n") == [
        "driftd.yaml: larger than 1048576 bytes; expected a configuration file"
    ]
    Path("driftd.yaml").write_bytes(b"a: \xff")
    with pytest.raises(ConfigError, match="not UTF-8 at byte 3"):
        config.load(None, {})


@pytest.mark.parametrize(("mechanism", "package"), [("AWS_MSK_IAM", "botocore"), ("GSSAPI", "gssapi")])
@pytest.mark.parametrize("there", [True, False])
def test_a_mechanism_names_the_package_that_it_needs(
    mechanism: str, package: str, there: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda name: name if there else None)
    (tmp_path / "driftd.yaml").write_text(f"kafka: {{security_protocol: SASL_SSL, sasl_mechanism: {mechanism}}}")
    if there:
        config.load(tmp_path / "driftd.yaml", {})
        return
    with pytest.raises(ConfigError, match=f"{mechanism} needs the package {package}; pip install {package}"):
        config.load(tmp_path / "driftd.yaml", {})


WRONG = ["text", 7, -3, 1.5, True, [1], {"a": 1}, [], {}, [{"a": 1}], "", 1e300, [[1]], 10**30, ["a", "a"], "x" * 300]
INTERNALS = re.compile(
    r"Input should|String should|should have|should be|Value error|pydantic|Literal|validator|FieldMapping|constrained"
    r"|\.(str|int|float|bool|dict|list|function)\b|\[key\]|\de\+\d"
)


def document(wrong: Any) -> dict[str, Any]:
    """A configuration whose settings are all wrong."""
    paths = [s.path for s in describe.settings()]
    out: dict[str, Any] = {}
    for path in paths:
        if any(other.startswith((f"{path}.", f"{path}[]")) for other in paths):
            continue
        here, parts = out, path.replace("<feature>", "amount").split(".")
        for part in parts[:-1]:
            inside = here.setdefault(part.removesuffix("[]"), [{}] if part.endswith("[]") else {})
            here = inside[0] if isinstance(inside, list) else inside
        here[parts[-1].removesuffix("[]")] = wrong
    return out


@pytest.mark.parametrize("wrong", WRONG, ids=[str(value)[:12] for value in WRONG])
def test_what_is_wrong_with_any_setting_is_said_in_the_words_of_the_file(tmp_path: Path, wrong: Any) -> None:
    file = tmp_path / "driftd.yaml"
    given = document(wrong)
    file.write_text(yaml.safe_dump(given))
    with pytest.raises(ConfigError) as raised:
        config.load(file, env={})
    lines = str(raised.value).split("\n")
    assert len(lines) > 50
    for line in lines:
        said = line.partition(": ")[2].replace(repr(wrong), "")
        assert not INTERNALS.search(re.sub(r"got .*", "", said)), line
        place = re.match(r"[\w.\[\]]+(?=: )", said)
        assert place is None or exists(given, place.group()), line


def exists(given: Any, place: str) -> bool:
    for part in re.findall(r"[^.\[\]]+", place):
        if isinstance(given, str):  # which is short for a mapping or a list
            return True
        try:
            given = given[int(part) if isinstance(given, list) else part]
        except (LookupError, TypeError, ValueError):
            return False
    return True
