"""``python tests/zoo up 3 --inventory FILE``: real sshd devices until Ctrl-C or ``down --inventory FILE``."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from farm.devices import inventory
from tests.zoo import loopback
from tests.zoo.device import Shape, ZooDevice
from tests.zoo.zoo import Zoo, missing


def main() -> int:
    """Run one of the two commands."""
    parser = argparse.ArgumentParser(prog="zoo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start devices and stay until Ctrl-C")
    up.add_argument("count", type=int)
    up.add_argument("--python", default=sys.executable, help="the devices' interpreter; '' for none")
    up.add_argument("--home-mb", type=int, default=512)
    up.add_argument("--prefix", default="zoo")
    up.add_argument("--rootless", action="store_true", help="sshd on loopback ports for your own user only")
    up.add_argument("--no-sftp", action="store_true")
    up.add_argument("--noise", default="", help="what the devices' shell prints in every session")
    down = commands.add_parser("down", help="end the devices of an inventory")
    for command in (up, down):
        command.add_argument("--inventory", type=Path, required=True)
    options = parser.parse_args()
    return _up(options) if options.command == "up" else _down(options.inventory)


def _up(options: argparse.Namespace) -> int:
    if why := loopback.missing() if options.rootless else missing():
        print(f"no zoo here: {why}; without root: --rootless", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    shape = replace(
        Shape(),
        python=options.python,
        home_bytes=options.home_mb * 1024 * 1024,
        sftp=not options.no_sftp,
        noise=options.noise,
        tags=("zoo",),
    )
    pid_file = _pid_file(options.inventory)
    devices: Sequence[ZooDevice | loopback.LoopbackDevice] = ()
    with Zoo() as zoo, contextlib.ExitStack() as ending:
        try:
            started = time.monotonic()
            if options.rootless:
                names = [f"{options.prefix}-{number}" for number in range(1, options.count + 1)]
                closing = (contextlib.closing(loopback.LoopbackDevice(name)) for name in names)
                devices = [ending.enter_context(device) for device in closing]
            else:
                devices = zoo.add_all(options.count, shape, options.prefix)
            for device in devices:
                inventory.add(options.inventory, device.entry(), overwrite=True)
            pid_file.write_text(f"{os.getpid()}\n")
            for device in devices:
                print(f"{device.name}\t{device.entry().address}")
            took = time.monotonic() - started
            print(f"{len(devices)} devices up in {took:.1f} s, in {options.inventory}; Ctrl-C ends them")
            sys.stdout.flush()
            while True:
                signal.pause()
        except KeyboardInterrupt:
            return 0
        finally:
            for device in devices:
                with contextlib.suppress(Exception):
                    inventory.remove(options.inventory, device.name)
            pid_file.unlink(missing_ok=True)


def _down(path: Path) -> int:
    try:
        pid = int(_pid_file(path).read_text())
        os.kill(pid, signal.SIGTERM)
    except (FileNotFoundError, ProcessLookupError):
        print(f"no zoo is up for {path}", file=sys.stderr)
        return 1
    while _pid_file(path).exists() and Path(f"/proc/{pid}").exists():
        time.sleep(0.05)
    return 0


def _pid_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.zoo-pid")


if __name__ == "__main__":
    sys.exit(main())
