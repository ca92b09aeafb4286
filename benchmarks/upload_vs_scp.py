"""How long does a large file take to a device: by farm's shipping, and by scp over the same link?

A real sshd in a network namespace (root needed), a new random file each round, both ways in turns, the order
drawn anew each round. farm's side asks what is there, sends, has the device hash what arrived and commits it,
over the connection that a run has open anyway; once more it connects, logs in and finds the agent first.
scp's side is the whole program, and once more with sha256sum on the device, which is what farm's side proves.
Then the same file again: what farm sends of it must be nothing.

    python benchmarks/upload_vs_scp.py [--rounds 10] [--mb 100] [--rate-mbit 0] [--json]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from farm.devices.session import Session
from farm.ship import Shipped, ship
from farm_agent import pack
from farm_agent.wire import Blob
from farm_profiles.load import load_profile
from tests.zoo import network
from tests.zoo.device import Shape, ZooDevice
from tests.zoo.zoo import Zoo, missing

AIM = 1.1
MIB = 1 << 20
WAYS = ("farm", "farm, connecting", "scp", "scp, sha256sum")


class Link:
    """A device, and the ways to bring a file there."""

    def __init__(self, device: ZooDevice, folder: Path) -> None:
        self.device = device
        self.folder = folder
        self.packed = pack.build(folder / "agents")
        self.open = self.session()
        self.open.hello()
        entry = device.entry()
        self._where = entry.address.removeprefix("ssh://")
        host, kind_and_key = self._where.rpartition("@")[2], entry.host_key
        (folder / "known").write_text(f"{host} {kind_and_key}\n")
        self._options = ["-q", "-i", entry.identity, "-o", f"UserKnownHostsFile={folder / 'known'}"]

    def session(self) -> Session:
        """A connection that is opened on use."""
        entry = self.device.entry()
        return Session(entry, load_profile(entry.profile), self.packed, stop=threading.Event())

    def file(self, size_bytes: int) -> tuple[Blob, Path]:
        """A file that no device has seen."""
        path = self.folder / "file.bin"
        path.write_bytes(os.urandom(MIB) * (size_bytes // MIB))
        with path.open("r+b") as file:
            file.write(os.urandom(64))
        return Blob(hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size, path.name), path

    def by_farm(self, blob: Blob, path: Path, session: Session) -> Shipped:
        """What a job's shipping does."""
        return session.call(
            lambda client, transport: ship(client, transport, [(blob, path)], timeout_s=600.0)
        )

    def by_scp(self, path: Path) -> None:
        """The whole program."""
        subprocess.run(["scp", *self._options, str(path), f"{self._where}:by-scp"], check=True)

    def proved(self, blob: Blob) -> None:
        """By a program on the device, over another connection, as a person would."""
        words = ["ssh", *self._options, self._where, "sha256sum by-scp"]
        said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        if said.split()[0] != blob.sha256:
            raise SystemExit("scp brought another file")

    def forget(self) -> None:
        """Make room on the device."""
        for path in [self.device.home / "by-scp", *self.device.home.glob(".farm/cas/*")]:
            path.unlink(missing_ok=True)


def main() -> int:
    """Entry point; 1 where farm takes more than the aim, or sends what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--mb", type=int, default=100, help="size of the file in MiB (default: 100)")
    parser.add_argument("--rate-mbit", type=float, default=0.0, help="of the link; 0: as fast as it goes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if why := missing():
        print(f"no device here: {why}", file=sys.stderr)
        return 2
    size_bytes = options.mb * MIB
    with tempfile.TemporaryDirectory(prefix="farm-upload-") as name, Zoo() as zoo:
        device = zoo.add("board", Shape(home_bytes=3 * size_bytes + 256 * MIB))
        if options.rate_mbit:
            network.slow(device.link, f"{options.rate_mbit:g}mbit")
        link = Link(device, Path(name))
        taken, again = measure(link, options.rounds, size_bytes)
        link.open.close()
    return tell(taken, again, options)


def measure(link: Link, rounds: int, size_bytes: int) -> tuple[dict[str, list[float]], Shipped]:
    """Seconds of every way, round by round; and what an unchanged file cost."""
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    again = Shipped()
    for number in range(rounds + 1):  # the first one warms up
        order = random.sample(WAYS, len(WAYS))
        for way in order:
            link.forget()
            blob, path = link.file(size_bytes)
            seconds = timed(way, link, blob, path)
            if number:
                taken[way].append(seconds)
            if way == "farm":
                again = link.by_farm(blob, path, link.open)
        print(f"round {number} of {rounds}", file=sys.stderr)
    return taken, again


def timed(way: str, link: Link, blob: Blob, path: Path) -> float:
    """Seconds that one way takes."""
    fresh = link.session()

    def twice() -> None:
        link.by_scp(path)
        link.proved(blob)

    ways: dict[str, Callable[[], object]] = {
        "farm": lambda: link.by_farm(blob, path, link.open),
        "farm, connecting": lambda: link.by_farm(blob, path, fresh),
        "scp": lambda: link.by_scp(path),
        "scp, sha256sum": twice,
    }
    began = time.monotonic()
    ways[way]()
    seconds = time.monotonic() - began
    fresh.close()
    return seconds


def tell(taken: dict[str, list[float]], again: Shipped, options: argparse.Namespace) -> int:
    """Print the table; the exit status."""
    base = taken["scp"]
    rows = []
    for way in WAYS:
        ratios = [mine / other for mine, other in zip(taken[way], base, strict=True)]
        median_s = statistics.median(taken[way])
        rows.append(
            {
                "way": way,
                "median_s": median_s,
                "low_s": min(taken[way]),
                "high_s": max(taken[way]),
                "mb_per_s": options.mb * MIB / 1e6 / median_s,
                "against_scp": statistics.median(ratios),
            }
        )
    if options.json:
        print(json.dumps({"ways": rows, "unchanged": vars(again)}, indent=2))
    else:
        print("| way | median | lowest | highest | MB/s | against scp, paired |")
        print("|---|---:|---:|---:|---:|---:|")
        for row in rows:
            print(
                "| {way} | {median_s:.2f} s | {low_s:.2f} s | {high_s:.2f} s | {mb_per_s:.0f} "
                "| {against_scp:.2f} |".format(**row)
            )
        print(f"\nThe same file again: {again.sent_bytes} bytes in {again.sent_files} files sent")
    return 0 if rows[0]["against_scp"] <= AIM and again.sent_bytes == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
