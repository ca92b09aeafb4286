"""What each way of calling a runtime adds to the call itself: one interleaved run of fresh processes.

    python benchmarks/loop_overhead.py --rounds 10

Each round runs every contender on every network once, each in a process of its own on one and the same
processor, in an order drawn anew. Shown is the median over the rounds of each process's median latency, its
range, and its ratio to the same call in plain C.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loop_overhead_networks import Network, networks

from farm_agent import capi, codec, native_build, pack, tools
from farm_agent.errors import FarmError
from farm_agent.tools import ToolJob

HERE = Path(__file__).resolve().parent
LIBRARIES = {
    "onnxruntime": ("onnxruntime", "capi/libonnxruntime.so*"),
    "openvino": ("openvino", "libs/libopenvino_c.so*"),
    "litert": ("ai_edge_litert", "libLiteRt.so"),
}
USUAL = {"onnxruntime": "session.run", "openvino": "compiled([x])", "litert": "set, invoke, get"}
TOOLS = {"openvino": "benchmark_app", "litert": "litert-benchmark"}
TIMEOUT_S = 300
# A median of less than so many steps of what a tool prints is no number to compare with.
STEPS = 50
# litert-benchmark prints hundredths of a millisecond.
RESOLUTION_NS = {"litert-benchmark": 10_000.0}


@dataclass(frozen=True)
class Contender:
    """One way to run one network; ``argv`` prints JSON, or what ``tool`` prints."""

    network: Network
    kind: str
    label: str
    argv: tuple[str, ...]
    tool: str = ""


def main() -> None:
    """The command."""
    options = arguments()
    os.sched_setaffinity(0, {options.cpu})
    with tempfile.TemporaryDirectory(prefix="farm-loop-") as name:
        folder = Path(name)
        found = list(contenders(folder, options))
        times = run_rounds(found, options, folder)
    table = summarise(found, times)
    facts = {"rounds": options.rounds, "seconds": options.seconds, "cpu": options.cpu, "rows": table}
    print(json.dumps(facts, indent=2) if options.json else text(table))


def arguments() -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=10, help="processes of each contender [10]")
    parser.add_argument("--seconds", type=float, default=1.0, help="measured time of a process [1]")
    parser.add_argument("--runtimes", default="onnxruntime,openvino,litert")
    parser.add_argument("--networks", default="mlp-16,mlp-256,conv", help="of 3 us, 25 us and 2 ms")
    parser.add_argument("--cpu", type=int, default=max(os.sched_getaffinity(0)), help="which processor")
    parser.add_argument("--cache", type=Path, default=Path("~/.cache/farm").expanduser())
    parser.add_argument("--seed", type=int, default=0, help="of the order")
    parser.add_argument("--json", action="store_true", help="every value instead of the table")
    return parser.parse_args()


def contenders(folder: Path, options: argparse.Namespace) -> Iterator[Contender]:
    """Every network in every way. Raises FarmError, CalledProcessError."""
    runtimes = options.runtimes.split(",")
    agent = str(pack.build(folder / "agent").path)
    programs = {runtime: plain_c(folder, runtime) for runtime in runtimes}
    for network in networks(folder, options.cache, runtimes):
        if network.name not in options.networks.split(","):
            continue
        spec = folder / f"{network.name}-{network.runtime}.json"
        spec.write_text(codec.dumps(network.spec))
        first = network.spec.inputs[0].artifact
        names = (first.name, network.spec.outputs[0].artifact.name, *map(str, first.shape))
        library = str(capi.find(*_where(network.runtime)))
        seconds, path = str(options.seconds), str(network.path)
        plain = (programs[network.runtime], library, path, seconds, *names)
        yield Contender(network, "plain C", "plain C", plain)
        script = (sys.executable, str(HERE / "loop_overhead_contender.py"), agent)
        rest = (network.runtime, path, seconds, str(spec))
        yield Contender(network, "native loop", "native loop", (*script, "native", *rest))
        yield Contender(network, "Python loop", "Python loop", (*script, "python", *rest))
        yield Contender(network, "usual call", USUAL[network.runtime], (*script, "run", *rest))
        tool = TOOLS.get(network.runtime)
        if tool:
            yield Contender(network, "tool", tool, (), tool)


def plain_c(folder: Path, runtime: str) -> str:
    """The plain C program of a runtime, compiled now with zig."""
    program = folder / f"plain_c_{runtime}"
    source = str(HERE / f"plain_c_{runtime}.c")
    argv = [sys.executable, "-m", "ziglang", "cc", "-O2", "-std=gnu11", "-o", str(program), source, "-ldl"]
    subprocess.run(argv, check=True, capture_output=True, timeout=native_build.TIMEOUT_S)
    return str(program)


def run_rounds(
    found: Sequence[Contender], options: argparse.Namespace, folder: Path
) -> dict[Contender, list[float]]:
    """Contender -> p50 in ns of each of its processes."""
    times: dict[Contender, list[float]] = defaultdict(list)
    order = random.Random(options.seed)  # noqa: S311 - an order, no secret
    for number in range(options.rounds):
        for contender in order.sample(list(found), len(found)):
            times[contender].append(run(contender, options.seconds, folder))
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    return times


def run(contender: Contender, seconds: float, folder: Path) -> float:
    """One process's p50 in ns. Ends the program with the contender's own words when it fails."""
    argv = list(contender.argv)
    if contender.tool:
        tool = tools.load(contender.tool)
        runs = 20_000 if contender.network.name != "conv" else max(50, int(400 * seconds))
        job = ToolJob(str(contender.network.path), str(folder), 1, "fp32", seconds, runs, 10 * seconds)
        argv = tool.argv(tool.find(), job)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, cwd=folder)
    if done.returncode != 0:
        sys.exit(
            f"{contender.network.name} {contender.network.runtime} {contender.label}: {done.stderr[-2000:]}"
        )
    if contender.tool:
        report = tool.parse(done.stdout + done.stderr)
        return float(report.median_ns if report.median_ns is not None else report.mean_ns or 0.0)
    return float(json.loads(done.stdout.splitlines()[-1])["p50_ns"])


def summarise(found: Sequence[Contender], times: dict[Contender, list[float]]) -> list[dict[str, Any]]:
    """One row per contender: median, range and ratio to plain C, in the order of the table."""
    plain = {
        (contender.network.name, contender.network.runtime): statistics.median(times[contender])
        for contender in found
        if contender.kind == "plain C"
    }
    rows = []
    for contender in found:
        values = times[contender]
        base = plain[contender.network.name, contender.network.runtime]
        middle = statistics.median(values)
        comparable = middle >= STEPS * RESOLUTION_NS.get(contender.tool, 0.0)
        rows.append(
            {
                "network": contender.network.name,
                "runtime": contender.network.runtime,
                "contender": contender.label,
                "p50_ns": middle,
                "lowest_ns": min(values),
                "highest_ns": max(values),
                "ratio": middle / base if comparable else None,
                "added_ns": middle - base if comparable else None,
                "processes_ns": values,
            }
        )
    return rows


def text(rows: Sequence[dict[str, Any]]) -> str:
    """The table."""
    lines = ["| network | runtime | contender | p50 µs | lowest-highest | × plain C | added µs |"]
    lines.append("|---|---|---|---:|---:|---:|---:|")
    for row in rows:
        low, high = row["lowest_ns"] / 1e3, row["highest_ns"] / 1e3
        told = row["ratio"] is not None
        ratio, added = (f"{row['ratio']:.3f}", f"{row['added_ns'] / 1e3:+.2f}") if told else ("–", "–")
        lines.append(
            f"| {row['network']} | {row['runtime']} | {row['contender']} | {row['p50_ns'] / 1e3:.2f} | "
            f"{low:.2f}-{high:.2f} | {ratio} | {added} |"
        )
    return "\n".join([*lines, "", "–: the tool rounds to 10 µs, too coarse to compare"])


def _where(runtime: str) -> tuple[str, list[str]]:
    package, pattern = LIBRARIES[runtime]
    return package, [pattern]


if __name__ == "__main__":
    try:
        main()
    except FarmError as error:
        sys.exit(f"{error.message}; {error.fix}")
