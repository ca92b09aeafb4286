"""One fault: what happens to whom, at which step of a job, and at which moment of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

STEPS = ("lease", "ship", "preflight", "start", "attach", "fetch", "store", "acknowledge", "release")


@dataclass(frozen=True)
class Fault:
    """``where``: for the coordinator's side a call ("start", "add_result"), before or after it; for a process
    of the device "role event match", of which the ``nth`` is met. ``cold``: files must be shipped first;
    ``detail``: which file, which way, how many seconds."""

    step: str
    victim: str
    kind: str
    where: str
    moment: str = "before"
    nth: int = 1
    detail: str = ""
    cold: bool = False

    @property
    def name(self) -> str:
        """For tables and test ids."""
        parts = (self.step, self.victim, self.kind, self.moment, self.where.replace(" ", ":"), self.detail)
        return "/".join(part for part in parts if part) + (f"#{self.nth}" if self.nth > 1 else "")

    @property
    def collectable(self) -> bool:
        """`farm jobs collect` meets it, too: it neither ships, starts nor measures anything."""
        call = self.where.split(" ", maxsplit=1)[0]
        return call in COLLECTING and not self.cold

    @property
    def on_device(self) -> bool:
        """A process of the device meets it, not the driver."""
        return self.victim in ("agent", "runner")


# A call that the driver makes, by the step it belongs to. Calls over the link are those in LINK.
CALLS = {
    "lease": ("take",),
    "ship": ("stock", "put", "commit"),
    "preflight": ("hello",),
    "start": ("begin", "start", "started"),
    "attach": ("attach",),
    "fetch": ("result", "get"),
    "store": ("put_file", "add_result"),
    "acknowledge": ("ack", "forget"),
    "release": ("gc", "release"),
}
COLLECTING = (
    "take",
    "hello",
    "attach",
    "result",
    "get",
    "put_file",
    "add_result",
    "commit-sql",
    "ack",
    "forget",
    "release",
)
LINK = ("stock", "put", "commit", "hello", "start", "attach", "result", "get", "ack", "gc")

# What a verb of the agent or a process of a job announces before it happens.
VERBS = {
    "ship": ("stock begin", "commit begin", "commit os.rename /cas/"),
    "preflight": ("hello begin", "_check begin"),
    "start": (
        "start begin",
        "start os.mkdir /jobs/",
        "start os.link /artifact/",
        "start os.rename spec.json",
        "start os.rename /fence",
        "start subprocess.Popen _supervise",
        "start os.rename state.json",
    ),
    "attach": ("attach begin", "attach open events.jsonl"),
    "fetch": ("result begin", "result open result.json"),
    "acknowledge": ("ack begin", "ack os.rename acknowledged"),
    "release": ("gc begin", "gc os.remove /jobs/"),
}
RUNS = (
    "_supervise begin",
    "_supervise os.rename state.json",
    "_supervise os.rename partial.json",
    "_supervise subprocess.Popen _check",
    "_supervise subprocess.Popen _block",
    "_supervise os.rename result.json",
    "_supervise os.rename state.json#2",
    "_supervise open events.jsonl",
    "_block begin",
    "_block open samples",
    "_check begin",
)
TORN = ("state.json", "events.jsonl", "partial.json", "result.json", "spec.json", "fence")


def every() -> Iterator[Fault]:
    """The whole catalogue for a device on this machine, in a fixed order."""
    for step in STEPS:
        yield from _coordinator(step)
        yield from _link(step)
        yield from _agent(step)
    yield from _runner()
    yield from _device()
    yield from _store()


def _cold(step: str) -> bool:
    return step == "ship"


def _coordinator(step: str) -> Iterator[Fault]:
    for call in CALLS[step]:
        for kind in ("kill", "freeze", "stale"):
            for moment in ("before", "after"):
                yield Fault(step, "coordinator", kind, call, moment, cold=_cold(step))
        for kind in ("term", "interrupt", "duplicate"):
            yield Fault(step, "coordinator", kind, call, cold=_cold(step))
        yield Fault(step, "coordinator", "clock", call, detail="+86400", cold=_cold(step))
        yield Fault(step, "coordinator", "clock", call, detail="-86400", cold=_cold(step))


def _link(step: str) -> Iterator[Fault]:
    for call in CALLS[step]:
        if call in LINK:
            for moment in ("before", "after"):  # the question or the answer is lost
                yield Fault(step, "link", "cut", call, moment, cold=_cold(step))
                yield Fault(step, "link", "cut-thrice", call, moment, cold=_cold(step))
    if step == "ship":
        yield Fault(step, "link", "cut", "put", "middle", cold=True)
        yield Fault(step, "link", "corrupt", "commit", cold=True)
        yield Fault(step, "coordinator", "kill", "put", "middle", cold=True)
    if step == "fetch":
        yield Fault(step, "link", "garble", "get", "after")


def _agent(step: str) -> Iterator[Fault]:
    for where in VERBS.get(step, ()):
        for kind in ("kill", "term", "freeze"):
            yield Fault(step, "runner" if where[0] == "_" else "agent", kind, where, "at", cold=_cold(step))


def _runner() -> Iterator[Fault]:
    for where in RUNS:
        for kind in ("kill", "term", "freeze"):
            text, _, nth = where.partition("#")
            yield Fault("attach", "runner", kind, text, "at", int(nth or 1))
    for name in TORN:
        yield Fault("attach", "runner", "torn", "_supervise subprocess.Popen _block", "at", detail=name)
        yield Fault("attach", "runner", "torn", "_supervise os.rename state.json", "at", 2, detail=name)


def _device() -> Iterator[Fault]:
    for step, calls in CALLS.items():
        for call in calls:
            if call in LINK:
                for moment in ("before", "after"):
                    yield Fault(step, "device", "reboot", call, moment, cold=_cold(step))
                yield Fault(step, "device", "fill", call, cold=_cold(step))
                yield Fault(step, "device", "clock", call, detail="+86400", cold=_cold(step))
                yield Fault(step, "device", "clock", call, detail="-1700000000", cold=_cold(step))


def of_patience() -> Iterator[Fault]:
    """Links that stay away until the driver gives up; its device's health is then looked at: seconds each."""
    for step, calls in CALLS.items():
        for call in calls:
            if call in LINK:
                yield Fault(step, "link", "gone", call, cold=_cold(step))


def of_links() -> Iterator[Fault]:
    """For a device behind a real sshd: cables, servers and power, under each call that crosses the link."""
    for step, calls in CALLS.items():
        for call in calls:
            if call in LINK:
                for kind in ("pull", "reset", "restart", "stall", "power"):
                    yield Fault(step, "device" if kind == "power" else "link", kind, call, cold=_cold(step))
    for kind in ("pull", "reset", "power"):
        yield Fault("ship", "link", kind, "put", "middle", cold=True)


def of_postgres() -> Iterator[Fault]:
    """A server that drops everybody or is locked at any call to it; drivers that die beside it."""
    for step, call in STORED:
        for moment in ("before", "after"):
            yield Fault(step, "store", "terminate", call, moment)
            yield Fault(step, "coordinator", "kill", call, moment)
            yield Fault(step, "coordinator", "stale", call, moment)
        yield Fault(step, "store", "lock", call)
    yield Fault("store", "store", "kill", "commit-sql")
    yield Fault("store", "store", "terminate", "commit-sql")


STORED = (
    ("lease", "take"),
    ("start", "begin"),
    ("start", "started"),
    ("store", "add_result"),
    ("acknowledge", "forget"),
    ("release", "release"),
)


def _store() -> Iterator[Fault]:
    for step, call in (
        ("lease", "take"),
        ("start", "begin"),
        ("start", "started"),
        ("store", "put_file"),
        ("store", "add_result"),
        ("acknowledge", "forget"),
        ("release", "release"),
    ):
        yield Fault(step, "store", "fill", call)
        yield Fault(step, "store", "lock", call)
    yield Fault("store", "store", "kill", "commit-sql", "before")
