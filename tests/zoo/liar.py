"""Runs on a device in place of its Python: says what a real agent said there before, with one lie in it.

In /etc/zoo/lie: told.json has the answers by verb with @JOB@ for the job's id, files what the job left, and
lie.json {"verb": ..., "how": ..., ...} what to say instead.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any, TextIO

PLACE = Path("/etc/zoo/lie")


def put(data: Any, path: list[Any], value: object) -> Any:
    """The data with another value at that place."""
    if not path:
        return value
    data[path[0]] = put(data[path[0]], path[1:], value)
    return data


def flood(stream: TextIO) -> None:
    """Without end."""
    while True:
        stream.write(("x" * 1023 + "\n") * 64)


def lie_of(lines: list[str], lie: dict[str, Any]) -> list[str]:
    """What to say instead."""
    how = lie["how"]
    if how == "replace":
        return [lie["text"]]
    if how == "set":
        return [*lines[:-1], json.dumps(put(json.loads(lines[-1]), lie["path"], lie["value"]))]
    if how == "half":
        return [lines[-1][: len(lines[-1]) // 2]]
    if how == "flood-stdout":
        flood(sys.stdout)
    if how == "flood-stderr":
        flood(sys.stderr)
    if how == "one-line":
        sys.stdout.write('{"wire":1,"body":{"model":"')
        while True:
            sys.stdout.write("x" * 65536)
    if how == "drip":
        while True:
            sys.stdout.write("{")
            sys.stdout.flush()
            time.sleep(0.1)
    if how == "dies":
        os.kill(os.getpid(), 9)
    return lines


def answer(verb: str, words: list[str], told: dict[str, list[str]]) -> list[str]:
    """What the real one said."""
    job = words[0] if verb in ("attach", "result", "ack", "stop") else ""
    if verb == "start":
        job = json.loads(sys.stdin.read())["job_id"]
        folder = Path(words[words.index("--root") + 1], "jobs", job)
        folder.mkdir(parents=True, exist_ok=True)
        for path in (PLACE / "files").iterdir():
            shutil.copy(path, folder)
    if verb == "stock":
        hashes = [word for word in words if len(word) == 64]
        stock = [{"sha256": sha256, "complete": True, "partial_bytes": 0} for sha256 in hashes]
        return [json.dumps({"wire": 1, "body": {"stock": stock}, "failure": None})]
    return [line.replace("@JOB@", job) for line in told.get(verb, ['{"wire":1,"body":{},"failure":null}'])]


def main() -> None:
    """Programs given as text run as they are: they are how farm looks for a Python at all."""
    if sys.argv[1] == "-c":
        os.execv(sys.executable, [sys.executable, "-S", "-E", *sys.argv[1:]])  # noqa: S606
    verb, words = sys.argv[2], sys.argv[3:]
    lines = answer(verb, words, json.loads((PLACE / "told.json").read_text()))
    lie = json.loads((PLACE / "lie.json").read_text())
    for line in lie_of(lines, lie) if lie["verb"] == verb else lines:
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
