"""Checks of settings together, which one by one are right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from driftd.config import experiments, mapping, memory, segments
from driftd.config.alarms import DetectorSettings, SizeSetting
from driftd.config.kafka import KafkaSection
from driftd.config.settings import Settings
from driftd.config.values import spell_seconds
from driftd.config.yamlfile import Place
from driftd.core.errors import ConfigError
from driftd.core.finding import JUDGE
from driftd.core.text import did_you_mean

Mistake = tuple[Place, str]
Sized = Mapping[str, SizeSetting]

OAUTHBEARER: Final = "sasl_oauthbearer_"
PACKAGES: Final = {"AWS_MSK_IAM": "botocore", "GSSAPI": "gssapi"}
EXTENSION: Final = re.compile("[A-Za-z]+")  # RFC 7628
EXTRAS: Final = {"avro": "fastavro", "protobuf": "google.protobuf"}
"""Formats that a schema registry has the schemas of, and what decodes them."""
LEAST_KEY_CHARS: Final = 16
"""Of ``privacy.key``: 64 bits in hex digits."""
LEAST_GROW_SECONDS: Final = 1800.0
"""The first stage of a reference that grows (driftd.learn.growth, which this room does not know)."""


def apart(settings: Settings) -> Iterator[Mistake]:
    """Contradictions of models and detectors that show even when other parts of the configuration are missing."""
    yield from _models(settings)
    yield from _detectors(settings)
    yield from _sizes(settings)
    yield from mapping.mistakes(settings.mapping)
    yield from experiments.mistakes(settings.experiments)


def together(settings: Settings, given: frozenset[Place]) -> Iterator[Mistake]:
    """Every contradiction; ``given`` are the places that the user set."""
    yield from apart(settings)
    yield from _windows(settings)
    yield from _kafka(settings)
    yield from _memory(settings)
    yield from _privacy(settings)
    yield from _registry(settings)
    if settings.http.web_config is not None:
        yield from _readable(("http", "web_config"), settings.http.web_config)
    if ("learning", "events") in given and ("learning", "seconds") in given:
        yield ("learning", "seconds"), "learning.events is given as well; keep one of them"
    if settings.learning.grow_seconds < LEAST_GROW_SECONDS:
        yield ("learning", "grow_seconds"), "a reference needs half an hour at least; give 30m or more"
    if not settings.discovery.enabled and not settings.models:
        yield (
            ("discovery", "enabled"),
            "nothing to monitor: discovery is off and no models are configured; add 'models:'",
        )


def _registry(settings: Settings) -> Iterator[Mistake]:
    """What formats of a schema registry need."""
    r = settings.schema_registry
    for place, fields in [
        (("mapping",), settings.mapping),
        *((("mapping", "topics", topic), fields) for topic, fields in settings.mapping.topics.items()),
    ]:
        package = EXTRAS.get(fields.format)
        if package is None:
            continue
        if _missing(package):
            yield (*place, "format"), f"'{fields.format}' needs a package: pip install 'driftd[{fields.format}]'"
        if r.url is None and r.folder is None:
            yield (*place, "format"), f"'{fields.format}' needs schema_registry.url or folder"
    if r.password is not None and not r.username:
        yield ("schema_registry", "password"), "needs schema_registry.username"
    if r.token is not None and r.username:
        yield ("schema_registry", "token"), "schema_registry.username is given as well; keep one of them"
    if r.folder is not None and not r.folder.is_dir():
        yield ("schema_registry", "folder"), f"{r.folder}: no such folder"
    for key in ("cafile", "certfile", "keyfile"):
        if (file := getattr(r, key)) is not None:
            yield from _readable(("schema_registry", key), file)


def _missing(package: str) -> bool:
    try:
        return find_spec(package) is None
    except ModuleNotFoundError:  # what it is in
        return True


def _privacy(settings: Settings) -> Iterator[Mistake]:
    p = settings.privacy
    hashes = [
        key
        for key, wanted in (
            ("hash_text", p.hash_text),
            ("hash_channels", bool(p.hash_channels)),
            ("dead_letters", p.dead_letters == "hash"),
        )
        if wanted
    ]
    if hashes and p.key is None and p.key_file is None:
        yield (
            ("privacy", hashes[0]),
            "needs privacy.key_file: a hash without a secret can be found by trying; openssl rand -hex 32 > FILE",
        )
    if p.key is not None and len(p.key.get_secret_value()) < LEAST_KEY_CHARS:
        place = ("privacy", "key" if p.key_file is None else "key_file")
        yield place, f"expected {LEAST_KEY_CHARS} characters or more: a short secret can be found by trying"
    from driftd.core.hashing import Hashing, How  # noqa: PLC0415  numpy takes 0.1 s to import

    hashing = Hashing("", p.hash_text, p.hash_channels)
    for i, model in enumerate(settings.models if p.hash_channels else ()):
        for name, feature in model.features.items():
            if feature.type == "numeric" and hashing.of(model.name, _channel(name)) is How.ALL:
                yield (
                    ("models", i, "features", name, "type"),
                    "numeric, and privacy.hash_channels makes it a category; keep one of them",
                )


def _channel(feature: str) -> str:
    from driftd.core.channel import Channel  # noqa: PLC0415  numpy takes 0.1 s to import

    return Channel.of_feature(feature).name


def _memory(settings: Settings) -> Iterator[Mistake]:
    given, (models, channels) = settings.limits.memory_bytes, memory.shapes(settings)
    need = memory.needed(settings, models, channels)
    if given is None or need <= given:
        return
    fits = " or ".join(memory.fits(settings, given)) or "no model"
    where = "discovery.max_models, discovery.max_features" if settings.discovery.enabled else "models"
    asked = memory.text(models, channels - memory.OUTPUTS)
    text = f"{asked} may take {need:,} bytes, more than {given:,}, in which {fits} would fit ({where})"
    yield ("limits", "memory_bytes"), text


def _windows(settings: Settings) -> Iterator[Mistake]:
    w = settings.windows
    pane, window = spell_seconds(w.pane_seconds), spell_seconds(w.window_seconds)
    if not _divides(w.pane_seconds, w.window_seconds):
        yield ("windows", "window_seconds"), f"expected a multiple of windows.pane_seconds ({pane}), got {window}"
    elif not _divides(w.pane_seconds * w.hops, w.window_seconds):
        panes = round(w.window_seconds / w.pane_seconds)
        near = min((n for n in range(1, min(panes, 1000) + 1) if panes % n == 0), key=lambda n: abs(n - w.hops))
        yield (
            ("windows", "hops"),
            f"a window has {panes} panes, which do not divide into {w.hops} hops; {near} would do",
        )
    if w.max_window_seconds < w.window_seconds:
        longest = spell_seconds(w.max_window_seconds)
        yield ("windows", "max_window_seconds"), f"expected windows.window_seconds ({window}) or more, got {longest}"
        return
    for place, period in _periods(settings):
        if period < w.window_seconds:
            yield place, f"expected windows.window_seconds ({window}) or more, got {spell_seconds(period)}"


def _periods(settings: Settings) -> Iterator[tuple[Place, float]]:
    """The periods of rolling references."""
    if settings.learning.kind == "rolling":
        yield ("learning", "period_seconds"), settings.learning.period_seconds
    for i, model in enumerate(settings.models):
        if model.reference.period_seconds is not None:
            yield ("models", i, "reference", "period_seconds"), model.reference.period_seconds


def _divides(part: float, whole: float) -> bool:
    times = whole / part
    return abs(times - round(times)) < 1e-9 * max(times, 1) and round(times) >= 1


def _kafka(settings: Settings) -> Iterator[Mistake]:
    k = settings.kafka
    yield from _sasl(k)
    yield from _oauthbearer(k)
    yield from _tls(k)
    for key in ("dead_letter_topic", "findings_topic"):
        if getattr(k, key) in k.topics:
            yield ("kafka", key), f"'{getattr(k, key)}' is among kafka.topics: driftd would read what it writes"
    ours = [settings.members.panes_topic, settings.members.plans_topic, settings.members.state_topic]
    for key, topic in zip(("panes_topic", "plans_topic", "state_topic"), ours, strict=True):
        if topic in k.topics or ours.count(topic) > 1:
            yield ("members", key), f"'{topic}' has another use; each needs a topic of its own"
    if settings.members.enabled and settings.limits.shed_lag_seconds is not None:
        yield ("limits", "shed_lag_seconds"), "members that share models shed nothing; leave it out, and add members"
    for topic in sorted({t for t in k.topics if k.topics.count(t) > 1}):
        yield ("kafka", "topics"), f"topic '{topic}' appears twice"
    if k.max_poll_interval_seconds < k.session_timeout_seconds:
        yield ("kafka", "max_poll_interval_seconds"), "expected kafka.session_timeout_seconds or more"


def _sasl(k: KafkaSection) -> Iterator[Mistake]:
    if k.security_protocol.startswith("SASL") != (k.sasl_mechanism is not None):
        if k.sasl_mechanism is None:
            yield (
                ("kafka", "security_protocol"),
                f"{k.security_protocol} needs kafka.sasl_mechanism, such as SCRAM-SHA-512",
            )
        else:
            yield ("kafka", "sasl_mechanism"), f"needs kafka.security_protocol SASL_SSL, got {k.security_protocol}"
    package = PACKAGES.get(k.sasl_mechanism or "")
    if package is not None and find_spec(package) is None:
        yield ("kafka", "sasl_mechanism"), f"{k.sasl_mechanism} needs the package {package}; pip install {package}"
    if k.sasl_mechanism in {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}:
        if not k.sasl_username:
            yield ("kafka", "sasl_mechanism"), f"{k.sasl_mechanism} needs kafka.sasl_username"
        if k.sasl_password is None and k.sasl_password_file is None:
            yield ("kafka", "sasl_mechanism"), f"{k.sasl_mechanism} needs kafka.sasl_password_file"


def _oauthbearer(k: KafkaSection) -> Iterator[Mistake]:
    given = [name for name in KafkaSection.model_fields if name.startswith(OAUTHBEARER) and getattr(k, name)]
    if k.sasl_mechanism != "OAUTHBEARER":
        for name in given:
            yield ("kafka", name), f"needs kafka.sasl_mechanism OAUTHBEARER, got {k.sasl_mechanism or 'none'}"
        return
    file, url = k.sasl_oauthbearer_token_file, k.sasl_oauthbearer_token_endpoint_url
    if (file is None) == (url is None):
        wanted = f"kafka.{OAUTHBEARER}token_file or kafka.{OAUTHBEARER}token_endpoint_url"
        both = ", got both" if file is not None else ""
        yield ("kafka", "sasl_mechanism"), f"OAUTHBEARER needs {wanted}{both}"
    elif file is not None:
        for name in given:
            if name not in {f"{OAUTHBEARER}token_file", f"{OAUTHBEARER}extensions"}:
                yield ("kafka", name), f"needs kafka.{OAUTHBEARER}token_endpoint_url; here tokens come from a file"
        yield from _readable(("kafka", f"{OAUTHBEARER}token_file"), file)
    else:
        yield from _client(k)
    for key, value in k.sasl_oauthbearer_extensions.items():
        if not EXTENSION.fullmatch(key) or key == "auth" or not value.isprintable():
            yield ("kafka", f"{OAUTHBEARER}extensions"), "expected names of letters alone, and values of one line"


def _client(k: KafkaSection) -> Iterator[Mistake]:
    """Client credentials for a token endpoint."""
    if not k.sasl_oauthbearer_client_id:
        yield ("kafka", f"{OAUTHBEARER}token_endpoint_url"), f"needs kafka.{OAUTHBEARER}client_id"
    if k.sasl_oauthbearer_client_secret is None and k.sasl_oauthbearer_client_secret_file is None:
        yield ("kafka", f"{OAUTHBEARER}token_endpoint_url"), f"needs kafka.{OAUTHBEARER}client_secret_file"
    if k.sasl_oauthbearer_cafile is not None:
        yield from _readable(("kafka", f"{OAUTHBEARER}cafile"), k.sasl_oauthbearer_cafile)


def _tls(k: KafkaSection) -> Iterator[Mistake]:
    for key in ("ssl_cafile", "ssl_certfile", "ssl_keyfile"):
        file = getattr(k, key)
        if file is not None and not k.security_protocol.endswith("SSL"):
            yield ("kafka", key), f"needs kafka.security_protocol SSL or SASL_SSL, got {k.security_protocol}"
        elif file is not None:
            yield from _readable(("kafka", key), file)
    if k.ssl_keyfile is not None and k.ssl_certfile is None:
        yield ("kafka", "ssl_keyfile"), "needs kafka.ssl_certfile as well"


def _readable(place: Place, file: Path) -> Iterator[Mistake]:
    try:
        with file.open("rb"):
            pass
    except OSError as e:
        yield place, f"{file}: {e.strerror}"


def _models(settings: Settings) -> Iterator[Mistake]:
    first: dict[str, int] = {}
    for i, model in enumerate(settings.models):
        here: Place = ("models", i)
        if model.name in first:
            yield (*here, "name"), f"model '{model.name}' appears twice, first as models[{first[model.name]}]"
        first.setdefault(model.name, i)
        chosen = [k for k in ("events", "seconds", "path") if getattr(model.reference, k) is not None]
        if len(chosen) > 1:
            yield (*here, "reference"), f"expected one of events, seconds, path, got {' and '.join(chosen)}"
        if model.reference.path is not None:
            yield from _readable((*here, "reference", "path"), model.reference.path)
            if (model.reference.new_version or settings.learning.new_version) == "restart":
                yield (
                    (*here, "reference", "path"),
                    "a given reference cannot restart with a new version; set reference.new_version: keep",
                )
        yield from segments.mistakes((*here, "segments"), model.segments, members=settings.members.enabled)
        if len(model.features) > settings.discovery.max_features:
            yield (
                (*here, "features"),
                f"{len(model.features)} features, and discovery.max_features is {settings.discovery.max_features}",
            )
    if len(settings.models) > settings.discovery.max_models:
        yield ("models",), f"{len(settings.models)} models, and discovery.max_models is {settings.discovery.max_models}"


def _lists(settings: Settings) -> Iterator[tuple[Place, Iterable[DetectorSettings]]]:
    for key in ("numeric", "categorical", "errors"):
        yield ("detectors", key), getattr(settings.detectors, key) or ()
    for i, model in enumerate(settings.models):
        yield ("models", i, "detectors"), model.detectors or ()
        for name, feature in model.features.items():
            yield ("models", i, "features", name, "detectors"), feature.detectors or ()


def _effects(settings: Settings) -> Iterator[tuple[Place, str]]:
    for i, model in enumerate(settings.models):
        for name, feature in model.features.items():
            for kind in feature.effect:
                if kind != JUDGE:
                    yield ("models", i, "features", name, "effect", kind), kind


def _detectors(settings: Settings) -> Iterator[Mistake]:
    lists = [(place, list(chosen)) for place, chosen in _lists(settings) if chosen]
    effects = list(_effects(settings))
    if not lists and not effects:
        return
    from driftd.detectors.registry import registry  # noqa: PLC0415  river takes 0.8 s to import

    known = registry()
    for place, chosen in lists:
        for j, spec in enumerate(chosen):
            if spec.kind in (other.kind for other in chosen[:j]):
                yield (*place, j), f"detector '{spec.kind}' appears twice"
            yield from _detector((*place, j), spec, known)
    for place, kind in effects:
        yield from _effect(place, kind, known)


def _detector(place: Place, spec: DetectorSettings, known: Mapping[str, type]) -> Iterator[Mistake]:
    from driftd.detectors.registry import build, settings_of  # noqa: PLC0415

    if spec.kind not in known:
        yield place, f"unknown detector '{spec.kind}'{did_you_mean(spec.kind, known)}"
        return
    names = list(settings_of(spec.kind))
    for key, value in spec.options.items():
        if key not in names:
            yield (*place, key), f"unknown key '{key}'{did_you_mean(key, names)}"
            continue
        try:
            build(spec.kind, **{key: value})
        except ConfigError as e:
            yield (*place, key), str(e).removeprefix(f"detector '{spec.kind}': {key}: ")


def _sizes(settings: Settings) -> Iterator[Mistake]:
    every: Sized = settings.alarms.sizes
    yield from _table(("alarms", "sizes"), every, ())
    for i, model in enumerate(settings.models):
        here, mine = ("models", i, "alarms"), model.alarms
        yield from _table((*here, "sizes"), mine.sizes, (every,))
        for channel, own in mine.channels.items():
            yield from _table((*here, "channels", channel), own, (mine.sizes, every))


def _table(place: Place, own: Sized, above: tuple[Sized, ...]) -> Iterator[Mistake]:
    """Mistakes in one mapping of sizes; ``above``: those that hold for what it does not say, the nearest first."""
    if not own:
        return
    from driftd.judge.natural.changes import SIZES, Change, to_user, wrong  # noqa: PLC0415  numpy takes 0.1 s to import
    from driftd.judge.natural.kinds import changes_called  # noqa: PLC0415

    for name, size in own.items():
        if name not in SIZES:
            called = " or ".join(f"'{change}'" for change in changes_called(name))
            helps = f"; findings of this kind come from {called}" if called else did_you_mean(name, SIZES)
            yield (*place, name), f"unknown key '{name}'{helps}"
            continue
        given = {level: getattr(size, level) for level in size.model_fields_set}
        change = Change(name)
        cannot = {level: why for level, value in given.items() if value is not None and (why := wrong(change, value))}
        yield from (((*place, name, level), why) for level, why in cannot.items())
        if cannot:
            continue
        least = {level: to_user(change, getattr(SIZES[change], level)) for level in ("ticket", "page")}
        for table in reversed((own, *above)):
            least |= {k: getattr(table[name], k) for k in table[name].model_fields_set} if name in table else {}
        ticket, page = least["ticket"], least["page"]
        if None not in (ticket, page) and page < ticket < float("inf"):
            yield (*place, name), f"a page from {page:g} would come before the ticket from {ticket:g}; give both"


def _effect(place: Place, kind: str, known: Mapping[str, type]) -> Iterator[Mistake]:
    from driftd.detectors.registry import settings_of  # noqa: PLC0415

    if kind not in known:
        yield place, f"unknown detector '{kind}'{did_you_mean(kind, [*known, JUDGE])}"
    elif "effect" not in settings_of(kind):
        yield place, f"detector '{kind}' has no effect to set"
