"""What TensorRT says through its logger, bounded, and which error of ours its words mean."""

from __future__ import annotations

import re
from collections import deque
from typing import Any, Deque, List, Tuple

from farm_agent import faults
from farm_agent.errors import JobError

KEPT = 60
LINE_LIMIT = 1000
# (pattern, code, fix): the first that matches wins
MEANINGS: Tuple[Tuple[str, str, str], ...] = (
    (
        r"out of memory|Out of memory|OutOfMemory|insufficient memory|bad_alloc",
        "runtime.out-of-memory",
        "use a smaller model or batch, or end what else uses the GPU",
    ),
    (
        (
            r"INVALID_NODE|UNSUPPORTED_NODE|UNSUPPORTED_GRAPH|Unsupported ONNX data type|[Pp]lugin not found"
            r"|No importer registered|is not supported|Cannot compile operation|[Uu]nsupported operator"
        ),
        "convert.unsupported-op",
        "use onnxruntime for this model, or export it without this operator",
    ),
)


def logger(trt: Any) -> Any:  # noqa: ANN401 - the tensorrt module; a trt.ILogger with ``lines``
    """A logger that keeps the last warnings and errors in ``lines``, those of errors also in ``errors``."""

    class Kept(trt.ILogger):  # type: ignore[misc]
        """TensorRT calls ``log`` from its own threads."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.lines: Deque[str] = deque(maxlen=KEPT)
            self.errors: List[str] = []

        def log(self, severity: Any, message: str) -> None:  # noqa: ANN401
            word = str(severity).rpartition(".")[2]
            if word not in ("INTERNAL_ERROR", "ERROR", "WARNING"):
                return
            text = str(message)[:LINE_LIMIT]
            self.lines.append(f"{word}: {text}")
            if word != "WARNING" and len(self.errors) < KEPT:
                self.errors.append(text)

    return Kept()


def refused(what: str, words: List[str], code: str = "convert.unsupported") -> JobError:
    """``what`` TensorRT did not do, with its own words; the code by what they say."""
    text = faults.shorten(" / ".join(words) or "it gave no reason")
    for pattern, known, fix in MEANINGS:
        if re.search(pattern, text):
            return JobError(f"TensorRT {what}: {text}", code=known, fix=fix)
    return JobError(f"TensorRT {what}: {text}", code=code, fix="use onnxruntime for this model")


def parser_words(parser: Any) -> List[str]:  # noqa: ANN401 - trt.OnnxParser
    """What the ONNX parser holds against a file: node, operator, reason."""
    words = []
    for index in range(min(8, int(parser.num_errors))):
        error = parser.get_error(index)
        code = str(error.code()).rpartition(".")[2]
        place = _place(error)
        words.append(f"{code}{place}: {error.desc()}")
    return words


def _place(error: Any) -> str:  # noqa: ANN401 - trt.ParserError; its methods grew over the releases
    try:
        name, operator = str(error.node_name()), str(error.node_operator())
    except Exception:  # noqa: BLE001 - AttributeError, or what the binding raises without a node
        return ""
    return f" ({operator} {name})" if operator else ""
