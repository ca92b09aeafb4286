"""Whatever a device answers, the coordinator decodes it or raises a typed error, and nothing stays raw."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from farm import untrusted
from farm.agent_client import AgentClient, find_python, install
from farm.errors import FarmError, InfrastructureError, UsageError
from farm.fetch import fetch
from farm_agent import codec, pack
from farm_agent.wire import Blob, JobSpec

from .test_client import Talking

WIRE = Path(__file__).parent / "wire"
CALLS: dict[str, Callable[[AgentClient], object]] = {
    "hello": lambda client: client.hello(),
    "facts": lambda client: client.facts(),
    "stock": lambda client: client.stock(["0" * 64]),
    "commit": lambda client: client.commit(Blob("0" * 64, 1, "a")),
    "attach": lambda client: client.attach("job", 0, 0.1, 1),
    "stop": lambda client: client.stop("job", 1),
    "result": lambda client: client.result("job"),
    "sensors": lambda client: client.sensors(),
    "surroundings": lambda client: client.surroundings(),
    "try": lambda client: client.try_runtimes(["onnxruntime"]),
    "gc": lambda client: client.gc(1),
}
SCALARS = (
    st.none()
    | st.booleans()
    | st.sampled_from([0, -1, 2**63, -(2**64), 10**400, float("nan"), float("inf"), -5.0, 1e308, "NaN", ""])
    | st.sampled_from(["\x1b[2J\x1b]0;x\x07", "\ud800", "\x00", "../../x", "/etc/passwd", "x" * 5000, "٣"])
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def _client(stdout: bytes) -> AgentClient:
    return AgentClient(Talking(stdout), "python3", "/a.pyz", "/r")


def _outcome(call: str, stdout: bytes) -> object:
    """What the call gives, after looking that it is harmless; its error's code."""
    try:
        answer = CALLS[call](_client(stdout))
    except FarmError as error:
        _look(error.message + error.fix)
        return error.code
    _look(json.dumps(codec.encode(answer), ensure_ascii=False))
    return answer


def _look(text: str) -> None:
    text.encode()  # no half of a surrogate pair
    assert not [char for char in text if (char < " " and char not in "\n\t") or "\x7f" <= char <= "\x9f"], (
        text
    )


def _told(body: object) -> bytes:
    return json.dumps({"wire": 1, "body": body, "failure": None}).encode() + b"\n"


@pytest.mark.parametrize("call", CALLS)
@given(data=st.binary(max_size=200) | st.builds(lambda junk: b"{" + junk, st.binary(max_size=200)))
@example(b'{"a":' + b"[" * 100_000)
@example(b'{"wire":' + b"9" * 5000 + b"}")
@example(b'{"wire":1,"failure":{"blame":"job","code":"\\u001b[31m","message":"","fix":""}}')
@example(b'{"wire":1,"failure":{"blame":"x","code":"a.b","message":"\\u001b[2J\\ud800","fix":"\\u0000"}}')
def test_bytes_that_are_no_answer(call: str, data: bytes) -> None:
    assert isinstance(_outcome(call, data), str)


@pytest.mark.parametrize("call", CALLS)
@given(body=JSON)
def test_answers_of_any_shape(call: str, body: Any) -> None:
    _outcome(call, _told(body))


def _messages() -> list[tuple[str, dict[str, Any]]]:
    kinds = {"Hello": "hello", "Facts": "facts", "JobResult": "result", "JobState": "stop"}
    paths = [(kinds.get(path.stem), path) for path in sorted(WIRE.rglob("*.json"))]
    return [(call, json.loads(path.read_text()) | {"job_id": "job"}) for call, path in paths if call]


def _places(data: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in JSON data."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in inner for place in _places(value, (*path, key)))]


def _changed(data: Any, path: tuple[Any, ...], value: object) -> Any:
    if not path:
        return value
    copy = dict(data) if isinstance(data, dict) else list(data)
    copy[path[0]] = _changed(copy[path[0]], path[1:], value)
    return copy


MESSAGES = _messages()


@given(data=st.data())
def test_a_real_answer_with_one_lie_in_it(data: st.DataObject) -> None:
    call, message = data.draw(st.sampled_from(MESSAGES))
    lie = _changed(message, data.draw(st.sampled_from(_places(message))), data.draw(JSON))
    body = {"hello": lie, "facts": lie, "result": {"result": lie, "sha256": "0"}, "stop": {"state": lie}}[
        call
    ]
    _outcome(call, _told(body))


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("blocks", 0, "import_ns"), -5, "import_ns is -5"),
        (("blocks", 0, "count"), "255", "expected int"),
        (("blocks", 0, "count"), 2**70, "a number of 71 bits"),
        (("started_unix_s",), float("inf"), "started_unix_s is inf"),
        (("ended_unix_s",), 10**400, "a number of 1329 bits"),
        (("job_id",), "another", "result of 'another'"),
    ],
)
def test_a_result_that_cannot_be_true_is_refused(place: tuple[Any, ...], value: object, words: str) -> None:
    message = next(data for call, data in MESSAGES if call == "result" and data["blocks"])
    lie = _changed(message, place, value)
    with pytest.raises(InfrastructureError) as caught:
        _client(_told({"result": lie, "sha256": "0"})).result("job")
    assert caught.value.code == "agent.garbled"
    assert words in caught.value.message


@pytest.mark.parametrize("call", ["attach", "stop"])
def test_a_state_of_another_job_is_refused(call: str) -> None:
    stdout = _told({"state": {"job_id": "another", "state": "ok", "fence": 1}})
    with pytest.raises(InfrastructureError, match="not of 'job'") as caught:
        CALLS[call](_client(stdout))
    assert caught.value.code == "agent.garbled"


class Giving(Talking):
    """Hands out any file that it is asked for."""

    def get(self, source: str, target: Path, **options: Any) -> None:
        target.write_bytes(b"owned")


@pytest.mark.parametrize("name", ["../../owned", "/tmp/owned", ".bashrc", "a/b", "", "a\x00b", "\x1b[2J"])
def test_a_file_of_a_result_lands_nowhere_but_in_its_folder(name: str, tmp_path: Path) -> None:
    message = next(data for call, data in MESSAGES if call == "result" and data["blocks"])
    sha256 = hashlib.sha256(b"owned").hexdigest()
    spec = replace(codec.loads(JobSpec, (WIRE / "v1" / "JobSpec.json").read_text()), job_id="job")
    lie = _changed(message, ("blocks", 0, "samples"), {
        "sha256": sha256, "size_bytes": 5, "name": name,
    })  # fmt: skip
    link = Giving(_told({"result": lie, "sha256": "0"}))
    with pytest.raises(InfrastructureError) as caught:
        fetch(AgentClient(link, "python3", "/a.pyz", "/r"), link, spec, (0, 0), tmp_path / "scratch")
    assert caught.value.code == "agent.garbled"
    assert not list(tmp_path.rglob("*owned*"))


def test_a_file_larger_than_any_is_not_fetched() -> None:
    with pytest.raises(InfrastructureError) as caught:
        untrusted.plain_name(Blob("0" * 64, 2**50, "a"), untrusted.MOST_FETCHED_BYTES)
    assert caught.value.code == "link.too-large"


@pytest.mark.parametrize(
    "said", [b"farm-python 3.8.%s" % (b"9" * 5000), b"farm-python 3.x.1", b"farm-python ", b"\xff" * 100]
)
def test_a_version_that_is_none_is_no_python(said: bytes) -> None:
    with pytest.raises(InfrastructureError) as caught:
        find_python(Talking(said), ["python3"])
    assert caught.value.code == "device.no-python"


@pytest.mark.parametrize(
    "said", [b'{"errno": 1e99}', b'{"errno": %s}' % (b"9" * 400), b'{"a":' + b"[" * 100_000, b"{}", b"{"]
)
def test_an_installation_that_answers_nonsense_fails(said: bytes, tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError):
        install(Talking(said), "python3", pack.build(tmp_path), "/r")


@pytest.mark.parametrize("kind", [InfrastructureError, UsageError])
def test_what_an_error_quotes_drives_no_terminal(kind: type[FarmError]) -> None:
    error = kind("it said \x1b[2J\x9b1m\ud800\r", code="a.b", fix="do\x07\tthis\n")
    assert (error.message, error.fix) == ("it said \\x1b[2J\\x9b1m\\ud800\\r", "do\\x07\tthis\n")
    assert str(error) == error.message
    assert str(pickle.loads(pickle.dumps(error))) == error.message  # noqa: S301 - our own
