"""Errors of kafka-python by what helps: giving up, letting partitions go, passing over bytes."""

from __future__ import annotations

import struct
import zlib
from typing import Final

from kafka import errors

from driftd.sources.kafka.settings import KafkaSettings

# Not SaslAuthenticationFailedError: the first login is the preflight's; later, a new password may be on its way to us.
REFUSALS: Final = (
    errors.AuthorizationError,
    errors.UnsupportedSaslMechanismError,
    errors.FencedInstanceIdError,
    errors.InvalidGroupIdError,
    errors.InconsistentGroupProtocolError,
    errors.InvalidSessionTimeoutError,
    errors.GroupMaxSizeReachedError,
)
NOT_OURS_ANY_MORE: Final = (
    errors.CommitFailedError,
    errors.RebalanceInProgressError,
    errors.UnknownMemberIdError,
    errors.IllegalGenerationError,
)
# What the stock unpacker lets out on bytes it cannot read; ours turns them into Damaged.
UNPACKING: Final = (ValueError, RuntimeError, LookupError, EOFError, TypeError, struct.error, zlib.error)


def explain(settings: KafkaSettings, error: Exception) -> str:
    text = f"{type(error).__name__.removesuffix('Error')}: {error}"[:300]
    if isinstance(error, errors.FencedInstanceIdError):
        who = f"group_instance_id '{settings.group_instance_id}' in group '{settings.group_id}'"
        text = f"another driftd uses {who}"
    elif isinstance(error, errors.GroupAuthorizationFailedError):
        text = f"no permission to read as group '{settings.group_id}' (needs READ on the group)"
    elif isinstance(error, errors.TopicAuthorizationFailedError):
        topics = ", ".join(sorted(error.args[0])) if error.args else "a topic"
        text = f"no permission to read {topics} (needs READ and DESCRIBE on the topic)"
    return f"{settings.where}: {text}"
