"""Ranges of activations for a weakly typed int8 build: samples of real inputs, as TensorRT's calibrator asks.

Only for graphs without QuantizeLinear, and only where the releases still have it (TensorRT 10 and older).
"""

from __future__ import annotations

from typing import Any, List, Mapping

from farm_agent import feed
from farm_agent.cuda import Cuda


def calibrator(trt: Any, gpu: Cuda, path: str, names: List[str], *, narrow: bool = False) -> Any:  # noqa: ANN401 - IInt8EntropyCalibrator2
    """Over the packed samples in ``path`` (keys in.I: [count, *shape] of the I-th input).

    ``narrow``: the network takes int64 inputs as int32. Raises JobError data.*, input.dtype.
    """
    import numpy as np

    data = feed.load_npz(path)
    arrays = {}
    for index, name in enumerate(names):
        array = feed.read(data, f"in.{index}")
        kept = "int32" if narrow and array.dtype == np.int64 else str(array.dtype)
        arrays[name] = np.ascontiguousarray(feed.cast(array, kept, name))
    return _kind(trt)(gpu, arrays)


def _kind(trt: Any) -> Any:  # noqa: ANN401
    class Calibrator(trt.IInt8EntropyCalibrator2):  # type: ignore[misc]
        """TensorRT asks for one batch after another until None comes; it keeps its own cache."""

        def __init__(self, gpu: Cuda, arrays: Mapping[str, Any]) -> None:
            trt.IInt8EntropyCalibrator2.__init__(self)
            self._gpu, self._arrays, self._next = gpu, arrays, 0
            self._count = min((len(array) for array in arrays.values()), default=0)
            self._buffers = {name: gpu.allocate(array[0].nbytes) for name, array in arrays.items()}

        def get_batch_size(self) -> int:
            """Each sample is a whole set of inputs."""
            return 1

        def get_batch(self, names: List[str]) -> Any:  # noqa: ANN401 - list of addresses, or None at the end
            """The next sample's addresses on the GPU, in TensorRT's order."""
            if self._next >= self._count:
                return None
            for name in names:
                self._gpu.to_device(self._buffers[name], self._arrays[name][self._next])
            self._next += 1
            return [self._buffers[name] for name in names]

        def read_calibration_cache(self) -> None:
            """Nothing is carried from one build to another: the samples may differ."""

        def write_calibration_cache(self, _cache: Any) -> None:  # noqa: ANN401
            """Not kept, see above."""

    return Calibrator
