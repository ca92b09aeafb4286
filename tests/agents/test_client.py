"""The coordinator's side, over the local transport and a real agent."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from farm.agent_client import AgentClient, find_python, install
from farm.errors import FarmError, InfrastructureError
from farm.transports import Completed
from farm.transports.local import Local
from farm_agent import pack
from farm_agent.wire import Event

from .parts import QUICK, local_agent, small_spec


@pytest.fixture
def client(tmp_path: Path) -> AgentClient:
    return install(Local(), sys.executable, pack.build(tmp_path / "packed"), str(tmp_path / "root"))


class Recording(Local):
    """The local transport, remembering what was put."""

    def __init__(self) -> None:
        super().__init__()
        self.puts: list[str] = []

    def put(self, source: Path, target: str, **options: object) -> None:
        self.puts.append(target)
        super().put(source, target, **options)  # type: ignore[arg-type]


class Talking(Local):
    """The local transport, where every command prints the same."""

    def __init__(self, stdout: bytes, returncode: int = 0, stderr: bytes = b"") -> None:
        super().__init__()
        self._done = Completed(returncode, stdout, stderr)

    def run(self, argv: Sequence[str], **options: object) -> Completed:
        return self._done


def test_the_agent_is_shipped_once_and_again_only_when_damaged(tmp_path: Path) -> None:
    link, packed, root = Recording(), pack.build(tmp_path / "packed"), tmp_path / "root"
    install(link, sys.executable, packed, str(root))
    install(link, sys.executable, packed, str(root))
    assert len(link.puts) == 1
    (root / "agents" / packed.path.name).write_bytes(b"damaged")
    client = install(link, sys.executable, packed, str(root))
    assert len(link.puts) == 2
    assert client.hello().agent_sha256 == packed.sha256
    assert [path.name for path in (root / "agents").iterdir()] == [packed.path.name]


def test_a_whole_job_by_the_client(client: AgentClient, tmp_path: Path) -> None:
    agent = local_agent(tmp_path)
    spec = small_spec(agent, tmp_path, plan=QUICK)
    assert [stock.complete for stock in client.stock([spec.artifact.files[0].sha256, "0" * 64])] == [
        True,
        False,
    ]
    assert client.commit(spec.artifact.files[0]).complete
    assert client.start(spec).state == "starting"
    seen: list[Event] = []
    while True:
        events, state = client.attach("job-1", len(seen), 20.0, 1)
        seen += events
        if state.ended and state.next_seq == len(seen):
            break
    assert [event.seq for event in seen] == list(range(len(seen)))
    result, sha256 = client.result("job-1")
    assert result.outcome == "ok"
    samples = client.job_path("job-1", result.blocks[0].samples.name)
    Local().get(samples, tmp_path / "samples", timeout_s=10, limit_bytes=result.blocks[0].samples.size_bytes)
    client.ack("job-1", sha256)
    assert client.gc(0)["jobs"] == ["job-1"]
    with pytest.raises(InfrastructureError) as caught:
        client.stop("job-1", 1)
    assert caught.value.code == "job.unknown"


def test_facts_name_every_runtime_with_a_version_or_a_reason(client: AgentClient) -> None:
    facts = client.facts()
    assert [fact.name for fact in facts.runtimes] == ["litert", "onnxruntime", "openvino", "tensorrt"]
    for fact in facts.runtimes:
        assert bool(fact.version) != bool(fact.unavailable)
        assert fact.version or fact.fix
    assert facts.cores >= 1
    assert facts.machine
    assert facts.kernel

    kept = Path(client.root) / "probes.json"
    working = {fact.name: fact.version for fact in facts.runtimes if fact.version}
    for name, version in working.items():
        kept.write_text(kept.read_text().replace(f'"{version}"', f'"kept {name}"'))
    again = client.facts(fresh=False).runtimes
    assert {fact.version for fact in again if fact.version} == {f"kept {name}" for name in working}
    assert client.facts().runtimes == facts.runtimes


@pytest.mark.parametrize(
    "stdout",
    [
        b'{"wire": 1}\n',
        b'{"wire": 2, "body": {}}\n',
        b'{"wire": "x"}\n',
        b'{"wire": 1, "body": {"wire": 1}}\n',
        b"{" * 5000,
        b'{"wire": 1, "body": []}\n',
    ],
)
def test_an_answer_that_is_none_is_an_error_of_the_device(stdout: bytes) -> None:
    client = AgentClient(Talking(stdout), "python3", "/a.pyz", "/r")
    with pytest.raises(InfrastructureError) as caught:
        client.hello()
    assert caught.value.code == "agent.garbled"


def test_no_answer_shows_what_the_device_said() -> None:
    client = AgentClient(Talking(b"", 2, b"x\nPermission denied\n"), "python3", "/a.pyz", "/r")
    with pytest.raises(InfrastructureError, match="exit status 2\\): Permission denied") as caught:
        client.hello()
    assert caught.value.code == "agent.silent"


def test_a_greeting_of_the_login_shell_is_no_answer(client: AgentClient) -> None:
    failure = b'Welcome!\n{"wire":1,"failure":{"blame":"job","code":"a.b","message":"m","fix":"f"}}\n'
    with pytest.raises(FarmError) as caught:
        AgentClient(Talking(failure), "python3", "/a.pyz", "/r").hello()
    assert (caught.value.blame, caught.value.code, caught.value.fix) == ("job", "a.b", "f")


def test_an_answer_about_other_files_is_refused() -> None:
    stock = b'{"wire":1,"body":{"stock":[{"sha256":"%s","complete":true,"partial_bytes":0}]}}\n' % (b"0" * 64)
    with pytest.raises(InfrastructureError) as caught:
        AgentClient(Talking(stock), "python3", "/a.pyz", "/r").stock(["1" * 64])
    assert caught.value.code == "agent.garbled"


def test_the_first_python_that_is_new_enough_is_taken(tmp_path: Path) -> None:
    old = tmp_path / "python2"
    old.write_text("#!/bin/sh\nprintf 'farm-python 2.7.18'\n")
    old.chmod(0o755)
    assert find_python(Local(), ("python-none", str(old), sys.executable)) == sys.executable
    with pytest.raises(InfrastructureError) as caught:
        find_python(Local(), ("python-none", str(old)))
    assert caught.value.code == "device.python-too-old"
    with pytest.raises(InfrastructureError) as caught:
        find_python(Local(), ("python-none", "/bin/true"))
    assert caught.value.code == "device.no-python"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InfrastructureError) as caught:
        install(Local(), sys.executable, pack.build(tmp_path / "packed"), str(tmp_path / "file" / "root"))
    assert caught.value.code == "device.not-writable"
