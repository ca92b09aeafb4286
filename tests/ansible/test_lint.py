"""The roles as people who live in Ansible judge them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from farm.enroll import playbook
from farm_converters.installer import find_uv
from tests.support import need

# Under the GPL, so in an environment of its own and never a dependency.
PACKAGES = ("ansible-lint==26.10.1", "ansible-core==2.19.14")


@pytest.mark.toolchain
def test_the_roles_pass_ansible_lint(tmp_path: Path) -> None:
    """With the strictest profile, production."""
    uv = find_uv() or ""
    need(uv, "no uv here")
    subprocess.run([uv, "venv", "-q", str(tmp_path / "lint")], check=True, timeout=120)
    install = [uv, "pip", "install", "-q", "--python", str(tmp_path / "lint/bin/python"), *PACKAGES]
    subprocess.run(install, check=True, timeout=300)
    # A copy: it leaves a folder of its own beside what it reads
    shutil.copytree(playbook.folder(), tmp_path / "ansible")

    done = subprocess.run(
        [str(tmp_path / "lint/bin/ansible-lint"), "--offline", "--profile", "production", "--nocolor", "."],
        cwd=tmp_path / "ansible", capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "PATH": f"{tmp_path}/lint/bin:{os.environ['PATH']}", "HOME": str(tmp_path)},
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed" in done.stdout + done.stderr
