"""The libraries of other architectures and C libraries, run: under qemu, and under musl."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from farm_agent import native_build
from tests.support import need

DRIVER = Path(__file__).with_name("native_driver.c")
# Architecture: zig's target, the program that runs it, and its loader's folder or the loader itself.
PLACES = {
    "x86_64": ("native", (), "/"),
    "x86_64-musl": ("x86_64-linux-musl", (), "/lib/ld-musl-x86_64.so.1"),
    "aarch64": ("aarch64-linux-gnu.2.28", ("qemu-aarch64-static", "-L"), "/usr/aarch64-linux-gnu"),
    "armv7": ("arm-linux-gnueabihf.2.28", ("qemu-arm-static", "-L"), "/usr/arm-linux-gnueabihf"),
}


@pytest.mark.parametrize("place", sorted(PLACES))
def test_the_loop_runs_where_it_is_meant_for(place: str, tmp_path: Path) -> None:
    """Three rows of two calls; then the seventh call fails with -5; all eight arguments arrive."""
    target, emulator, loader = PLACES[place]
    runs_here = Path(loader).exists() and all(map(shutil.which, emulator[:1]))
    packages = "qemu-user-static, libc6-arm64-cross, libc6-armhf-cross, musl"
    need(runs_here, f"this machine cannot run programs for {place} (packages: {packages})")
    try:
        binaries = native_build.binaries()
    except native_build.NotBuilt as reason:
        need(condition=False, reason=str(reason))
    arch = place.split("-", maxsplit=1)[0]
    (tmp_path / "loop.so").write_bytes(binaries[arch])
    program = str(tmp_path / "driver")
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-dynamic", "-O1"]
    subprocess.run([*compiler, "-o", program, str(DRIVER), "-ldl"], check=True, capture_output=True)
    argv = [*emulator, *([loader] if emulator else []), program, str(tmp_path / "loop.so")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    bits = 32 if arch == "armv7" else 64
    assert (done.stdout, done.returncode) == (f"{bits} 3 0 -5 87654321 1 1\n", 0), done.stderr
