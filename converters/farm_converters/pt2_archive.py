"""Rewrite a ``.pt2`` archive so that loading it runs nothing of the file's author; standard library only.

``torch.export.load`` unpickles sample inputs, pickled weights and custom objects, evaluates size expressions
with sympy (which calls Python's eval) and looks operators up by name below ``torch``. The copy that is made
here has no pickles, plain arithmetic in its expressions, no stack traces, and operators of ATen alone.
"""

from __future__ import annotations

import errno
import json
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from farm_agent.errors import UsageError
from farm_converters import sniff

MAX_JSON_BYTES = 256 << 20
MAX_ENTRIES = 100_000
SAVE_FIX = "save it again with a recent torch: torch.export.save(program, FILE)"
_TARGET = re.compile(
    r"torch\.ops\.(aten|higher_order|prims|quantized_decomposed)\.\w+(\.\w+)?"
    r"|_operator\.\w+|math\.\w+|torch\.sym_\w+|torch\._sym_\w+"
)
_WORD = re.compile(r"[A-Za-z_]\w*")
_EXPRESSION = re.compile(r"[\w\s+\-*/%(),.<>=&|~!]*")
_FUNCTIONS = frozenset(
    """
    Add Mul Pow Max Min Mod Eq Ne Lt Le Gt Ge And Or Not Integer Float Rational Piecewise Abs ceiling floor
    FloorDiv CeilDiv PythonMod ModularIndexing Where CleanDiv FloatTrueDiv IntTrueDiv FloatPow PowByNatural
    CeilToInt FloorToInt TruncToInt RoundToInt RoundDecimal ToFloat TruncToFloat Identity LShift RShift
    OpaqueUnaryFn_sqrt IsNonOverlappingAndDenseIndicator True False
    """.split()  # noqa: SIM905 - one word per line would fill a page
)
_SYMBOL = re.compile(r"(zuf|zf|s|u)\d+")
_SPELT = re.compile(r"Symbol\('(\w+)'(, \w+=(True|False))*\)")  # Symbol('s40', positive=True, integer=True)


def rewrite(path: Path, target: Path) -> dict[str, Any]:
    """Write the harmless copy; answer the program's JSON. Raises UsageError model.corrupt, .too-large,
    .custom-code, .unsupported-op."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _rewrite(archive, path, target)
    except (
        zipfile.BadZipFile,
        RuntimeError,
        NotImplementedError,
        EOFError,
        KeyError,
        RecursionError,
        OSError,
        lzma.LZMAError,
        zlib.error,
    ) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # the copy, not the file
        text = " ".join(str(error).split())[:200]
        raise UsageError(f"{path.name} cannot be read: {text}", code="model.corrupt", fix=SAVE_FIX) from error


def _rewrite(archive: zipfile.ZipFile, path: Path, target: Path) -> dict[str, Any]:
    infos = {info.filename: info for info in archive.infolist()}
    if len(infos) > MAX_ENTRIES or sum(info.file_size for info in infos.values()) > sniff.MAX_BYTES:
        raise sniff.too_large(path, sum(info.file_size for info in infos.values()))
    models = [name for name in infos if re.fullmatch(r"[^/]+/models/[^/]+\.json", name)]
    if len(models) != 1:
        raise _corrupt(path, f"holds {len(models)} programs, not one")
    root, name = models[0].split("/")[0], models[0].split("/")[-1].removesuffix(".json")
    program = _json(archive, models[0], path)
    _check_program(program, path)
    kept = {models[0]: json.dumps(program).encode(), f"{root}/data/sample_inputs/{name}.pt": b""}
    for kind, prefix in (("weights", "weight_"), ("constants", "tensor_")):
        listed = f"{root}/data/{kind}/{name}_{kind}_config.json"
        if listed not in infos:
            raise _corrupt(path, f"has no {listed}: an older torch wrote it")
        config = _json(archive, listed, path)
        kept[listed] = json.dumps(config).encode()
        for item in _payloads(config, path):
            file = str(item.get("path_name", ""))
            if item.get("use_pickle") or not re.fullmatch(rf"{prefix}\d+", file):
                raise UsageError(
                    f"{path.name} holds a pickled object ({file}): loading it could run any code",
                    code="model.custom-code",
                    fix="export a network of plain dense tensors, or export it to ONNX where it was made",
                )
            kept[f"{root}/data/{kind}/{file}"] = archive.read(f"{root}/data/{kind}/{file}")
    for file in ("archive_format", "archive_version", "byteorder", ".data/version"):
        if f"{root}/{file}" in infos:
            kept[f"{root}/{file}"] = archive.read(f"{root}/{file}")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as copy:
        for file, data in kept.items():
            copy.writestr(zipfile.ZipInfo(file), data)
    return program


def _json(archive: zipfile.ZipFile, name: str, path: Path) -> dict[str, Any]:
    if archive.getinfo(name).file_size > MAX_JSON_BYTES:
        raise sniff.too_large(path, archive.getinfo(name).file_size)
    try:
        found = json.loads(archive.read(name))
    except ValueError as error:
        raise _corrupt(path, f"{name}: {error}") from error
    if not isinstance(found, dict):
        raise _corrupt(path, f"{name} is no object")
    return found


def _payloads(config: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    items = config.get("config")
    if not isinstance(items, dict) or not all(isinstance(item, dict) for item in items.values()):
        raise _corrupt(path, "the list of its tensors cannot be read")
    return list(items.values())


def _check_program(program: dict[str, Any], path: Path) -> None:
    """Whitelist operators and expressions, drop guards and stack traces, in place."""
    program["guards_code"] = []
    for item in _objects(program):
        if "target" in item and "inputs" in item:
            target = str(item["target"])
            if not _TARGET.fullmatch(target):
                raise UsageError(
                    f"{path.name} uses {target[:100]!r}, which is no operator of ATen",
                    code="model.unsupported-op",
                    fix="export the network without custom operators",
                )
            item["metadata"] = {}
        expression = item.get("expr_str")
        if expression is not None and not _is_plain(str(expression)):
            raise UsageError(
                f"{path.name} holds the size {str(expression)[:100]!r}, which is no plain arithmetic",
                code="model.custom-code",
                fix=SAVE_FIX,
            )


def _is_plain(expression: str) -> bool:
    expression = _SPELT.sub(r"\1", expression)
    words = _WORD.findall(expression)
    return bool(_EXPRESSION.fullmatch(expression)) and all(
        word in _FUNCTIONS or _SYMBOL.fullmatch(word) for word in words
    )


def _objects(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            yield item
            todo += item.values()
        elif isinstance(item, list):
            todo += item


def _corrupt(path: Path, why: str) -> UsageError:
    return UsageError(f"{path.name} {why}", code="model.corrupt", fix=SAVE_FIX)
