"""Nights one after another over a real store, on a bench of made numbers."""

from __future__ import annotations

import random

from farm.nightly.bench import Say
from farm.nightly.night import Recover, run_night
from farm.nightly.record import NightRecord
from farm.nightly.settings import NightlySettings
from farm_results.finding import Finding
from farm_results.history import findings
from farm_results.store import Store
from tests.farm.nightly.fake_bench import DAY_S, Cell, FakeBench

SETTINGS = NightlySettings(aa="never")


class World:
    """Nights one after another, with 1 % of noise on every number."""

    def __init__(self, store: Store, *cells: Cell, settings: NightlySettings = SETTINGS) -> None:
        self.store, self.settings = store, settings
        self.cells = list(cells)
        self.bench = FakeBench(store, self.cells)
        self.levels = {cell.series: cell.value_ns for cell in cells}
        self.noise = random.Random(7)
        self.told: list[tuple[str, str, str]] = []

    def night(
        self,
        *,
        quiet: bool = True,
        fresh: bool = False,
        say: Say = lambda _text: None,
        recover: Recover | None = None,
    ) -> NightRecord:
        """The next night; ``quiet``: with a little noise, else each number as it stands."""
        self.bench.now_s += DAY_S
        for cell in self.cells:
            cell.value_ns = self.levels[cell.series] * (1 + 0.004 * self.noise.uniform(-1, 1) * quiet)
        return run_night(
            self.store, self.settings, self.bench, say, tell=self._tell, fresh=fresh, recover=recover
        )

    def nights(self, count: int) -> NightRecord:
        """So many quiet nights."""
        for _ in range(count - 1):
            self.night()
        return self.night()

    def found(self) -> list[Finding]:
        """All findings, oldest first."""
        return findings.recent(self.store)[::-1]

    def _tell(self, title: str, body: str, level: str) -> list[str]:
        self.told.append((title, body, level))
        return []
