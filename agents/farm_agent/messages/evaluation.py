"""What a model answered on a whole data set."""

from __future__ import annotations

from typing import Optional

from farm_agent.late import dataclass
from farm_agent.messages.blob import Blob


@dataclass(frozen=True)
class Evaluation:
    """``outputs``: an .npz in the job's folder with ``out.J`` [count, ...] per output of the source model, in
    its order, layout and without the batch dimension when it is 1; floats as float32. ``seconds``: how long
    all inferences took together (not a latency)."""

    count: int
    outputs: Optional[Blob] = None
    seconds: float = 0.0
