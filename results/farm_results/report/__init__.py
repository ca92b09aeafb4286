"""One file per format of a report; the file's name is the format's name.

A file must provide ``SUFFIX`` and either ``render(results) -> str``, or ``write(results, path)`` for a
binary format. Files are listed without importing any of them.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from farm_agent.errors import UsageError
from farm_results.model import Result
from farm_results.storage.faults import from_os

_PARTS = ("rows", "flat", "caveats", "exposed", "figures", "destination", "compared")


def names() -> tuple[str, ...]:
    """Every format, without importing any."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in _PARTS))


def load(name: str) -> Any:  # noqa: ANN401 - a module with the functions above
    """The module of a format. Raises UsageError ``report.unknown-format``."""
    if name not in names():
        raise UsageError(
            f"no report format is called {name!r}",
            code="report.unknown-format",
            fix=f"use one of: {', '.join(names())}",
        )
    return importlib.import_module(f"farm_results.report.{name}")


def render(name: str, results: Sequence[Result]) -> str:
    """A report as text. Raises UsageError ``report.unknown-format``, ``report.needs-file``."""
    module = load(name)
    if not hasattr(module, "render"):
        raise UsageError(
            f"{name} is a binary format",
            code="report.needs-file",
            fix=f"name a file: --output results.{module.SUFFIX}",
        )
    return str(module.render(results))


def write(name: str, results: Sequence[Result], path: Path) -> None:
    """Write a report; the file appears whole or not at all.

    Raises UsageError report.unknown-format, report.needs-pyarrow, report.not-writable;
    InfrastructureError host.disk-full.
    """
    module = load(name)
    _replace(path, lambda part: _fill(module, results, part))


def can_stream(name: str) -> bool:
    """Whether a format can be written a part at a time, so that results by the million fit."""
    module = load(name)
    return hasattr(module, "parts") or hasattr(module, "write_parts")


def write_many(name: str, batches: Iterable[Sequence[Result]], metrics: Sequence[str], path: Path) -> None:
    """``write`` of more results than fit into memory. ``metrics``: all that some result has."""
    module = load(name)

    def fill(part: Path) -> None:
        if hasattr(module, "write_parts"):
            module.write_parts(batches, metrics, part)
            return
        with part.open("w", encoding="utf-8", newline="") as file:
            file.writelines(module.parts(batches, metrics))

    _replace(path, fill)


def write_text(text: str, path: Path) -> None:
    """Write a rendered report; the file appears whole or not at all. Raises as ``write``."""
    _replace(path, lambda part: part.write_text(text, encoding="utf-8", newline=""))


def _replace(path: Path, fill: Callable[[Path], object]) -> None:
    try:
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        try:
            fill(Path(part))
            Path(part).chmod(0o666 & ~_umask())
            Path(part).replace(path)
        finally:
            Path(part).unlink(missing_ok=True)
    except OSError as error:
        typed = from_os(error, str(path))
        if isinstance(typed, UsageError):
            raise UsageError(
                f"{path} cannot be written: {error.strerror}",
                code="report.not-writable",
                fix="name a file in a folder that exists and is yours",
            ) from error
        raise typed from error


def _fill(module: Any, results: Sequence[Result], part: Path) -> None:  # noqa: ANN401
    if hasattr(module, "write"):
        module.write(results, part)
    else:
        part.write_text(module.render(results), encoding="utf-8", newline="")


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
