"""What apache-otava finds in a few histories, kept for a test that ours finds the same.

python benchmarks/detection_golden.py [PYTHON WITH OTAVA] > tests/results/detect/otava.json
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from detection import OTAVA, otava_python

HISTORIES = (
    ("one step up", 80, ((40, 0.06),)),
    ("one step down", 80, ((30, -0.08),)),
    ("two steps", 120, ((40, 0.08), (80, -0.05))),
    ("stairs", 120, ((30, 0.06), (60, 0.06), (90, 0.06))),
    ("a plateau", 100, ((45, 0.10), (60, -0.10))),
    ("nothing", 90, ()),
)
NOISE = 0.01


def history(number: int, count: int, steps: tuple[tuple[int, float], ...]) -> list[float]:
    """Milliseconds with 1 % noise and these steps."""
    logs = np.random.default_rng(number).normal(np.log(5.0), NOISE, count)
    for at, size in steps:
        logs[at:] += np.log1p(size)
    return [round(float(value), 6) for value in np.exp(logs)]


def main() -> None:
    """Ask Otava, print the document."""
    rows = [history(number, count, steps) for number, (_, count, steps) in enumerate(HISTORIES)]
    settings = {"max_pvalue": 1e-4, "min_magnitude": 0.01}
    script = Path(__file__).parent / "detection_otava.py"
    with tempfile.TemporaryDirectory(prefix="otava-") as folder:
        python = Path(sys.argv[1]) if len(sys.argv) > 1 else otava_python(Path(folder) / "venv")
        found = []
        for row in rows:
            asked = {"settings": [settings], "first": len(row) - 1, "series": [row]}
            done = subprocess.run(
                [python, script], input=json.dumps(asked), capture_output=True, text=True, check=True
            )
            found.append(json.loads(done.stdout)[0][0][-1])
    histories = [
        {"name": name, "values": row, "found": points}
        for (name, *_), row, points in zip(HISTORIES, rows, found, strict=True)
    ]
    print(json.dumps({"made_by": OTAVA, "settings": settings, "histories": histories}, indent=1))


if __name__ == "__main__":
    main()
