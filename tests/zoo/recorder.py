"""Runs on a device in place of its Python: the real one, while what the agent answers is written down."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

PLACE = Path("~/told").expanduser()


def main() -> int:
    """What the real one answers."""
    if sys.argv[1] == "-c" or sys.argv[2].startswith("_"):
        os.execv(sys.executable, [sys.executable, *sys.argv[1:]])  # noqa: S606
    verb, words, asked = sys.argv[2], sys.argv[3:], sys.stdin.buffer.read()
    done = subprocess.run([sys.executable, *sys.argv[1:]], input=asked, stdout=subprocess.PIPE, check=False)
    job = words[0] if verb in ("attach", "result", "ack", "stop") else ""
    if verb == "start":
        job = json.loads(asked)["job_id"]
    lines = [line.decode() for line in done.stdout.splitlines()]
    if job:
        lines = [line.replace(job, "@JOB@") for line in lines]
    (PLACE / "files").mkdir(parents=True, exist_ok=True)
    with (PLACE / f"{verb}.json").open("a") as file:
        file.write(json.dumps(lines) + "\n")
    if verb == "result":
        for path in Path(words[words.index("--root") + 1], "jobs", job).glob("*.gz"):
            shutil.copy(path, PLACE / "files")
    sys.stdout.buffer.write(done.stdout)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
