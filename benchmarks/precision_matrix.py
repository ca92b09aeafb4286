"""Every model of a folder in every format at every precision: converted, checked, measured here.

python benchmarks/precision_matrix.py FOLDER [--min-time 0.2s] [--processes 2] [--lines FILE] [--only A,B]

FOLDER holds onnx/ and data/. Models with labelled samples (KWS, MNIST, Magika) are calibrated and judged
on them; all others are calibrated on random samples, which says what runs and how fast, not how well. p50
is relative to ONNX Runtime at fp32 in the same run. Long: some three seconds per cell.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm.config import load_config
from farm.progress import Silent

if TYPE_CHECKING:
    from farm_results.model import Result

RUNTIMES = ("onnxruntime", "openvino", "litert")
PRECISIONS = ("fp32", "fp16", "int8", "int8-dynamic", "int8-weights", "int4-weights")


@dataclass(frozen=True)
class Case:
    """How one model is run: shapes where they are free, labelled data where there are some."""

    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    data: str = ""
    preprocess: str = ""


CASES = {
    "silero_vad": Case({"input": (1, 256), "state": (2, 1, 128)}),
    "silero_vad_16k_op15": Case({"input": (1, 512), "state": (2, 1, 128)}),
    "ppocr_cls_v2": Case({"x": (1, 3, 48, 192)}),
    "bert_toy_optimized": Case(dict.fromkeys(("input_ids", "token_type_ids", "input_mask"), (1, 32))),
    "mlperf_tiny_kws": Case(data="kws/kws_mfcc_dev.npz", preprocess="dequantise"),
    "mnist8_cntk": Case(data="mnist/mnist_test_dev.npz", preprocess="raw"),
    "mnist_cnn_pytorch": Case(data="mnist/mnist_test_dev.npz", preprocess="mnist"),
    "magika_v3_3": Case(data="magika/magika_dev.npz:x=x_v3_3,y=y_v3_3"),
}


def measure(path: Path, folder: Path, wish: argparse.Namespace) -> list[Result]:
    """All cells of one model, failed ones included."""
    from farm.benchmark import execute, plan_for
    from farm.measure import Measure, plan_of
    from farm.plan import Request
    from farm.shapes import ShapeWish

    case = CASES.get(path.stem, Case())
    data = Path(f"{folder / 'data'}/{case.data}") if case.data else None
    request = Request(
        models=(path,),
        runtimes=RUNTIMES,
        precisions=PRECISIONS,
        shapes=tuple(ShapeWish(name, shape) for name, shape in case.shapes.items()),
        batch=(1,),
        data=data,
        preprocess=case.preprocess,
        calib=data,
        calib_random=0 if data else 16,
        blocks=plan_of(scenario="latency", smoke=True, blocks=wish.processes, min_time_s=wish.min_time),
        measure=Measure(gate=None),
    )
    config = load_config()
    return list(execute(plan_for(request, config), config, Silent()).results)


def row(result: Result, reference_ns: float | None) -> dict[str, Any]:
    """What the table shows of one cell."""
    document: Mapping[str, Any] = result.document.get("artifact") or {}
    check = (document.get("check") or {}) if isinstance(document, Mapping) else {}
    p50_ns = result.latency.p50_ns if result.latency else None
    return {
        "model": result.model,
        "runtime": result.runtime,
        "precision": result.precision,
        "status": result.error_code or result.status,
        "why": result.error_message[:160],
        "size_bytes": result.artifact_bytes,
        "cosine": check.get("cosine"),
        "max_abs_error": result.max_abs_error,
        "p50_ns": p50_ns,
        "relative": p50_ns / reference_ns if p50_ns and reference_ns else None,
        "share": result.precision_share,
        "executed": result.executed_precision,
        "accuracy": result.accuracy,
        "accuracy_delta": result.accuracy_delta,
        "accuracy_interval": [result.accuracy_delta_low, result.accuracy_delta_high],
        "calibration": result.calibration,
        "convert_s": document.get("seconds") if isinstance(document, Mapping) else None,
        "verdict": result.verdict.word,
        "reasons": [caveat.code for caveat in result.verdict.caveats],
    }


def text(item: Mapping[str, Any]) -> str:
    """One line of Markdown."""

    def show(key: str, form: str, scale: float = 1.0) -> str:
        value = item[key]
        return "" if value is None else format(value * scale, form)

    change = show("accuracy", ".1f", 100) + (
        f" ({item['accuracy_delta'] * 100:+.1f} pp)" if item["accuracy_delta"] is not None else ""
    )
    share = show("share", ".0%")
    state = "ok" if item["status"] == "ok" else f"{item['status']}"
    cells = (
        item["model"], item["runtime"], item["precision"], state, show("size_bytes", ".0f", 1e-3),
        show("cosine", ".5f"), show("max_abs_error", ".2g"), change, show("relative", ".2f"), share,
        item["executed"], show("convert_s", ".1f"),
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def brief(item: Mapping[str, Any]) -> str:
    """A cell of the compact table: size, relative p50, share, accuracy or cosine, seconds to convert."""
    if item["status"] != "ok":
        return "–" if item["status"] == "skipped" else str(item["status"]).removeprefix("convert.")
    parts = [f"{item['size_bytes'] / 1e3:.0f} kB", f"{item['relative']:.2f}"]
    if item["precision"] != "fp32" and item["share"] is not None:
        parts.append(f"{item['share']:.0%}")
    if item["accuracy"] is not None:
        parts.append(f"{item['accuracy'] * 100:.1f} %")
    elif item["precision"] != "fp32":
        parts.append(f"{item['cosine']:.4f}")
    return " · ".join([*parts, f"{item['convert_s']:.0f} s"])


def compact(lines: Path) -> str:
    """The lines that a run wrote as one table: a row per model and runtime."""
    items = [json.loads(line) for line in lines.read_text().splitlines()]
    found = {(item["model"], item["runtime"], item["precision"]): item for item in items}
    table = ["| model | runtime | " + " | ".join(PRECISIONS) + " |", "|---" * (len(PRECISIONS) + 2) + "|"]
    for model in sorted({item["model"] for item in items}):
        for runtime in RUNTIMES:
            cells = [brief(found[model, runtime, precision]) for precision in PRECISIONS]
            table.append(f"| {model} | {runtime} | " + " | ".join(cells) + " |")
    return "\n".join(table)


def main(argv: Sequence[str]) -> int:
    """Entry point."""
    from farm.cli.duration import Duration

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--min-time", default="0.2s", type=lambda word: Duration().convert(word, None, None))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--lines", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--compact", type=Path, help="only print the lines of this file as one table")
    wish = parser.parse_args(argv)
    if wish.compact:
        print(compact(wish.compact))
        return 0
    only = set(filter(None, wish.only.split(",")))
    print(
        "| model | runtime | precision | state | kB | cosine | max error | accuracy % | p50 / ORT fp32 "
        "| share | executed | s |"
    )
    print("|---|---|---|---|---:|---:|---:|---:|---:|---:|---|---:|")
    for path in sorted((wish.folder / "onnx").glob("*.onnx")):
        if only and path.stem not in only:
            continue
        results = measure(path, wish.folder, wish)
        first = next((r for r in results if r.runtime == "onnxruntime" and r.precision == "fp32"), None)
        reference = first.latency.p50_ns if first and first.latency else None
        for result in results:
            item = row(result, reference)
            print(text(item), flush=True)
            if wish.lines:
                with wish.lines.open("a") as file:
                    file.write(json.dumps(item) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
