"""A real device on one machine: namespaces, an overlay of the host's root, its own sshd, keys and user."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from farm.devices.device import Device
from tests.zoo import network, processes, sshd

BOOT = Path(__file__).with_name("boot.sh")
USER_ID = 4201

_ENTER = ("--mount", "--uts", "--ipc", "--net", "--pid", "--")
_UNSHARE = ("unshare", *_ENTER[:-1], "--fork", "--kill-child", "--propagation", "private", "--")


@dataclass(frozen=True)
class Shape:
    """What kind of device. ``python``: the interpreter it offers; empty hides every Python."""

    python: str = sys.executable
    home_bytes: int = 512 * 1024 * 1024
    key_types: tuple[str, ...] = ("ed25519",)
    sftp: bool = True
    noise: str = ""
    profile: str = "x86-cpu"
    tags: tuple[str, ...] = ()


class ZooDevice:
    """One running device. ``close()`` ends all its processes; the kernel then drops its namespaces."""

    def __init__(self, name: str, shape: Shape, authorized_key: str, identity: Path) -> None:
        self.name = name
        self.shape = shape
        self.user = "farmer"
        self._identity = identity
        self._folder = Path(tempfile.mkdtemp(prefix="farm-zoo-"))
        hide = "" if shape.python else "yes"
        self._init = subprocess.Popen(
            [
                *_UNSHARE,
                str(BOOT),
                str(self._folder),
                self.user,
                str(USER_ID),
                str(shape.home_bytes),
                name,
                hide,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches the zoo, which then ends its devices in order
        )
        try:
            self.pid = self._booted()
            self.link = network.join(self.pid)
            self.address = self.link.device
            sshd.install(self._root, self.user, authorized_key, sftp=shape.sftp, noise=shape.noise)
            self.change_host_key()
        except BaseException:
            self.close()
            raise

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
            identity=str(self._identity),
        )

    def cut(self) -> None:
        """Drop every packet both ways, silently: a pulled cable."""
        network.cut(self.pid)

    def heal(self) -> None:
        """Plug the cable in again."""
        network.heal(self.pid)

    def stop_sshd(self) -> None:
        """Kill sshd with every session: the peer hears about it at once. Detached processes go on."""
        for pid in self.pids("sshd"):
            processes.kill(pid)
        processes.until(lambda: not self.pids("sshd"), "sshd to end")

    def start_sshd(self) -> None:
        """Answer again."""
        self.inside(["/usr/sbin/sshd", "-f", sshd.CONFIG])
        sshd.wait_for_banner(self.address)

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

    def reboot(self) -> None:
        """End every process, change the boot id and come back; files in the home stay."""
        for pid in self.pids():
            processes.kill(pid)
        processes.until(lambda: not self.pids(), "all processes to end")
        script = "cat /proc/sys/kernel/random/uuid >/run/boot_id && "
        script += "mount --bind /run/boot_id /proc/sys/kernel/random/boot_id"
        self.inside(["sh", "-c", script])
        self.start_sshd()

    def pids(self, command: str = "") -> list[int]:
        """The device's processes (host numbers) without its init; ``command``: only those of that name."""
        return processes.in_namespace(self.pid, command)

    def inside(self, argv: Sequence[str]) -> None:
        """Run a command as the device's root."""
        done = subprocess.run(
            ["nsenter", f"--target={self.pid}", *_ENTER, "chroot", f"{self._folder}/root", *argv],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            umask=0o022,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(argv)}: {done.stderr.strip()}")

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
        with contextlib.suppress(OSError):
            self._folder.rmdir()  # empty: its tmpfs was mounted in the device's namespace alone

    def _booted(self) -> int:
        assert self._init.stdin
        assert self._init.stdout
        text = "".join(f"{path}\n" for path in _interpreter_paths(self.shape.python))
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
