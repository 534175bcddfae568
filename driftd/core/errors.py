"""Everything driftd raises on purpose, as one tree.

    DriftdError                     exit code, retriable
    |-- ConfigError                 2, no    a setting, a flag or a file the user wrote
    |-- ActRefused                  2, no    what somebody asks driftd to do cannot be done
    |-- SourceError                 3, yes   Kafka or a file out of reach
    |   `-- SourceRefused           3, no    reached, but it says no: authentication, authorisation, no such topic
    |-- StateError                  4, no    a checkpoint or a reference on disk
    |   |-- CheckpointCorrupt       4, no    checksum, length or format is wrong
    |   |-- CheckpointTooNew        4, no    written by a later driftd
    |   |-- CheckpointTooOld        4, no    written by an earlier driftd
    |   |-- HashedOtherwise         4, no    categories of another key, or hashed there and not here
    |   `-- StateUnwritable         4, yes   disk full, no permission
    |-- ExchangeFailed              3, yes   what members tell each other did not arrive
    |-- MessageUnreadable           4, no    another member's message is not what driftd writes
    `-- ReferenceMismatch           4, no    two summaries or a summary and a reference that do not belong together
        `-- BinsDiffer              4, no    they were binned differently

Messages say where, what is wrong, what was expected, and what happens or helps.
"""

from collections.abc import Sequence
from typing import ClassVar


class DriftdError(Exception):
    """Base of all errors that driftd raises on purpose."""

    exit_code: ClassVar[int] = 1
    retriable: ClassVar[bool] = False


class ConfigError(DriftdError):
    """The user's configuration or command line is wrong; the text names file and place."""

    exit_code = 2


class ActRefused(DriftdError):
    """What somebody asks a running driftd to do (driftd.core.act) cannot be done; nothing has changed.

    ``members``: addresses of the members of its group that can do it. ``elsewhere``: any other may be able to.
    """

    exit_code = 2

    def __init__(self, text: str, members: Sequence[str] = (), *, elsewhere: bool = False) -> None:
        super().__init__(text)
        self.members, self.elsewhere = tuple(members), elsewhere


class SourceError(DriftdError):
    """Kafka or a file is out of reach for now."""

    exit_code = 3
    retriable = True


class SourceRefused(SourceError):
    """The source answered and said no; trying again does not help."""

    retriable = False


class StateError(DriftdError):
    """A checkpoint or a reference on disk is unusable."""

    exit_code = 4


class CheckpointCorrupt(StateError):
    """Checksum, length or format of a state file is wrong."""


class CheckpointTooNew(StateError):
    """A later driftd wrote the state file."""


class CheckpointTooOld(StateError):
    """An earlier driftd wrote the state file, in a format that is not read any more."""


class HashedOtherwise(StateError):
    """Categories of the state are hashed with another key than the events are now, or only one of the two is hashed."""


class StateLocked(StateError):
    """Another process uses the state directory."""


class StateUnwritable(StateError):
    """The state cannot be written: disk full, no permission, read-only."""

    retriable = True


class NotSaved(StateError):
    """driftd stopped, and what it had taken in since the last checkpoint is not saved."""


class ExchangeFailed(DriftdError):
    """What was sent to another member, or saved for it, did not arrive."""

    exit_code = 3
    retriable = True


class MessageUnreadable(DriftdError):
    """A message of another member is not what this driftd writes."""

    exit_code = 4


class ReferenceMismatch(DriftdError):
    """Two summaries, or a summary and a reference, do not belong together."""

    exit_code = 4


class BinsDiffer(ReferenceMismatch):
    """The two sides were binned differently, so their counts cannot be compared."""
