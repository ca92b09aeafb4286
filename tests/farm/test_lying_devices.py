"""Devices whose agent lies, floods or hangs in one run with honest ones: typed errors, and nothing is printed
or stored raw."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.farm.networks import conv_net
from tests.farm.runs import QUICK, Done, Farm
from tests.support import need
from tests.zoo.device import Shape, ZooDevice
from tests.zoo.zoo import Zoo, missing

pytestmark = pytest.mark.zoo

SCRIPTS = Path(__file__).parents[1] / "zoo"
PYTHON = "/opt/zoo/python"
ESC = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\r\ud800\x00"
BODY = ("body",)
RESULT = (*BODY, "result")
BLOCK = (*RESULT, "blocks", 0)


def _set(verb: str, path: tuple[Any, ...], value: object) -> dict[str, Any]:
    return {"verb": verb, "how": "set", "path": path, "value": value}


def _say(verb: str, **answer: object) -> dict[str, Any]:
    return {"verb": verb, "how": "replace", "text": json.dumps({"wire": 1, **answer})}


# Device: its lie, the code of its row ("": the job ends well), and words of its message.
LIES: dict[str, tuple[dict[str, Any], str, str]] = {
    "cut-short": ({"verb": "facts", "how": "half"}, "agent.garbled", "cannot be read"),
    "endless-line": ({"verb": "facts", "how": "one-line"}, "device.output-too-large", "facts"),
    "endless-stdout": ({"verb": "hello", "how": "flood-stdout"}, "device.output-too-large", "hello"),
    "endless-stderr": ({"verb": "start", "how": "flood-stderr"}, "device.output-too-large", "start"),
    "nested": ({"verb": "hello", "how": "replace", "text": '{"a":' + "[" * 100_000}, "agent.garbled", "read"),
    "dies": ({"verb": "hello", "how": "dies"}, "agent.silent", "no answer"),
    "escapes": (_set("facts", (*BODY, "model"), ESC), "", ""),
    "escaped-version": (_set("result", (*RESULT, "runtime_version"), ESC), "", ""),
    "escaped-failure": (
        _say("start", failure={"blame": "job", "code": "a.b", "message": ESC, "fix": ESC}),
        "a.b",
        "\\x1b]0;owned",
    ),
    "escaped-code": (
        _say("start", failure={"blame": "job", "code": ESC, "message": "", "fix": ""}),
        "agent.garbled",
        "the code",
    ),
    "fence": (_set("hello", (*BODY, "fence"), 10**30), "agent.garbled", "bits"),
    "other-job": (_set("attach", (*BODY, "state", "job_id"), "another"), "agent.garbled", "another"),
    "other-result": (_set("result", (*RESULT, "job_id"), "another"), "agent.garbled", "another"),
    "words": (_set("result", (*BLOCK, "count"), "255"), "agent.garbled", "expected int"),
    "nan": (_set("result", (*BLOCK, "cpu_pressure_pct"), float("nan")), "", ""),
    "negative": (_set("result", (*BLOCK, "import_ns"), -1), "agent.garbled", "import_ns is -1"),
    "enormous": (_set("result", (*BLOCK, "load_ns"), 10**400), "agent.garbled", "bits"),
    "outside": (_set("result", (*BLOCK, "samples", "name"), "../../outside"), "agent.garbled", "outside"),
    "many-bytes": (_set("result", (*BLOCK, "samples", "size_bytes"), 2**50), "link.too-large", "MiB"),
    "other-samples": (
        _set("result", (*BLOCK, "samples", "sha256"), "0" * 64),
        "link.corrupt",
        "another hash",
    ),
}


@pytest.fixture(scope="module")
def zoo() -> Iterator[Zoo]:
    """Devices that each lie once, and honest ones."""
    why = missing()
    need(not why, f"no zoo here: {why}")
    with Zoo() as devices:
        yield devices


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Farm:
    """Somebody who has all of them."""
    folder = tmp_path_factory.mktemp("user")
    return Farm(folder, folder / "cache")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small network."""
    return str(conv_net(tmp_path_factory.mktemp("model") / "net.onnx"))


@pytest.fixture(scope="module")
def told(zoo: Zoo, user: Farm, model: str) -> Path:
    """What an honest device said in a whole run, by verb."""
    honest = _scripted(zoo, "honest", "recorder.py")
    zoo.write_inventory(user.inventory)
    done = user.run("--json", "bench", model, "-d", "honest", *QUICK)
    assert done.row("honest")["status"] == "ok", done.err
    return honest.home / "told"


@pytest.fixture(scope="module")
def run(zoo: Zoo, user: Farm, model: str, told: Path) -> Done:
    """One command for all of them."""
    answers = {path.stem: json.loads(path.read_text().splitlines()[-1]) for path in told.glob("*.json")}
    # Of a whole job only its end: the liar has no time.
    answers["hello"] = [re.sub(r'"fence":\d+', '"fence":0', line) for line in answers["hello"]]
    for name, (lie, _, _) in LIES.items():
        device = _scripted(zoo, name, "liar.py")
        device.write("/etc/zoo/lie/told.json", json.dumps(answers).encode())
        device.write("/etc/zoo/lie/lie.json", json.dumps(lie).encode())
        for path in (told / "files").iterdir():
            device.write(f"/etc/zoo/lie/files/{path.name}", path.read_bytes())
    zoo.write_inventory(user.inventory)
    return user.run("--json", "bench", model, "-d", ",".join([*LIES, "honest"]), *QUICK)


def _scripted(zoo: Zoo, name: str, script: str) -> ZooDevice:
    text = f"#!{sys.executable}\n{(SCRIPTS / script).read_text()}"
    return zoo.add(name, Shape(python=PYTHON, files={PYTHON: text}))


@pytest.mark.parametrize("device", LIES)
def test_lie_is_a_typed_error_or_does_no_harm(device: str, run: Done) -> None:
    _, code, words = LIES[device]
    row = run.row(device)

    assert row["error_code"] == code, row["error_message"]
    assert row["status"] == ("failed" if code else "ok")
    assert words in row["error_message"]


def test_honest_device_beside_them_is_measured(run: Done) -> None:
    assert run.code == 3, run.err
    assert run.row("honest")["status"] == "ok"
    assert run.row("honest")["latency"]["p50_ns"] > 0


def test_nothing_of_it_is_printed_or_stored_raw(run: Done, user: Farm) -> None:
    assert "\\x1b]0;owned" in run.err, "it is told, spelled out"
    shown = [run.err, run.out]
    for words in (["results", "list"], ["devices"], ["export", "--format", "csv"], ["jobs"], ["health"]):
        said = user.run(*words)
        shown += [said.out, said.err]
    with closing(sqlite3.connect(user.store / "farm.db")) as database:
        shown += list(database.iterdump())
    for text in shown:
        unescaped = text.replace("\\\\", "")  # in JSON a spelled-out one has two backslashes
        found = re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]|\\u00[01][0-9a-f]", unescaped)
        assert not found, text[:400]


def test_nothing_landed_outside(run: Done, user: Farm) -> None:
    assert run.code == 3
    assert not list(user.folder.rglob("*outside*"))
