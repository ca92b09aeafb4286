"""How an artifact came to be, as results tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from farm.plan import Request

if TYPE_CHECKING:
    from farm_converters.recipe import Artifact


def calibration(request: Request, artifact: Artifact) -> str:
    """What the artifact was calibrated on, and whether accuracy was counted on the same samples."""
    from farm_results.evidence.precision import SAME_DATA

    if not artifact.calibration or request.calib is None or request.calib != request.data:
        return artifact.calibration
    return artifact.calibration + SAME_DATA


def about(request: Request, artifact: Artifact) -> dict[str, Any]:
    """How the artifact came to be, for the result's document."""
    from farm_agent import codec

    return {
        "key": artifact.key,
        "format": artifact.spec.format,
        "check": codec.encode(artifact.check),
        "toolchain": dict(artifact.toolchain),
        "seconds": artifact.seconds,
        "cached": artifact.cached,
        "caveats": list(artifact.caveats),
        "calibration": calibration(request, artifact),
    }
