"""309,772 predictions "will this flight be late?", New York 2013: where the file is and what its columns mean."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from driftd.decode.tabular.layout import Layout

REFERENCE_EVENTS: Final = 24_951
"""February 2013; the model was trained on these rows."""
EVENTS: Final = 309_772

LAYOUT: Final = Layout({"model": "flight-delay", "version": "1", "time": "ts", "score": "proba"})


def path() -> Path:
    """The Parquet file."""
    return Path(str(files("driftd.data").joinpath("flights.parquet")))


def config() -> Path:
    """The demo's configuration."""
    return Path(str(files("driftd.data").joinpath("demo.yaml")))


def labels_config() -> Path:
    """That of its second scene."""
    return Path(str(files("driftd.data").joinpath("demo_labels.yaml")))
