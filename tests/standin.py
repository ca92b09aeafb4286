# ruff: noqa: PTH100, PTH103, PTH105, PTH110, PTH118, PTH120
# Few imports: this is started a dozen times per job and device.
"""A device's part of a job, played from a record: what hundreds of devices would do, at next to no cost.

``fleet.py`` writes this file beside a record and gives it to farm as the "Python" of a device. What farm runs
with ``-c`` is run by a real Python; the agent's verbs are answered as the real agent answered them once, for
a job of a fixed length.
"""

from __future__ import annotations

import json
import os
import sys
import time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PYTHON = os.environ.get("STANDIN_PYTHON", "/usr/bin/python3")


def main(argv: list[str]) -> int:
    """Answer one verb, or hand over to a real Python."""
    if not argv or not argv[0].endswith(".pyz"):
        os.execv(PYTHON, [PYTHON, *argv])  # noqa: S606 - no shell
    with open(os.path.join(HERE, "record.json")) as file:
        record = json.load(file)
    verb, words = argv[1], argv[2:]
    answer = ANSWERS.get(verb)
    if answer is None:
        sys.stdout.write(record["replies"][verb].replace(record["job_id"], words[0]))
    else:
        answer(record, words[words.index("--root") + 1], words)
    return 0


def send(body: dict) -> None:  # type: ignore[type-arg]
    """One reply."""
    sys.stdout.write(json.dumps({"wire": 1, "body": body, "failure": None}) + "\n")


def hello(record: dict, root: str, words: list[str]) -> None:  # type: ignore[type-arg]
    """The recorded greeting, with this device's own fence and folder."""
    fence = 0
    if os.path.exists(root + "/fence.standin"):
        with open(root + "/fence.standin") as file:
            fence = int(file.read())
    os.makedirs(root + "/cas", exist_ok=True)
    send({**json.loads(record["replies"]["hello"])["body"], "root": root, "fence": fence, "running": []})


def stock(record: dict, root: str, words: list[str]) -> None:  # type: ignore[type-arg]
    """What arrived before."""
    shas = [word for word in words[: words.index("--root")] if len(word) == 64]
    send({"stock": [known(sha, complete=os.path.exists(f"{root}/cas/{sha}")) for sha in shas]})


def known(sha256: str, *, complete: bool) -> dict:  # type: ignore[type-arg]
    """One entry of the store."""
    return {"sha256": sha256, "complete": complete, "partial_bytes": 0}


def commit(record: dict, root: str, words: list[str]) -> None:  # type: ignore[type-arg]
    """Believe what arrived: its hash is the real agent's work."""
    sender = "." + words[words.index("--by") + 1] if "--by" in words else ""
    os.replace(f"{root}/cas/{words[0]}{sender}.part", f"{root}/cas/{words[0]}")
    send({"stock": known(words[0], complete=True)})


def start(record: dict, root: str, words: list[str]) -> None:  # type: ignore[type-arg]
    """Note the time; put the recorded samples where they are fetched from."""
    spec = json.load(sys.stdin)
    folder = f"{root}/jobs/{spec['job_id']}"
    os.makedirs(folder, exist_ok=True)
    for name in record["files"]:
        with open(f"{HERE}/files/{name}", "rb") as source, open(f"{folder}/{name}", "wb") as target:
            target.write(source.read())
    for path, text in ((root + "/fence.standin", spec["fence"]), (folder + "/standin", time.time())):
        with open(path, "w") as file:
            file.write(f"{text}")
    send({"state": state(spec["job_id"], "running", spec["fence"], 0)})


def state(job_id: str, word: str, fence: int, next_seq: int) -> dict:  # type: ignore[type-arg]
    """How a job stands."""
    return {"job_id": job_id, "state": word, "fence": fence, "next_seq": next_seq}


def begun(root: str, job_id: str) -> float:
    """When a job was started."""
    with open(f"{root}/jobs/{job_id}/standin") as file:
        return float(file.read())


def attach(record: dict, root: str, words: list[str]) -> None:  # type: ignore[type-arg]
    """Wait as long as the job takes, or as long as was asked for; then all events at once."""
    job_id, first = words[0], int(words[words.index("--from") + 1])
    wait_s, fence = float(words[words.index("--wait") + 1]), int(words[words.index("--fence") + 1])
    end, until = begun(root, job_id) + record["seconds"], time.time() + wait_s
    stopped = f"{root}/jobs/{job_id}/stopped"
    while time.time() < min(end, until) and not os.path.exists(stopped):
        time.sleep(max(0.0, min(0.5, min(end, until) - time.time())))
    over = time.time() >= end or os.path.exists(stopped)
    events = record["events"] if over else []
    for event in events[first:]:
        send({"event": event})
    send({"state": state(job_id, record["state"] if over else "running", fence, len(events))})


def stop(record: dict, root: str, words: list[str]) -> None:  # type: ignore[type-arg]
    """End the job now."""
    with open(f"{root}/jobs/{words[0]}/stopped", "w"):
        pass
    fence = int(words[words.index("--fence") + 1])
    send({"state": state(words[0], record["state"], fence, len(record["events"]))})


def result(record: dict, root: str, words: list[str]) -> None:  # type: ignore[type-arg]
    """The recorded result under this job's name, with this job's times."""
    body = json.loads(record["replies"]["result"])["body"]
    at = begun(root, words[0])
    body["result"].update(
        job_id=words[0], started_unix_s=at, ended_unix_s=min(time.time(), at + record["seconds"])
    )
    send(body)


ANSWERS = {
    "hello": hello,
    "stock": stock,
    "commit": commit,
    "start": start,
    "attach": attach,
    "stop": stop,
    "result": result,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
