"""What a file looks like from its first bytes: refuse what cannot be a model before it is parsed."""

from __future__ import annotations

import stat
from pathlib import Path

from farm_agent.errors import UsageError

MAX_BYTES = 1_900_000_000
EXPORT_FIX = "export the network to ONNX and name that file"
TFLITE = b"TFL3"  # after the first four bytes
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, not the model itself", "run: git lfs pull"),
    (b"PK\x03\x04", "a zip archive (a PyTorch or Keras checkpoint?)", EXPORT_FIX),
    (b"\x89HDF", "an HDF5 file (a Keras model?)", EXPORT_FIX),
    (b"GGUF", "a GGUF language model", EXPORT_FIX),
    (b"\x80\x02", "a Python pickle (a PyTorch checkpoint?)", EXPORT_FIX),
    (b"\x80\x04", "a Python pickle (a PyTorch checkpoint?)", EXPORT_FIX),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"\x7fELF", "a program", EXPORT_FIX),
    (b"ftrt", "a TensorRT engine", "name the ONNX file it was built from"),
)


def check_file(path: Path) -> None:
    """Raise UsageError model.missing, .empty, .too-large or .not-onnx unless ``path`` may be a model."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"{path}: {reason}", code="model.missing", fix="check the path and that you may read it"
        ) from error
    if stat.S_ISDIR(status.st_mode):
        raise _not_onnx(path, "a folder", "name the .onnx file inside")
    if not stat.S_ISREG(status.st_mode):
        raise _not_onnx(path, "a device or a pipe", "name a regular file")
    if status.st_size == 0:
        raise UsageError(f"{path} is empty", code="model.empty", fix="copy or export the model again")
    if status.st_size > MAX_BYTES:
        raise too_large(path, status.st_size)
    _check_head(path)


def is_tflite(path: Path) -> bool:
    """Whether a file that ``check_file`` let pass is a TFLite model.

    Raises UsageError model.corrupt for one that only has its name.
    """
    with path.open("rb") as file:
        found = file.read(8)[4:] == TFLITE
    if path.suffix.lower() == ".tflite" and not found:
        raise UsageError(
            f"{path} is no TFLite model, whatever its name says: truncated or corrupt",
            code="model.corrupt",
            fix="copy or export the model again and compare its checksum with the original's",
        )
    return found


def too_large(path: Path, size: int) -> UsageError:
    """The error for a model beyond what one protobuf can hold."""
    return UsageError(
        f"{path} holds {size / 1e9:.2f} GB; at most {MAX_BYTES / 1e9:.1f} GB can be converted",
        code="model.too-large",
        fix="use a smaller or a quantised export of this network",
    )


def _check_head(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}", code="model.missing", fix="check that you may read it"
        ) from error
    for magic, looks, fix in _MAGIC:
        if head.startswith(magic):
            raise _not_onnx(path, looks, fix)
    if head[4:8] == TFLITE:
        return
    text = head.lstrip()[:64].lower()
    if text.startswith((b"<!doctype html", b"<html")):
        raise _not_onnx(path, "an HTML page (a failed download?)", "download the file itself")
    if text.startswith((b"<?xml", b"<net")):
        raise _not_onnx(path, "XML (an OpenVINO model?)", EXPORT_FIX)
    if _is_text(head):
        raise _not_onnx(path, "text", EXPORT_FIX)


def _is_text(head: bytes) -> bool:
    """A protobuf has control bytes in its first lines; text has none."""
    allowed = frozenset(b"\t\n\r\f") | frozenset(range(0x20, 0x7F)) | frozenset(range(0x80, 0x100))
    if not all(byte in allowed for byte in head):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 4
    return True


def _not_onnx(path: Path, looks: str, fix: str) -> UsageError:
    return UsageError(f"{path} is not an ONNX model; it looks like {looks}", code="model.not-onnx", fix=fix)
