"""``python -m tests.zoo --count 3``: real sshd devices, and an inventory for them, until Ctrl-C.

With --inventory FILE they are in that file meanwhile, and ``--down --inventory FILE`` ends them.
"""

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

from tests.zoo import boards, entries, loopback, weather
from tests.zoo.device import Shape, ZooDevice
from tests.zoo.zoo import Zoo, missing

BOARDS = {"pi4": boards.PI4, "pi5": boards.PI5, "jetson": boards.JETSON_ORIN_NANO}


def main() -> int:
    """Start or end devices."""
    parser = argparse.ArgumentParser(prog="python -m tests.zoo", description=__doc__)
    parser.add_argument("--count", type=_count, default=1, help="how many devices (default: 1)")
    parser.add_argument("--inventory", type=Path, help="also add them to this file while they are up")
    parser.add_argument("--down", action="store_true", help="end the devices of --inventory")
    parser.add_argument("--prefix", default="zoo", help="their names begin so")
    parser.add_argument("--python", default=sys.executable, help="their interpreter; '' for none")
    parser.add_argument("--home-mb", type=int, default=512, help="room in each home")
    parser.add_argument("--disk-mb", type=int, default=256, help="room for changes elsewhere")
    parser.add_argument("--user", default="farmer", help="who may log in")
    parser.add_argument("--login", choices=("key", "password"), default="key")
    parser.add_argument("--sudo", choices=("none", "nopasswd", "password", "refused"), default="none")
    parser.add_argument("--root", type=Path, help="folder or tar archive of another system's root")
    parser.add_argument("--board", choices=sorted(BOARDS), help="whose files their agents read")
    parser.add_argument("--clock", default="", help="what their clocks say first: '1970-01-01 00:00:10'")
    parser.add_argument("--noise", default="", help="what their shell prints in every session")
    parser.add_argument("--no-sftp", action="store_true")
    parser.add_argument("--rootless", action="store_true", help="sshd on loopback ports for your own user")
    for what, unit in (("delay", "ms"), ("jitter", "ms"), ("loss", "pct")):
        parser.add_argument(f"--{what}-{unit}", type=float, default=0.0, help="of their links, each way")
    options = parser.parse_args()
    if options.down and options.inventory is None:
        parser.error("--down needs --inventory FILE")
    return _down(options.inventory) if options.down else _up(options)


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1000:
        raise argparse.ArgumentTypeError("from 1 to 1000")
    return number


def _shape(options: argparse.Namespace) -> Shape:
    return replace(
        Shape(),
        python=options.python,
        home_bytes=options.home_mb * 1024 * 1024,
        disk_bytes=options.disk_mb * 1024 * 1024,
        user=options.user,
        login=options.login,
        sudo=options.sudo,
        root=options.root,
        files=BOARDS.get(options.board, {}),
        clock=options.clock,
        sftp=not options.no_sftp,
        noise=options.noise,
        tags=("zoo",),
        weather=bool(options.delay_ms or options.jitter_ms or options.loss_pct),
    )


def _up(options: argparse.Namespace) -> int:
    if why := loopback.missing() if options.rootless else missing():
        print(f"no zoo here: {why}; without root: --rootless", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    devices: Sequence[ZooDevice | loopback.LoopbackDevice] = ()
    with Zoo() as zoo, contextlib.ExitStack() as ending:
        try:
            started = time.monotonic()
            if options.rootless:
                names = [f"{options.prefix}-{number}" for number in range(1, options.count + 1)]
                closing = (contextlib.closing(loopback.LoopbackDevice(name)) for name in names)
                devices = [ending.enter_context(device) for device in closing]
            else:
                devices = _shaped(zoo, options)
            took = time.monotonic() - started
            if options.inventory:
                entries.write(options.inventory, [device.entry() for device in devices])
                _pid_file(options.inventory).write_text(f"{os.getpid()}\n")
            _tell(devices, options, took)
            while True:
                signal.pause()
        except KeyboardInterrupt:
            return 0
        finally:
            if options.inventory:
                entries.forget(options.inventory, [device.entry() for device in devices])
                _pid_file(options.inventory).unlink(missing_ok=True)


def _shaped(zoo: Zoo, options: argparse.Namespace) -> Sequence[ZooDevice]:
    shape = _shape(options)
    devices = zoo.add_all(options.count, shape, options.prefix)
    if shape.weather:
        for device in devices:
            device.weather(delay_ms=options.delay_ms, jitter_ms=options.jitter_ms, loss_pct=options.loss_pct)
    return devices


def _tell(
    devices: Sequence[ZooDevice | loopback.LoopbackDevice],
    options: argparse.Namespace,
    took_s: float,
) -> None:
    """An inventory on stdout; what a person wants to know besides as comments in it."""
    print(entries.text([device.entry() for device in devices]))
    for device in devices:
        if isinstance(device, ZooDevice) and device.password:
            print(f"# {device.name}: password {device.password}")
    by = f", weather by {weather.way()}" if _shape(options).weather else ""
    where = f", in {options.inventory}" if options.inventory else ""
    print(f"# {len(devices)} devices up in {took_s:.1f} s{by}{where}; Ctrl-C ends them")
    sys.stdout.flush()


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
