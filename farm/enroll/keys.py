"""The coordinator's own key: what farm logs in with at the devices that it enrolled."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from farm.errors import UsageError

KEYGEN_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Key:
    """``path``: the private key's file; ``public``: ``TYPE BASE64``."""

    path: Path
    public: str


def own_key(folder: Path) -> Key:
    """The key in ``folder``, made on first use without a passphrase (nobody is there to type one).

    Raises UsageError enroll.key.
    """
    path = folder / "id_ed25519"
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made aside and linked in place: of two commands at once, the first one's counts.
        with tempfile.TemporaryDirectory(dir=folder) as aside:
            made = Path(aside) / "id_ed25519"
            _run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "farm", "-f", str(made)])
            try:
                path.hardlink_to(made)
            except FileExistsError:
                pass
            else:
                shutil.copyfile(made.with_suffix(".pub"), path.with_suffix(".pub"))
    return Key(path, public_of(path))


def public_of(path: Path) -> str:
    """The public part of a private key. Raises UsageError enroll.key (encrypted, unreadable, no key)."""
    said = _run(["ssh-keygen", "-y", "-P", "", "-f", str(path)])
    return " ".join(said.split()[:2])


def _run(argv: list[str]) -> str:
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=KEYGEN_TIMEOUT_S,
            check=False,
        )  # fmt: skip
    except OSError as error:
        raise UsageError(
            f"ssh-keygen cannot be run: {error.strerror}",
            code="enroll.no-ssh",
            fix="install OpenSSH's client: openssh-client",
        ) from error
    if done.returncode:
        raise UsageError(
            f"{argv[-1]} cannot be used: {done.stderr.strip()[-200:]}",
            code="enroll.key",
            fix="farm needs a key without a passphrase: move that file away and a new one is made",
        )
    return done.stdout
