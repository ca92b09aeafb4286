"""What a worker's job says on its way, as progress of its cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farm.drive import Watcher
from farm_agent import faults, scenarios
from farm_agent.wire import Event

if TYPE_CHECKING:
    from farm.metering import Metering
    from farm.plan import Cell
    from farm.worker import Work
    from farm_agent.wire import JobSpec


class Stages(Watcher):
    """Tells only how far it is, while it is not the cell's own job that runs."""

    def __init__(self, work: Work, cell: Cell) -> None:
        self._work, self._cell = work, cell

    def stage(self, text: str) -> None:
        self._work.reporter.stage(self._cell, text, 0.0)


class Tell(Watcher):
    """Turns what the loop says into progress."""

    def __init__(self, work: Work, cell: Cell, spec: JobSpec, metering: Metering) -> None:
        self._metering = metering
        self._work = work
        self._cell = cell
        self._blocks = len(scenarios.load(spec.scenario).points(spec))
        self._processes = self._blocks + 2
        self._ended = 0

    def stage(self, text: str) -> None:
        self._work.reporter.stage(self._cell, text, self._share())

    def event(self, event: Event) -> None:
        self._metering.event(event)
        if event.kind == "phase" and event.data.get("phase") == "energy":
            window = faults.shorten(str(event.data.get("window", "")), 40)
            self._work.reporter.stage(self._cell, f"energy: {window}", self._share())
        elif event.kind == "phase" and "done" in event.data:
            text = f"evaluate: {event.data['done']} of {event.data.get('count')} samples"
            self._work.reporter.stage(self._cell, faults.shorten(text, 60), self._share())
        elif event.kind == "block":
            self._ended += 1
            text = f"process {self._ended} of {self._blocks} measured"
            self._work.reporter.stage(self._cell, text, self._share())
        elif event.kind == "gate":
            self._work.reporter.stage(
                self._cell, faults.shorten(str(event.data.get("text", "")), 160), self._share()
            )

    def sent(self, byte_count: int) -> None:
        if byte_count:
            self._work.reporter.stage(self._cell, "ship", self._share())

    def _share(self) -> float:
        return min(1.0, (self._ended + 0.5) / self._processes)
