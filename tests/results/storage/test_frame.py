"""Results as pandas frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from farm_agent.errors import InfrastructureError, UsageError
from farm_results.storage.frame import frame_of, load_results, samples
from farm_results.store import Store, open_store
from tests.results.made import HOSTILE, packed, quiet_pairs, result, run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = open_store(tmp_path)
    opened.add_run(run())
    return opened


def test_a_frame_has_plain_types_and_units(store: Store) -> None:
    """Text is text, counts are integers with gaps, times are floats, created is a UTC time."""
    store.add_result(result("a"))
    store.add_result(result("b", status="failed", latency=None, peak_memory_bytes=None))
    frame = load_results(store)
    assert frame["p50_ns"].dtype == "float64"
    assert frame["samples"].dtype == "Int64"
    assert isinstance(frame["device"].dtype, pd.StringDtype)
    assert str(frame["created"].dtype) == "datetime64[ns, UTC]"
    assert not [name for name in frame if frame[name].dtype == object]
    assert frame.loc[frame["status"] == "ok", "p50_ns"].tolist() == [4_910_000.0]
    assert frame["p50_ns"].isna().tolist() == [False, True]
    assert frame["created"][0] == pd.Timestamp(1001.5, unit="s", tz="UTC")


def test_an_empty_frame_has_the_same_columns_and_types(store: Store) -> None:
    assert load_results(store).dtypes.equals(frame_of([result()]).dtypes)


def test_hostile_strings_reach_the_frame() -> None:
    frame = frame_of([result(str(index), device=text) for index, text in enumerate(HOSTILE)])
    wanted = [text.encode("utf-8", "backslashreplace").decode() for text in HOSTILE]
    assert frame["device"].tolist() == wanted


def test_filters_and_addresses_are_the_stores(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By path, by $FARM_STORE, or with a store at hand."""
    store.add_result(result("a"))
    store.add_result(result("b", runtime="openvino"))
    assert load_results(store, runtime="openvino")["job_id"].tolist() == ["b"]
    assert len(load_results(tmp_path, last=True)) == 2
    assert len(load_results()) == 0
    monkeypatch.setenv("FARM_STORE", str(tmp_path))
    assert len(load_results()) == 2
    with pytest.raises(UsageError):
        load_results(store, run_id="nothing")


def test_samples_of_a_job_in_order(store: Store) -> None:
    blocks = [quiet_pairs(seed, count=10) for seed in (1, 2)]
    hashes = tuple(store.objects.put_bytes(packed(pairs)) for pairs in blocks)
    store.add_result(result(sample_hashes=hashes))
    frame = samples("job-1", store)
    assert list(frame.columns) == ["block", "run", "start_ns", "latency_ns"]
    assert frame["block"].tolist() == [0] * 10 + [1] * 10
    assert frame["start_ns"][10] == 0
    assert np.array_equal(frame["latency_ns"][10:], blocks[1][:, 1] - blocks[1][:, 0])
    store.objects.path_of(hashes[0]).unlink()
    with pytest.raises(InfrastructureError):
        samples("job-1", store)


def test_a_job_without_samples_gives_an_empty_frame(store: Store) -> None:
    store.add_result(result())
    assert len(samples("job-1", store)) == 0
