"""Every conversion there is: files named SOURCE_to_TARGET.py, listed without importing any.

A file provides WHERE ("host" or "device"), ENVIRONMENT, RUNTIME (which checks the result), RUNGS
(precision to the ways that are tried in order) and ``convert(request, workdir)``, which runs inside
the sandbox under the environment's Python. Its top level imports the standard library only. Rungs
named in an optional SIMPLIFIED get a source that ``simplify`` treated before. An optional ENVIRONMENTS maps a
precision to another environment than ENVIRONMENT, an optional REASONS a precision that is missing to why.
An optional FIRST names the edge whose checked result this one compiles, for machines that are not here: its
own RUNTIME is "". An optional OPTIONS names the recipe's options that it reads, an optional AGENT_FILES (a
glob) code of the agent that makes the artifact. An optional ``same_as`` names ways that are no different.

The answer names the files and describes inputs and outputs (see ``ladder.describe``), with caveats; "settled"
says that the float network agreed with the source, so that no other way can mend a mismatch.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

import farm_agent
from farm_agent.errors import JobError, UsageError


class Edge(Protocol):
    """What a file must provide; ``convert`` is called in the sandbox only."""

    __name__: str
    WHERE: str
    ENVIRONMENT: str
    RUNTIME: str
    RUNGS: Mapping[str, tuple[str, ...]]


def edges() -> tuple[str, ...]:
    """Names of all edges, such as onnx_to_tflite."""
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("*_to_*.py")))


def load(source: str, target: str) -> Edge:
    """The edge between two formats. Raises UsageError convert.no-edge."""
    name = f"{source}_to_{target}"
    if name not in edges():
        own = [edge.removeprefix(f"{source}_to_") for edge in edges() if edge.startswith(f"{source}_to_")]
        raise UsageError(
            f"there is no conversion from {source} to {target}; a {source} model becomes:"
            f" {', '.join(own) or 'nothing'}",
            code="convert.no-edge",
            fix="choose one of these target formats",
        )
    return cast("Edge", importlib.import_module(f"farm_converters.{name}"))


def rungs(edge: Edge, precision: str) -> tuple[str, ...]:
    """The ways to try. Raises JobError convert.unsupported-precision."""
    if precision not in edge.RUNGS:
        reason = getattr(edge, "REASONS", {}).get(precision)
        raise JobError(
            f"{short_name(edge)} cannot make {precision}{f': {reason}' if reason else ''}; it makes "
            f"{', '.join(edge.RUNGS)}",
            code="convert.unsupported-precision",
            fix="choose one of these precisions",
        )
    return edge.RUNGS[precision]


def distinct(edge: Edge, precision: str, outputs: Sequence[tuple[int, ...]]) -> list[str]:
    """``rungs`` without those that ``same_as(rung, outputs)`` of the edge says to do what another one does,
    for a source with outputs of these shapes."""
    ways = rungs(edge, precision)
    same_as: Callable[[str, Sequence[tuple[int, ...]]], str] | None = getattr(edge, "same_as", None)
    return [rung for rung in ways if same_as is None or same_as(rung, outputs) not in ways]


def environment_of(edge: Edge, precision: str) -> str:
    """The environment that makes ``precision``: ENVIRONMENT, unless an optional ENVIRONMENTS names
    another."""
    return str(getattr(edge, "ENVIRONMENTS", {}).get(precision, edge.ENVIRONMENT))


def first(edge: Edge) -> Edge | None:
    """The edge that goes before this one."""
    name = str(getattr(edge, "FIRST", ""))
    return cast("Edge", importlib.import_module(f"farm_converters.{name}")) if name else None


def refuse_unknown_options(edge: Edge, options: Mapping[str, str]) -> None:
    """Raises UsageError convert.option for one that no edge reads: a misspelt option would change nothing.

    What another edge reads is let pass: ``farm convert`` gives all options to all formats.
    """
    known = set(getattr(edge, "OPTIONS", ()))
    for name in edges():
        known |= set(getattr(load(*name.split("_to_")), "OPTIONS", ()))
    unknown = sorted(set(options) - known)
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        raise UsageError(
            f"no converter has an option {unknown[0]!r}; there are {', '.join(sorted(known))}",
            code="convert.option",
            fix=f"did you mean {near[0]}?" if near else "docs/precision.md tells what each does",
        )


def short_name(edge: Edge) -> str:
    """The file's name, without package."""
    return edge.__name__.rsplit(".", 1)[-1]


def packages(edge: Edge) -> dict[str, Path]:
    """The package an edge outside of this folder lives in, for the sandbox."""
    package = edge.__name__.split(".", maxsplit=1)[0]
    return {} if package == "farm_converters" else {package: folder_of(edge)}


def folder_of(edge: Edge) -> Path:
    """Where the edge's file lies."""
    return Path(cast("ModuleType", edge).__file__ or "").parent


def code_hash(edge: Edge) -> str:
    """sha256 over every file of this package and the edge's own: another code may give another artifact."""
    sha = hashlib.sha256()
    own = Path(cast("ModuleType", edge).__file__ or "")
    shared = getattr(edge, "AGENT_FILES", "")
    agent = Path(farm_agent.__path__[0]).glob(shared) if shared else ()
    for path in sorted({*Path(__file__).parent.glob("*.py"), *agent, own}):
        sha.update(path.name.encode() + b"\0" + path.read_bytes())
    return sha.hexdigest()
