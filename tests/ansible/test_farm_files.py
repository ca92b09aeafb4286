"""The module of root's folders, files and lines, by Ansible's own reader of arguments, without a playbook."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farm.enroll import playbook
from farm_converters import environment
from farm_converters.installer import find_uv
from tests.support import need

pytestmark = pytest.mark.toolchain


class Module:
    """One process of Ansible's Python that runs the module again and again."""

    def __init__(self, python: str) -> None:
        argv = [python, str(Path(__file__).parent / "farm_files_driver.py")]
        argv += [str(playbook.folder() / "library" / "farm_files.py")]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, encoding="utf-8")

    def ask(self, arguments: dict[str, Any], *, check: bool = False) -> dict[str, Any]:
        """What it answers to these arguments."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({**arguments, "_ansible_check_mode": check}) + "\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def files(self, *files: dict[str, str], check: bool = False) -> list[str]:
        """The names of what it changed (or, with ``check``, would change), in order."""
        answer = self.ask({"files": list(files)}, check=check)
        assert not answer.get("failed"), answer
        assert answer["changed"] == bool(answer["paths"])
        return [Path(path).name for path in answer["paths"]]

    def refused(self, *files: dict[str, str]) -> str:
        """Why it did nothing."""
        answer = self.ask({"files": list(files)})
        assert answer["failed"]
        assert "exception" not in answer, answer
        return str(answer["msg"])

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=20)


@pytest.fixture
def module(private_folders: Path) -> Iterator[Module]:
    """The module as Ansible runs it."""
    need(os.geteuid() == 0, "giving files to root needs root")
    need(find_uv(), "no uv here")
    prepared = environment.prepare(playbook.ENVIRONMENT, private_folders / "cache" / "farm", print)
    made = Module(prepared.python)
    yield made
    made.close()


def _mode(path: Path) -> str:
    found = path.lstat()
    return f"{found.st_uid}:{found.st_gid} {stat.S_IMODE(found.st_mode):04o}"


def test_files_are_made_once_and_nothing_is_followed(module: Module, tmp_path: Path) -> None:
    """Everything at once, first only told, then made, then not again; owner and mode are mended alone; links
    and folders that lie in the way give way, and what a link pointed to stays; removed, nothing is left."""
    folder, script, keys = tmp_path / "a" / "b", tmp_path / "a" / "b" / "run", tmp_path / "keys"
    keys.write_bytes(b"mine \xff")
    wanted = (
        {"path": str(folder), "state": "directory"},
        {"path": str(script), "content": "exec true\n", "mode": "0750", "validate": "sh -n %s"},
        {"path": str(keys), "line": "restrict ssh-ed25519 AAAA"},
    )
    assert module.files(*wanted, check=True) == ["b", "run", "keys"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys"]
    assert keys.read_bytes() == b"mine \xff"
    assert module.files(*wanted) == ["b", "run", "keys"]
    assert (_mode(folder), _mode(script), _mode(keys)) == ("0:0 0755", "0:0 0750", "0:0 0644")
    assert script.read_text() == "exec true\n"
    assert keys.read_bytes() == b"mine \xff\nrestrict ssh-ed25519 AAAA\n"
    assert module.files(*wanted) == []

    os.chown(script, 1, 1)
    keys.chmod(0o4666)
    folder.chmod(0o700)
    assert module.files(*wanted, check=True) == ["b", "run", "keys"]
    assert _mode(keys) == "0:0 4666"
    assert module.files(*wanted) == ["b", "run", "keys"]
    assert (_mode(folder), _mode(script), _mode(keys)) == ("0:0 0755", "0:0 0750", "0:0 0644")

    victim, inside = tmp_path / "victim", tmp_path / "inside"
    victim.write_text("stays")
    inside.mkdir(mode=0o700)
    script.unlink()
    script.symlink_to(victim)
    folder.rename(tmp_path / "moved")
    folder.symlink_to(inside)
    keys.unlink()
    keys.mkdir()
    (keys / "full").write_text("")
    assert module.files(*wanted) == ["b", "run", "keys"]
    assert (folder.is_symlink(), script.is_symlink()) == (False, False)
    assert keys.read_text() == "restrict ssh-ed25519 AAAA\n"
    assert (victim.read_text(), list(inside.iterdir()), _mode(inside)) == ("stays", [], "0:0 0700")
    link = {"path": str(tmp_path / "moved" / "run"), "content": "ours"}
    assert module.files(link) == ["run"]
    assert (victim.read_text(), (tmp_path / "moved" / "run").read_text()) == ("stays", "ours")

    gone = [{"path": str(path), "state": "absent"} for path in (keys, folder, folder.parent, script)]
    folder.parent.joinpath("link").symlink_to(inside)
    assert module.files(*gone, check=True) == ["keys", "b", "a", "run"]
    assert module.files(*gone) == ["keys", "b", "a"]
    assert module.files(*gone) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside", "moved", "victim"]


def test_what_cannot_be_meant_is_refused_before_anything_is_changed(module: Module, tmp_path: Path) -> None:
    """Arguments that Ansible or the module refuses; a text that its checker refuses; a folder that is not
    there: each told with its path, and nothing of it left."""
    good = {"path": str(tmp_path / "good"), "state": "directory"}
    path = str(tmp_path / "file")
    for bad, why in (
        ({"state": "file"}, "path"),
        ({"path": path, "state": "link"}, "state"),
        ({"path": path, "owner": "me"}, "owner"),
        ({"path": path, "content": "a", "line": "b"}, "mutually exclusive"),
        ({"path": path, "mode": "420"}, "not octal"),
        ({"path": path, "mode": "0899"}, "not octal"),
        ({"path": path, "mode": "u+x"}, "not octal"),
        ({"path": "etc/file"}, "from the root on"),
        ({"path": path, "validate": "true"}, "no %s"),
    ):
        assert why in module.refused(good, bad)
    assert list(tmp_path.iterdir()) == []
    assert module.ask({})["failed"]

    said = module.refused({"path": path, "content": "if\n", "validate": "sh -n %s"})
    assert said.startswith(f"{path} would not be valid: ")
    assert "No such file" in module.refused({"path": f"{path}/below", "content": ""})
    assert list(tmp_path.iterdir()) == []
