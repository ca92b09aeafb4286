"""Inside the sandbox: nodes that stay in floats, named as the source model names them."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Sequence
from typing import Any

from farm_agent.errors import JobError

OP = "op:"


def select(model: Any, patterns: Sequence[str]) -> list[str]:  # noqa: ANN401 - ModelProto
    """Names of the main graph's nodes that the patterns mean: a name, a glob, or ``op:TYPE``, in graph order.

    Raises JobError convert.exclude-unknown for a pattern that means no node.
    """
    chosen: set[str] = set()
    for pattern in patterns:
        found = {node.name for node in model.graph.node if _means(pattern, node)}
        if not found:
            raise _unknown(pattern, model)
        chosen |= found
    return [node.name for node in model.graph.node if node.name in chosen]


def name_nodes(model: Any) -> None:  # noqa: ANN401 - ModelProto
    """Give every node of the main graph that has no name, or one that is taken, that of its first output."""
    seen: set[str] = set()
    for node in model.graph.node:
        if not node.name or node.name in seen:
            node.name = next((name for name in node.output if name), "")
        seen.add(node.name)


def surviving(source: Any, model: Any, names: Sequence[str]) -> list[str]:  # noqa: ANN401 - ModelProto
    """The nodes of a simplified ``model`` that compute what the source's nodes ``names`` did.

    A node that was merged into a later one is found by the tensor that both lead to.
    """
    made_by = {output: node.name for node in model.graph.node for output in node.output}
    kept = {node.name for node in model.graph.node}
    users: dict[str, list[Any]] = {}
    for node in source.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    found: list[str] = []
    for node in source.graph.node:
        if node.name in names:
            here = [node.name] if node.name in kept else _next(list(node.output), users, made_by)
            found += [name for name in here if name not in found]
    return found


def _next(tensors: list[str], users: dict[str, list[Any]], made_by: dict[str, str]) -> list[str]:
    """The nodes that make the nearest tensors downstream which still exist."""
    found: list[str] = []
    seen: set[str] = set()
    while tensors:
        tensor = tensors.pop()
        if tensor in seen:
            continue
        seen.add(tensor)
        if tensor in made_by:
            found.append(made_by[tensor])
        else:
            tensors += [output for user in users.get(tensor, ()) for output in user.output]
    return found


def _means(pattern: str, node: Any) -> bool:  # noqa: ANN401 - NodeProto
    if pattern.startswith(OP):
        return bool(node.op_type == pattern[len(OP) :])
    return bool(node.name == pattern or fnmatch.fnmatchcase(node.name, pattern))


def _unknown(pattern: str, model: Any) -> JobError:  # noqa: ANN401 - ModelProto
    names = [node.name for node in model.graph.node]
    names += sorted({f"{OP}{node.op_type}" for node in model.graph.node})
    near = difflib.get_close_matches(pattern, names, n=3)
    return JobError(
        f"--exclude {pattern}: the model has no such node" + (f"; near: {', '.join(near)}" if near else ""),
        code="convert.exclude-unknown",
        fix="farm sensitivity MODEL lists the names of the nodes",
    )
