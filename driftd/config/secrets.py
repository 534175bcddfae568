"""Secrets from files, and what no message may repeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pydantic import SecretStr

from driftd.config.kafka import KafkaSection
from driftd.config.settings import Settings
from driftd.config.yamlfile import Place
from driftd.sources.secret_file import read_secret

IN_FILES: Final = tuple(name for name in KafkaSection.model_fields if f"{name}_file" in KafkaSection.model_fields)
"""The secrets of ``kafka`` that may stand in files: ``sasl_password``, whose file is ``sasl_password_file``."""


_OTHERS: Final = (("privacy", "key"), ("schema_registry", "password"), ("schema_registry", "token"))
_UNREAD: Final = SecretStr("0" * 64)


def with_secrets(settings: Settings, where: Callable[[Place], str], mistakes: list[str], *, read: bool) -> Settings:
    """With ``read`` false a file need not be there: what it holds is not needed."""
    for section, key in (*(("kafka", key) for key in IN_FILES), *_OTHERS):
        within = getattr(settings, section)
        file = getattr(within, f"{key}_file")
        place = (section, f"{key}_file")
        if file is None:
            continue
        if getattr(within, key) is not None:
            mistakes.append(f"{where(place)}{section}.{key}_file: {section}.{key} is given as well; keep one of them")
            continue
        try:
            update = {key: SecretStr(read_secret(file)) if read else _UNREAD}
        except (OSError, ValueError) as e:
            reason = e.strerror if isinstance(e, OSError) else str(e)
            mistakes.append(f"{where(place)}{section}.{key}_file: {file}: {reason}")
            continue
        settings = settings.model_copy(update={section: within.model_copy(update=update)})
    return settings
