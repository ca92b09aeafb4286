"""Read by every Python that a device of the fault suite starts: a ledger of what was measured, and one fault.

No part of the product knows of it. Python announces file operations and new processes to audit hooks before
they happen: that is where a process dies, at the same point every time.
"""

# Imported by every Python there before anything else is: no pathlib.
# ruff: noqa: PTH104, PTH109, PTH110, PTH118, PTH119, PTH120, PTH202, PTH208

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

WATCHED = ("os.rename", "open", "os.mkdir", "os.link", "subprocess.Popen", "os.remove")
SITE = os.environ.get("FARM_FAULTS_SITE", "")


def command() -> tuple[str, list[str]]:
    """(agent's verb, last word of the command line); empty for any other program."""
    with open("/proc/self/cmdline", "rb") as file:
        words = [word.decode("utf-8", "replace") for word in file.read().split(b"\0")[:-1]]
    for number, word in enumerate(words):
        if word.endswith((".pyz", "farm_agent/__main__.py")):
            return words[number + 1] if len(words) > number + 1 else "", words
    return "", words


class Probe:
    """``rules``: the faults that are armed for this process: event, match, nth, action."""

    def __init__(self, role: str, words: list[str]) -> None:
        self.role, self.words = role, words
        self.busy = False
        self.rules = list(self.read())
        self.seen = [0] * len(self.rules)

    def read(self) -> Iterator[dict[str, Any]]:
        """The rules that wait for this role."""
        for name in sorted(os.listdir(SITE)):
            if name.startswith("rule-") and name.endswith(".json"):
                try:
                    with open(os.path.join(SITE, name)) as file:
                        rule = json.load(file)
                except (OSError, ValueError):
                    continue
                if rule["role"] == self.role:
                    yield rule

    def tell(self, **what: object) -> None:
        """One line in the ledger."""
        handle = os.open(os.path.join(SITE, "ledger.jsonl"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.write(handle, (json.dumps({**what, "pid": os.getpid(), "role": self.role}) + "\n").encode())
        os.close(handle)

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Python is about to do something."""
        if self.busy or event not in WATCHED:
            return
        self.busy = True
        try:
            text = " ".join(str(each) for each in arguments[:2])
            if event == "os.rename" and str(arguments[1]).endswith("/result.json"):
                self.result(str(arguments[0]), str(arguments[1]))
            for number, rule in enumerate(self.rules):
                if rule["event"] == event and rule["match"] in text:
                    self.seen[number] += 1
                    if self.seen[number] == rule["nth"]:
                        self.fire(rule)
        finally:
            self.busy = False

    def result(self, source: str, target: str) -> None:
        """A result is about to get its name."""
        with open(source, "rb") as file:
            data = file.read()
        said = json.loads(data)
        samples = [block["samples"]["sha256"] for block in said["blocks"]]
        job = os.path.basename(os.path.dirname(target))
        sha256 = hashlib.sha256(data).hexdigest()
        self.tell(what="result", job=job, outcome=said["outcome"], sha256=sha256, samples=samples)

    def fire(self, rule: dict[str, Any]) -> None:
        """Once in the whole site: whoever takes the file away does it."""
        path = os.path.join(SITE, f"rule-{rule['number']}")
        try:
            os.rename(path + ".json", path + ".taken")
        except OSError:
            return
        with open(path + ".tmp", "w") as file:
            json.dump({"pid": os.getpid()}, file)
        os.rename(path + ".tmp", path + ".fired")
        for name in rule.get("tear", []):
            path = os.path.join(self.folder(), name)
            if os.path.exists(path):
                os.truncate(path, os.path.getsize(path) * 2 // 3)
                self.tell(what="torn", job=os.path.basename(self.folder()), of=name)
        os.kill(os.getpid(), getattr(signal, rule["action"]))
        if rule["action"] == "SIGSTOP":
            time.sleep(0.01)

    def folder(self) -> str:
        """The job's folder that this process works on."""
        for word in self.words:
            head, jobs, rest = word.partition("/jobs/")
            if jobs:
                return head + jobs + rest.split("/")[0]
        return os.getcwd()


def begin() -> None:
    """Nothing is changed in a process that is none of a site."""
    role, words = command()
    jump = os.path.join(SITE, "clock")
    if role and os.path.exists(jump):
        with open(jump) as file:
            shift_s = float(file.read())
        real = time.time
        time.time = lambda: real() + shift_s
    if not role:
        return
    probe = Probe(role, words)
    if role in ("_block", "_check", "_supervise"):
        probe.tell(what="process", job=os.path.basename(probe.folder()), of=os.path.basename(words[-1]))
    for rule in probe.rules:
        if rule["event"] == "begin":
            probe.fire(rule)
    sys.addaudithook(probe.hook)


if SITE:
    begin()
