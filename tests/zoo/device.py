"""A real device on one machine: namespaces, an overlay of the host's root, its own sshd, keys and user."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from farm.devices.device import Device
from tests.zoo import clock, dress, network, processes, roots, sshd, weather
from tests.zoo.shape import Shape

__all__ = ["Shape", "ZooDevice"]

BOOT = Path(__file__).with_name("boot.sh")
USER_ID = 4201

_ENTER = ("--mount", "--uts", "--ipc", "--net", "--pid", "--")
_BOOT_AGAIN = """
umount /proc/sys/kernel/random/boot_id 2>/dev/null
for folder in /run /tmp /dev/shm; do find $folder -xdev -mindepth 1 -delete 2>/dev/null; done
mkdir -p -m 755 /run/sshd && cat /proc/sys/kernel/random/uuid >/run/boot_id &&
mount --bind /run/boot_id /proc/sys/kernel/random/boot_id
"""
_UNSHARE = ("unshare", *_ENTER[:-1], "--fork", "--kill-child", "--propagation", "private", "--")


class ZooDevice:
    """One running device. ``close()`` ends all its processes; the kernel then drops its namespaces."""

    def __init__(self, name: str, shape: Shape, authorized_key: str, identity: Path) -> None:
        self.name = name
        self.shape = shape
        self.user = shape.user
        self.password = secrets.token_hex(8) if "password" in (shape.login, shape.sudo) else ""
        self._identity = identity
        self._folder = Path(tempfile.mkdtemp(prefix="farm-zoo-"))
        self._relay: weather.Relay | None = None
        self._init = subprocess.Popen(
            [*_UNSHARE, str(BOOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **self._settings()},
            start_new_session=True,  # Ctrl-C reaches the zoo, which then ends its devices in order
        )
        try:
            self.pid = self._booted()
            self.link = network.join(self.pid, self._connect)
            self.address = self.link.device
            self._dress("" if shape.login == "password" else authorized_key)
            self.host_key = sshd.new_host_keys(self._root, shape.key_types)
            self.start_sshd()
            for command in dress.read_only(shape.read_only):
                self.inside(command)
        except BaseException:
            self.close()
            raise

    def _connect(self, pid: int, interface: str) -> None:
        """The cable; one with a relay in it where only that can delay and lose frames here."""
        if self.shape.weather and weather.way() == "relay":
            self._relay = weather.Relay(pid, interface, self._folder)
        else:
            network.cable(pid, interface)

    def _settings(self) -> dict[str, str]:
        shape = self.shape
        return {
            "WORK": str(self._folder),
            "USER_NAME": shape.user,
            "USER_ID": str(USER_ID),
            "HOME_BYTES": str(shape.home_bytes),
            "DISK_BYTES": str(shape.disk_bytes),
            "HOST_NAME": self.name,
            "HIDE_PYTHON": "" if shape.python else "yes",
            "OWN_SYS": "yes" if any(path.startswith("/sys/") for path in shape.files) else "",
            "LOWER": str(roots.unpacked(shape.root)) if shape.root else "/",
        }

    def _dress(self, authorized_key: str) -> None:
        """All that the shape asks for, while everything can still be written."""
        shape = self.shape
        sshd.install(
            self._root,
            self.user,
            authorized_key,
            sftp=shape.sftp,
            noise=shape.noise,
            password=shape.login == "password",
        )
        if self.password:
            self.inside(["chpasswd", "-c", "SHA512"], stdin=f"{self.user}:{self.password}\n")
        if shape.clock:
            clock.install(self._root)
        dress.sudo(self._root, shape)
        for command in dress.files(self._root, shape.files):
            self.inside(command)

    @property
    def _root(self) -> Path:
        """The device's file system as this process sees it."""
        return Path(f"/proc/{self.pid}/root{self._folder}/root")

    @property
    def home(self) -> Path:
        """The user's home as this process sees it."""
        return self._root / "home" / self.user

    def entry(self) -> Device:
        """What the inventory should say about it."""
        return Device(
            name=self.name,
            profile=self.shape.profile,
            address=f"ssh://{self.user}@{self.address}",
            host_key=self.host_key,
            tags=self.shape.tags,
            python=self.shape.python,
            identity="" if self.shape.login == "password" else str(self._identity),
        )

    def weather(self, *, delay_ms: float = 0.0, jitter_ms: float = 0.0, loss_pct: float = 0.0) -> None:
        """What the link of a device with ``weather`` does to frames from now on, in each direction."""
        if not self.shape.weather:
            raise RuntimeError(f"{self.name} has no link with weather: Shape(weather=True)")
        if self._relay:
            self._relay.set(delay_ms, jitter_ms, loss_pct)
        else:
            weather.by_netem(self.pid, self.link, delay_ms, jitter_ms, loss_pct)

    def cut(self) -> None:
        """Drop every packet both ways, silently: a pulled cable."""
        network.cut(self.pid)

    def heal(self) -> None:
        """Plug the cable in again."""
        network.heal(self.pid)

    def reset(self) -> None:
        """End every connection loudly: both ends are told at once. New ones are welcome."""
        network.reset(self.pid)

    def stop_sshd(self) -> None:
        """Kill sshd with every session: the peer hears about it at once. Detached processes go on."""
        for pid in self.pids("sshd"):
            processes.kill(pid)
        processes.until(lambda: not self.pids("sshd"), "sshd to end")

    def start_sshd(self) -> None:
        """Answer again."""
        if self.shape.clock:
            self.set_clock(self.shape.clock)
        self.inside(["/usr/sbin/sshd", "-f", sshd.CONFIG])
        sshd.wait_for_banner(self.address, timeout_s=120.0 if self.shape.root else 20.0)

    def set_clock(self, when: str) -> None:
        """Let a device that has a ``clock`` believe that it is ``when`` ("2026-01-31 12:00:00", UTC; empty:
        the right time). Running processes notice at once."""
        clock.set_clock(self._root, when)

    def change_host_key(self) -> None:
        """A new host key of each type, as after a reinstallation."""
        self.stop_sshd()
        self.host_key = sshd.new_host_keys(self._root, self.shape.key_types)
        self.start_sshd()

    def fill_disk(self, leave_bytes: int = 0) -> None:
        """Take all space of the user's home but ``leave_bytes``."""
        state = os.statvfs(self.home)
        size = max(0, state.f_bavail * state.f_frsize - leave_bytes)
        if size:
            self.inside(["fallocate", "-l", str(size), f"/home/{self.user}/.filler"])

    def free_disk(self) -> None:
        """Give the space back."""
        (self.home / ".filler").unlink(missing_ok=True)

    def freeze(self) -> None:
        """Stop every process where it stands; the kernel goes on answering pings and acknowledging data."""
        processes.stop_all(self.pids)

    def thaw(self) -> None:
        """Let them go on."""
        for pid in self.pids():
            processes.send(pid, signal.SIGCONT)

    def power_off(self) -> None:
        """End every process without a word to anybody: the cable is cut first."""
        self.cut()
        for pid in self.pids():
            processes.kill(pid)
        processes.until(lambda: not self.pids(), "all processes to end")

    def power_on(self) -> None:
        """Come back with a new boot id, and with nothing in memory: files in the home and /etc stay."""
        self.inside(["sh", "-c", _BOOT_AGAIN])
        self.heal()
        self.start_sshd()

    def reboot(self) -> None:
        """Off and on again; what was connected is told when it next says something."""
        self.power_off()
        self.power_on()

    def pids(self, command: str = "") -> list[int]:
        """The device's processes (host numbers) without its init; ``command``: only those of that name."""
        return processes.in_namespace(self.pid, command)

    def inside(self, argv: Sequence[str], *, stdin: str = "", timeout_s: float = 60.0) -> str:
        """What a command prints that the device's root runs; RuntimeError when it fails."""
        done = subprocess.run(
            ["nsenter", f"--target={self.pid}", *_ENTER, "chroot", f"{self._folder}/root", *argv],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            umask=0o022,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(argv)}: {done.stderr.strip()}")
        return done.stdout

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Put a file anywhere on the device, as its root."""
        target = self._root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(mode)

    def close(self) -> None:
        """End the device; nothing of it stays."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._init.pid, signal.SIGKILL)  # unshare --kill-child takes the namespace's init along
        self._init.wait()
        for pipe in (self._init.stdin, self._init.stdout):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        if hasattr(self, "pid"):
            processes.until(lambda: not Path(f"/proc/{self.pid}/root").exists(), "the device's init to end")
        if self._relay:
            self._relay.close()
        with contextlib.suppress(OSError):
            self._folder.rmdir()  # empty: its tmpfs was mounted in the device's namespace alone

    def _host_paths(self) -> list[str]:
        """What its user must be able to reach: a stand-in for a Python calls the one that runs this."""
        if self.shape.root or not self.shape.python:
            return []
        return [*_interpreter_paths(self.shape.python), *_interpreter_paths(sys.executable)]

    def _booted(self) -> int:
        assert self._init.stdin
        assert self._init.stdout
        text = "".join(f"{path}\n" for path in self._host_paths())
        self._init.stdin.write(text.encode() + b"\n")
        self._init.stdin.flush()
        words = self._init.stdout.readline().split()
        if len(words) != 2 or words[0] != b"ready":
            raise RuntimeError(f"{self.name} did not start: see the lines above")
        return int(words[1])


def _interpreter_paths(python: str) -> list[str]:
    """The interpreter, each link on its way, and the installation behind a virtual environment."""
    paths: list[str] = []
    path = Path(python) if python else None
    while path is not None:
        paths.append(str(path))
        path = path.parent / path.readlink() if path.is_symlink() else None
    return [os.path.normpath(each) for each in paths]
