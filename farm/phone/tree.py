"""The bundle's files: Debian's Python and libraries, the runtimes' wheels, and nothing that nobody runs."""

from __future__ import annotations

import fnmatch
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from farm.errors import InfrastructureError, UsageError
from farm.phone import debs, pins, wrapper

PACKAGES = "lib/python3/dist-packages"  # where Debian's Python looks, also under -I
INSTALL_TIMEOUT_S = 900.0

# Never imported by the agent or a runtime, or for hardware that a glibc program on a phone cannot reach.
LEFT_OUT = (
    "lib/python3.11/test/*", "lib/python3.11/*/test/*", "lib/python3.11/idlelib/*",
    "lib/python3.11/tkinter/*", "lib/python3.11/lib2to3/*", "lib/python3.11/ensurepip/*",
    "lib/python3.11/pydoc_data/*", "lib/python3.11/turtle*", "lib/python3.11/config-*",
    "lib/python3.11/distutils/*", "lib/python3.11/sqlite3/*", "lib/python3.11/curses/*",
    "lib/python3.11/lib-dynload/_sqlite3.*", "lib/python3.11/lib-dynload/_ssl.*",
    "lib/python3.11/lib-dynload/_hashlib.*", "lib/python3.11/lib-dynload/_curses*",
    "lib/python3.11/lib-dynload/_dbm.*", "lib/python3.11/lib-dynload/_gdbm.*",
    "lib/python3.11/lib-dynload/_crypt.*", "lib/python3.11/lib-dynload/nis.*",
    "lib/python3.11/lib-dynload/readline.*", "lib/python3.11/lib-dynload/_test*",
    f"{PACKAGES}/bin/*", f"{PACKAGES}/*.pyi", f"{PACKAGES}/*.h", f"{PACKAGES}/*.hpp", f"{PACKAGES}/*.a",
    f"{PACKAGES}/numpy/*/tests/*", f"{PACKAGES}/numpy/tests/*", f"{PACKAGES}/numpy/f2py/*",
    f"{PACKAGES}/onnxruntime/transformers/*", f"{PACKAGES}/onnxruntime/quantization/*",
    f"{PACKAGES}/onnxruntime/tools/*", f"{PACKAGES}/onnxruntime/datasets/*",
    f"{PACKAGES}/ai_edge_litert/aot/*", f"{PACKAGES}/ai_edge_litert/libLiteRtWebGpuAccelerator.so",
    f"{PACKAGES}/ai_edge_litert/vendors/*",
)  # fmt: skip
_LIBRARY_FOLDERS = ("lib/{triplet}/", "usr/lib/{triplet}/")


def lay(arch: str, packages: Iterable[Path], wheels: Path, target: Path) -> None:
    """Fill ``target``. ``wheels``: a folder that holds them unpacked.

    Raises InfrastructureError phone.bad-package.
    """
    triplet = pins.TRIPLETS[arch]
    folders = tuple(folder.format(triplet=triplet) for folder in _LIBRARY_FOLDERS)
    libraries: dict[str, bytes] = {}
    names: dict[str, str] = {}
    for deb in packages:
        for member, data in debs.contents(deb):
            path = member.name.removeprefix("./")
            if path == "usr/bin/python3.11":
                _write(target, f"bin/python{pins.PYTHON}", data, 0o755)
            elif path.startswith("usr/lib/python3.11/") and member.isreg():
                _write(target, path.removeprefix("usr/"), data, 0o644)
            elif path.startswith(folders) and path.count("/") == path.startswith("usr/") + 2:
                name = PurePosixPath(path).name
                if member.issym():
                    names[name] = PurePosixPath(member.linkname).name
                elif member.isreg() and ".so" in name:
                    libraries[name] = data
    _libraries(target, libraries, names)
    _wheels(target, wheels)
    _write(target, wrapper.PATH, wrapper.script(arch), 0o755)


def unpack_wheels(arch: str, listed: str, target: Path, *, offline: bool) -> None:
    """Install the locked list for a phone of ``arch`` into ``target``, from the registry or uv's cache.

    Raises InfrastructureError phone.fetch-failed; UsageError phone.offline.
    """
    from farm_converters.installer import find_uv

    program = find_uv()
    if program is None:
        raise InfrastructureError(
            "the program uv is not there", code="phone.fetch-failed", fix="pip install uv"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    requirements = target.parent / f"{target.name}.txt"
    requirements.write_text(listed, encoding="utf-8")
    argv = [program, "pip", "install", "--quiet", "--target", str(target), "--no-deps", "--require-hashes"]
    argv += ["--only-binary=:all:", "--python-version", pins.PYTHON, "--link-mode", "copy"]
    argv += ["--python-platform", pins.WHEEL_PLATFORMS[arch], *(["--offline"] if offline else [])]
    only = os.environ.get("FARM_WHEELS", "")
    argv += ["--no-index", "--find-links", only] if only else []
    done = subprocess.run(
        [*argv, "-r", str(requirements)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=INSTALL_TIMEOUT_S,
        env={"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1", "NO_COLOR": "1", **os.environ},
        check=False,
    )
    if done.returncode == 0:
        return
    said = "\n".join(done.stderr.strip().splitlines()[-6:])
    message = f"the runtimes' wheels for {arch} cannot be had: uv said:\n{said}"
    if offline:
        raise UsageError(message, code="phone.offline", fix="run it once without --offline")
    raise InfrastructureError(
        message,
        code="phone.fetch-failed",
        fix="check the connection to the package registry and run again, or name a folder of wheels: "
        "FARM_WHEELS=FOLDER",
    )


def _libraries(target: Path, libraries: Mapping[str, bytes], names: Mapping[str, str]) -> None:
    """Each library once, under the name that programs ask for: the shortest of a chain of links."""
    for name, data in libraries.items():
        asked = [link for link, to in names.items() if to == name and ".so." in link]
        for each in asked or [name]:
            executable = each.startswith("ld-linux")
            _write(target, f"{wrapper.LIBRARIES}/{each}", data, 0o755 if executable else 0o644)


def _wheels(target: Path, wheels: Path) -> None:
    for path in sorted(wheels.rglob("*")):
        if path.is_file():
            _write(target, f"{PACKAGES}/{path.relative_to(wheels).as_posix()}", path.read_bytes(), 0o644)


def _write(target: Path, name: str, data: bytes, mode: int) -> None:
    if any(fnmatch.fnmatchcase(name, pattern) for pattern in LEFT_OUT):
        return
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)
