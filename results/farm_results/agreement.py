"""How far a model's outputs are from the source model's on the same samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from farm_agent import collect
from farm_agent.errors import JobError

if TYPE_CHECKING:
    import numpy as np

    Arrays = Sequence[np.ndarray[Any, Any]]

_CHUNK = 1 << 20  # values at a time, in float64


def agreement(outputs: Arrays, reference: Arrays) -> dict[str, float]:
    """Over all samples, of the output that agrees least:

    ``snr_db`` 10 log10(sum ref^2 / sum (out - ref)^2), left out where nothing differs or the reference is
    zero; ``cosine`` of the outputs as vectors; ``max_abs_error``; ``top1``, the share of samples with the
    same largest class score, where an output holds scores; ``not_finite``, samples that hold NaN or infinity
    where the reference has numbers (these are left out of the others, and count against ``top1``). Outputs
    of which nothing is left have none of the first three.
    """
    parts = [_one(out, ref) for out, ref in zip(outputs, reference, strict=True)]
    found = {
        name: worst(part[name] for part in parts if name in part)
        for name, worst in (("cosine", min), ("max_abs_error", max), ("snr_db", min))
        if any(name in part for part in parts)
    }
    same = _same_class(outputs, reference)
    if same is not None:
        found["top1"] = same
    lost = lost_samples(outputs, reference)
    if lost:
        found["not_finite"] = float(lost)
    return found


def lost_samples(outputs: Arrays, reference: Arrays) -> int:
    """Samples with NaN or infinity in an output where the reference is finite."""
    import numpy as np

    lost = np.zeros(len(outputs[0]) if outputs else 0, bool)
    for out, ref in zip(outputs, reference, strict=True):
        if out.dtype.kind == "f":
            bad = ~np.isfinite(out) & np.isfinite(ref)
            lost |= bad.reshape(len(out), -1).any(axis=1)
    return int(lost.sum())


def _one(out: np.ndarray[Any, Any], ref: np.ndarray[Any, Any]) -> dict[str, float]:
    import numpy as np

    ours, theirs = out.reshape(-1), ref.reshape(-1)
    signal = noise = dot = power = worst = 0.0
    compared = 0
    for start in range(0, len(ours), _CHUNK):
        a = ours[start : start + _CHUNK].astype(np.float64)
        b = theirs[start : start + _CHUNK].astype(np.float64)
        finite = np.isfinite(a) & np.isfinite(b)
        a, b = a[finite], b[finite]
        compared += a.size
        if a.size:
            difference = np.abs(a - b)
            worst = max(worst, float(difference.max()))
            noise += float(np.dot(difference, difference))
            signal, power, dot = signal + float(b @ b), power + float(a @ a), dot + float(a @ b)
    if not compared:
        return {}
    found = {"max_abs_error": worst, "cosine": _cosine(signal, power, dot)}
    if noise > 0 and signal > 0:
        found["snr_db"] = 10 * math.log10(signal / noise)
    return found


def _cosine(signal: float, power: float, dot: float) -> float:
    if signal == 0 or power == 0:
        return 1.0 if signal == power else 0.0
    return max(-1.0, min(1.0, dot / math.sqrt(signal) / math.sqrt(power)))


def _same_class(outputs: Arrays, reference: Arrays) -> float | None:
    import numpy as np

    try:
        ours, theirs = collect.class_scores(outputs), collect.class_scores(reference)
    except JobError:
        return None
    if not len(ours) or ours.shape != theirs.shape:
        return None
    return float(np.mean(collect.hits(ours, theirs.argmax(axis=-1))))


def text_of(found: Mapping[str, float]) -> str:
    """``top-1 99.3 %, 31.2 dB, 3 samples not finite``: what a table shows."""
    parts = []
    if "top1" in found:
        parts.append(f"top-1 {found['top1'] * 100:.1f} %")
    if "snr_db" in found:
        parts.append(f"{found['snr_db']:.1f} dB")
    elif found.get("max_abs_error") == 0 and not found.get("not_finite"):
        parts.append("identical")
    if found.get("not_finite"):
        parts.append(_lost_text(found["not_finite"]))
    return ", ".join(parts)


def words(found: Mapping[str, float]) -> list[str]:
    """Each number with its name and unit."""
    parts = []
    if "top1" in found:
        parts.append(f"top-1 {found['top1'] * 100:.1f} %")
    if "snr_db" in found:
        parts.append(f"SNR {found['snr_db']:.1f} dB")
    if "cosine" in found:
        parts.append(f"cosine {found['cosine']:.6f}")
    if "max_abs_error" in found:
        parts.append(f"max error {found['max_abs_error']:.3g}")
    if "not_finite" in found:
        parts.append(_lost_text(found["not_finite"]))
    return parts


def _lost_text(count: float) -> str:
    return f"{count:.0f} sample{'' if count == 1 else 's'} not finite"
