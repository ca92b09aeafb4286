"""Documents are read when somebody looks into them, and are the same then."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest
from sqlalchemy import text

from farm_agent import codec
from farm_agent.errors import UsageError
from farm_agent.messages.layers import Layer, LayerProfile
from farm_results import layers, report
from farm_results.storage.document import Document
from farm_results.store import open_store
from tests.results.made import HOSTILE, result, run

PROFILE = codec.encode(LayerProfile("ort", (Layer(0, "conv", "Conv", mean_us=5.0),), runs=3))
DOCUMENTS = {
    "plain": {"spec": {"threads": 2}, "facts": None, "deep": [1, 2.5, {"a": []}]},
    "hostile": {word: [word] for word in HOSTILE},
    "nan": {"deep": [float("nan")], "word": "NaN"},
    "infinite": {"deep": [float("-inf")]},
    "layers": {"job": {"layers": PROFILE}},
    "empty": {},
}


def test_what_is_read_later_is_the_same(tmp_path: Path) -> None:
    """Equal, as JSON and when stored again; exported as it lies there, strict, with its layers."""
    stores = [open_store(tmp_path / name) for name in ("one", "other")]
    for store in stores:
        store.add_run(run())
    given = {name: result(name, document=document) for name, document in DOCUMENTS.items()}
    for one in given.values():
        stores[0].add_result(one)
    assert all(isinstance(one.document, Document) for one in stores[0].results())
    for again in stores[0].results():
        stores[1].add_result(again)
    for name, one in given.items():
        for found in (stores[0].result(name), stores[1].result(name)):
            assert report.render("json", [found]) == report.render("json", [one])
            assert codec.dumps(found) == codec.dumps(one)
            assert found == one or name == "nan"
            assert (layers.summary(found) is not None) == (name == "layers")
    exported = json.loads(report.render("json", stores[1].results()), parse_constant=pytest.fail)["results"]
    by_name = {record["job_id"]: record["document"] for record in exported}
    assert by_name == DOCUMENTS | {"nan": {"deep": [None], "word": "NaN"}, "infinite": {"deep": [None]}}
    for store in stores:
        store.close()


ODD: tuple[dict[str, object], ...] = (
    {"artifact": {"job": 1, "spec": 2}, "facts": {"job": {}}, "job": {"spec": {"a": 1}}, "spec": {"b": [2]}},
    {"facts": [',"spec":{}}', '"job":'], "job": {"z": {"spec": {}}}},
    {"job": {"spec": {"a": {"spec": {}}}}, "zeta": {"spec": 1}},
    {"facts": None, "spec": {"spec": {"spec": []}}},
    {"artifact": '"', "job": '}}},"spec":{', "sent_bytes": 1, "spec": {"job": {}, "spec": "}"}},
    {"job": {}, "spec": None},
    {"spec": 1, "x": {}},
)


@pytest.mark.parametrize("whole", ODD)
def test_parts_of_a_document_are_those_of_the_whole(whole: dict[str, object]) -> None:
    """What stands beside the job is read without it, and never taken from within it."""
    for key in ("artifact", "facts", "spec", "job", "sent_bytes", "z"):
        document = Document(zlib.compress(codec.dumps(whole).encode()))
        assert document.get(key, "none") == whole.get(key, "none")
        assert {name: document.get(name) for name in whole} == whole
    assert dict(document) == whole


@pytest.mark.parametrize("written", [b"{", b"[]", b"null", b"[" * 100_000, b'{"a": '])
def test_what_is_no_document_is_told_of(tmp_path: Path, written: bytes) -> None:
    """A damaged one at once; what somebody packed that is none, to whom looks into it."""
    store = open_store(tmp_path)
    store.add_run(run())
    store.add_result(result())
    packed = zlib.compress(written)
    change = text("UPDATE result_document SET packed = :packed")
    with store.engine.begin() as connection:
        connection.execute(change, {"packed": packed})
    found = store.result("job-1")
    for look in (lambda: found.document["spec"], lambda: len(found.document), lambda: codec.dumps(found)):
        with pytest.raises(UsageError) as caught:
            look()
        assert caught.value.code == "store.corrupt"
    with store.engine.begin() as connection:
        connection.execute(change, {"packed": packed[:-1]})
    with pytest.raises(UsageError) as caught:
        store.results()
    assert caught.value.code == "store.corrupt"
    store.close()
