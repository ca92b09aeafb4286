"""Peak and delta, out of the phases."""

from __future__ import annotations

from farm_agent.wire import MemoryPhase
from farm_results.memory import delta_bytes, peak_bytes
from tests.results.made import block

PHASES = (
    MemoryPhase("imported", 50, 55),
    MemoryPhase("first-inference", 70, 75),
    MemoryPhase("measured", 90, 100, harness_bytes=20),
)


def test_the_peak_leaves_out_the_loop_s_own_buffers() -> None:
    assert peak_bytes([block(memory=PHASES)]) == 80
    assert peak_bytes([block(memory=(*PHASES[:2], MemoryPhase("measured", 90, 100, harness_bytes=60)))]) == 75


def test_the_delta_is_what_the_model_took() -> None:
    """The largest over the processes."""
    small = block(memory=(MemoryPhase("imported", 60, 60), PHASES[2]))
    assert delta_bytes([small, block(memory=PHASES)]) == 30


def test_what_the_kernel_does_not_tell_stays_unknown() -> None:
    silent = block(memory=(MemoryPhase("imported", 50, 55), MemoryPhase("measured", None, None)))
    assert (peak_bytes([silent]), delta_bytes([silent])) == (None, None)
    assert delta_bytes([block(memory=PHASES[1:])]) is None
    assert (peak_bytes([]), delta_bytes([])) == (None, None)
