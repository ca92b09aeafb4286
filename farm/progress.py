"""What a run tells people while it goes on: plain lines for a pipe, bars with an ETA for a terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from farm.crowd import MANY, Crowd
from farm.outline import Outline, outline
from farm_results.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from farm.plan import Cell, Plan
    from farm_results.model import Result


WIDE = 100
"""Characters per line from which on a terminal has room for long bars."""

WORTH_A_LINE = ("connect", "measure", "stopping", "waiting:", "waiting for a ")


class Reporter(Protocol):
    """Told about everything; shows no end of cells that never ran: the final table does.

    Must be safe to call from several threads and must not raise.
    """

    def begin(self, plan: Plan) -> None:
        """The plan is made; nothing runs yet."""

    def convert(self, cell: Cell, text: str) -> None:
        """A conversion says what it does."""

    def stage(self, cell: Cell, text: str, done: float) -> None:
        """A job entered a stage; ``done`` is the share of it that is behind, 0 to 1."""

    def end(self, cell: Cell, result: Result) -> None:
        """A cell ended."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def close(self) -> None:
        """The run is over."""


class Silent:
    """Tells nothing: for the Python API and ``--quiet``."""

    def begin(self, plan: Plan) -> None: ...
    def convert(self, cell: Cell, text: str) -> None: ...
    def stage(self, cell: Cell, text: str, done: float) -> None: ...
    def end(self, cell: Cell, result: Result) -> None: ...
    def note(self, text: str) -> None: ...
    def close(self) -> None: ...


class Lines:
    """One line per event on stderr; no control codes. With many devices one for all, now and then."""

    def __init__(self, write: Callable[[str], object] | None = None) -> None:
        self._write = write or (lambda text: sys.stderr.write(f"{text}\n"))
        self._lock = threading.Lock()
        self._said: dict[str, str] = {}
        self._crowd: Crowd | None = None

    def begin(self, plan: Plan) -> None:
        for line in header(plan):
            self.note(line)
        self._crowd = crowd_of(plan)

    def convert(self, cell: Cell, text: str) -> None:
        self.note(f"convert  {cell.model_name} {cell.target.format} {cell.target.precision}: {text}")

    def stage(self, cell: Cell, text: str, done: float) -> None:
        if self._crowd is not None:
            self._crowd.stage(cell, text, done)
            self._summary(self._crowd)
            return
        if not text.startswith(WORTH_A_LINE):
            return
        with self._lock:
            if self._said.get(cell.job_id) == text:
                return
            self._said[cell.job_id] = text
        self.note(f"{cell.device.name}  {_what(cell)}: {text}")

    def end(self, cell: Cell, result: Result) -> None:
        if cell.runs and (self._crowd is None or self._crowd.end(cell, result)):
            self._say(f"{cell.device.name}  {_what(cell)}: {ending(result)}")
        if self._crowd is not None:
            self._summary(self._crowd)

    def note(self, text: str) -> None:
        if self._crowd is None or not self._crowd.fold(text):
            self._say(text)

    def close(self) -> None:
        if self._crowd is not None:
            for line in [self._crowd.text(), *self._crowd.folded()]:
                self._say(line)
            self._crowd = None

    def _say(self, text: str) -> None:
        with self._lock:
            self._write(printable(text))

    def _summary(self, crowd: Crowd) -> None:
        if crowd.due():
            left = _left_text(int(crowd.left_s()))
            self._say(f"{crowd.text()}{'; ' if left else ''}{left}")


class Bars:
    """A bar per device with the stage and the time left; finished cells scroll above. With many devices one
    bar for all, and only what failed scrolls."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.table import Column

        self._console = Console(stderr=True, highlight=False)
        self._bars: Progress = Progress(
            TextColumn("{task.fields[device]}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(bar_width=20 if self._console.width >= WIDE else 8),
            # Only the stage gives way on a narrow terminal.
            TextColumn(
                "{task.description}",
                markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
            ),
            TimeElapsedColumn(table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[left]}", markup=False, table_column=Column(no_wrap=True)),
            expand=True,
            console=self._console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._ended: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._planned_s = 0.0
        self._crowd: Crowd | None = None
        self._all: TaskID | None = None
        self._begun = time.monotonic()
        self._lock = threading.Lock()

    def begin(self, plan: Plan) -> None:
        for line in header(plan):
            self.note(line)
        self._crowd = crowd_of(plan)
        if self._crowd is not None:
            self._all = self._bars.add_task(
                "waiting", total=self._crowd.total, device=f"{len(plan.devices)} devices", left=""
            )
        for device in plan.devices if self._crowd is None else ():
            cells = [cell for cell in plan.cells_of(device) if cell.runs]
            self._counts[device.name] = len(cells)
            self._tasks[device.name] = self._bars.add_task(
                "waiting", total=max(1, len(cells)), device=printable(device.name), left=""
            )
        self._planned_s = outline(plan.request.blocks, plan.request.measure).least_s
        self._begun = time.monotonic()
        self._bars.start()

    def convert(self, cell: Cell, text: str) -> None:
        self._show(cell, f"convert {_what(cell)}: {text}", 0.0)

    def stage(self, cell: Cell, text: str, done: float) -> None:
        self._show(cell, f"{_what(cell)}: {text}", done)

    def end(self, cell: Cell, result: Result) -> None:
        if not cell.runs:
            return
        if self._crowd is not None:
            if self._crowd.end(cell, result):
                self._print(f"{cell.device.name}  {_what(cell)}: {ending(result)}")
            self._show_all(self._crowd)
            return
        with self._lock:
            self._ended[cell.device.name] = self._ended.get(cell.device.name, 0.0) + 1.0
        self.note(f"{cell.device.name}  {_what(cell)}: {ending(result)}")
        self._show(cell, "next", 0.0)

    def note(self, text: str) -> None:
        if self._crowd is None or not self._crowd.fold(text):
            self._print(text)

    def close(self) -> None:
        self._bars.stop()
        for line in self._crowd.folded() if self._crowd is not None else ():
            self._print(line)
        self._crowd = None

    def _print(self, text: str) -> None:
        self._console.print(printable(text, 1000), markup=False)

    def _show_all(self, crowd: Crowd) -> None:
        if self._all is not None:
            left = _left_text(int(crowd.left_s()))
            self._bars.update(self._all, completed=crowd.completed, description=crowd.text(), left=left)

    def _show(self, cell: Cell, text: str, done: float) -> None:
        if self._crowd is not None:
            self._crowd.stage(cell, text, done)
            self._show_all(self._crowd)
            return
        task = self._tasks.get(cell.device.name)
        if task is None:
            return
        completed = self._ended.get(cell.device.name, 0.0) + done
        total = self._counts.get(cell.device.name, 1)
        self._bars.update(
            task, completed=completed, description=printable(text)[:70], left=self._left(completed, total)
        )

    def _left(self, completed: float, total: int) -> str:
        """What the plan says until a first job has ended; from then on what the jobs took."""
        elapsed_s = time.monotonic() - self._begun
        if completed >= total:
            return ""
        each_s = elapsed_s / completed if completed >= 1.0 else self._planned_s
        left_s = int(each_s * (total - completed)) if completed >= 1.0 else int(each_s * total - elapsed_s)
        return _left_text(left_s)


def _left_text(left_s: int) -> str:
    if left_s <= 0:
        return ""
    return f"about {left_s // 60}m {left_s % 60:02d}s left" if left_s >= 60 else f"about {left_s}s left"


def choose(*, quiet: bool) -> Reporter:
    """Bars when stderr is a terminal, lines otherwise, nothing when quiet."""
    if quiet:
        return Silent()
    return Bars() if sys.stderr.isatty() else Lines()


def header(plan: Plan) -> list[str]:
    """What the run will do, in a few lines: what each selector matched, how many jobs, which protocol."""
    running = sum(cell.runs for cell in plan.cells)
    models = len({cell.model_name for cell in plan.cells})
    lines = [
        f"Run {plan.run_id}: {models} model{'s' * (models != 1)} × {len(plan.devices)} "
        f"device{'s' * (len(plan.devices) != 1)} = {running} job{'s' * (running != 1)}"
        + (f" ({len(plan.cells) - running} not run: see below)" if running < len(plan.cells) else "")
    ]
    lines += [f"  {token} → {_few(names)}" for token, names in plan.matched if names != (token,)]
    if not running:
        return lines
    planned = outline(plan.request.blocks, plan.request.measure)
    longest = max(sum(cell.runs for cell in plan.cells_of(device)) for device in plan.devices)
    return [*lines, f"  {planned.text}", f"  {_how_long(planned, running, longest)}"]


def crowd_of(plan: Plan) -> Crowd | None:
    """What counts instead of telling everything, where there are many devices."""
    if len(plan.devices) <= MANY:
        return None
    longest = max(sum(cell.runs for cell in plan.cells_of(device)) for device in plan.devices)
    return Crowd(plan, longest * outline(plan.request.blocks, plan.request.measure).least_s)


def _few(names: Sequence[str]) -> str:
    if len(names) <= MANY:
        return ", ".join(names)
    return f"{', '.join(names[:3])}, … {names[-1]} ({len(names)} devices)"


def _how_long(planned: Outline, running: int, longest: int) -> str:
    """``longest``: the most jobs that one device has to do, one after another."""
    least_s, most_s = planned.least_s, planned.most_s
    text = f"about {_minutes(least_s)} per job"
    if running > 1:
        text += f", {_minutes(least_s * longest)} in all"
    if most_s > 1.2 * least_s:
        text += f"; up to {_minutes(most_s * longest)} where a network is slow or not steady"
    return text


def _minutes(value_s: float) -> str:
    whole_s = max(1, round(value_s))
    if whole_s < 60:
        return f"{whole_s} s"
    minutes, seconds = divmod(whole_s, 60)
    return f"{minutes} min {seconds} s" if seconds and minutes < 10 else f"{minutes + (seconds >= 30)} min"


def ending(result: Result) -> str:
    """How a cell that ran ended, in one line."""
    if result.status == "ok" and result.latency is not None:
        from farm_results import scenarios

        word = result.verdict.word
        return f"{scenarios.headline(result)}, {word if word == 'valid' else word.upper()}"
    if result.status == "ok":
        return f"measured by {result.protocol}"
    if result.status == "skipped":
        return f"skipped: {result.error_message}"
    fix = f" (fix: {result.error_fix})" if result.error_fix else ""
    return f"FAILED {result.error_code}: {result.error_message}{fix}"


def _what(cell: Cell) -> str:
    batch = f" batch {cell.batch}" if (cell.batch or 1) > 1 else ""
    return f"{cell.model_name} {cell.target.runtime} {cell.target.precision}{batch}"
