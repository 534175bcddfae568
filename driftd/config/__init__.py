"""Configuration: flags over DRIFTD_ variables over driftd.yaml over defaults."""

from driftd.config.alarms import DetectorSettings, SizeSetting
from driftd.config.layers import Flag
from driftd.config.load import Loaded, load
from driftd.config.models import Feature, Model
from driftd.config.settings import Settings
from driftd.config.watching import ExcludedStretch, ReferenceFrom

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
