"""What samples are read for, and how their errors are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from farm_agent.errors import UsageError
from farm_converters.model import Model

DATA, CALIBRATION = "data", "calib"


@dataclass(frozen=True)
class Asked:
    """``shapes``: fixed, with the batch. ``labels``: whether they are wanted. ``family``: first half of the
    errors' codes, and the option that the user gave: data or calib."""

    model: Model
    shapes: Mapping[str, tuple[int, ...]]
    preprocess: str = ""
    labels: bool = True
    family: str = DATA

    def error(self, what: str, kind: str, fix: str) -> UsageError:
        """data.KIND, or calib.KIND for samples that a quantiser learns from."""
        if self.family == CALIBRATION:
            return UsageError(what, code=f"calib.{kind}", fix=fix)
        return UsageError(what, code=f"data.{kind}", fix=fix)
