"""ONNX to TensorRT-RTX, compiled ahead of time: no GPU is needed here, and none could be used.

The graph that onnx_to_tensorrt prepared, whose numbers were compared on ONNX Runtime, goes through NVIDIA's
real parser and builder for the GPUs named by the option sm ("86", or "86,89"). The engine itself is never run
here. What this parser refuses, TensorRT's own (it is the same code) refuses on a device.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from farm_agent.errors import JobError

WHERE = "host"
ENVIRONMENT = "rtx"
RUNTIME = ""  # nothing here can run it
FIRST = "onnx_to_tensorrt"
OPTIONS = ("sm",)
AGENT_FILES = "trt_*.py"
RUNGS = {"fp32": ("slim", "plain"), "fp16": ("slim", "plain", "mixed"), "int8": ("weighted", "plain")}
TARGETS = {
    "75": "Turing: RTX 20, GTX 16, T4",
    "80": "Ampere: A100, A30",
    "86": "Ampere: RTX 30, A10",
    "89": "Ada: RTX 40, L4",
    "120": "Blackwell: RTX 50",
    "121": "Blackwell: GB10",
}
RELEASE = 11  # its builder types strongly, as TensorRT does from that release on


def convert(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """Write out/model.rtx. Raises JobError convert.option, convert.unsupported-op, convert.unsupported."""
    targets = capabilities(request["options"])
    import tensorrt_rtx_bindings as trt  # what the package tensorrt_rtx, a source archive, re-exports

    from farm_agent import trt_build

    def aim(module: Any, config: Any) -> None:  # noqa: ANN401 - tensorrt_rtx, IBuilderConfig
        config.num_compute_capabilities = len(targets)
        for index, target in enumerate(targets):
            config.set_compute_capability(getattr(module.ComputeCapability, f"SM{target}"), index)

    shapes = {item["name"]: tuple(item["shape"]) for item in request["inputs"]}
    order = trt_build.Order(request["model"], request["precision"], shapes=shapes)
    built = trt_build.build(trt, order, major=RELEASE, adjust=aim)
    folder = workdir / "out"
    folder.mkdir()
    (folder / "model.rtx").write_bytes(built.engine)
    named = ", ".join(f"sm{target} ({TARGETS[target]})" for target in targets)
    return {
        "files": ["model.rtx"],
        "inputs": [{**item, "permutation": None} for item in request["inputs"]],
        "outputs": [{"name": item["name"], "permutation": None} for item in request["outputs"]],
        "caveats": [
            f"built by TensorRT-RTX {trt.__version__} for {named}",
            "the engine was never run: compared with the source was the ONNX file that it was built from",
        ],
    }


def capabilities(options: dict[str, str]) -> list[str]:
    """The GPUs asked for, ascending. Raises JobError convert.option."""
    asked = {part.strip().removeprefix("sm") for part in options.get("sm", "").split(",") if part.strip()}
    strange = sorted(asked - set(TARGETS))
    if strange or not asked:
        what = f"TensorRT-RTX builds nothing for sm{strange[0]}" if strange else "no GPU was named"
        known = "; ".join(f"{number}: {text}" for number, text in TARGETS.items())
        raise JobError(f"{what}; there are {known}", code="convert.option", fix="name one: --option sm=86")
    return sorted(asked, key=int)
