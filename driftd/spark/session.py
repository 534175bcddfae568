"""The SparkSession: that of a notebook or of spark-submit where there is one, else one of our own."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from driftd.core.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SUBMITTED: Final = "submitted"
"""Stands for the master that spark-submit, or the environment, names."""
_HERE: Final = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.sql.session.timeZone": "UTC",
}
"""Of a session on this host: nothing listens to the network."""


@contextmanager
def session(master: str) -> Iterator[SparkSession]:
    """A session on ``master``: ``local[4]``, ``spark://...``; that there is already, if there is one. One of our own is
    stopped at the end, and its files are removed.
    """
    try:
        from pyspark.errors import PySparkException  # noqa: PLC0415  half a second, and an extra
        from pyspark.sql import SparkSession  # noqa: PLC0415
    except ImportError as e:
        raise ConfigError(f"--spark: {e}; install it with: pip install 'driftd[spark]'") from e
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)  # none is used
    there = SparkSession.getActiveSession()
    if there is not None:
        yield there
        return
    builder = SparkSession.builder.appName("driftd")
    with ExitStack() as stack:
        if master != SUBMITTED:
            builder = builder.master(master)
        if master.startswith("local"):
            ours_alone = tempfile.TemporaryDirectory(prefix="driftd-spark-", ignore_cleanup_errors=True)
            folder = stack.enter_context(ours_alone)
            os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # else a line of warning
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else workers take the first python of the path
            for name, value in {**_HERE, "spark.local.dir": folder, "spark.sql.warehouse.dir": folder}.items():
                builder = builder.config(name, value)
        try:
            ours = builder.getOrCreate()
        except PySparkException as e:
            raise SourceError(f"--spark {master}: no session: {e}; Spark 4 needs Java 17 or later (JAVA_HOME)") from e
        stack.callback(ours.stop)
        yield ours
