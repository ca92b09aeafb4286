"""farm: what a neural network really costs on real edge hardware."""

from farm.version import __version__

__all__ = ["__version__"]
