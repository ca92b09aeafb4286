"""The bundle, made once per recipe and kept in the cache."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from farm.errors import UsageError
from farm.phone import archive, fetch, pins, tree, wrapper
from farm.phone.archive import Packed

FOLDER = "phone"


def build(
    arch: str, cache_dir: Path, *, offline: bool = False, say: Callable[[str], None] = lambda _text: None
) -> Packed:
    """The archive for phones of ``arch``, from the cache where its recipe has not changed.

    Raises UsageError phone.architecture, phone.offline; InfrastructureError phone.fetch-failed,
    phone.bad-package.
    """
    from farm_converters import lock

    if arch not in pins.ARCHITECTURES:
        raise UsageError(
            f"there is no Python for phones with a {arch or 'unknown'} processor, only for "
            + " and ".join(pins.ARCHITECTURES),
            code="phone.architecture",
            fix="name a Python that runs there: farm enroll --help; or measure with --tool benchmark_model",
        )
    pinned = pins.load(arch)
    recipe = pinned.recipe(wrapper.script(arch).decode(), *tree.LEFT_OUT)
    folder = cache_dir / FOLDER
    target = folder / f"{recipe[:24]}-{arch}.tar.gz"
    with lock.held(folder / f"{target.name}.lock", report=say, what=f"making the Python for {arch} phones"):
        found = _cached(target)
        if found:
            return found
        say(f"making the Python for {arch} phones, once")
        packages = fetch.fetch(pinned.debs, folder / "debian", snapshot=pinned.snapshot, offline=offline)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as work:
            wheels, whole = Path(work) / "wheels", Path(work) / "tree"
            tree.unpack_wheels(arch, pinned.wheels, wheels, offline=offline)
            tree.lay(arch, packages.values(), wheels, whole)
            made = archive.pack(whole, Path(work) / "archive", last=wrapper.PATH)
            made.path.replace(target)
        known = {**vars(made), "path": target.name}
        fetch.write_atomic(_note(target), json.dumps(known).encode())
        return Packed(**{**known, "path": target})


def _note(target: Path) -> Path:
    return target.with_name(f"{target.name}.json")


def _cached(target: Path) -> Packed | None:
    """What was made before; None where it is not whole."""
    try:
        known = json.loads(_note(target).read_text(encoding="utf-8"))
        found = Packed(**{**known, "path": target})
        return found if target.stat().st_size == found.size_bytes else None
    except (OSError, ValueError, TypeError):
        return None
