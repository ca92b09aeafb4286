"""farm: what a neural network really costs on real edge hardware.

>>> import farm
>>> results = farm.bench("model.onnx", devices=["local"])  # doctest: +SKIP
>>> frame = farm.load_results()  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from farm.version import __version__

if TYPE_CHECKING:
    from farm.api import bench, compare, convert, load_results

__all__ = ["__version__", "bench", "compare", "convert", "load_results"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the functions above, imported on use
    if name in ("bench", "compare", "convert", "load_results"):
        from farm import api

        return getattr(api, name)
    raise AttributeError(f"module 'farm' has no attribute {name!r}")
