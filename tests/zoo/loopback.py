"""A device without root: an unprivileged sshd on a loopback port, for the user who starts it."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from farm.devices.device import Device
from tests.zoo import sshd


def missing() -> str:
    """Why no loopback device can run here; empty when it can."""
    absent = [name for name in (_sshd(), "ssh-keygen") if shutil.which(name) is None]
    return f"needs {', '.join(absent)} (apt-get install openssh-server)" if absent else ""


class LoopbackDevice:
    """Same keys and checks as a ZooDevice; no namespaces, so no cutting, no full disk and no other user."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix="farm-zoo-loopback-"))
        private, public = sshd.make_key()
        self.identity = self.folder / "id"
        self.identity.touch(mode=0o600)
        self.identity.write_text(private)
        host_private, host_public = sshd.make_key()
        (self.folder / "host_key").touch(mode=0o600)
        (self.folder / "host_key").write_text(host_private)
        self.host_key = " ".join(host_public.split()[:2])
        (self.folder / "keys").write_text(public + "\n")
        self._reserved = _reserved_port()
        self.port: int = self._reserved.getsockname()[1]
        settings = sshd.SETTINGS.replace("PermitRootLogin no", "PermitRootLogin prohibit-password")
        lines = [settings, f"ListenAddress 127.0.0.1:{self.port}", f"HostKey {self.folder}/host_key"]
        lines += [f"AuthorizedKeysFile {self.folder}/keys", "StrictModes no", "PasswordAuthentication no"]
        lines += ["Subsystem sftp internal-sftp"]
        (self.folder / "config").write_text("\n".join(lines) + "\n")
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # sshd of root separates privileges there
        self._process = subprocess.Popen(
            [_sshd(), "-D", "-E", str(self.folder / "log"), "-f", str(self.folder / "config")],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            sshd.wait_for_banner("127.0.0.1", self.port)
        except BaseException:
            self.close()
            raise

    def entry(self) -> Device:
        """What the inventory should say about it."""
        return Device(
            name=self.name,
            profile="x86-cpu",
            address=f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}",
            host_key=self.host_key,
            python=sys.executable,
            identity=str(self.identity),
            root=str(self.folder / "farm"),
        )

    def close(self) -> None:
        """End sshd and its sessions, and remove everything."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(60)
        self._reserved.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _sshd() -> str:
    """By absolute path: sshd starts itself anew for each connection."""
    return shutil.which("sshd") or "/usr/sbin/sshd"


def _reserved_port() -> socket.socket:
    """A socket on a port that nobody else is given while it is open, neither by a bind to port 0 nor for an
    outgoing connection; sshd, which names the port and sets SO_REUSEADDR as this does, may listen there."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held
