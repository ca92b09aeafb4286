"""One file per scenario; the file's name is the scenario's name (``-`` is written ``_``).

A file must provide:

    NAME: str                                      as it stands in JobSpec.scenario
    points(spec) -> Sequence[Mapping[str, str]]    one fresh process each, in order
    measure(loop, request) -> bench.Block          inside the measured process

Files are listed without importing any of them. ``JobSpec.scenario_options`` are strings that the scenario
parses itself; a wrong one is a JobError ``scenario.option``.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, Tuple

from farm_agent.errors import JobError


def names() -> Tuple[str, ...]:
    """Every scenario this agent knows, without importing any."""
    return tuple(sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)))


def load(name: str) -> Any:  # noqa: ANN401 - a module with the functions above
    """The module of a scenario. Raises JobError ``scenario.unknown``."""
    if name not in names():
        raise JobError(
            "no scenario is called {!r}; this agent knows {}".format(name, ", ".join(names())),
            code="scenario.unknown",
            fix="choose one of them with --scenario",
        )
    return importlib.import_module("farm_agent.scenarios.{}".format(name.replace("-", "_")))
