"""PyTorch exported programs as sources: what is refused before torch sees it, and what comes out."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from farm.errors import UsageError
from farm_converters import environment, pt2_archive, sandbox, sources
from tests.support import share_environments

MAKE = """
import sys, torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 4, 3, padding=1)
        self.out = torch.nn.Linear(4 * 64, 10)
    def forward(self, image):
        return self.out(torch.relu(self.conv(image)).flatten(1))
torch.manual_seed(0)
free = ({0: torch.export.Dim("n", min=1)},)
program = torch.export.export(Net().eval(), (torch.rand(2, 1, 8, 8),), dynamic_shapes=free)
torch.export.save(program, sys.argv[1])
"""
NODE = {"target": "torch.ops.aten.relu.default", "inputs": [], "metadata": {"stack_trace": "File /home/me"}}
WEIGHT = {"path_name": "weight_0", "use_pickle": False}


def archive(path: Path, program: Any, weight: dict[str, Any] = WEIGHT) -> Path:
    """A file of the layout that torch.export.save writes."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("net/archive_format", "pt2")
        file.writestr("net/models/model.json", program if isinstance(program, str) else json.dumps(program))
        file.writestr("net/data/weights/model_weights_config.json", json.dumps({"config": {"w": weight}}))
        file.writestr("net/data/weights/weight_0", bytes(4))
        file.writestr("net/data/constants/model_constants_config.json", json.dumps({"config": {}}))
        file.writestr("net/data/sample_inputs/model.pt", b"\x80\x04a pickle")
    return path


def sized(expression: str) -> dict[str, Any]:
    return {"nodes": [NODE], "sizes": [{"as_expr": {"expr_str": expression}}]}


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: archive(path, sized("__import__('os').system('id')")), "model.custom-code"),
        (lambda path: archive(path, sized("s0.__class__")), "model.custom-code"),
        (lambda path: archive(path, sized("open(s0)")), "model.custom-code"),
        (lambda path: archive(path, {}, {**WEIGHT, "use_pickle": True}), "model.custom-code"),
        (lambda path: archive(path, {}, {**WEIGHT, "path_name": "../../etc/passwd"}), "model.custom-code"),
        (
            lambda path: archive(path, {"nodes": [{**NODE, "target": "torch.hub.load"}]}),
            "model.unsupported-op",
        ),
        (lambda path: archive(path, "{"), "model.corrupt"),
        (lambda path: archive(path, "[" * 100_000), "model.corrupt"),
        (lambda path: archive(path, []), "model.corrupt"),
    ],
)
def test_what_could_run_code_or_is_broken_is_refused(
    tmp_path: Path, make: Callable[[Path], Path], code: str
) -> None:
    with pytest.raises(UsageError) as caught:
        pt2_archive.rewrite(make(tmp_path / "bad.pt2"), tmp_path / "copy.pt2")

    assert caught.value.code == code
    assert not (tmp_path / "copy.pt2").exists()


def test_a_damaged_byte_is_refused_with_a_reason_or_harmless(tmp_path: Path) -> None:
    damaged, codes = tmp_path / "packed.pt2", set()
    whole = archive(tmp_path / "good.pt2", sized("s0 + 1"))
    with zipfile.ZipFile(whole) as good, zipfile.ZipFile(damaged, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in good.namelist():
            packed.writestr(name, good.read(name))
    data = damaged.read_bytes()
    for place in range(0, len(data), 3):
        damaged.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        try:
            pt2_archive.rewrite(damaged, tmp_path / "copy.pt2")
        except UsageError as error:
            codes.add(error.code)
    assert "model.corrupt" in codes


def test_the_copy_has_no_pickles_guards_or_traces(tmp_path: Path) -> None:
    program = {**sized("Max(2, 3*s0 + FloorDiv(s1, 2))"), "guards_code": ["print(1)"]}

    pt2_archive.rewrite(archive(tmp_path / "good.pt2", program), tmp_path / "copy.pt2")

    with zipfile.ZipFile(tmp_path / "copy.pt2") as copy:
        assert copy.read("net/data/sample_inputs/model.pt") == b""
        kept = json.loads(copy.read("net/models/model.json"))
    assert kept["guards_code"] == []
    assert kept["nodes"][0]["metadata"] == {}


def test_a_file_that_changes_during_its_import_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path / "toy.pt2", {})

    def replace(_function: str, _request: object, **options: Any) -> dict[str, Any]:
        (options["workdir"] / "model.onnx").write_bytes(b"of the first file")
        path.write_bytes(path.read_bytes() + b"\n")
        return {"file": "model.onnx", "check": {}, "caveats": []}

    nowhere = environment.Environment("torch", "/no/python", {})
    monkeypatch.setattr(environment, "prepare", lambda *_given: nowhere)
    monkeypatch.setattr(sandbox, "call", replace)
    with pytest.raises(UsageError) as caught:
        sources.open_model(path, tmp_path / "store", lambda _text: None)

    assert caught.value.code == "model.changed"
    assert not list((tmp_path / "store").glob("imports/*/index.json"))


@pytest.mark.toolchain
@pytest.mark.timeout(600)
def test_a_program_becomes_onnx_once_and_says_where_it_came_from(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = share_environments(tmp_path_factory, tmp_path / "store")
    python = environment.prepare("torch", store, lambda _text: None).python
    path = tmp_path / "toy.pt2"
    subprocess.run([python, "-c", MAKE, str(path)], check=True, capture_output=True)
    said: list[str] = []

    model = sources.open_model(path, store, said.append)

    assert model.name == "toy"
    assert [(spec.name, spec.shape) for spec in model.inputs] == [("image", ("batch", 1, 8, 8))]
    assert model.origin is not None
    assert (model.origin.format, model.origin.toolchain["torch"]) == ("pt2", "2.13.0")
    assert 0 <= model.origin.check["max_abs_error"] < 1e-5
    assert str(tmp_path).encode() not in model.path.read_bytes()
    assert any("importing" in text for text in said)
    said.clear()
    assert sources.open_model(path, store, said.append) == model
    assert not said
