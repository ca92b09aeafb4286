"""The Python that a phone is given: what it is made of, how it is sent, that it runs where nothing is."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from farm.errors import InfrastructureError, UsageError
from farm.phone import archive, build, bundle, debs, fetch, pins, tree, wrapper
from farm.phone.pins import Deb
from farm.transports.local import Local
from tests.support import need
from tests.zoo.android import root

# Both runtimes on ones, whatever shape each wants; the numbers, then which Python this is.
PROGRAM = """
import sys
sys.stdout.reconfigure(line_buffering=True)
import numpy, onnxruntime
from ai_edge_litert.interpreter import Interpreter
session = onnxruntime.InferenceSession(sys.argv[1])
wanted = session.get_inputs()[0]
print(*session.run(None, {wanted.name: numpy.ones(wanted.shape, numpy.float32)})[0].ravel())
lite = Interpreter(sys.argv[2])
lite.allocate_tensors()
wanted = lite.get_input_details()[0]
lite.set_tensor(wanted["index"], numpy.ones(wanted["shape"], numpy.float32))
lite.invoke()
print(*lite.get_tensor(lite.get_output_details()[0]["index"]).ravel())
print(sys.executable, sys.prefix, sys.version_info[:2])
"""


ENTER = """
mount -t proc proc "$1/proc" && mount --bind /dev "$1/dev" || exit 1
root=$1
shift
exec chroot "$root" "$@"
"""


def test_every_file_of_both_architectures_is_pinned_by_hash() -> None:
    recipes = set()
    for arch in pins.ARCHITECTURES:
        pinned = pins.load(arch)
        recipes |= {pinned.recipe(), pinned.recipe("changed")}
        names = {deb.package for deb in pinned.debs}
        assert {"libc6", "python3.11-minimal", "libpython3.11-stdlib", "libstdc++6"} <= names
        assert all(len(deb.sha256) == 64 and deb.path.startswith("pool/main/") for deb in pinned.debs)
        listed = [line for line in pinned.wheels.splitlines() if "==" in line]
        assert [line.partition("==")[0] for line in listed] == ["ai-edge-litert", "numpy", "onnxruntime"]
        assert pinned.wheels.count("--hash=sha256:") == 2 * len(listed)
    assert len(recipes) == 4


def test_an_unknown_processor_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        build.build("armv7l", tmp_path, offline=True)
    assert caught.value.code == "phone.architecture"
    assert list(tmp_path.iterdir()) == []


def test_offline_without_a_cache_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        build.build("aarch64", tmp_path, offline=True)
    assert caught.value.code == "phone.offline"


def test_a_mirror_without_the_file_or_with_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deb = Deb("libc6", "1", 100, hashlib.sha256(b"right").hexdigest(), "pool/libc6_1_arm64.deb")
    seen: list[str] = []

    def read(url: str, *, limit_bytes: int) -> bytes:
        seen.append(url)
        if "snapshot" in url:
            return b"right"
        return b"wrong"[:limit_bytes]

    monkeypatch.setenv("FARM_DEBIAN_MIRROR", "https://mirror.example/debian/")
    monkeypatch.setattr(fetch, "read", read)
    found = fetch.fetch([deb], tmp_path, snapshot="20260101T000000Z", offline=False)
    assert found["libc6"].read_bytes() == b"right"
    assert seen == [
        "https://mirror.example/debian/pool/libc6_1_arm64.deb",
        "https://snapshot.debian.org/archive/debian/20260101T000000Z/pool/libc6_1_arm64.deb",
    ]
    monkeypatch.setattr(fetch, "read", lambda url, limit_bytes: b"wrong")
    found["libc6"].write_bytes(b"rotten")
    with pytest.raises(InfrastructureError, match="is another file than 1") as caught:
        fetch.fetch([deb], tmp_path, snapshot="20260101T000000Z", offline=False)
    assert caught.value.code == "phone.fetch-failed"


@pytest.mark.parametrize("data", [b"", b"!<arch>\n", b"!<arch>\n" + b"x" * 60, b"\x1f\x8b" * 50])
def test_what_is_no_package_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.deb").write_bytes(data)
    with pytest.raises(InfrastructureError) as caught:
        list(debs.contents(tmp_path / "x.deb"))
    assert caught.value.code == "phone.bad-package"


def test_the_same_tree_gives_the_same_archive_with_the_wrapper_last(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        folder = tmp_path / name
        for path in ("bin/python", "lib/z.so", "a.py"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(path.encode())
        (folder / "bin/python").chmod(0o755)
        made.append(archive.pack(folder, tmp_path / f"{name}.tar.gz", last=wrapper.PATH))
    assert made[0].tree_sha256 == made[1].tree_sha256
    assert made[0].sha256 == made[1].sha256
    raw = gzip.decompress(made[0].path.read_bytes())
    assert hashlib.sha256(raw).hexdigest() == made[0].tree_sha256
    with tarfile.open(fileobj=io.BytesIO(raw)) as opened:
        assert opened.getnames() == ["a.py", "lib/z.so", "bin/python"]
        assert opened.getmember("bin/python").mode == 0o755


class _Counting(Local):
    """This machine, counting what is sent to it; the first upload may arrive damaged."""

    def __init__(self, *, damage: int = 0) -> None:
        super().__init__("here")
        self.sent: list[int] = []
        self._damage = damage

    def put(self, source: Path, target: str, **options: object) -> None:
        self.sent.append(int(str(options.get("offset_bytes", 0))))
        super().put(source, target, **options)  # type: ignore[arg-type] # as they came
        if self._damage:
            self._damage -= 1
            Path(target).write_bytes(b"x" * source.stat().st_size)


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> archive.Packed:
    """A tiny bundle in place of the real one."""
    folder = tmp_path / "tree"
    (folder / "bin").mkdir(parents=True)
    (folder / wrapper.PATH).write_text("#!/bin/sh\necho here\n")
    (folder / wrapper.PATH).chmod(0o755)
    (folder / "data").write_bytes(bytes(100_000))
    made = archive.pack(folder, tmp_path / "tree.tar.gz", last=wrapper.PATH)
    monkeypatch.setattr(build, "build", lambda arch, cache, **_: made)
    return made


@pytest.mark.usefixtures("packed")
def test_it_is_sent_once(tmp_path: Path) -> None:
    link = _Counting()
    home = str(tmp_path / "it's a home")
    first = bundle.ensure(link, "pixel-a", home, tmp_path)
    second = bundle.ensure(link, "pixel-a", home, tmp_path)
    assert first == second
    assert link.run([first], timeout_s=10).stdout == b"here\n"
    assert link.sent == [0]
    assert (tmp_path / "it's a home" / "tmp").is_dir()
    assert [path.suffix for path in (tmp_path / "it's a home" / "python").iterdir()] == [""]


def test_a_broken_upload_goes_on_and_a_damaged_one_begins_anew(
    tmp_path: Path, packed: archive.Packed
) -> None:
    part = tmp_path / "home" / "python" / f"{packed.sha256[:24]}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(packed.path.read_bytes()[:50])
    link = _Counting()
    bundle.ensure(link, "pixel-a", str(tmp_path / "home"), tmp_path)
    assert link.sent == [50]
    hurt = _Counting(damage=1)
    bundle.ensure(hurt, "pixel-a", str(tmp_path / "other"), tmp_path)
    assert hurt.sent == [0, 0]
    with pytest.raises(InfrastructureError) as caught:
        bundle.ensure(_Counting(damage=2), "pixel-a", str(tmp_path / "third"), tmp_path)
    assert caught.value.code == "link.corrupt"


def test_a_phone_that_is_full_is_told_before_anything_is_sent(
    tmp_path: Path, packed: archive.Packed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "RESERVE_BYTES", 10**18)
    link = _Counting()
    with pytest.raises(InfrastructureError) as caught:
        bundle.ensure(link, "pixel-a", str(tmp_path / "home"), tmp_path)
    assert (caught.value.code, link.sent) == ("device.disk-full", [])


@pytest.mark.arch
def test_the_arm_bundle_runs_both_runtimes_in_an_empty_root(tmp_path: Path) -> None:
    from farm_agent.checkup import models

    need(Path("/proc/sys/fs/binfmt_misc/qemu-aarch64").exists(), "aarch64 programs do not run here")
    need(os.geteuid() == 0, "a root of its own needs root")
    pinned = pins.load("aarch64")
    packages = fetch.fetch(pinned.debs, root.CACHE / "debian", snapshot=pinned.snapshot, offline=False)
    tree.unpack_wheels("aarch64", pinned.wheels, tmp_path / "wheels", offline=False)
    empty = tmp_path / "root"
    tree.lay("aarch64", packages.values(), tmp_path / "wheels", empty / "b")
    for folder in ("proc", "dev"):
        (empty / folder).mkdir()
    for kind in ("onnx", "tflite"):
        for name, data in models.files(kind).items():
            (empty / name).write_bytes(data)
    library = f"/b/{wrapper.LIBRARIES}"
    loader = [f"{library}/{pins.LOADERS['aarch64']}", "--argv0", "/b/bin/python", "--library-path", library]
    words = ["-I", "-c", PROGRAM]
    names = ["model.onnx", "model.tflite"]
    argv = [*loader, "/b/bin/python3.11", *words, *(f"/{name}" for name in names)]
    done = subprocess.run(
        [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--",
            "sh",
            "-c",
            ENTER,
            "sh",
            str(empty),
            *argv,
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    here = [sys.executable, *words, *(str(empty / name) for name in names)]
    native = subprocess.run(here, capture_output=True, text=True, timeout=120, check=True)

    assert done.returncode == 0, done.stderr[-2000:]
    *computed, who = done.stdout.strip().splitlines()
    assert who == "/b/bin/python /b (3, 11)"
    for line, expected in zip(computed, native.stdout.splitlines(), strict=False):
        assert [float(word) for word in line.split()] == pytest.approx(
            [float(word) for word in expected.split()], rel=1e-4
        )
    assert len(computed) == 2
