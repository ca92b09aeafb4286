"""The phone's file system: Debian trixie's real adbd, toybox and mksh, put where Android has them."""

from __future__ import annotations

import hashlib
import lzma
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import platformdirs

from farm.phone import debs, fetch
from farm.phone.pins import Deb

SUITE = "trixie"
PACKAGES = ("adbd", "toybox", "mksh", "gzip")
RECIPE = 6
INDEX_BYTES = 40 * 1024 * 1024
APPLETS = """
cat chmod cp cut date dd df dirname du echo env false find getconf grep gzip head hostname id kill ln ls
mkdir mkfifo mktemp mv nohup od pgrep pidof printf ps pwd readlink realpath rm rmdir sed seq setsid
sha256sum sleep sort stat sync tail tar taskset tee test timeout touch tr true truncate uname uniq uptime
wc which xargs yes zcat
""".split()  # noqa: SIM905 - easier to read
# Found before any test moves the caches: roots and bundles stay from run to run.
CACHE = platformdirs.user_cache_path("farm-zoo", appauthor=False)
SCRIPTS = Path(__file__).with_name("scripts")


def share_bundles(cache_dir: Path) -> None:
    """Have farm's cache at ``cache_dir`` hold the phone bundles that other tests made."""
    shared = CACHE / "phone"
    shared.mkdir(parents=True, exist_ok=True)
    cache_dir.mkdir(parents=True, exist_ok=True)
    if not (cache_dir / "phone").exists():
        (cache_dir / "phone").symlink_to(shared)


def ready() -> Path:
    """The root's folder, built once per recipe; it is only ever mounted read-only below an overlay."""
    from farm_converters import lock

    scripts = [path.read_text() for path in sorted(SCRIPTS.iterdir())]
    said = f"{RECIPE}{SUITE}{PACKAGES}{APPLETS}{scripts}"
    name = hashlib.sha256(said.encode()).hexdigest()[:16]
    target = CACHE / f"android-{name}"
    with lock.held(CACHE / f"android-{name}.lock", report=lambda _text: None, what="the phone's root"):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=CACHE, prefix=".android-") as work:
                _build(Path(work) / "root")
                (Path(work) / "root").rename(target)
    return target


def _build(root: Path) -> None:
    root.mkdir()
    root.chmod(0o755)
    for deb in fetch.fetch(_wanted(), CACHE / "debian", snapshot="20261101T000000Z", offline=False).values():
        for member, data in debs.contents(deb):
            name = member.name.removeprefix("./").removeprefix("usr/")
            if not re.match(r"(lib|lib64)/(x86_64|ld-)|bin/(toybox|mksh|gzip)$|lib/android-sdk/", name):
                continue
            name = re.sub(r"^bin/", "system/bin/", name)
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if member.issym() and not path.exists():
                path.symlink_to(member.linkname.replace("/usr/", "/"))
            elif member.isreg():
                path.write_bytes(data)
                path.chmod(0o755)
    bin_folder = root / "system" / "bin"
    (root / "bin").symlink_to("system/bin")  # as Android has it since its tenth release
    for script in SCRIPTS.iterdir():
        shutil.copy(script, bin_folder / script.name)
        (bin_folder / script.name).chmod(0o755)
    (bin_folder / "sh").symlink_to("mksh")
    for applet in APPLETS:
        if not (bin_folder / applet).exists():
            (bin_folder / applet).symlink_to("toybox")
    if not (root / "lib64").exists():
        (root / "lib64").mkdir()
    loader = root / "lib64" / "ld-linux-x86-64.so.2"
    if not loader.exists():
        loader.unlink(missing_ok=True)
        loader.symlink_to("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
    for folder in ("proc", "sys", "dev", "data/local/tmp", "system/etc", "etc"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    libraries = ["/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu/android"]
    (root / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\nshell:x:2000:2000::/:/bin/sh\n")
    (root / "etc" / "group").write_text("root:x:0:\nshell:x:2000:\n")
    (root / "etc" / "ld.so.conf").write_text("\n".join(libraries) + "\n")
    subprocess.run(["ldconfig", "-r", str(root)], check=True, capture_output=True)


def _wanted() -> list[Deb]:
    """The newest packages of the suite and what they depend on."""
    release = fetch.read(f"{fetch.mirror()}/dists/{SUITE}/InRelease", limit_bytes=INDEX_BYTES).decode()
    path = "main/binary-amd64/Packages.xz"
    match = re.search(rf"^ ([0-9a-f]{{64}}) +\d+ {re.escape(path)}$", release, re.MULTILINE)
    assert match is not None, "the release names no index"
    packed = fetch.read(f"{fetch.mirror()}/dists/{SUITE}/{path}", limit_bytes=INDEX_BYTES)
    assert hashlib.sha256(packed).hexdigest() == match.group(1)
    index = dict(_stanzas(lzma.decompress(packed).decode()))
    wanted: dict[str, Mapping[str, str]] = {}
    waiting = list(PACKAGES)
    while waiting:
        name = waiting.pop()
        if name in wanted or name not in index:
            continue
        wanted[name] = index[name]
        for part in ", ".join(index[name].get(key, "") for key in ("Depends", "Pre-Depends")).split(","):
            waiting += re.findall(r"^\s*([a-z0-9.+-]+)", part.partition("|")[0])
    return [
        Deb(name, each["Version"], int(each["Size"]), each["SHA256"], each["Filename"])
        for name, each in sorted(wanted.items())
    ]


def _stanzas(text: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    for stanza in text.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", stanza, re.MULTILINE))
        if "Package" in fields:
            yield fields["Package"], fields
