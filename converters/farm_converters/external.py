"""External data of an ONNX file: where it lies, and that it lies where it may, before anyone reads it.

A location must stay inside the model's own folder, name a regular file that is neither a symbolic nor a
hard link, and reach as far as its tensor claims. Standard library only; works on parsed protobufs.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm_agent.errors import UsageError

EXTERNAL = 1
_DRIVE = re.compile(r"^[A-Za-z]:")


@dataclass(frozen=True)
class ExternalTensor:
    """One tensor's claim on a file. ``length_bytes`` is None when it reaches to the file's end."""

    tensor: str
    location: str
    offset_bytes: int
    length_bytes: int | None


def tensors(message: Any) -> Iterator[Any]:  # noqa: ANN401 - protobuf
    """Every TensorProto in a ModelProto, at any depth: initialisers, attributes, subgraphs, functions."""
    stack = [message]
    while stack:
        part = stack.pop()
        if part.DESCRIPTOR.name == "TensorProto":
            yield part
            continue
        for field, value in part.ListFields():
            if field.message_type is None:
                continue
            stack.extend([value] if hasattr(value, "DESCRIPTOR") else list(value))


def claims(model: Any) -> list[ExternalTensor]:  # noqa: ANN401 - ModelProto
    """What the model's tensors claim of other files. Raises UsageError model.corrupt."""
    found = []
    for tensor in tensors(model):
        if tensor.data_location != EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        try:
            offset = int(entries.get("offset") or 0)
            length = int(entries["length"]) if entries.get("length") else None
        except ValueError as error:
            raise UsageError(
                f"the external data of {tensor.name!r} have no valid offset or length",
                code="model.corrupt",
                fix="export the model again",
            ) from error
        found.append(ExternalTensor(tensor.name, entries.get("location", ""), offset, length))
    return found


def check(model: Any, folder: Path) -> dict[str, Path]:  # noqa: ANN401 - ModelProto
    """Location to file, once every claim is safe.

    Raises UsageError model.external-data-escape, .external-data-missing, .external-data-truncated.
    """
    files: dict[str, Path] = {}
    for claim in claims(model):
        if claim.location not in files:
            files[claim.location] = _safe_path(claim, folder)
        size = files[claim.location].stat().st_size
        end = claim.offset_bytes + (claim.length_bytes or 0)
        if min(claim.offset_bytes, claim.length_bytes or 0) < 0 or end > size:
            raise UsageError(
                f"{claim.tensor!r} claims bytes {claim.offset_bytes} to {end} of {claim.location}, "
                f"which has {size}",
                code="model.external-data-truncated",
                fix=f"copy {claim.location} again, or export the model again",
            )
    return files


def digest(path: Path, files: dict[str, Path]) -> tuple[str, int]:
    """sha256 over the model and its external files, and the sum of their sizes in bytes.

    Without external data this is the file's own sha256.
    """
    total, sha = path.stat().st_size, hashlib.sha256()
    _feed(sha, path)
    for location, file in sorted(files.items()):
        total += file.stat().st_size
        sha.update(repr((location, file.stat().st_size)).encode())
        _feed(sha, file)
    return sha.hexdigest(), total


def _feed(sha: Any, path: Path) -> None:  # noqa: ANN401 - hashlib object
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            sha.update(chunk)


def _safe_path(claim: ExternalTensor, folder: Path) -> Path:
    location = claim.location
    parts = location.split("/")
    bad = not location or "\0" in location or "\\" in location or bool(_DRIVE.match(location))
    if bad or location.startswith("/") or ".." in parts:
        raise _escape(claim, "which is outside of the model's folder")
    path = folder
    for part in parts:
        path = path / part
        try:
            status = os.lstat(path)
        except OSError as error:
            raise UsageError(
                f"the model keeps {claim.tensor!r} in {location}, which is not beside it",
                code="model.external-data-missing",
                fix=f"copy {location} into {folder}",
            ) from error
        if stat.S_ISLNK(status.st_mode):
            raise _escape(claim, "which is a symbolic link")
    if not stat.S_ISREG(status.st_mode):
        raise _escape(claim, "which is not a regular file")
    if status.st_nlink > 1:
        raise _escape(claim, "which has more than one hard link")
    return path


def _escape(claim: ExternalTensor, reason: str) -> UsageError:
    return UsageError(
        f"the model keeps {claim.tensor!r} in {claim.location[:200]!r}, {reason}; refused, nothing was read",
        code="model.external-data-escape",
        fix="save the model with its data as plain files inside its own folder",
    )
