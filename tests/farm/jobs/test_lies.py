"""A result that decodes but lies is judged, stored and shown, or refused with a typed error; nothing else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farm import untrusted
from farm.errors import FarmError
from farm.fetch import Fetched
from farm.jobs.judge import judged
from farm_agent import codec
from farm_agent.wire import Blob, JobResult
from farm_results import report
from farm_results.store import Store, open_store
from farm_results.view import page
from tests.farm.jobs import made as jobs
from tests.results import made

WHOLE: st.SearchStrategy[object] = st.sampled_from([0, 1, -1, 2**62, 2**53 + 1, 10**12, 10**18])
BROKEN: st.SearchStrategy[object] = st.sampled_from([0.5, 1e308, 5e-324, float("nan"), -1e9])
WORDS = st.sampled_from(["", "\ud800\x00\x1b[2J", "x" * 3000, "None", "ok", "failed", "fp32", "scheduled"])
OTHERS: st.SearchStrategy[object] = st.sampled_from([None, True, False, [], {}, [{}]])


def _like(value: object) -> st.SearchStrategy[object]:
    """Mostly of the same kind, which is what a decoder lets pass."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return OTHERS
    if isinstance(value, str):
        return WORDS | OTHERS
    return (WHOLE if isinstance(value, int) else WHOLE | BROKEN) | OTHERS


def _at(data: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        data = data[key]
    return data


def _places(data: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in inner for place in _places(value, (*path, key)))]


def _changed(data: Any, path: tuple[Any, ...], value: object) -> Any:
    if not path:
        return value
    copy = dict(data) if isinstance(data, dict) else list(data)
    copy[path[0]] = _changed(copy[path[0]], path[1:], value)
    return copy


@pytest.fixture
def place(tmp_path: Path) -> tuple[Store, Path, list[Blob]]:
    """A store, a folder, and two processes' samples in it."""
    blobs = []
    for index in range(2):
        data = made.packed(made.quiet_pairs(index))
        name = f"block-{index}.samples.gz"
        (tmp_path / name).write_bytes(data)
        blobs.append(Blob(hashlib.sha256(data).hexdigest(), len(data), name))
    store = open_store(tmp_path / "store")
    store.add_run(made.run())
    return store, tmp_path, blobs


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_lie_in_a_result(place: tuple[Store, Path, list[Blob]], data: st.DataObject) -> None:
    store, folder, blobs = place
    spec = jobs.context().spec
    honest = codec.encode(made.job(blocks=tuple(made.block(i, samples=blob) for i, blob in enumerate(blobs))))
    lie = honest
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(_places(lie)[1:]))
        lie = _changed(lie, path, data.draw(_like(_at(lie, path))))
    try:
        result = codec.decode(JobResult, untrusted.harmless(json.loads(json.dumps(lie))))
        untrusted.check_numbers(result, "result")
    except (ValueError, FarmError):
        return
    paths = tuple(folder / f"block-{index % 2}.samples.gz" for index in range(len(result.blocks)))
    fetched = Fetched(spec, replace(result, job_id=spec.job_id), paths, 0, 0)
    try:
        row = judged(jobs.context(), fetched, (), objects=store.objects, scratch=folder, interrupted=False)
    except FarmError:
        return
    row = replace(row, job_id=f"job-{store.count()}")
    store.add_result(row)
    _shown(store, row.job_id)


def _shown(store: Store, job_id: str) -> None:
    """As every format, which must be able to write it."""
    kept = store.result(job_id)
    for name in report.names():
        if hasattr(report.load(name), "render"):
            report.render(name, [kept])
    assert page.page(kept, None, [], 100, "not kept")
