"""Secrets from files that only their owner can read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from driftd.config.settings import Settings
from driftd.config.yamlfile import Place


def with_secrets(settings: Settings, where: Callable[[Place], str], mistakes: list[str]) -> Settings:
    for section, key in (("kafka", "sasl_password"), ("kafka", "ssl_password"), ("privacy", "key")):
        within = getattr(settings, section)
        file = getattr(within, f"{key}_file")
        place = (section, f"{key}_file")
        if file is None:
            continue
        if getattr(within, key) is not None:
            mistakes.append(f"{where(place)}{section}.{key}_file: {section}.{key} is given as well; keep one of them")
            continue
        try:
            update = {key: SecretStr(_secret(file))}
        except (OSError, ValueError) as e:
            reason = e.strerror if isinstance(e, OSError) else str(e)
            mistakes.append(f"{where(place)}{section}.{key}_file: {file}: {reason}")
            continue
        settings = settings.model_copy(update={section: within.model_copy(update=update)})
    return settings


def _secret(path: Path) -> str:
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode & 0o777
        if mode & 0o077:
            raise ValueError(f"others than its owner can read it (mode {mode:o}); expected mode 600: chmod 600 {path}")
        raw = file.read(65_537)
    if len(raw) > 65_536:
        raise ValueError("larger than 65536 bytes; expected a password")
    try:
        text = raw.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8; expected a password") from None
    if not text:
        raise ValueError("is empty; expected a password")
    return text
