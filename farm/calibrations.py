"""Samples for quantisers: read once per model and shapes, and put where a precision has a use for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from farm.errors import FarmError, UsageError
from farm_agent import precisions
from farm_converters.calibration import DATA, Calibration
from farm_converters.model import Model
from farm_converters.recipe import Recipe

Key = tuple[str, str]


@dataclass(frozen=True)
class Calibrations:
    """What was asked for: a folder or file of ``samples``, or so many ``random`` ones; else nothing.

    ``folder`` keeps the packed samples. One object serves a whole run, from one thread.
    """

    samples: Path | None
    random: int
    preprocess: str
    seed: int
    folder: Path
    _found: dict[Key, Calibration | FarmError] = field(default_factory=dict, compare=False, repr=False)

    def applied(self, recipe: Recipe, model: Model) -> Recipe:
        """``recipe`` with the calibration where its precision needs one. Other quantised precisions are
        checked on the same samples; float32 has no use for an exclude list.

        Raises UsageError calib.* for samples that do not fit the model.
        """
        asked = precisions.of(recipe.precision)
        if recipe.precision == "fp32":
            return replace(recipe, exclude=())
        if not asked.quantised:
            return recipe
        found = self.of(model, recipe.shapes)
        if found is None:
            return recipe
        if asked.calibrated:
            return replace(recipe, calibration=found)
        if found.kind == DATA and recipe.sample_inputs == (None, ""):
            return replace(recipe, inputs_path=found.path, inputs_sha256=found.sha256)
        return recipe

    def of(self, model: Model, shapes: Mapping[str, tuple[int, ...]]) -> Calibration | None:
        """The packed samples for the model at these shapes; None when none were asked for, and for a
        model without inputs.

        Raises UsageError calib.*.
        """
        if (self.samples is None and not self.random) or not model.inputs:
            return None
        key = (model.sha256, repr(sorted(shapes.items())))
        if key not in self._found:
            try:
                self._found[key] = self._read(model, shapes)
            except FarmError as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, FarmError):
            raise found
        return found

    def _read(self, model: Model, shapes: Mapping[str, tuple[int, ...]]) -> Calibration:
        from farm_converters import calibration

        if self.samples is None:
            return calibration.random(model, shapes, count=self.random, seed=self.seed, folder=self.folder)
        return calibration.from_data(
            self.samples, model, shapes, folder=self.folder, preprocess=self.preprocess
        )


def of_wishes(
    samples: Path | None, random: int, preprocess: str, *, seed: int, cache_dir: Path
) -> Calibrations:
    """The calibrations of a run. Raises UsageError calib.both."""
    if samples is not None and random:
        raise UsageError(
            "both samples and random ones were given for calibration",
            code="calib.both",
            fix="give either --calib or --calib-random",
        )
    return Calibrations(samples, random, preprocess, seed, cache_dir / "calibrations")
