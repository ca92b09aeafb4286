"""The bundled network and its labelled samples; see README.md in this folder."""

from __future__ import annotations

from pathlib import Path


def sample_model() -> Path:
    """A classifier of handwritten digits: ``image`` float32 [1,1,8,8] to ``scores`` float32 [1,10]."""
    return Path(__file__).with_name("digits.onnx")


def sample_data() -> Path:
    """Samples the network never saw: an .npz with ``image`` float32 [N,1,8,8] and ``labels`` int64 [N]."""
    return Path(__file__).with_name("digits_test.npz")
