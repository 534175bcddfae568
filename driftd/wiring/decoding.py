"""Settings to what decodes, joins and hides values."""

from __future__ import annotations

from pydantic import SecretStr

from driftd.config import Settings
from driftd.config.mapping import mappings_of
from driftd.core.hashing import NOT_HASHED, Hasher, Hashing
from driftd.decode import Limits
from driftd.decode.registry import Registry
from driftd.ingest.outcomes.join import Joining
from driftd.sinks.redaction import Redact, dropped, hashed
from driftd.sources.registry import HttpRegistry, basic
from driftd.sources.schema_files import FolderRegistry


def joining_of(settings: Settings) -> Joining | None:
    """How labels that come alone are joined; None where they are not."""
    labels = settings.labels
    if labels.join == "never":
        return None
    return Joining(labels.horizon_seconds, labels.max_pending, always=labels.join == "always")


def limits_of(settings: Settings) -> Limits:
    return Limits(
        record_bytes=settings.limits.record_bytes,
        features_per_event=settings.limits.features_per_event,
        future_seconds=settings.windows.future_seconds,
        discover=settings.discovery.enabled,
        max_models=max(settings.discovery.max_models, len(settings.models)),
        max_features=settings.discovery.max_features,
        show_values=not settings.privacy.hides,
        keep_ids=not settings.privacy.hides or joining_of(settings) is not None,
        hasher=hasher_of(settings),
        mappings=mappings_of(settings.mapping),
        registry=registry_of(settings),
    )


def registry_of(settings: Settings) -> Registry | None:
    r = settings.schema_registry
    asked = _asked(settings)
    return asked if r.folder is None else FolderRegistry(r.folder, asked)


def _asked(settings: Settings) -> HttpRegistry | None:
    r = settings.schema_registry
    if r.url is None:
        return None

    def secret(value: SecretStr | None) -> str:
        return "" if value is None else value.get_secret_value()

    login = basic(r.username, secret(r.password)) if r.username else f"Bearer {secret(r.token)}" if r.token else None
    cafile, certfile, keyfile = (None if file is None else str(file) for file in (r.cafile, r.certfile, r.keyfile))
    return HttpRegistry(r.url, r.type == "apicurio", login, cafile, certfile, keyfile)


def hasher_of(settings: Settings) -> Hasher | None:
    """None where no category is hashed."""
    p = settings.privacy
    return Hasher(key_of(settings), p.hash_text, p.hash_channels) if p.hash_text or p.hash_channels else None


def key_of(settings: Settings) -> bytes:
    """The secret of hashes; config has seen to it that there is one where it is needed."""
    return b"" if settings.privacy.key is None else settings.privacy.key.get_secret_value().encode()


def redaction_of(settings: Settings) -> Redact | None:
    """What dead letters lose."""
    if settings.privacy.dead_letters == "drop":
        return dropped
    return hashed(Hasher(key_of(settings))) if settings.privacy.dead_letters == "hash" else None


def hashing_of(settings: Settings) -> Hashing:
    hasher = hasher_of(settings)
    return NOT_HASHED if hasher is None else hasher.hashing
