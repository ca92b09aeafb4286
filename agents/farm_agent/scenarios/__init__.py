"""One file per scenario; the file's name is the scenario's name (``-`` is written ``_``).

A file must provide:

    NAME: str                                      as it stands in JobSpec.scenario
    points(spec) -> List[Dict[str, str]]           one fresh process each, in order
    measure(loop, request) -> bench.Block          inside the measured process

and may provide:

    prepare(request) -> Dict[str, str]             in that process before anything is imported or loaded;
                                                   what it returns becomes part of BlockResult.state

Files are listed without importing any of them. ``JobSpec.scenario_options`` are strings that the scenario
parses itself with ``whole``; a wrong one is a JobError ``scenario.option``.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, Dict, List, Mapping, Tuple

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


def prepare(scenario: Any, request: Any) -> Dict[str, str]:  # noqa: ANN401 - a module, a block.BlockRequest
    """What the scenario wants done before anything is imported; nothing for most."""
    found = getattr(scenario, "prepare", None)
    return dict(found(request)) if found is not None else {}


def whole(options: Mapping[str, str], name: str, default: int, low: int = 1, high: int = 10**15) -> int:
    """A whole number among a scenario's options. Raises JobError ``scenario.option``."""
    text = options.get(name)
    return default if text is None else _number(name, text, low, high)


def wholes(options: Mapping[str, str], name: str, low: int = 1, high: int = 1024) -> List[int]:
    """A list like ``1,2,4``, each once; empty where the option is not given. Raises ``scenario.option``."""
    text = options.get(name)
    numbers = [] if text is None else [_number(name, part, low, high) for part in text.split(",")]
    return sorted(set(numbers))


def refuse(name: str, text: str, wanted: str) -> JobError:
    """The error of an option that cannot be used."""
    return JobError(
        f"the scenario's option {name} is {text[:40]!r}, not {wanted}",
        code="scenario.option",
        fix="see farm bench --help for what the scenario takes",
    )


def _number(name: str, text: str, low: int, high: int) -> int:
    usable = text.isascii() and text.isdigit() and len(text) < 20
    if not usable or not low <= int(text) <= high:
        raise refuse(name, text, f"a whole number from {low} to {high}")
    return int(text)
