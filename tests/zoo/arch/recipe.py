"""Debian roots of other processors, unpacked and made usable without running a single maintainer script.

Unpacking alone takes half a minute where emulated scripts take five; the little that they would have done is
done here natively. Made once per recipe, kept in the user's cache as a tar archive. Standard library only.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SUITE = "bookworm"
MIRROR = f"deb http://deb.debian.org/debian {SUITE} main"
# What every Debian has, and what an enrolled device needs.
# fmt: off
PACKAGES = (
    "base-files", "base-passwd", "bash", "ca-certificates", "coreutils", "dash", "debianutils",
    "diffutils", "findutils", "grep", "gzip", "hostname", "init-system-helpers", "libc-bin", "libgomp1",
    "libstdc++6", "login", "mawk", "mount", "ncurses-bin", "openssh-server", "openssh-sftp-server",
    "passwd", "perl-base", "procps", "python3", "python3-venv", "sed", "sudo", "sysvinit-utils", "tar",
    "util-linux",
)
# fmt: on
EXTRA = {"arm64": [], "armhf": ["python3-numpy"]}  # NumPy has no wheels for 32-bit Arm
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
FORMAT = "5"  # of what ``finish`` does
TIMEOUT_S = 1200.0
MACHINES = {"arm64": "aarch64", "armhf": "arm"}
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "farm-zoo"
"""Decided on import: tests point the variable elsewhere."""


def missing(arch: str) -> str:
    """Why no root of that processor can be made or run here; empty when it can."""
    if os.getuid() != 0:
        return "needs root"
    if shutil.which("mmdebstrap") is None:
        return "needs mmdebstrap (apt-get install mmdebstrap)"
    if platform.machine() == MACHINES[arch]:
        return ""
    entry = Path(f"/proc/sys/fs/binfmt_misc/qemu-{MACHINES[arch]}")
    if not entry.exists() or "flags: " not in entry.read_text() or "F" not in _flags(entry):
        return f"this kernel does not run {arch} programs (apt-get install qemu-user-static binfmt-support)"
    return ""


def root(arch: str) -> Path:
    """The archive of that root; made by the first who asks, while the others wait."""
    words = [SUITE, MIRROR, FORMAT, _NOTE_INSTALLED, *PACKAGES, *EXTRA[arch], *LEFT_OUT]
    name = f"{SUITE}-{arch}-{hashlib.sha256(' '.join(words).encode()).hexdigest()[:16]}.tar"
    CACHE.mkdir(parents=True, exist_ok=True)
    target = CACHE / name
    with (CACHE / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            with tempfile.TemporaryDirectory(prefix=f".{arch}-", dir=CACHE) as scratch:
                tree, part = Path(scratch) / "root", Path(scratch) / "part.tar"
                _unpack(arch, tree)
                finish(tree)
                _run(
                    ["tar", "--create", "--numeric-owner", "--file", str(part), "--directory", str(tree), "."]
                )
                part.rename(target)
    return target


def finish(tree: Path) -> None:
    """What the maintainer scripts of these packages do that a device needs."""
    for name in ("passwd", "group"):
        shutil.copyfile(tree / f"usr/share/base-passwd/{name}.master", tree / "etc" / name)
    with (tree / "etc/passwd").open("a") as file:
        file.write("sshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n")
    users = [line.split(":")[0] for line in (tree / "etc/passwd").read_text().splitlines()]
    groups = [line.split(":")[0] for line in (tree / "etc/group").read_text().splitlines()]
    (tree / "etc/shadow").write_text("".join(f"{user}:*:19000:0:99999:7:::\n" for user in users))
    (tree / "etc/gshadow").write_text("".join(f"{group}:*::\n" for group in groups))
    (tree / "etc/shadow").chmod(0o640)
    (tree / "etc/gshadow").chmod(0o640)
    for name in ("os-release", "profile"):
        source = tree / "usr/lib" / name if name == "os-release" else tree / f"usr/share/base-files/{name}"
        if source.exists() and not (tree / "etc" / name).exists():
            shutil.copyfile(source, tree / "etc" / name)
    for name in ("usr/local/bin", "usr/local/sbin", "opt", "srv", "mnt", "var/tmp"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    for name in ("awk", "nawk"):
        (tree / "usr/bin" / name).unlink(missing_ok=True)
        (tree / "usr/bin" / name).symlink_to("mawk")
    # NumPy's, each in a folder of its own; which one counts is an alternative that a script would set.
    for library in tree.glob("usr/lib/arm-linux-gnueabihf/*/lib*.so.3"):
        (library.parents[1] / library.name).symlink_to(f"{library.parent.name}/{library.name}")
    (tree / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n")
    # The library cache by the host's own ldconfig: it reads libraries of any processor.
    _run(["ldconfig", "-r", str(tree)])


def _unpack(arch: str, tree: Path) -> None:
    merged = "/usr/share/mmdebstrap/hooks/merged-usr"
    argv = ["mmdebstrap", "--variant=extract", f"--arch={arch}", "--quiet", "--format=directory"]
    argv += [f"--hook-dir={merged}", f"--include={','.join([*PACKAGES, *EXTRA[arch]])}"]
    argv += [f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT]
    # The packages are there, and dpkg must know it: apt would fetch them anew.
    argv += ["--extract-hook=" + _NOTE_INSTALLED]
    _run([*argv, SUITE, str(tree), MIRROR])


_NOTE_INSTALLED = """
for deb in "$1"/var/cache/apt/archives/*.deb; do
  dpkg-deb --field "$deb" | sed '/^Package:/a Status: install ok installed'
  echo
done >>"$1/var/lib/dpkg/status"
"""


def _run(argv: list[str]) -> None:
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{argv[0]} ended with {done.returncode}: {done.stderr[-1500:]}")


def _flags(entry: Path) -> str:
    lines = [line for line in entry.read_text().splitlines() if line.startswith("flags: ")]
    return lines[0].removeprefix("flags: ") if lines else ""


def main() -> int:
    """Make the roots whose names are given (default: all) and print where they are."""
    for arch in sys.argv[1:] or list(EXTRA):
        if why := missing(arch):
            print(f"{arch}: {why}", file=sys.stderr)
            return 2
        print(root(arch))
    return 0
