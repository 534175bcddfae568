"""On the path of a daemon under test: the kernel ends it just before its CHAOS_STEP-th step of writing to the disk.

Steps are the calls that make files durable or put them in their place. driftd itself knows nothing of this.
"""

import itertools
import os
import signal
from collections.abc import Callable
from typing import Any

END = int(os.environ["CHAOS_STEP"])
steps = itertools.count(1)


def deadly(step: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        if next(steps) == END:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*arguments, **named)

    return call


for name in ("fsync", "replace", "rename", "unlink"):
    setattr(os, name, deadly(getattr(os, name)))
