"""Hand every file of a folder to every converter at every precision, and print what came of it.

python scripts/nasty_table.py FOLDER [--jobs N] [--timeout 60s] [--lines FILE]

One ``farm convert`` process per file and format makes all its precisions with random calibration; per
process the table has its seconds and the peak resident memory of the largest of it and all that it started.
Exit code 1 when a process hung, died of a signal, printed a stack trace or ended in an internal error.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FORMATS = ("onnx", "openvino", "tflite", "rtx")
PRECISIONS = ("fp32", "fp16", "int8", "int8-dynamic", "int8-weights", "int4-weights")
KINDS = (".onnx", ".tflite", ".pt2", ".keras")
HUNG_S = 900.0
INTERNAL = 70
SAID = re.compile(r"^error\[([\w.-]+)\]", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """One file through one converter. ``outcomes``: precision to ``ok`` or the error's code."""

    file: str
    format: str
    outcomes: dict[str, str]
    seconds: float
    peak_memory_bytes: int
    fault: str = ""


def candidates(folder: Path) -> list[Path]:
    """Model files below ``folder``, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix in KINDS)


def convert(path: Path, target: str, timeout: str) -> Row:
    """One process."""
    argv = [sys.executable, "-m", "farm", "-q", "convert", str(path), "--to", target]
    argv += ["--precision", ",".join(PRECISIONS), "--calib-random", "4", "--batch", "1"]
    argv += ["--timeout", timeout, "--json"]
    started = time.monotonic()
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = process.stdout, process.stderr
        assert out is not None  # noqa: S101 - Popen was given PIPE
        assert err is not None  # noqa: S101
        with ThreadPoolExecutor(2) as pool:
            texts = [pool.submit(stream.read) for stream in (out, err)]
            status, usage = _wait(process.pid)
            if status is None:
                process.kill()  # else its output never ends
            printed, said = (text.result() for text in texts)
    finally:
        process.kill()
    outcomes = dict(_outcomes(printed, said))
    return Row(
        str(path),
        target,
        outcomes,
        time.monotonic() - started,
        usage * 1024,
        _fault(status, said, outcomes),
    )


def _wait(pid: int) -> tuple[int | None, int]:
    """Exit status (None: it hung) and the peak resident memory in KiB, of the largest in its tree."""
    deadline = time.monotonic() + HUNG_S
    while time.monotonic() < deadline:
        found, status, usage = os.wait4(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status), usage.ru_maxrss
        time.sleep(0.05)
    return None, 0


def _outcomes(printed: str, said: str) -> Iterator[tuple[str, str]]:
    try:
        document: dict[str, Any] = json.loads(printed)
    except ValueError:
        codes = SAID.findall(said)
        for precision in PRECISIONS:
            yield precision, codes[0] if codes else "?"
        return
    for item in document["conversions"]:
        yield item["precision"], item["error"]["code"] if "error" in item else "ok"


def _fault(status: int | None, said: str, outcomes: dict[str, str]) -> str:
    if status is None:
        return f"hung for {HUNG_S:.0f} s"
    if status < 0:
        return f"died of signal {-status}"
    if status == INTERNAL or "Traceback" in said or "?" in outcomes.values():
        return f"exit {status}: {said.strip()[-200:]}"
    return ""


def table(rows: Sequence[Row], folder: Path) -> str:
    """Markdown: a line per file and format; equal outcomes stand together."""
    lines = ["| file | to | outcome | s | peak MB |", "|---|---|---|---:|---:|"]
    for row in rows:
        by_outcome: dict[str, list[str]] = {}
        for precision, outcome in row.outcomes.items():
            by_outcome.setdefault(outcome, []).append(precision)
        told = "; ".join(
            outcome if len(names) == len(PRECISIONS) else f"{', '.join(names)}: {outcome}"
            for outcome, names in by_outcome.items()
        )
        name = Path(row.file).relative_to(folder)
        fault = f" **{row.fault}**" if row.fault else ""
        memory_mb = row.peak_memory_bytes / 1e6
        lines.append(f"| {name} | {row.format} | {told}{fault} | {row.seconds:.1f} | {memory_mb:.0f} |")
    return "\n".join(lines)


def main(argv: Sequence[str]) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", default="60s")
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--lines", type=Path, help="also write a JSON line per process here")
    wish = parser.parse_args(argv)
    work = [(path, target) for path in candidates(wish.folder) for target in wish.formats.split(",")]
    with ThreadPoolExecutor(wish.jobs) as pool:
        rows = list(pool.map(lambda item: convert(item[0], item[1], wish.timeout), work))
    if wish.lines:
        wish.lines.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows))
    print(table(rows, wish.folder))
    faults = [row for row in rows if row.fault]
    kinds = [outcome for row in rows for outcome in row.outcomes.values()]
    print(f"\n{len(rows)} processes, {len(kinds)} conversions: {kinds.count('ok')} ok, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
