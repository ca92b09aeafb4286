"""What a runtime's exception means, as an error of ours. Their classes differ per release: texts do not."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Iterator, List, Optional, Tuple

from farm_agent.errors import FarmError, JobError

TEXT_LIMIT = 600

# (pattern in the runtime's message, our code, what to do). The first that matches wins.
MEANINGS: Tuple[Tuple[str, str, str], ...] = (
    (
        (
            r"unresolved custom op|Flex delegate|is not a registered function/op|NOT_IMPLEMENTED"
            r"|No Op registered for|No opset import for domain|OpConversionFailure|unconverted_ops"
        ),
        "runtime.unsupported-op",
        "use another runtime for this model, or export it without this operator",
    ),
    (
        (
            r"[Uu]nsupported model IR version|ir_version|Opset \d+ is under development|maximum supported"
            r"|Didn't find op for builtin opcode"
        ),
        "runtime.model-too-new",
        "update the runtime on the device, or export the model with an older opset",
    ),
    (
        (
            r"INVALID_PROTOBUF|Protobuf parsing failed|could not be mapped|Unable to read the model"
            r"|Model provided has model identifier"
        ),
        "model.unreadable",
        "convert the model again",
    ),
)


STARVED = re.compile(
    r"bad_alloc|bad allocation|[Ff]ailed to allocate|annot allocate memory|length_error|MemoryError"
    r"|failed to map segment|out of memory"
)


def shorten(text: str, limit: int = TEXT_LIMIT) -> str:
    """One line of at most ``limit`` characters."""
    line = re.sub(r"\s+", " ", text).strip()
    return line if len(line) <= limit else line[: limit - 3] + "..."


def runtime_error(runtime: str, action: str, error: BaseException) -> FarmError:
    """The error behind an exception that ``runtime`` raised while it tried to ``action`` (load, run)."""
    if isinstance(error, FarmError):
        return error
    text = str(error) or type(error).__name__
    message = f"{runtime} cannot {action} this model: {shorten(text)}"
    if isinstance(error, MemoryError) or STARVED.search(text):
        return JobError(
            message,
            code="runtime.out-of-memory",
            fix="use a smaller model or batch, or raise the memory limit",
        )
    for pattern, code, fix in MEANINGS:
        if re.search(pattern, text):
            return JobError(message, code=code, fix=fix)
    return JobError(message, code=f"runtime.{action}-failed", fix="try another runtime, or check the model")


def missing(runtime: str, package: str, error: BaseException) -> JobError:
    """Why this Python cannot import a runtime, with the command that installs it here."""
    text, whole = str(error), " ".join(str(link) for link in _chain(error))
    if isinstance(error, MemoryError) or STARVED.search(whole):
        return JobError(
            f"there is not enough memory to import {runtime}: {shorten(text)}",
            code="runtime.out-of-memory",
            fix="raise the memory limit of the profile",
        )
    absent = isinstance(error, ModuleNotFoundError)
    what = f"{runtime} is not installed for" if absent else f"{runtime} cannot be imported by"
    return JobError(
        f"{what} {sys.executable}: {shorten(text)}", code="runtime.missing", fix=pip_command(package)
    )


def _chain(error: Optional[BaseException]) -> Iterator[BaseException]:
    """The error and those behind it: numpy hides why it could not be imported."""
    seen: List[int] = []
    while error is not None and id(error) not in seen:
        seen.append(id(error))
        yield error
        error = error.__cause__ or error.__context__


def pip_command(package: str) -> str:
    """How to install ``package`` for the Python that runs this.

    Where the system forbids pip to (PEP 668), the way is a virtual environment, which farm must be told of.
    """
    import sysconfig

    managed = Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED"
    if sys.prefix != sys.base_prefix or not managed.exists():
        return f"{sys.executable} -m pip install {package}"
    venv = Path("~/farm-python").expanduser()
    return (
        f"{sys.executable} -m venv {venv} && {venv}/bin/python -m pip install {package}; "
        f"then set `python` of this device in the inventory to {venv}/bin/python"
    )
