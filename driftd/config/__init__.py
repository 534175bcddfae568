"""Configuration: flags over DRIFTD_ variables over driftd.yaml over defaults."""

from driftd.config.layers import Flag
from driftd.config.load import Loaded, load
from driftd.config.settings import (
    DetectorSettings,
    ExcludedStretch,
    Feature,
    Model,
    ReferenceFrom,
    Settings,
    SizeSetting,
)

__all__ = [
    "DetectorSettings",
    "ExcludedStretch",
    "Feature",
    "Flag",
    "Loaded",
    "Model",
    "ReferenceFrom",
    "Settings",
    "SizeSetting",
    "load",
]
