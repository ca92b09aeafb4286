"""Structured pruning: channels of least magnitude leave the graph, with everything that read them.

The dependencies between layers (additions, concatenations, batch norms, depthwise convolutions, flattening)
are traced by Torch-Pruning's graph (Fang et al., DepGraph, CVPR 2023).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from farm_agent.errors import JobError
from farm_converters.training.torch.loop import Context, Network, fit, weighted_layers

EXAMPLES = 2
FIX = "list the layer in the step's keep, or prune with structured = false"


def apply(network: Network, step: Mapping[str, Any], context: Context) -> Network:
    """Prune and train in rounds. Raises JobError train.untraceable, train.nothing-to-prune."""
    import torch_pruning

    from farm_converters.training.torch.prune import kept

    parameters = step["parameters"]
    network.cpu()
    examples = context.split("train").first(EXAMPLES)[0]
    _refuse_unknown(network)
    shape = _outputs(network, examples).shape
    last = _last_layers(network, examples)
    ignored = [m for name, m in network.named_modules() if m in last or kept(name, parameters["keep"])]
    before, widths = _count(network), _widths(network)
    try:
        pruner = torch_pruning.pruner.BasePruner(
            network,
            examples,
            importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
            pruning_ratio=float(parameters["sparsity"]),
            iterative_steps=int(parameters["rounds"]),
            ignored_layers=ignored,
        )
    except Exception as error:
        raise _untraceable(f"its graph cannot be traced: {_said(error)}") from error
    for _ in range(int(parameters["rounds"])):
        network.cpu()
        try:
            pruner.step()
            same = _outputs(network, examples).shape == shape
        except Exception as error:
            raise _untraceable(f"without channels it does not run: {_said(error)}") from error
        if not same:
            raise _untraceable("its output would lose channels")
        fit(network, step["train"], context)
    if _count(network) >= before:
        raise JobError(
            "no channel could be pruned: every layer is kept, or feeds the network's output directly",
            code="train.nothing-to-prune",
            fix="shorten keep, or prune with structured = false",
        )
    changes = [
        f"{name} {widths[name]} to {now}" for name, now in _widths(network).items() if now < widths[name]
    ]
    context.notes.append(f"channels: {', '.join(changes)}; parameters {before} to {_count(network)}")
    return network


def _outputs(network: Network, examples: tuple[Any, ...]) -> Any:  # noqa: ANN401 - tensor
    import torch

    from farm_converters.training.torch.judge import tensor_of

    network.eval()
    with torch.no_grad():
        return tensor_of(network(*examples))


def _refuse_unknown(network: Network) -> None:
    """Parameters that stand alone, and recurrent layers, have no known channels."""
    import torch

    nn = torch.nn
    simple = (nn.Linear, nn.Embedding, nn.PReLU, nn.LayerNorm, nn.GroupNorm, nn.MultiheadAttention)
    known = (*simple, nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm)  # noqa: SLF001
    attention = [m for m in network.modules() if isinstance(m, torch.nn.MultiheadAttention)]
    inside = {id(part) for module in attention for part in module.modules()}
    for name, module in network.named_modules():
        own = next((key for key, _ in module.named_parameters(recurse=False)), "")
        if own and not isinstance(module, known) and id(module) not in inside:
            where = name or "the network itself"
            raise _untraceable(
                f"{where} ({type(module).__name__}) holds {own!r}, whose channels are not known"
            )


def _last_layers(network: Network, examples: tuple[Any, ...]) -> set[Any]:
    """The layers whose channels are the network's outputs: the first weights met when walking back from
    them."""
    from farm_converters.training.torch.judge import tensor_of

    by_weight = {id(module.weight): module for _, module in weighted_layers(network)}
    network.eval()
    todo, seen, found = [tensor_of(network(*examples)).grad_fn], set(), set()
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        layers = {by_weight[id(weight)] for weight in _weights(node) if id(weight) in by_weight}
        found |= layers
        if not layers:
            todo += [following for following, _ in node.next_functions]
    return found


def _weights(node: Any) -> Iterator[Any]:  # noqa: ANN401 - autograd node
    """Parameters that an operation reads directly, or transposed."""
    for following, _ in node.next_functions:
        if hasattr(following, "variable"):
            yield following.variable
        elif following is not None and following.name() in ("TBackward0", "PermuteBackward0"):
            yield from (inner.variable for inner, _ in following.next_functions if hasattr(inner, "variable"))


def _widths(network: Network) -> dict[str, int]:
    return {name: int(module.weight.shape[0]) for name, module in weighted_layers(network)}


def _count(network: Network) -> int:
    return sum(value.numel() for value in network.parameters())


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _untraceable(why: str) -> JobError:
    return JobError(f"channels cannot be pruned here: {why}", code="train.untraceable", fix=FIX)
