"""The table ``[nightly]`` of the settings: what is measured every night, how long, and who hears of it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm.errors import UsageError
from farm.kinds import Key
from farm.tables import check, wrong
from farm_results.finding import CANARY, REGRESSION, SILENT, WORDS

WEEKLY, NEVER = "weekly", "never"
MOST_PAIRS, LEAST_PAIRS = 500, 8
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class Matrix:
    """Models x devices x targets x scenarios. Empty tuples mean: what the device's profile prefers; no model:
    the bundled one. ``models``: files, and patterns of them that are read anew every night. ``priority``:
    each step counts like twice the age."""

    models: tuple[Path, ...] = ()
    devices: tuple[str, ...] = ("all",)
    runtimes: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    threads: tuple[int, ...] = ()
    batch: tuple[int, ...] = ()
    scenarios: tuple[str, ...] = ("latency",)
    data: Path | None = None
    calib: Path | None = None
    priority: int = 0


@dataclass(frozen=True)
class NightlySettings:
    """``budget_s``: time per device and night. ``pairs``: of an A/B. ``trigger_z``: from which robust z on a
    number is looked into. ``aa``: weekly, or never. ``canary``: the bundled network on every device, too.
    ``notify``: the words that are told; an older broken night than ``resume_within_s`` is given up."""

    matrices: tuple[Matrix, ...] = ()
    budget_s: float = 2 * 3600.0
    pairs: int = 20
    trigger_z: float = 1.5
    aa: str = WEEKLY
    canary: bool = True
    notify: tuple[str, ...] = (REGRESSION, CANARY, SILENT)
    resume_within_s: float = 12 * 3600.0
    blocks: int | None = None
    min_time_s: float | None = None
    max_time_s: float | None = None
    min_runs: int = 100
    smoke: bool = False
    gate: bool = True
    profile_ops: bool = False
    wait_s: float = 1800.0


Read = Callable[[Any, str, str, Path], Any]


def parse_nightly(table: object, origin: str, folder: Path) -> dict[str, Any]:
    """What the table sets, as arguments of NightlySettings. Raises UsageError config.*."""
    if not isinstance(table, dict):
        raise wrong(origin, "nightly", table, 'a table like [nightly] with models = ["model.onnx"]')
    shared = {key: value for key, value in table.items() if key in _MATRIX}
    given = table.get("matrix", [{}] if shared else [])
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise wrong(origin, "nightly.matrix", given, "tables like [[nightly.matrix]]")
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key == "matrix" or key in _MATRIX:
            continue
        _known(origin, "[nightly]", key, (*_NIGHT, *_MATRIX, "matrix"))
        name, read = _NIGHT[key]
        found[name] = read(value, origin, f"nightly.{key}", folder)
    matrices = []
    for each in given:
        for key in each:
            _known(origin, "[[nightly.matrix]]", key, tuple(_MATRIX))
        merged = {**shared, **each}
        values = {k: _MATRIX[k](v, origin, f"nightly.{k}", folder) for k, v in merged.items()}
        matrices.append(Matrix(**values))
    if matrices:
        found["matrices"] = tuple(matrices)
    return found


def _known(origin: str, place: str, key: str, names: Sequence[str]) -> None:
    if key not in names:
        meant = difflib.get_close_matches(key, names, n=1)
        raise UsageError(
            f"{origin}: {place} has no setting {key!r}",
            code="config.unknown-key",
            fix=f"did you mean {meant[0]}?" if meant else f"use one of: {', '.join(names)}",
        )


def _texts(value: Any, origin: str, place: str, _folder: Path) -> tuple[str, ...]:  # noqa: ANN401 - TOML
    check(origin, place, Key((list,)), place, value)
    return tuple(dict.fromkeys(value))


def _paths(value: Any, origin: str, place: str, folder: Path) -> tuple[Path, ...]:  # noqa: ANN401 - TOML
    return tuple(folder / Path(text).expanduser() for text in _texts(value, origin, place, folder))


def _path(value: Any, origin: str, place: str, folder: Path) -> Path:  # noqa: ANN401 - TOML
    check(origin, place, Key((str,)), place, value)
    return folder / Path(value).expanduser()


def _counts(value: Any, origin: str, place: str, _folder: Path) -> tuple[int, ...]:  # noqa: ANN401 - TOML
    numbers = value if isinstance(value, list) else []
    if not numbers or not all(type(each) is int and 1 <= each <= 1024 for each in numbers):
        raise wrong(origin, place, value, "a list of whole numbers from 1 to 1024")
    return tuple(dict.fromkeys(numbers))


def _whole(least: int, most: int, *, even: bool = False) -> Read:
    kind = "an even number" if even else "a whole number"

    def read(value: Any, origin: str, place: str, _folder: Path) -> int:  # noqa: ANN401 - TOML
        if type(value) is not int or not least <= value <= most or (even and value % 2):
            raise wrong(origin, place, value, f"{kind} from {least} to {most}")
        return int(value)

    return read


def _number(least: float, most: float) -> Read:
    def read(value: Any, origin: str, place: str, _folder: Path) -> float:  # noqa: ANN401 - TOML
        if type(value) not in (int, float) or not least <= value <= most:
            raise wrong(origin, place, value, f"a number from {least:g} to {most:g}")
        return float(value)

    return read


def _seconds(value: Any, origin: str, place: str, _folder: Path) -> float:  # noqa: ANN401 - TOML
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    seconds = float(match[1]) * _UNITS_S[match[2]] if match else 0.0
    if seconds <= 0.0:
        raise wrong(origin, place, value, "a time above 0 such as 10s, 30m, 2h or 1d")
    return seconds


def _flag(value: Any, origin: str, place: str, _folder: Path) -> bool:  # noqa: ANN401 - TOML
    if not isinstance(value, bool):
        raise wrong(origin, place, value, "true or false")
    return value


def _one_of(*words: str) -> Read:
    def read(value: Any, origin: str, place: str, _folder: Path) -> str:  # noqa: ANN401 - TOML
        check(origin, place, Key((str,), choices=words), place, value)
        return str(value)

    return read


def _among(known: Callable[[], Sequence[str]]) -> Read:
    def read(value: Any, origin: str, place: str, folder: Path) -> tuple[str, ...]:  # noqa: ANN401 - TOML
        found = _texts(value, origin, place, folder)
        for word in found:
            if word not in known():
                raise wrong(origin, place, word, f"some of {', '.join(known())}")
        return found

    return read


def _words(value: Any, origin: str, place: str, folder: Path) -> tuple[str, ...]:  # noqa: ANN401 - TOML
    return () if value == [] else tuple(_among(lambda: WORDS)(value, origin, place, folder))


def _runtimes() -> Sequence[str]:
    from farm_agent import runtimes

    return runtimes.names()


def _precisions() -> Sequence[str]:
    from farm_agent import precisions

    return precisions.NAMES


def _scenarios() -> Sequence[str]:
    from farm_agent import scenarios

    return scenarios.names()


_MATRIX: Mapping[str, Read] = {
    "models": _paths,
    "devices": _texts,
    "runtimes": _among(_runtimes),
    "precisions": _among(_precisions),
    "threads": _counts,
    "batch": _counts,
    "scenarios": _among(_scenarios),
    "data": _path,
    "calib": _path,
    "priority": _whole(-6, 6),
}
_NIGHT: Mapping[str, tuple[str, Read]] = {
    "budget": ("budget_s", _seconds),
    "pairs": ("pairs", _whole(LEAST_PAIRS, MOST_PAIRS, even=True)),
    "trigger": ("trigger_z", _number(0.5, 10.0)),
    "aa": ("aa", _one_of(WEEKLY, NEVER)),
    "canary": ("canary", _flag),
    "notify": ("notify", _words),
    "resume_within": ("resume_within_s", _seconds),
    "blocks": ("blocks", _whole(1, 100)),
    "min_time": ("min_time_s", _seconds),
    "max_time": ("max_time_s", _seconds),
    "min_runs": ("min_runs", _whole(1, 1_000_000)),
    "smoke": ("smoke", _flag),
    "gate": ("gate", _flag),
    "profile_ops": ("profile_ops", _flag),
    "wait": ("wait_s", _seconds),
}
