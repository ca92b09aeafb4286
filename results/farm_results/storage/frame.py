"""Results as pandas frames: the face for analysis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_results.report.flat import table

if TYPE_CHECKING:
    import pandas as pd

    from farm_results.model import Result
    from farm_results.store import Store

_DTYPES = {"text": "string", "int": "Int64", "float": "float64"}


def load_results(store: Store | str | Path | None = None, **filters: Any) -> pd.DataFrame:  # noqa: ANN401
    """One row per result, units in the column names; ``created`` is a UTC time. Unknown numbers are missing.

    ``store``: an open store, its address, or None for $FARM_STORE, else the user's own. ``filters`` are
    those of ``Store.results``: run_id, device, model, runtime, status, limit, last.
    """
    with _opened(store) as source:
        return frame_of(source.results(**filters))


def frame_of(results: Sequence[Result]) -> pd.DataFrame:
    """The frame of results at hand. Without results it has the same columns and types."""
    import pandas as pd

    kinds, records = table(results)
    columns = {
        name: pd.Series([record[name] for record in records], dtype=_DTYPES[kind])
        for name, kind in kinds.items()
    }
    frame = pd.DataFrame(columns)
    created = pd.to_datetime(frame["created_unix_s"], unit="s", utc=True)
    frame.insert(0, "created", created.astype("datetime64[ns, UTC]"))
    return frame


def samples(job_id: str, store: Store | str | Path | None = None) -> pd.DataFrame:
    """Every run of one job in order: block, run, start_ns (from the block's first start), latency_ns.

    Raises UsageError ``results.unknown-job``; InfrastructureError store.object-missing,
    store.object-corrupt; MeasurementError samples.*.
    """
    import numpy as np
    import pandas as pd

    from farm_results.samples import parse_samples

    names = ("block", "run", "start_ns", "latency_ns")
    parts = [np.empty((0, len(names)), dtype=np.int64)]
    with _opened(store) as source:
        for block, sha256 in enumerate(source.result(job_id).sample_hashes):
            with source.objects.open(sha256) as stream:
                pairs = parse_samples(stream.read(), sha256)
            index = np.arange(len(pairs))
            start = pairs[:, 0] - pairs[:1, 0]
            parts.append(
                np.stack([np.full_like(index, block), index, start, pairs[:, 1] - pairs[:, 0]], axis=1)
            )
    return pd.DataFrame(np.concatenate(parts), columns=list(names))


@contextmanager
def _opened(store: Store | str | Path | None) -> Iterator[Store]:
    """The store itself, or one opened for this call."""
    from farm_results.storage.engine import default_store
    from farm_results.store import Store, open_store

    if isinstance(store, Store):
        yield store
        return
    opened = open_store(default_store() if store is None else store)
    try:
        yield opened
    finally:
        opened.close()
