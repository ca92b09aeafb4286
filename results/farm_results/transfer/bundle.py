"""A store's memory, or some runs of it, as one zip file that another farm can take in.

``manifest.json`` says what is inside; ``<kind>.jsonl`` has a row per line, ``objects/<sha256>`` the files. A
bundle comes from somewhere else: nothing in it is believed before it was checked.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_agent import codec
from farm_agent.errors import InfrastructureError, UsageError
from farm_results.storage.faults import from_os
from farm_results.transfer.cargo import KINDS, Cargo, Row, mentions, needs

if TYPE_CHECKING:
    from farm_results.storage.objects import Objects

SCHEMA = "farm.bundle/1"
LONGEST_LINE = 64 << 20
LARGEST_OBJECT = 16 << 30


@dataclass(frozen=True)
class Bundled:
    """What a bundle holds. ``lost``: files that its rows name and that were not there to be packed."""

    rows: dict[str, int]
    objects: int
    lost: tuple[str, ...]


def write_bundle(cargo: Cargo, path: Path, *, farm_version: str = "") -> Bundled:
    """Write everything of ``cargo`` to ``path``, which appears whole or not at all.

    Raises UsageError store.not-writable, InfrastructureError host.disk-full, and what a store raises.
    """
    rows: Counter[str] = Counter()
    wanted: set[str] = set()
    lost: list[str] = []
    try:
        with (
            tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file,
            _removed_on_failure(Path(file.name)),
        ):
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
                for kind in KINDS:
                    with archive.open(f"{kind}.jsonl", "w", force_zip64=True) as stream:
                        for row in cargo.rows(kind):
                            text = codec.dumps(row)
                            wanted |= {one for one in mentions([text]) if cargo.has(one)}
                            lost += [one for one in needs(row) if not cargo.has(one)]
                            stream.write(text.encode() + b"\n")
                            rows[kind] += 1
                for sha256 in sorted(wanted):
                    _pack(archive, cargo, sha256)
                manifest = {
                    "schema": SCHEMA,
                    "farm": farm_version,
                    "rows": dict(rows),
                    "objects": len(wanted),
                }
                archive.writestr("manifest.json", json.dumps(manifest, indent=1))
            Path(file.name).chmod(0o644)
            Path(file.name).replace(path)
    except OSError as error:
        raise from_os(error, str(path)) from error
    return Bundled(dict(rows), len(wanted), tuple(dict.fromkeys(lost)))


@contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _pack(archive: zipfile.ZipFile, cargo: Cargo, sha256: str) -> None:
    """One object, by way of a folder of objects of its own, which verifies it."""
    from farm_results.storage.objects import Objects

    with tempfile.TemporaryDirectory(prefix="farm-") as folder:
        objects = Objects(Path(folder))
        cargo.copy(sha256, objects)
        archive.write(objects.path_of(sha256), f"objects/{sha256}", zipfile.ZIP_STORED)


class BundleCargo:
    """What a bundle holds, checked while it is read."""

    def __init__(self, path: Path) -> None:
        """Raises UsageError ``results.bad-bundle``, ``results.newer-bundle``, ``results.no-bundle``."""
        self.name = str(path)
        self.broken: list[str] = []
        try:
            self._archive = zipfile.ZipFile(path)
            manifest = json.loads(self._read("manifest.json"))
            schema = str(manifest["schema"])
        except OSError as error:
            fix = "write one at the other farm: farm results export --format bundle --out FILE.zip"
            if path.is_dir():
                fix = f"a folder is a store: farm results merge {path}"
            raise UsageError(
                f"{path} cannot be read: {error.strerror or error}", code="results.no-bundle", fix=fix
            ) from error
        except (zipfile.BadZipFile, KeyError, ValueError, TypeError, RecursionError) as error:
            raise self._bad("it is not a bundle of a farm, or was cut short") from error
        if schema != SCHEMA:
            raise UsageError(
                f"{path} is a bundle of another kind: {schema[:40]!r}",
                code="results.newer-bundle",
                fix="update farm to the version that wrote it",
            )

    def close(self) -> None:
        """Let go of the file."""
        self._archive.close()

    def rows(self, kind: str) -> Iterator[Row]:
        """As ``Cargo`` says. Raises UsageError ``results.bad-bundle``."""
        number = 0
        try:
            with self._archive.open(f"{kind}.jsonl") as stream:
                while line := stream.readline(LONGEST_LINE):
                    number += 1
                    if len(line) == LONGEST_LINE:
                        raise ValueError(f"more than {LONGEST_LINE >> 20} MiB")  # noqa: TRY301
                    row: Row = codec.loads(KINDS[kind], line)
                    yield row
        except KeyError:
            return  # a bundle of runs alone
        except (zipfile.BadZipFile, ValueError, RecursionError, EOFError, OSError) as error:
            raise self._bad(f"{kind}.jsonl, line {number}: {error}") from error

    def has(self, sha256: str) -> bool:
        """As ``Cargo`` says."""
        try:
            return self._archive.getinfo(f"objects/{sha256}").file_size <= LARGEST_OBJECT
        except KeyError:
            return False

    def copy(self, sha256: str, objects: Objects) -> None:
        """As ``Cargo`` says."""
        try:
            with self._archive.open(f"objects/{sha256}") as stream:
                objects.put_stream(stream, sha256)
        except (zipfile.BadZipFile, EOFError) as error:
            raise InfrastructureError(
                f"{self.name}: objects/{sha256} is damaged: {error}", code="store.object-corrupt"
            ) from error

    def _read(self, name: str) -> bytes:
        with self._archive.open(name) as stream:
            return stream.read(1 << 20)

    def _bad(self, why: str) -> UsageError:
        return UsageError(
            f"{self.name} cannot be taken in: {why}",
            code="results.bad-bundle",
            fix="export it again: farm results export --format bundle --out FILE.zip",
        )


def summary_of(rows: dict[str, Any]) -> str:
    """``3 runs, 12 results`` of counts by kind; kinds without rows are left out."""
    return ", ".join(
        f"{count} {kind.removesuffix('s') if count == 1 else kind}" for kind, count in rows.items() if count
    )
