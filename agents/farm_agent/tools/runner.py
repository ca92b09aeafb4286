"""Run one tool for one job: find it, start it alone in a folder of its own, keep what it printed, parse it.

``_tool REQUEST.json`` is the process: it takes its limits and becomes the tool.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, NoReturn, Optional, Tuple

from farm_agent import child, codec, facts, faults, files, identity, task, tools
from farm_agent.child import Ended
from farm_agent.errors import FarmError, JobError, MeasurementError
from farm_agent.late import dataclass
from farm_agent.messages.observed import Observed
from farm_agent.messages.tool import ToolReport
from farm_agent.tools import ToolJob
from farm_agent.watch import Observation, Telemetry
from farm_agent.wire import JobSpec

if TYPE_CHECKING:
    from farm_agent.steps_process import Keeper

LOG_CHARACTERS = 20_000
READY = b"farm: the tool begins"
# Its own version is not known then, as that of benchmark_model on a phone.
OWN_BUILD = (
    "the runtime's version is that of the build that checked the outputs: the tool, another build, tells none"
)
OWN_INPUTS = "the tool fills the inputs itself: not the samples that farm's own runs use"
UNCHECKED = "this device cannot load the runtime, so nobody compared the network's outputs there"


@dataclass(frozen=True)
class ToolRequest:
    """What ``_tool`` becomes."""

    argv: Tuple[str, ...]
    folder: str
    memory_limit_bytes: int = 0


def can_check(spec: JobSpec) -> bool:
    """Whether the outputs can be compared before the tool runs: its runtime may be missing on the device."""
    return not facts.probe(spec.runtime).unavailable


def run(keeper: Keeper, spec: JobSpec, folder: Path, telemetry: Telemetry) -> None:
    """Measure with ``spec.tool``, watched as a block is, and keep its report.

    Raises JobError tool.unknown, tool.missing, tool.failed, artifact.empty, runtime.timeout, runtime.crashed;
    MeasurementError tool.unreadable, tool.too-coarse.
    """
    module = tools.load(spec.tool)
    keeper.emit("phase", {"phase": "tool"})
    command = list(module.find())
    if not command:
        raise JobError(
            f"{spec.tool} is not on this device: neither beside its Python nor on the PATH",
            code="tool.missing",
            fix=module.FIX,
        )
    place = folder / "tool"
    with files.disk_errors(place):
        place.mkdir(exist_ok=True)
    job = _job(spec, folder, place)
    if hasattr(module, "version_of"):
        _, text, _ = capture([*command, "--help"], place, spec.process_timeout_s, spec.memory_limit_bytes)
        job = replace(job, options={**job.options, "tool_major": (module.version_of(text) or (0,))[0]})
    argv = module.argv(command, job)
    limits = spec.process_timeout_s, spec.memory_limit_bytes
    ended, text, observed = capture(argv, place, *limits, telemetry)
    keeper.log(f"--- {shlex.join(argv)}\n{text[-LOG_CHARACTERS:]}\n{ended.stderr}\n")
    report = _parse(module, spec, ended, text, place)
    caveats: Tuple[str, ...] = (OWN_INPUTS,) if keeper.result.check is not None else (OWN_INPUTS, UNCHECKED)
    if keeper.result.check is not None and "/" not in _protocol(module, report):
        caveats += (OWN_BUILD,)
    keeper.keep(
        replace(
            keeper.result,
            tool=replace(
                report,
                argv=tuple(argv),
                protocol=_protocol(module, report),
                caveats=(*report.caveats, *caveats),
                observed=observed,
            ),
        )
    )


def become(request_path: str) -> NoReturn:
    """The process: limits first, both streams as one; it says that it is ready and waits for its byte, then
    the tool takes its place."""
    request = codec.loads(ToolRequest, files.read_bounded(Path(request_path)))
    task.limit_memory(request.memory_limit_bytes)
    task.die_with_parent()
    os.write(1, READY + b"\n")
    if os.read(0, 1) == b"":
        os._exit(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(1, 2)
    os.chdir(request.folder)
    try:
        os.execvp(request.argv[0], list(request.argv))  # noqa: S606 - no shell is what we want
    except OSError as error:
        os.write(1, f"[ ERROR ] {request.argv[0]}: {error.strerror}\n".encode())
        os._exit(127)


def _job(spec: JobSpec, folder: Path, place: Path) -> ToolJob:
    if not spec.artifact.files:
        raise JobError("the artifact has no files", code="artifact.empty", fix="convert the model again")
    name = files.safe_name(spec.artifact.files[0].name)
    return ToolJob(
        model=str(folder / "artifact" / name),
        folder=str(place),
        threads=spec.threads,
        precision=spec.artifact.precision,
        min_time_s=spec.plan.min_time_ns / 1e9,
        min_runs=spec.plan.min_runs,
        max_time_s=spec.plan.max_time_ns / 1e9,
        options=spec.options,
    )


def capture(
    argv: List[str],
    place: Path,
    timeout_s: float,
    memory_limit_bytes: int = 0,
    telemetry: Optional[Telemetry] = None,
) -> Tuple[Ended, str, Optional[Observed]]:
    """Run it in the folder ``place`` to its end, or until ``timeout_s``; it ends with this process.

    How it ended, the tail of what it printed, and what was seen around it.
    """
    asked = place / "request.json"
    request = ToolRequest(tuple(argv), str(place), memory_limit_bytes)
    files.write_atomic(asked, codec.dumps(request).encode())
    output = _Output(telemetry, place)
    try:
        ended = child.run(identity.agent_argv("_tool", str(asked)), timeout_s, output.on_line)
        return ended, output.text(), output.observed()
    finally:
        output.abandon()


class _Output:
    """Keeps the tail of what a tool prints and watches it from the moment it begins."""

    def __init__(self, telemetry: Optional[Telemetry], place: Path) -> None:
        self._telemetry = telemetry
        self._place = place
        self._lines: List[bytes] = []
        self._size = 0
        self._observation: Optional[Observation] = None

    def on_line(self, pid: int, line: bytes) -> bool:
        """True: the process waits for its byte."""
        if line == READY and not self._lines:
            if self._telemetry is not None:
                self._observation = Observation(self._telemetry, pid, self._place.parent)
                self._observation.begin()
            return True
        self._lines.append(line)
        self._size += len(line) + 1
        while self._size > tools.TEXT_LIMIT:
            self._size -= len(self._lines.pop(0)) + 1
        return False

    def text(self) -> str:
        return b"\n".join([*self._lines, b""]).decode("utf-8", "replace")

    def observed(self) -> Optional[Observed]:
        """Of a tool that has ended: its own times are those of the last look, up to 0.2 s before."""
        return self._observation.end()[0] if self._observation is not None else None

    def abandon(self) -> None:
        """Whatever happened: nobody watches on."""
        if self._observation is not None:
            self._observation.abandon()


def _parse(module: Any, spec: JobSpec, ended: Ended, text: str, place: Path) -> ToolReport:  # noqa: ANN401
    """The report, or the error that says most: the tool's own words before how it ended."""
    if ended.timed_out:
        raise child.failure(spec.tool, ended, spec.process_timeout_s) or tools.unreadable(spec.tool, "")
    try:
        report: ToolReport = module.parse(text, _written(module, place))
    except FarmError as error:
        if ended.returncode == 0 or error.code == "tool.failed":
            raise
        tail = replace(ended, stderr=ended.stderr or text[-500:])
        raise child.failure(spec.tool, tail, spec.process_timeout_s) or error from error
    if ended.returncode != 0:
        raise tools.failed(spec.tool, f"exit status {ended.returncode}: {faults.shorten(text[-300:])}")
    if report.median_ns is None and report.mean_ns is None:
        raise MeasurementError(
            f"{spec.tool} rounds to {(report.resolution_ns or 0) / 1000:g} µs, and this network takes less",
            code="tool.too-coarse",
            fix="measure it with farm's own loop: leave out --tool",
        )
    return report


def _written(module: Any, place: Path) -> Dict[str, str]:  # noqa: ANN401
    """Files that the tool was asked to write, where it did."""
    names = (getattr(module, "TIMES", ""),)
    found: Dict[str, str] = {}
    for name in names:
        path = place / name
        if name and path.is_file() and not path.is_symlink():
            found[name] = files.read_bounded(path, 64 * 1024 * 1024).decode("utf-8", "replace")
    return found


def _protocol(module: Any, report: ToolReport) -> str:  # noqa: ANN401
    """The tool's name and release; from its package where it prints none, else the name alone."""
    if "/" in report.protocol or not hasattr(module, "PACKAGE"):
        return report.protocol
    from importlib import metadata

    try:
        return f"{report.protocol}/{metadata.version(module.PACKAGE)}"
    except metadata.PackageNotFoundError:
        return report.protocol
