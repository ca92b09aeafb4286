"""Keras files and SavedModel folders from anywhere: refused by content before a framework reads them."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from farm_agent.errors import UsageError
from farm_converters import keras_archive, sources
from farm_converters.savedmodel_to_onnx import check_folder


def layer(kind: str, module: str = "keras.layers", **config: object) -> dict[str, Any]:
    return {"module": module, "class_name": kind, "config": config, "registered_name": None}


def write(
    path: Path, *layers: dict[str, Any], version: str = "3.15.1", entry: tuple[str, bytes] | None = None
) -> Path:
    config = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"layers": list(layers)},
        "compile_config": {"loss": {"module": "my_losses", "class_name": "function", "config": "mine"}},
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", b"\x89HDF")
        if entry:
            archive.writestr(*entry)
    return path


def refused(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        keras_archive.check(path)
    assert caught.value.fix
    return caught.value.code


def test_the_version_tells_keras_3_from_tf_keras(tmp_path: Path) -> None:
    dense = layer("Dense", activation="relu", kernel_initializer=layer("Zeros", "keras.initializers"))
    assert keras_archive.check(write(tmp_path / "a.keras", dense)) == 3
    assert keras_archive.check(write(tmp_path / "b.keras", dense, version="2.21.0")) == 2


def test_code_of_the_optimiser_and_the_loss_does_not_matter(tmp_path: Path) -> None:
    assert keras_archive.check(write(tmp_path / "a.keras", layer("Dense"))) == 3


@pytest.mark.parametrize(
    "bad",
    [
        layer("Lambda", function={"class_name": "__lambda__", "config": {"code": "4wEA"}}),
        layer("Dense", activation={"module": "builtins", "class_name": "__lambda__", "config": {}}),
        layer("system", "os"),
        layer("Dense", activation=layer("get_file", "keras.utils")),
        layer("load_model", "keras.src.saving.saving_api"),
        layer("Evil", "keras_evil.layers"),
        layer("Dense", nested=[[{"deep": layer("Popen", "subprocess")}]]),
        {**layer("Mine", "keras.layers"), "registered_name": "mine>Mine"},
    ],
)
def test_whatever_names_code_is_refused(tmp_path: Path, bad: dict[str, Any]) -> None:
    assert refused(write(tmp_path / "a.keras", bad)) == "model.custom-code"


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "a\\evil"])
def test_an_entry_outside_of_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    assert refused(write(tmp_path / "a.keras", layer("Dense"), entry=(name, b"x"))) == "model.corrupt"


def test_what_is_cut_off_or_lacks_a_part_is_corrupt(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.keras", layer("Dense")).read_bytes()
    (tmp_path / "cut.keras").write_bytes(whole[: len(whole) // 2])
    with zipfile.ZipFile(tmp_path / "poor.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    deep = write(tmp_path / "deep.keras", layer("Dense"))
    text = '{"a":' * 100_000 + "1" + "}" * 100_000
    with zipfile.ZipFile(deep, "w") as archive:
        for name, data in (("metadata.json", "{}"), ("config.json", text), ("model.weights.h5", "")):
            archive.writestr(name, data)
    for name in ("cut", "poor", "deep"):
        assert refused(tmp_path / f"{name}.keras") == "model.corrupt"


def test_a_damaged_byte_is_refused_with_a_reason_or_harmless(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.keras", *(layer("Dense", name=f"layer {k * 7919}") for k in range(40)))
    data, codes = whole.read_bytes(), set()
    for place in range(0, len(data), 3):
        whole.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        try:
            keras_archive.check(whole)
        except UsageError as error:
            codes.add(error.code)
    assert "model.corrupt" in codes


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.keras")
    assert sources.format_of(tmp_path / "pipe.keras") == ""


def test_what_unpacks_beyond_bounds_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras_archive, "MAX_BYTES", 1 << 20)
    path = write(tmp_path / "a.keras", layer("Dense"), entry=("assets/zeros", bytes(2 << 20)))
    assert path.stat().st_size < 1 << 14
    assert refused(path) == "model.too-large"


def test_a_savedmodel_is_a_folder_of_plain_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        check_folder(tmp_path)
    assert caught.value.code == "model.missing"
    (tmp_path / "saved_model.pb").write_bytes(b"x")
    check_folder(tmp_path)
    (tmp_path / "assets").symlink_to("/etc")
    with pytest.raises(UsageError) as caught:
        check_folder(tmp_path)
    assert caught.value.code == "model.corrupt"
