"""A Spark session on two threads of this host, begun once for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.servers import need
from tests.servers.kafka import find_java

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    need("Spark", find_spec("pyspark"), "pyspark is not installed; pip install 'driftd[spark]'")
    need("Spark", find_java(), "no java (17 or newer) on PATH")
    from driftd.spark.session import session  # noqa: PLC0415  an extra

    with session("local[2]") as begun:
        yield begun
