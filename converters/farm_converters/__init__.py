"""Conversion of models: one file per edge, ``<source>_to_<target>.py``; plan, cache and check around them."""

from farm_converters.model import InputSpec, Model, OutputSpec
from farm_converters.recipe import Artifact, CheckReport, Recipe

__all__ = ["Artifact", "CheckReport", "InputSpec", "Model", "OutputSpec", "Recipe"]
