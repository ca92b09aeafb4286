"""Write farm/phone/debian.toml and wheels.txt anew: the newest of Debian's suite and of the registry.

Run it when either has published something that phones should have, then the tests marked ``arch``.
"""

from __future__ import annotations

import lzma
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent / "farm" / "phone"
MIRROR = "https://deb.debian.org/debian"
SUITE = "bookworm"
SNAPSHOT = "20261101T000000Z"
DEBIAN = {"aarch64": "arm64", "x86_64": "amd64"}
PACKAGES = (
    "libc6", "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libexpat1", "zlib1g",
    "libbz2-1.0", "libffi8", "liblzma5", "libstdc++6", "libgcc-s1", "libuuid1", "libgomp1",
)  # fmt: skip
WHEELS = ("ai-edge-litert", "numpy", "onnxruntime")
TAGS = r"cp311-cp311-manylinux[^\"#]*_(?:aarch64|x86_64)\.whl"


def main() -> int:
    """Both lists."""
    lines = [
        "# Debian's packages of the phone's Python, exactly these files.",
        "# Written by scripts/phone_pins.py; a change of anything here makes another bundle.",
        "",
        f'suite = "{SUITE}"',
        "# Where Debian keeps every file it ever published, should a mirror have dropped one of these.",
        f'snapshot = "{SNAPSHOT}"',
    ]
    for arch, name in DEBIAN.items():
        index = _index(name)
        for package in PACKAGES:
            found = index[package]
            lines += ["", f"[[{arch}]]", f'package = "{package}"', f'version = "{found["Version"]}"']
            lines += [f"size_bytes = {found['Size']}", f'sha256 = "{found["SHA256"]}"']
            lines += [f'path = "{found["Filename"]}"']
    (HERE / "debian.toml").write_text("\n".join(lines) + "\n")
    lines = ["# The runtimes of a phone's Python 3.11, exactly these files: glibc 2.28, aarch64 and x86_64."]
    lines += ["# Written by scripts/phone_pins.py."]
    for wheel in WHEELS:
        version, hashes = _wheel(wheel)
        lines += [f"{wheel}=={version} \\", " \\\n".join(f"    --hash=sha256:{each}" for each in hashes)]
    (HERE / "wheels.txt").write_text("\n".join(lines) + "\n")
    return 0


def _index(arch: str) -> dict[str, dict[str, str]]:
    found = {}
    for stanza in (
        lzma.decompress(_read(f"{MIRROR}/dists/{SUITE}/main/binary-{arch}/Packages.xz"))
        .decode()
        .split("\n\n")
    ):
        fields = dict(
            line.split(": ", 1) for line in stanza.splitlines() if re.match(r"[A-Za-z0-9-]+: ", line)
        )
        if fields:
            found[fields["Package"]] = fields
    return found


def _wheel(name: str) -> tuple[str, list[str]]:
    """The version that uv picks, and the hashes of its two files."""
    argv = [
        "uv",
        "pip",
        "compile",
        "-q",
        "--no-header",
        "--no-annotate",
        "--no-deps",
        "-",
        "--python-version",
        "3.11",
    ]
    done = subprocess.run(argv, input=name, capture_output=True, text=True, check=True)
    version = done.stdout.strip().partition("==")[2]
    page = _read(f"https://pypi.org/simple/{name}/").decode()
    mark = re.escape(f"{name.replace('-', '_')}-{version}-")
    return version, sorted(set(re.findall(rf"/{mark}{TAGS}#sha256=([0-9a-f]{{64}})", page)))


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - constants above
        data: bytes = answer.read()
    return data


if __name__ == "__main__":
    sys.exit(main())
