"""How long until a dead device is noticed, in each phase of a job, and whether a slow one is left alone.

Real sshd devices in network namespaces (root needed): python benchmarks/dead_device.py [--rounds 3] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from farm.devices.session import Session
from farm.errors import FarmError
from farm.transports.ssh import Ssh
from farm_agent import pack
from farm_profiles.load import load_profile
from tests.zoo import network, processes
from tests.zoo.device import Shape, ZooDevice
from tests.zoo.zoo import Zoo, missing

PHASES = ("idle", "attach", "ship", "fetch")
WAYS: dict[str, Callable[[ZooDevice], None]] = {
    "cable pulled (silent)": lambda device: device.cut(),
    "sshd frozen": lambda device: processes.stop_all(lambda: device.pids("sshd")),
    "device frozen": lambda device: device.freeze(),
    "power off (silent)": lambda device: device.power_off(),
    "sshd stopped (reset)": lambda device: device.stop_sshd(),
}
RATE = "16mbit"
BYTES = 64 * 1024 * 1024
WARM_S = 3.0
LIMIT_S = 60.0


class Phase:
    """A session in the middle of something; ``noticed_s``: when it said that the device does not answer."""

    def __init__(self, device: ZooDevice, name: str, folder: Path) -> None:
        profile = load_profile("x86-cpu")
        packed = pack.build(folder)
        self.session = Session(device.entry(), profile, packed, stop=threading.Event())
        self.session.tell = self._hear
        self.session.reach(patience_s=20.0)
        self.noticed_s = 0.0
        self.text = ""
        self._device = device
        self._name = name
        self._folder = folder

    def _hear(self, text: str) -> None:
        if not self.noticed_s:
            self.noticed_s, self.text = time.monotonic(), text

    def run(self) -> None:
        """Do it until the link ends."""
        big = self._folder / "big"
        home = f"/home/{self._device.user}/big"
        try:
            if self._name == "idle":
                link = self.session.call(lambda _, transport: transport)
                while isinstance(link, Ssh) and link.is_open():
                    time.sleep(0.05)
                self._hear("the connection was ended before anybody asked")
            elif self._name == "attach":
                self.session.call(lambda _, link: link.run(["sleep", "600"], timeout_s=660), patience_s=1.0)
            elif self._name == "ship":
                self.session.call(lambda _, link: link.put(big, home, timeout_s=600), patience_s=1.0)
            else:
                endless, nowhere = "/dev/zero", Path("/dev/null")
                self.session.call(
                    lambda _, link: link.get(endless, nowhere, timeout_s=600, limit_bytes=1 << 40),
                    patience_s=1.0,
                )
        except FarmError as error:
            self._hear(error.message)


def once(way: str, phase: str, folder: Path) -> float:
    """Seconds from the event to its notice."""
    with Zoo() as zoo:
        device = zoo.add("board")
        (folder / "big").write_bytes(bytes(BYTES))
        network.slow(device.link, RATE)
        busy = Phase(device, phase, folder)
        worker = threading.Thread(target=busy.run, daemon=True)
        worker.start()
        time.sleep(WARM_S)
        if busy.noticed_s:
            sys.exit(f"{phase}: it ended before anything happened: {busy.text}")
        dead_s = time.monotonic()
        WAYS[way](device)
        if "silent" in way or "frozen" in way:  # nothing can be noticed before it has happened
            dead_s = time.monotonic()
        while not busy.noticed_s and time.monotonic() < dead_s + LIMIT_S:
            time.sleep(0.01)
        return busy.noticed_s - dead_s if busy.noticed_s else float("inf")


def slow_lives(folder: Path) -> dict[str, bool]:
    """Links that are bad and alive; whether 1 MB arrived over each on the first connection."""
    lived = {}
    source = folder / "small"
    source.write_bytes(bytes(1_000_000))
    for name, rate, weather in (
        ("50 kB/s, 500 ms delay", "400kbit", {"delay_ms": 500.0}),
        ("50 kB/s", "400kbit", {}),
        ("250 kB/s, 200 ms delay", "2mbit", {"delay_ms": 200.0}),
        ("200 ms delay, 5 % loss", "", {"delay_ms": 200.0, "loss_pct": 5.0}),
    ):
        with Zoo() as zoo:
            device = zoo.add("far", Shape(weather=True))
            busy = Phase(device, "ship", folder)
            device.weather(**weather)
            if rate:
                network.slow(device.link, rate)
            _send(busy.session, source, f"/home/{device.user}/small")
            lived[name] = not busy.noticed_s
    return lived


def _send(session: Session, source: Path, target: str) -> None:
    session.call(lambda _, link: link.put(source, target, timeout_s=300))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="", help="only what happens with this in its name")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if why := missing():
        sys.exit(f"no zoo here: {why}")
    table: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        for way in (one for one in WAYS if options.only in one):
            for phase in PHASES:
                took = [once(way, phase, Path(name)) for _ in range(options.rounds)]
                table.setdefault(way, {})[phase] = took
                print(f"{way}, {phase}: {', '.join(f'{t:.1f} s' for t in took)}", file=sys.stderr)
        lived = {} if options.only else slow_lives(Path(name))
    if options.json:
        print(json.dumps({"noticed_s": table, "slow_links_lived": lived}, indent=1))
        return
    print("| what happens | " + " | ".join(PHASES) + " |")
    print("|---" * (len(PHASES) + 1) + "|")
    for way, found in table.items():
        cells = [f"{statistics.median(found[phase]):.1f}" for phase in PHASES]
        print(f"| {way} | " + " | ".join(cells) + " |")
    print()
    for link, alive in lived.items():
        print(f"{link}: {'not disturbed' if alive else 'KILLED WRONGLY'}")


if __name__ == "__main__":
    main()
