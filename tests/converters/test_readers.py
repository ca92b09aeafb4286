"""Samples from npz archives, folders and tables: what is read, and how what cannot be is told."""

from __future__ import annotations

import contextlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farm_agent.errors import UsageError
from farm_converters import calibration, dataset, readers
from farm_converters.dataset import Packed
from farm_converters.model import Model
from tests.converters.made import model_of

ROW = model_of(("features", (1, 3)))
GRAY = model_of(("image", (1, 1, 4, 4)))
FUZZ = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,  # the same examples everywhere
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def pack(path: Path, model: Model, preprocess: str = "") -> tuple[Packed, dict[str, Any]]:
    shapes = {item.name: tuple(size for size in item.shape if isinstance(size, int)) for item in model.inputs}
    packed = dataset.pack(path, model, shapes, folder=path.parent / ".out", preprocess=preprocess)
    with np.load(packed.path, allow_pickle=False) as loaded:
        return packed, dict(loaded)


def refusal(path: Path, model: Model = ROW, preprocess: str = "") -> UsageError:
    with pytest.raises(UsageError) as caught:
        pack(path, model, preprocess)
    assert caught.value.fix
    return caught.value


def image(path: Path, value: int = 0, size: tuple[int, int] = (4, 4), mode: str = "L") -> Path:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value, 0, 0)).save(path)
    return path


def table(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


# ------------------------------------------------------------------ npz


def test_only_the_arrays_needed_are_read(tmp_path: Path) -> None:
    objects = np.array([{"a": 1}], dtype=object)
    np.savez(tmp_path / "set.npz", x=np.ones((2, 3), np.float32), y=np.arange(2), junk=objects)
    assert pack(tmp_path / "set.npz", ROW)[0].count == 2
    assert refusal(Path(f"{tmp_path}/set.npz:x=junk")).code == "data.unreadable"


def test_arrays_are_chosen_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", pixels=np.ones((2, 3), np.float32), digits=np.array([1, 0]))
    _, arrays = pack(Path(f"{tmp_path}/set.npz:x=pixels,y=digits"), ROW)
    assert arrays["labels"].tolist() == [1, 0]
    wrong = refusal(tmp_path / "set.npz")
    assert (wrong.code, "set.npz:x=" in wrong.fix) == ("data.names", True)
    assert refusal(Path(f"{tmp_path}/set.npz:x=nothing")).code == "data.names"
    assert refusal(Path(f"{tmp_path}/set.npz:z=pixels")).code == "data.names"


def test_samples_without_labels_and_with_values_are_told_apart(tmp_path: Path) -> None:
    x = np.ones((2, 3), np.float32)
    np.savez(tmp_path / "none.npz", x=x)
    np.savez(tmp_path / "values.npz", x=x, y=np.array([0.5, 1.5]))
    np.savez(tmp_path / "classes.npz", x=x, y=np.array([[1], [0]], np.uint8))
    kinds = [pack(tmp_path / f"{name}.npz", ROW)[0] for name in ("none", "values", "classes")]
    assert [packed.labels for packed in kinds] == ["", "values", "classes"]
    assert [packed.dataset.metric for packed in kinds] == ["", "", "top-1"]


def test_an_array_that_claims_more_than_it_holds_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (10**11, 3)}
    )
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue() + b"\0" * 24)
    refused = refusal(tmp_path / "set.npz")
    assert refused.code == "data.unreadable"
    assert "claims" in refused.message


def test_a_batch_of_several_takes_samples_one_by_one_or_whole(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=np.ones((8, 3), np.float32))
    np.savez(tmp_path / "whole.npz", x=np.ones((8, 4, 3), np.float32))
    fixed, free = model_of(("features", (4, 3))), model_of(("features", ("N", 3)))
    for model in (fixed, free):
        packed = dataset.pack(tmp_path / "rows.npz", model, {"features": (4, 3)}, folder=tmp_path / "o")
        with np.load(packed.path) as loaded:
            assert loaded["in.0"].shape == (8, 3)
    assert pack(tmp_path / "whole.npz", fixed)[1]["in.0"].shape == (8, 4, 3)


# ------------------------------------------------------------------ folders


def test_classes_are_numbered_by_sorted_names_and_told(tmp_path: Path) -> None:
    image(tmp_path / "set/dog/1.png", 1)
    image(tmp_path / "set/cat/2.png", 2)
    (tmp_path / "set/cat/.DS_Store").write_text("junk")
    (tmp_path / "set/cat/Thumbs.db").write_text("junk")
    packed, arrays = pack(tmp_path / "set", GRAY, "raw")
    assert packed.classes == ("cat", "dog")
    assert arrays["labels"].tolist() == [0, 1]
    assert arrays["in.0"][:, 0, 0, 0].tolist() == [2, 1]
    assert packed.notes == ("left out, neither image nor .npy: Thumbs.db",)


def test_folders_called_by_number_are_these_classes_and_labels_txt_names_the_others(tmp_path: Path) -> None:
    image(tmp_path / "digits/10/a.png")
    image(tmp_path / "digits/9/a.png")
    packed, arrays = pack(tmp_path / "digits", GRAY, "raw")
    assert (packed.classes, arrays["labels"].tolist()) == ((), [10, 9])
    image(tmp_path / "set/cat/a.png")
    (tmp_path / "set/labels.txt").write_text("dog\ncat\n")
    packed, arrays = pack(tmp_path / "set", GRAY, "raw")
    assert (packed.classes, arrays["labels"].tolist()) == (("dog", "cat"), [1])
    (tmp_path / "set/labels.txt").write_text("dog\nbird\n")
    assert refusal(tmp_path / "set", GRAY, "raw").code == "data.labels"


def test_a_flat_folder_has_no_labels(tmp_path: Path) -> None:
    image(tmp_path / "set/a.png")
    assert pack(tmp_path / "set", GRAY, "raw")[0].labels == ""


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ((), "data.empty"),
        (("notes.txt",), "data.empty"),
        (("cat/a.png", "dog/notes.txt"), "data.empty"),
        (("cat/a.png", "b.png"), "data.mixed"),
        (("cat/a.png", "cat/a.npy"), "data.mixed"),
        (("cat/a.png", "cat/broken.png"), "data.unreadable"),
        (("cat/gif.png",), "data.unreadable"),
        (("cat/large.png",), "data.too-large"),
        (("cat/bomb.png",), "data.too-large"),
        (("cat/deep.png",), "data.unreadable"),
        (("cat/wide.png",), "data.shape"),
    ],
)
def test_what_is_wrong_in_a_folder_is_told_with_the_file(
    tmp_path: Path, files: tuple[str, ...], code: str
) -> None:
    from PIL import Image

    (tmp_path / "set").mkdir()
    for name in files:
        path = tmp_path / "set" / name
        path.parent.mkdir(exist_ok=True)
        if path.suffix == ".npy":
            np.save(path, np.zeros((4, 4), np.uint8))
        elif path.stem == "gif":
            Image.new("L", (4, 4)).save(path, format="GIF")
        elif path.stem == "large":
            Image.new("1", (9000, 9000)).save(path)
        elif path.stem == "bomb":
            Image.new("1", (14000, 14000)).save(path)
        elif path.stem == "deep":
            Image.fromarray(np.zeros((4, 4), np.uint16)).save(path)
        elif path.stem == "wide":
            image(path, size=(5, 4))
        elif path.suffix == ".png" and path.stem != "broken":
            image(path)
        else:
            path.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    refused = refusal(tmp_path / "set", GRAY, "raw")
    assert refused.code == code
    assert str(tmp_path / "set") in refused.message


# ------------------------------------------------------------------ tables


def test_a_table_of_numbers_is_samples_and_labels(tmp_path: Path) -> None:
    path = table(tmp_path / "set.csv", "a,b,label,c\n1,2,0,3\n4,5,1,6\n\n")
    _, arrays = pack(path, ROW)
    assert arrays["in.0"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert arrays["labels"].tolist() == [0, 1]
    assert pack(Path(f"{path}:y=c"), ROW)[1]["in.0"].tolist() == [[1, 2, 0], [4, 5, 1]]


def test_a_table_of_files_finds_them_beside_it(tmp_path: Path) -> None:
    image(tmp_path / "pictures/a.png", 7)
    path = table(tmp_path / "set.csv", "file,label\npictures/a.png,3\n")
    _, arrays = pack(path, GRAY, "raw")
    assert (arrays["in.0"].max(), arrays["labels"].tolist()) == (7, [3])


def test_values_of_a_regression_and_names_of_classes(tmp_path: Path) -> None:
    assert pack(table(tmp_path / "v.csv", "a,b,c,y\n1,2,3,0.5\n"), ROW)[1]["labels"].dtype == np.float32
    packed, arrays = pack(table(tmp_path / "n.csv", "a,b,c,y\n1,2,3,no\n1,2,3,yes\n1,2,3,no\n"), ROW)
    assert (packed.classes, arrays["labels"].tolist()) == (("no", "yes"), [0, 1, 0])


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("", "data.empty", "set.csv"),
        ("a,b,c\n", "data.empty", "set.csv"),
        ("a,b,c\n1,2\n", "data.unreadable", "line 2"),
        ("a,b,c\n1,2,x\n", "data.values", "row 2"),
        ("a,b,c\n1,2,nan\n", "data.not-finite", "row 2"),
        ("a,a,c\n1,2,3\n", "data.names", "set.csv"),
        ("a,b\n1,2\n", "data.shape", "row 2"),
        ("a,b,c,y\n1,2,3,\n", "data.labels", "row 2"),
        ("a,b,c,y\n1,2,3,1\n1,2,3,cat\n", "data.labels", "row 3"),
        ("a,b,c,y\n1,2,3,-1\n", "data.labels", "set.csv"),
        ("file,label\nmissing.png,1\n", "data.missing", "row 2"),
        ('a,b,c\n"1,2,3\n', "data.unreadable", "set.csv"),
    ],
)
def test_what_is_wrong_in_a_table_is_told_with_the_row(
    tmp_path: Path, text: str, code: str, place: str
) -> None:
    refused = refusal(table(tmp_path / "set.csv", text))
    assert refused.code == code
    assert place in refused.message


def test_other_files_and_missing_ones(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none").code == "data.missing"
    (tmp_path / "set.wav").write_bytes(b"RIFF")
    assert refusal(tmp_path / "set.wav").code == "data.kind"


# ------------------------------------------------------------------ whatever comes


@FUZZ
@given(st.binary(max_size=300))
def test_no_bytes_make_a_reader_fail_otherwise_than_by_name(tmp_path: Path, data: bytes) -> None:
    for name in ("a.npz", "a.csv"):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UsageError):
            pack(tmp_path / name, ROW)
    for name in ("set/a.png", "arrays/a.npy"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UsageError):
            pack(tmp_path / name.partition("/")[0], GRAY, "raw")


@FUZZ
@given(st.integers(0, 400), st.integers(0, 255))
def test_an_npz_with_one_byte_changed_is_read_or_refused(tmp_path: Path, place: int, value: int) -> None:
    np.savez(tmp_path / "whole.npz", x=np.ones((2, 3), np.float32), y=np.arange(2))
    data = bytearray((tmp_path / "whole.npz").read_bytes())
    data[place % len(data)] = value
    (tmp_path / "set.npz").write_bytes(data)
    with contextlib.suppress(UsageError):
        pack(tmp_path / "set.npz", ROW)


@FUZZ
@given(st.text(alphabet='ab,"\n1.-\x00é ', max_size=60))
def test_any_table_is_read_or_refused(tmp_path: Path, text: str) -> None:
    with contextlib.suppress(UsageError):
        pack(table(tmp_path / "set.csv", f"a,b,c\n{text}"), ROW)


# ------------------------------------------------------------------ calibration


def calibrated(path: Path, model: Model, shape: tuple[int, ...], **options: Any) -> calibration.Calibration:
    shapes = {item.name: shape for item in model.inputs}
    return calibration.from_data(path, model, shapes, folder=path.parent / ".calib", **options)


def test_calibration_takes_the_first_of_a_fixed_shuffle_and_says_so(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", x=np.arange(300, dtype=np.float32).reshape(100, 3), y="labels of any kind")
    first = calibrated(tmp_path / "set.npz", ROW, (1, 3), limit=10)
    assert first == calibrated(tmp_path / "set.npz", ROW, (1, 3), limit=10)
    assert (first.count, first.kind) == (10, "data")
    assert first.name == "set.npz: 10 of 100, shuffled with seed 0"
    with np.load(first.path) as loaded:
        assert loaded["in.0"].shape == (10, 1, 3)
        assert loaded["in.0"][:, 0, 0].tolist() != list(range(0, 30, 3))


def test_calibration_fills_batches(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", x=np.ones((10, 3), np.float32))
    model = model_of(("features", ("N", 3)))
    made = calibrated(tmp_path / "set.npz", model, (4, 3))
    with np.load(made.path) as loaded:
        assert (made.count, loaded["in.0"].shape) == (2, (2, 4, 3))
    with pytest.raises(UsageError) as caught:
        calibrated(tmp_path / "set.npz", model, (16, 3))
    assert caught.value.code == "calib.count"


@pytest.mark.parametrize(
    ("array", "code"),
    [
        (np.ones((5, 4), np.float32), "calib.shape"),
        (np.ones((5, 3), np.float64), "calib.dtype"),
        (np.ones((0, 3), np.float32), "calib.empty"),
        (np.full((5, 3), np.nan, np.float32), "calib.not-finite"),
        (np.full((5, 3), np.inf, np.float32), "calib.not-finite"),
    ],
)
def test_samples_no_range_can_be_learned_from(tmp_path: Path, array: Any, code: str) -> None:
    np.savez(tmp_path / "set.npz", x=array)
    with pytest.raises(UsageError) as caught:
        calibrated(tmp_path / "set.npz", ROW, (1, 3))
    assert caught.value.code == code


def test_readers_are_listed_by_their_files() -> None:
    assert readers.names() == ("csv", "folder", "npz")
