"""The calibrator, called as TensorRT calls it, over the driver's stand-in."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm_agent import trt_calibrate
from farm_agent.errors import JobError
from tests.agents.tensorrt import parts


def samples(folder: Path, *arrays: Any) -> str:
    path = folder / "samples.npz"
    np.savez(path, **{f"in.{index}": array for index, array in enumerate(arrays)})
    return str(path)


def held_at(address: int, like: Any) -> Any:
    """What lies on the stand-in's GPU."""
    data = ctypes.string_at(address, like.nbytes)
    return np.frombuffer(data, like.dtype).reshape(like.shape)


def test_every_sample_is_handed_over_once_in_the_order_of_the_names_asked_for(tmp_path: Path) -> None:
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    ids = np.arange(6, dtype=np.int64).reshape(3, 2)
    found = trt_calibrate.calibrator(
        parts.module(), parts.cuda(tmp_path), samples(tmp_path, x, ids), ["x", "ids"]
    )
    assert found.get_batch_size() == 1
    for index in range(3):
        second, first = found.get_batch(["ids", "x"])
        assert np.array_equal(held_at(first, x[index]), x[index])
        assert np.array_equal(held_at(second, ids[index]), ids[index])
    assert found.get_batch(["ids", "x"]) is None
    assert found.read_calibration_cache() is None


def test_int64_becomes_int32_where_the_network_takes_it_so(tmp_path: Path) -> None:
    """Its bytes as they are would be other numbers."""
    gpu, ids = parts.cuda(tmp_path), np.array([[7, 8]], np.int64)
    narrow = trt_calibrate.calibrator(parts.module(), gpu, samples(tmp_path, ids), ["ids"], narrow=True)
    (address,) = narrow.get_batch(["ids"])
    assert held_at(address, np.zeros(2, np.int32)).tolist() == [7, 8]
    with pytest.raises(JobError) as caught:
        trt_calibrate.calibrator(parts.module(), gpu, samples(tmp_path, ids << 40), ["ids"], narrow=True)
    assert caught.value.code == "input.dtype"
