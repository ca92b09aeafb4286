"""What was converted once is kept, shared, verified and not made again."""

from __future__ import annotations

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from farm_converters import cache, golden
from farm_converters.convert import cache_key, is_cached
from farm_converters.recipe import Recipe
from tests.converters import made
from tests.converters.converting import failure, odd_edge, run


def test_a_second_run_converts_nothing(tmp_path: Path, store: Path) -> None:
    model = made.inspected(made.conv(tmp_path / "net.onnx"))
    assert not is_cached(model, Recipe("onnx"), store)
    first = run(model, store)
    assert is_cached(model, Recipe("onnx"), store)
    said: list[str] = []
    again = run(model, store, report=said.append)
    assert again.cached
    assert said == []
    assert (again.spec, again.check, again.golden) == (first.spec, first.check, first.golden)


def test_the_same_conversion_elsewhere_gives_the_same_bytes(tmp_path: Path) -> None:
    first = run(made.inspected(made.conv(tmp_path / "a.onnx")), tmp_path / "one")
    other = run(made.inspected(made.conv(tmp_path / "b.onnx")), tmp_path / "two")
    assert first.key == other.key
    assert first.spec == other.spec
    assert first.golden == other.golden


def test_everything_asked_for_is_in_the_key(tmp_path: Path) -> None:
    model = made.inspected(made.embedding(tmp_path / "net.onnx"))
    recipe = Recipe("onnx", shapes={"ids": (1, 4)})
    other = made.inspected(made.conv(tmp_path / "other.onnx"))
    keys = {
        cache_key(model, recipe),
        cache_key(model, replace(recipe, seed=1)),
        cache_key(model, replace(recipe, precision="fp16")),
        cache_key(model, replace(recipe, format="openvino")),
        cache_key(model, replace(recipe, shapes={"ids": (1, 5)})),
        cache_key(model, replace(recipe, inputs_sha256="1" * 64)),
        cache_key(model, replace(recipe, exclude=("op:Gather",))),
        cache_key(model, replace(recipe, options={"activations": "s8"})),
        cache_key(other, Recipe("onnx")),
    }
    assert len(keys) == 9


@pytest.mark.parametrize("damage", ["flip", "cut", "index", "golden"])
def test_a_damaged_entry_is_made_again(tmp_path: Path, store: Path, damage: str) -> None:
    model = made.inspected(made.conv(tmp_path / "net.onnx"))
    first = run(model, store)
    assert first.golden_path is not None
    victim = {"index": first.paths[0].with_name(cache.INDEX), "golden": first.golden_path}.get(
        damage, first.paths[0]
    )
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 0xFF
    victim.write_bytes(content[:-9] if damage in ("cut", "index") else content)
    again = run(model, store)
    assert again.spec == first.spec
    assert cache.blob_of(again.paths[0]).sha256 == first.spec.files[0].sha256
    assert again.golden_path is not None
    assert again.golden is not None
    assert cache.blob_of(again.golden_path).sha256 == again.golden.blob.sha256


def test_two_at_once_convert_once(tmp_path: Path, store: Path) -> None:
    """Each conversion leaves a mark; with two callers of one key there is one mark and one waits."""
    marks = tmp_path / "marks"
    marks.mkdir()
    edge = odd_edge(tmp_path, f"time.sleep(1); (Path({str(marks)!r}) / str(os.getpid())).touch()")
    model = made.inspected(made.two_inputs(tmp_path / "net.onnx"))
    run(model, store)  # the reference is there
    with ThreadPoolExecutor(3) as pool:
        artifacts = list(pool.map(lambda _: run(model, store, edge=edge), range(3)))
    assert len(list(marks.iterdir())) == 1
    assert sorted(artifact.cached for artifact in artifacts) == [False, True, True]


def test_two_models_convert_side_by_side(tmp_path: Path, store: Path) -> None:
    """Each conversion waits until both run."""
    meet = tmp_path / "meet"
    meet.mkdir()
    action = (
        f"(Path({str(meet)!r}) / str(os.getpid())).touch()\n"
        f"    while len(list(Path({str(meet)!r}).iterdir())) < 2: time.sleep(0.02)"
    )
    edge = odd_edge(tmp_path, action)
    models = [
        made.inspected(made.two_inputs(tmp_path / "a.onnx")),
        made.inspected(made.conv(tmp_path / "b.onnx")),
    ]
    with ThreadPoolExecutor(2) as pool:
        assert len(list(pool.map(lambda model: run(model, store, edge=edge, timeout_s=240), models))) == 2


def test_a_cache_that_cannot_be_written_is_a_typed_error(tmp_path: Path) -> None:
    model = made.inspected(made.conv(tmp_path / "net.onnx"))
    (tmp_path / "file").write_text("in the way")
    assert failure(model, tmp_path / "file" / "cache").code == "host.cache-unwritable"


def test_a_waiting_caller_says_so(tmp_path: Path, store: Path) -> None:
    from farm_converters.lock import held

    model = made.inspected(made.conv(tmp_path / "net.onnx"))
    lock = store / "sources" / f"{golden.key_of(model, Recipe('onnx', shapes={'image': (1, 3, 8, 8)}))}.lock"
    heard = threading.Event()

    def listen(text: str) -> None:
        if text.startswith("waiting"):
            heard.set()

    with ThreadPoolExecutor(1) as pool:
        with held(lock, report=made.quiet, what="the test"):
            future = pool.submit(run, model, store, report=listen)
            assert heard.wait(60)
        assert future.result(timeout=120).check is not None


def test_an_index_with_foreign_fields_is_not_trusted(tmp_path: Path, store: Path) -> None:
    model = made.inspected(made.conv(tmp_path / "net.onnx"))
    first = run(model, store)
    index = first.paths[0].with_name(cache.INDEX)
    data = json.loads(index.read_text())
    data["spec"]["files"] = "everything"
    index.write_text(json.dumps(data))
    assert run(model, store).spec == first.spec
    shutil.rmtree(store)
