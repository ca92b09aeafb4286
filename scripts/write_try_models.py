"""Write agents/farm_agent/checkup/models.py: one convolution in every format, for ``farm doctor``.

    python scripts/write_try_models.py

The ONNX model is made here; the others are what ``farm convert`` makes of it. Each file is kept compressed
in the source, because the agent is one file of Python.
"""

from __future__ import annotations

import base64
import tempfile
import textwrap
import zlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import farm

TARGET = Path(__file__).parent.parent / "agents" / "farm_agent" / "checkup" / "models.py"
HEAD = '''"""One convolution in every format, written by scripts/write_try_models.py."""

from __future__ import annotations

import base64
import zlib
from typing import Dict, Tuple

# The format that each runtime opens. TensorRT has none: its engines belong to the device that built them.
FORMATS = {"litert": "tflite", "onnxruntime": "onnx", "openvino": "openvino"}


def files(kind: str) -> Dict[str, bytes]:
    """The files of a format by name; the first is the one that the runtime opens."""
    return {name: zlib.decompress(base64.b64decode(text)) for name, text in _FILES[kind].items()}


_FILES: Dict[str, Dict[str, str]] = {
'''
NAMES = """
# Name of the input and of the output, by format.
TENSORS: Dict[str, Tuple[str, str]] = {
"""


def write_model(path: Path) -> Path:
    """relu(conv(x, w)): x [1,1,4,4], w the 3 by 3 kernel -4 ... 4, no padding, y [1,1,2,2]."""
    weights = numpy_helper.from_array(np.arange(-4, 5, dtype=np.float32).reshape(1, 1, 3, 3), "w")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Relu", ["c"], ["y"])],
        "try",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 2, 2])],
        [weights],
    )
    # Old enough for every release of ONNX Runtime that an agent may meet.
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6), path)
    return path


def main() -> None:
    """Convert and write."""
    lines, names = [], []
    with tempfile.TemporaryDirectory() as folder:
        for artifact in farm.convert(write_model(Path(folder) / "try.onnx")):
            x, y = artifact.spec.inputs[0].artifact, artifact.spec.outputs[0].artifact
            names.append(f'    "{artifact.spec.format}": ("{x.name}", "{y.name}"),')
            lines.append(f'    "{artifact.spec.format}": {{')
            for path in artifact.paths:
                text = base64.b64encode(zlib.compress(path.read_bytes(), 9)).decode()
                lines.append(f'        "{path.name}": (')
                lines += [f'            "{part}"' for part in textwrap.wrap(text, 92)]
                lines.append("        ),")
            lines.append("    },")
    TARGET.write_text(HEAD + "\n".join(lines) + "\n}\n" + NAMES + "\n".join(names) + "\n}\n")


if __name__ == "__main__":
    main()
