"""A finished job's energy: by the device's sensors and by external meters, with the traces kept beside it."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from farm.fetch import Fetched

if TYPE_CHECKING:
    from farm_results.energy.align import MeterRecord
    from farm_results.model import Energy
    from farm_results.storage.objects import Objects


@dataclass(frozen=True)
class Energies:
    """``document``: what the result's document keeps: the objects with the traces, and the meters' words."""

    entries: tuple[Energy, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    trace_hashes: tuple[str, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)


def of_job(objects: Objects, fetched: Fetched, records: Sequence[MeterRecord]) -> Energies:
    """Compute and store; nothing where the job measured no energy."""
    from farm_agent import codec
    from farm_results.energy import energy, metered, place

    device = energy.of_device(fetched.result, fetched.energy_traces)
    entries = place.widest_first((*device, *metered.of_meters(fetched.result, records)))
    hashes = []
    document: dict[str, Any] = {}
    if fetched.energy_traces is not None:
        hashes.append(objects.put_file(fetched.energy_traces))
        document["traces"] = hashes[-1]
    if records:
        packed = gzip.compress(codec.dumps(list(records)).encode(), 6, mtime=0)
        hashes.append(objects.put_bytes(packed))
        document["meters"] = hashes[-1]
    return Energies(entries, energy.metrics_of(entries), tuple(hashes), document)
