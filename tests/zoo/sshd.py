"""A device's sshd: its configuration, its keys, and waiting until it answers."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from pathlib import Path

CONFIG = "/etc/zoo/sshd_config"

SETTINGS = """
PidFile none
UsePAM no
UseDNS no
KbdInteractiveAuthentication no
PermitRootLogin no
PrintMotd no
LogLevel ERROR
MaxStartups 200:30:400
MaxSessions 100
"""


def install(
    root: Path,
    user: str,
    authorized_key: str,
    *,
    sftp: bool,
    noise: str,
    password: bool = False,
) -> None:
    """Write configuration and the user's key into a device's file system (below ``root``).

    Other users' keys count where they usually lie.
    """
    lines = [SETTINGS, f"PasswordAuthentication {'yes' if password else 'no'}"]
    lines += ["AuthorizedKeysFile /etc/zoo/keys/%u .ssh/authorized_keys", "HostKey /etc/zoo/host_ed25519"]
    if sftp:
        lines.append("Subsystem sftp internal-sftp")
    folder = root / "etc" / "zoo"
    (folder / "keys").mkdir(parents=True)
    (folder / "keys" / user).write_text(f"{authorized_key}\n" if authorized_key else "")
    readable = [(folder, 0o755), (folder / "keys", 0o755), (folder / "keys" / user, 0o644)]
    (folder / "sshd_config").write_text("\n".join(lines) + "\n")
    if noise:
        # bash reads ~/.bashrc when sshd starts it, also without a terminal.
        shell_start = root / "home" / user / ".bashrc"
        shell_start.write_text(f"echo '{noise}'\n")
        readable.append((shell_start, 0o644))
    for path, mode in readable:  # by the device's user, whatever our umask
        path.chmod(mode)


def new_host_keys(root: Path, types: tuple[str, ...]) -> str:
    """Make host keys and let the configuration name them; the first one's ``type base64``."""
    folder = root / "etc" / "zoo"
    for old in folder.glob("host_*"):
        old.unlink()
    made = {kind: make_key(kind) for kind in types}
    for kind, (private, public) in made.items():
        (folder / f"host_{kind}").write_text(private)
        (folder / f"host_{kind}").chmod(0o600)
        (folder / f"host_{kind}.pub").write_text(public)
    config = folder / "sshd_config"
    kept = [line for line in config.read_text().splitlines() if not line.startswith("HostKey ")]
    config.write_text("\n".join([*kept, *(f"HostKey /etc/zoo/host_{kind}" for kind in types)]) + "\n")
    return " ".join(made[types[0]][1].split()[:2])


def make_key(kind: str = "ed25519") -> tuple[str, str]:
    """A fresh (private, public) key pair as OpenSSH writes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "zoo", "-f", str(path)], check=True, timeout=60
        )
        return path.read_text(), path.with_suffix(".pub").read_text().strip()


def wait_for_banner(address: str, port: int = 22, timeout_s: float = 20.0) -> None:
    """Return when an SSH server greets there."""
    end = time.monotonic() + timeout_s
    while True:
        try:
            with socket.create_connection((address, port), 1.0) as link:
                link.settimeout(2.0)
                if link.recv(4) == b"SSH-":
                    return
        except OSError:
            pass
        if time.monotonic() > end:
            raise RuntimeError(f"no SSH server answers at {address} port {port}")
        time.sleep(0.02)
