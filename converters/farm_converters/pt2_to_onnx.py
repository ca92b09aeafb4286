"""A PyTorch exported program (.pt2) as ONNX, compared with what the program itself answers."""

from __future__ import annotations

import logging
import re
import warnings
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError, UsageError
from farm_converters import pt2_archive
from farm_converters.tensorflow_graph import compare

WHERE = "host"
ENVIRONMENT = "torch"
RUNTIME = "onnxruntime"
RUNGS = {"fp32": ("dynamo",)}
OPSET = 18  # the exporter's own
IR_VERSION = 9


def import_model(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """``request``: path, and optionally seed. Writes model.onnx into ``workdir``; free dimensions keep names.

    Raises UsageError model.corrupt, .too-large, .custom-code, .unsupported-op, .unsupported-type, .invalid;
    JobError convert.unsupported-op, convert.mismatch.
    """
    path, copy, target = Path(request["path"]), workdir / "checked.pt2", workdir / "model.onnx"
    pt2_archive.rewrite(path, copy)
    program = _load(copy, path)
    specs = _inputs(program, path)
    renamed = _export(program, specs, target, path)
    free = [{**item, "shape": [n if isinstance(n, int) else None for n in item["shape"]]} for item in specs]
    check = compare(target, _runner(program), free, int(request.get("seed") or 0), f"import {path.name}")
    caveats = [f"free dimensions: {', '.join(sorted(set(renamed.values())))}"] if renamed else []
    return {
        "file": target.name,
        "files": [target.name],
        "format": "PyTorch exported program",
        "caveats": caveats,
        "check": check,
    }


convert = import_model


def _load(copy: Path, path: Path) -> Any:  # noqa: ANN401 - ExportedProgram
    import torch

    logging.disable(logging.WARNING)
    try:
        return torch.export.load(str(copy))
    except MemoryError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())[:300] or type(error).__name__
        raise UsageError(
            f"torch {torch.__version__} cannot load {path.name}: {text}",
            code="model.invalid",
            fix=pt2_archive.SAVE_FIX,
        ) from error


def _inputs(program: Any, path: Path) -> list[dict[str, Any]]:  # noqa: ANN401 - ExportedProgram
    """{"name", "dtype", "shape"} of the user's inputs; a free dimension by its symbol."""
    import torch

    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    found = []
    for name in program.graph_signature.user_inputs:
        value = nodes[name].meta.get("val") if name in nodes else None
        if not isinstance(value, torch.Tensor):
            raise UsageError(
                f"{path.name} takes {name!r}, which is no tensor",
                code="model.unsupported-type",
                fix="export the network with tensors alone as its inputs",
            )
        shape = [int(size) if isinstance(size, int) else str(size) for size in value.shape]
        found.append({"name": name, "dtype": str(value.dtype).removeprefix("torch."), "shape": shape})
    return found


def _runner(program: Any) -> Any:  # noqa: ANN401 - ExportedProgram
    import torch

    module = program.module(check_guards=False)

    def run(feed: list[Any]) -> list[Any]:
        with torch.no_grad():
            answer = module(*(torch.from_numpy(array) for array in feed))
        flat, _ = torch.utils._pytree.tree_flatten(answer)  # noqa: SLF001 - as export itself orders them
        return [value.numpy() for value in flat]

    return run


def _export(program: Any, specs: list[dict[str, Any]], target: Path, path: Path) -> dict[str, str]:  # noqa: ANN401
    """Write the file without origins; answer how free dimensions were renamed."""
    import onnx
    import torch

    from farm_converters.training.torch.export import forget_origins

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                program,
                (),
                str(target),
                dynamo=True,
                external_data=False,
                opset_version=OPSET,
                input_names=[item["name"] for item in specs],
                verbose=False,
            )
    except MemoryError:
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        named = re.findall(r"No (?:ONNX function|decompositions) (?:found|registered) for[^\n]*", str(error))
        raise JobError(
            f"{path.name} cannot become ONNX: {(named or lines)[0][:300]}",
            code="convert.unsupported-op",
            fix="replace the operation that the message names, and export the network again",
        ) from error
    model = onnx.load(str(target))
    forget_origins(model)
    model.ir_version = min(model.ir_version, IR_VERSION)
    renamed = _name_batch(model, specs)
    onnx.save(model, str(target))
    return renamed


def _name_batch(model: Any, specs: list[dict[str, Any]]) -> dict[str, str]:  # noqa: ANN401 - ModelProto
    """The file keeps symbols (s40) but not the names their author gave: a leading one of all inputs is
    "batch"."""
    first = {item["shape"][0] for item in specs if item["shape"]}
    symbols = {size for item in specs for size in item["shape"] if isinstance(size, str)}
    batch = first.pop() if len(first) == 1 else None
    named = {size: "batch" if size == batch else size for size in symbols}
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in named:
                dim.dim_param = named[dim.dim_param]
    return named
