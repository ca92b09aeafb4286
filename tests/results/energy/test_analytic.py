"""Energy out of traces whose true energy is known by formula; the traces are those of the benchmark."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.support import ROOT


def _benchmark() -> ModuleType:
    path = ROOT / "benchmarks" / "energy_traces.py"
    specification = importlib.util.spec_from_file_location("energy_traces", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["energy_traces"] = module
    specification.loader.exec_module(module)
    return module


traces = _benchmark()
SEEDS = 60


@pytest.mark.parametrize("case", traces.CASES, ids=lambda case: case.name)
def test_error_is_below_one_per_cent_and_inside_the_stated_uncertainty(case: Any) -> None:
    """95 of 100 results err by at most 1 %, and at least 95 of 100 have the truth within two u."""
    result = traces.score(case, SEEDS)

    assert np.percentile(np.abs(result.errors_pct), 95) <= 1.0
    # Binomial: 60 draws at a true coverage of 95 % give 53 or more in all but 2 % of the cases.
    assert result.covered >= 53 / 60
    assert result.gross_covered >= 53 / 60


def test_the_stated_uncertainty_is_no_blank_cheque() -> None:
    """It stays below 1 % for every one of the cases, so that holding the truth means something."""
    assert all(np.median(traces.score(case, 5).stated_pct) <= 1.0 for case in traces.CASES)
