"""One word per device for lists, without making a store where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from farm.errors import FarmError
from farm.health.states import UNKNOWN

UNREADABLE = "–"


def words(store: str, names: Sequence[str]) -> Mapping[str, str]:
    """The health of each; ``–`` where the store cannot be asked."""
    from farm.health import rows
    from farm_results.storage.engine import locate
    from farm_results.store import open_store

    try:
        location = locate(store)
        if location.url.startswith("sqlite") and not Path(location.name).exists():
            return dict.fromkeys(names, UNKNOWN)
        opened = open_store(store)
        try:
            known = rows.read_all(opened.engine)
        finally:
            opened.close()
    except FarmError:
        return dict.fromkeys(names, UNREADABLE)
    return {name: known[name].health if name in known else UNKNOWN for name in names}
