"""Run the parsers over a folder of texts that real tools and boards printed, and print what they read.

python scripts/parser_table.py FOLDER

The folder has one folder per source: android, jetson, openvino, ort, rapl, rpi, tegrastats, tflite, trtexec.
Exit code 1 when a file is there that no parser of its folder understands.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from farm_agent import jetson_clocks, nvpmodel
from farm_agent.errors import FarmError, JobError
from farm_agent.messages.layers import Layer
from farm_agent.messages.tool import ToolReport
from farm_agent.profilers import litert as litert_profile
from farm_agent.profilers import openvino as openvino_profile
from farm_agent.profilers import ort as ort_profile
from farm_agent.profilers import trt as trt_profile
from farm_agent.sensors import pmic, rapl, tegrastats, thermalservice, vcgencmd_throttled
from farm_agent.sensors.common import battery_text, getprop, sysfiles
from farm_agent.tools import benchmark_app, benchmark_model, litert_benchmark, trtexec

Values = list[str]
Parser = Callable[[str], Values]
UNPARSED = "-"
DENIED = re.compile(r"grep: (\S+): Permission denied")
FOUND = re.compile(r"(/\S+?/(\w+)):(.*)")


@dataclass(frozen=True)
class Row:
    """One file by one parser; ``parser`` is "-" where none understood it. ``failure``: the tool's own."""

    file: str
    parser: str
    values: Values
    failure: bool = False


def power(text: str) -> Values:
    """One line of tegrastats per line of the file."""
    values = []
    for line in text.splitlines():
        told = tegrastats.parse(line)
        for name, value in tegrastats.values_of(told, tegrastats.row_of(told)).items():
            if name.startswith(("power/", "temperature/", "load/GR3D", "load/EMC", "clock/")):
                values.append(f"{name}={value:g}")
    return sorted(values, key=lambda value: not value.startswith("power/"))


def answers(text: str) -> Values:
    """Several answers of vcgencmd, each behind the command that was typed."""
    parsers: dict[str, Callable[[str], float]] = {
        "get_throttled": vcgencmd_throttled.parse_throttled,
        "measure_temp": vcgencmd_throttled.parse_temperature,
        "measure_volts": vcgencmd_throttled.parse_volts,
    }
    found = re.findall(r"^\$ vcgencmd (\w+).*\n(.*)$", text, re.MULTILINE)
    return [f"{command}={parsers[command](answer):g}" for command, answer in found]


def rails(text: str) -> Values:
    """The power chip of a Raspberry Pi 5."""
    values = pmic.values_of(pmic.parse(text))
    return [
        f"{name}={value:.5f}" for name, value in sorted(values.items(), key=lambda item: item[0] != "total")
    ]


def zones(text: str) -> Values:
    """Counters in a listing of files, or in what grep printed of them."""
    denied = DENIED.findall(text)
    listed = rapl.parse_zones([*text.splitlines(), *denied])
    values = [f"{zone.name}{' of ' + zone.parent if zone.parent else ''}" for zone in listed]
    values += [f"{path.rpartition('/')[2]}: permission denied" for path in denied]
    for _, name, value in (match.groups() for match in map(FOUND.fullmatch, text.splitlines()) if match):
        if name == "name":
            values.append(f"{value} is {rapl.scope_of(value)}")
        if name == "max_energy_range_uj":
            values.append(f"wraps at {(sysfiles.parse_integer(value) or 0) * 1e-6:.6f} J")
    return values


def battery(text: str) -> Values:
    """What dumpsys says of a battery."""
    return [f"{name}={value}" for name, value in vars(battery_text.parse_dumpsys(text)).items()]


def heat(text: str) -> Values:
    """What dumpsys says of temperatures now."""
    told = thermalservice.parse(text)
    return [f"status={told.status}", *(f"{name}={value}" for name, value in told.temperatures_c.items())]


def properties(text: str) -> Values:
    """Android's properties."""
    return [f"{name}={value}" for name, value in getprop.parse(text).items()]


def mode(text: str) -> Values:
    """A Jetson's power mode."""
    found = nvpmodel.parse(text)
    return [f"{found.number}={found.name}"]


def clocks(text: str) -> Values:
    """A Jetson's clocks."""
    found = jetson_clocks.parse(text)
    return [jetson_clocks.described(found), *(f"{clock.unit}={clock.current}" for clock in found)]


def model(text: str) -> Values:
    """A device tree's model, read like the file that it is."""
    if not text.endswith("\0"):
        raise ValueError(text)
    return [text.strip("\0 \n")]


def tool(parse: Callable[[str], ToolReport]) -> Parser:
    """A tool's own report."""

    def values(text: str) -> Values:
        report = parse(text)
        times = {name: value for name, value in vars(report).items() if name.endswith("_ns") and value}
        told = [
            f"{name[:-3]}={value / 1000:g}us" for name, value in times.items() if isinstance(value, float)
        ]
        head = [report.protocol, f"count={report.count}"]
        return [*head, *told, *(f"caveat: {text}" for text in report.caveats)]

    return values


def layers(parse: Callable[[str], tuple[Layer, ...]]) -> Parser:
    """A profile: how many rows, and the slowest."""

    def values(text: str) -> Values:
        rows = sorted(parse(text), key=lambda row: -(row.mean_us or 0.0))
        slow = [f"{row.op_type or row.name[:30]}={row.mean_us:g}us" for row in rows[:3] if row.mean_us]
        return [f"{len(rows)} layers", *slow]

    return values


def layer_info(text: str) -> Values:
    """Kernels and shapes without times."""
    rows = trt_profile.parse_printed_info(text).values()
    return [
        f"{len(rows)} layers",
        *(f"{row.name[:30]}: {row.op_type} {row.precision} {row.output_shapes}" for row in rows),
    ]


PARSERS: dict[str, dict[str, Parser]] = {
    "android": {"battery": battery, "thermalservice": heat, "getprop": properties},
    "jetson": {"nvpmodel": mode, "jetson_clocks": clocks},
    "openvino": {"benchmark_app": tool(benchmark_app.parse), "ov profile": layers(openvino_profile.parse)},
    "ort": {"ort profile": layers(ort_profile.parse)},
    "rapl": {"rapl": zones},
    "rpi": {"pmic": rails, "vcgencmd": answers, "device tree": model},
    "tegrastats": {"tegrastats": power},
    "tflite": {
        "benchmark_model": tool(benchmark_model.parse),
        "litert-benchmark": tool(litert_benchmark.parse),
        "litert-benchmark json": tool(litert_benchmark.parse_json),
        "litert profile": layers(litert_profile.parse_summary),
    },
    "trtexec": {
        "trtexec log": tool(trtexec.parse_log),
        "trtexec times": tool(trtexec.parse_times),
        "trt profile": layers(trt_profile.parse),
        "trt printed profile": layers(trt_profile.parse_printed),
        "trt printed layer info": layer_info,
    },
}


def read(path: Path) -> str:
    """The file's text, as the agent would get it."""
    return path.read_bytes().decode("utf-8", "replace")


def rows_of(path: Path) -> list[Row]:
    """One row for each parser that understood the file; where none did, the failure that the tool told."""
    name = f"{path.parent.name}/{path.name}"
    text = read(path)
    understood, failures = [], []
    for parser, parse in PARSERS.get(path.parent.name, {}).items():
        try:
            values = parse(text)
        except JobError as error:
            failures.append(Row(name, parser, [error.message], failure=True))
        except (FarmError, ValueError, KeyError):
            continue
        else:
            if values:
                understood.append(Row(name, parser, values))
    return understood or failures or [Row(name, UNPARSED, ["no parser of this folder understands it"])]


def table(folder: Path) -> list[Row]:
    """Every file below the folder's folders."""
    files = sorted(path for path in folder.glob("*/*") if path.is_file())
    return [row for path in files for row in rows_of(path)]


def show(rows: Iterable[Row], most: int = 6) -> None:
    """A Markdown table; of long lists of values the first and their number."""
    print("| file | parser | values |\n|---|---|---|")
    for row in rows:
        rest = f" … {len(row.values)} values" if len(row.values) > most else ""
        text = (", ".join(row.values[:most]) + rest).replace("|", "/").replace("\n", " ")
        print(f"| {row.file} | {row.parser} | {'FAILED: ' if row.failure else ''}{text} |")


if __name__ == "__main__":
    found = table(Path(sys.argv[1]))
    show(found)
    lost = [row.file for row in found if row.parser == UNPARSED]
    print(f"\n{len({row.file for row in found})} files, {len(lost)} not understood", file=sys.stderr)
    sys.exit(1 if lost else 0)
