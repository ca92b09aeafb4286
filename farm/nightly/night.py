"""A night from begin to end: choose, measure, judge, confirm, tell. Killed, it goes on where it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farm.nightly.bench import Bench, Say
from farm.nightly.record import NightRecord
from farm.nightly.settings import NightlySettings

if TYPE_CHECKING:
    from farm_results.store import Store


def run_night(store: Store, settings: NightlySettings, bench: Bench, say: Say) -> NightRecord:
    """One night: everything it measures, finds and decides is in the store.

    Raises InfrastructureError ``nightly.running`` while another night of this store goes on.
    """
    raise NotImplementedError
