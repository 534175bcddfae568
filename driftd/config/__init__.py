"""Configuration: flags over DRIFTD_ variables over driftd.yaml over defaults; the one that reads them."""

from driftd.config.layers import Flag
from driftd.config.load import Loaded, load
from driftd.config.settings import DetectorSettings, Exclusion, Feature, Model, ReferenceFrom, Settings

__all__ = ["DetectorSettings", "Exclusion", "Feature", "Flag", "Loaded", "Model", "ReferenceFrom", "Settings", "load"]
