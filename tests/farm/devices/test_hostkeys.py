"""Host keys: their text, their fingerprint as OpenSSH prints it, and what is refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from farm.devices import hostkeys
from farm.errors import UsageError
from tests.support import need
from tests.zoo import sshd


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_the_fingerprint_is_what_openssh_prints(kind: str, tmp_path: Path) -> None:
    need(shutil.which("ssh-keygen"), "ssh-keygen is not installed")
    _, public = sshd.make_key(kind)
    (tmp_path / "key.pub").write_text(public + "\n")
    done = subprocess.run(
        ["ssh-keygen", "-lf", str(tmp_path / "key.pub")], capture_output=True, text=True, check=True
    )
    key = hostkeys.parse(public)
    assert key.fingerprint() == done.stdout.split()[1]
    assert key.text() == " ".join(public.split()[:2])
    assert hostkeys.parse(key.text()) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 ",
        "ssh-ed25519 ***",
        "ssh-ed25519 AAAA",
        "ssh-dss AAAAB3NzaC1kc3MAAAAA",
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIH4EIPHovSg0wjsqGJPGBwLJm7yWfCZJFubbnKzWXb4E",
        "SHA256:abc",
    ],
)
def test_what_is_no_host_key_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        hostkeys.parse(text)
    assert caught.value.code == "device.host-key-format"
