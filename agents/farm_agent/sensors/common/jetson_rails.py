"""What the power rails of each Jetson mean. Rails are known by their names, for a board's set is its own.

A headline exists only where a row of the table says how: one rail that feeds the whole module, or rails
that are known to be disjoint. Rails are never summed because they happen to be there: on a Nano
POM_5V_GPU is part of POM_5V_IN. The carrier board is in none of them.
"""

from __future__ import annotations

from typing import Collection, Dict, Mapping, Optional, Tuple

from farm_agent.late import dataclass

# Rails that are no rails: not connected, and the chip's own sum of shunt voltages (in7).
NO_RAILS = ("", "NC", "SUM OF SHUNT VOLTAGES")
TOTAL = "total"


@dataclass(frozen=True)
class Semantics:
    """One row. ``headline``: the rails whose sum is the widest power that can be told; ``scope`` says how
    wide. ``shunt_ohm``: of every channel, where the board's device tree is the only one to tell (None)."""

    boards: str
    headline: Tuple[str, ...]
    scope: str
    shunt_ohm: Optional[float] = None

    @property
    def channel(self) -> str:
        """Name of the headline's channel: the rail's own, or ``total`` for a sum."""
        return self.headline[0] if len(self.headline) == 1 else TOTAL


# The first row whose headline rails are all there holds.
TABLE = (
    Semantics("Orin Nano, Orin NX, Xavier NX, TX1, TX2", ("VDD_IN",), "module_input"),
    Semantics("Nano", ("POM_5V_IN",), "module_input"),
    # No VDD_IN on the AGX boards. VDDQ_VDD2_1V8AO is left out: it may be fed from VIN_SYS_5V0.
    Semantics("AGX Orin", ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"), "rail_sum", 0.002),
    Semantics("AGX Xavier", ("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"), "rail_sum", 0.005),
    Semantics("a carrier without the 5 V channel", ("VDD_GPU_SOC", "VDD_CPU_CV"), "soc_rails"),
    Semantics("a carrier without the input channel", ("VDD_CPU_GPU_CV", "VDD_SOC"), "soc_rails"),
)


def is_rail(label: str) -> bool:
    """Whether a channel with this label measures a rail."""
    return label.strip().upper() not in NO_RAILS


def semantics_of(rails: Collection[str]) -> Optional[Semantics]:
    """The row for a board with these rails; None where nobody knows what they add up to."""
    for row in TABLE:
        if set(row.headline) <= set(rails):
            return row
    return None


def scope_of(rail: str, row: Optional[Semantics]) -> str:
    """``module_input`` for the rail that feeds everything, ``rail`` for every other.

    ``unknown`` on a board that the table does not have: one rail may feed another, and nobody must add them.
    """
    if row is None:
        return "unknown"
    return row.scope if row.headline == (rail,) else "rail"


def total_w(powers: Mapping[str, float], row: Optional[Semantics]) -> Dict[str, float]:
    """The headline as ``{"total": watts}`` where it is a sum and every part of it was read; else empty."""
    if row is None or len(row.headline) == 1 or any(rail not in powers for rail in row.headline):
        return {}
    return {TOTAL: sum(powers[rail] for rail in row.headline)}
