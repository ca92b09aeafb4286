"""The zipapp is reproducible and needs nothing but Python."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import farm_agent
from farm_agent import pack


def test_the_same_sources_give_the_same_bytes_wherever_they_lie(tmp_path: Path) -> None:
    ours = pack.build(tmp_path / "one")
    copy = tmp_path / "copy" / "farm_agent"
    source = Path(farm_agent.__file__).parent
    shutil.copytree(source.parent / "native", copy.parent / "native")
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "x.py").write_text("x = 1")
    for path in copy.rglob("*.py"):
        os.utime(path, (1, 1))
    program = "import pathlib as p, sys; from farm_agent.pack import build as b"
    program += "; print(b(p.Path(sys.argv[1])).sha256)"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "two")],
        env={"PYTHONPATH": str(copy.parent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ours.sha256


def test_the_name_tells_the_hash(tmp_path: Path) -> None:
    packed = pack.build(tmp_path)
    assert packed.sha256 == hashlib.sha256(packed.path.read_bytes()).hexdigest()
    assert packed.path.name == f"agent-{packed.sha256[:12]}.pyz"
    assert list(tmp_path.iterdir()) == [packed.path]


def test_a_damaged_packed_agent_is_written_again(tmp_path: Path) -> None:
    packed = pack.build(tmp_path)
    packed.path.write_bytes(b"damaged")
    assert pack.build(tmp_path) == packed
    assert hashlib.sha256(packed.path.read_bytes()).hexdigest() == packed.sha256


def test_members_are_stored_sorted_with_one_date(tmp_path: Path) -> None:
    with zipfile.ZipFile(pack.build(tmp_path).path) as archive:
        infos = archive.infolist()
    names = [info.filename for info in infos]
    assert names == sorted(names)
    assert {info.date_time for info in infos} == {pack.EPOCH}
    assert {info.compress_type for info in infos} == {zipfile.ZIP_STORED}
    assert not [name for name in names if "__pycache__" in name]


def test_an_agent_says_its_own_hash(tmp_path: Path) -> None:
    packed = pack.build(tmp_path)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from farm_agent import pack; print(pack.agent_sha256())"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, str(packed.path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == packed.sha256


def test_the_entry_refuses_old_pythons_in_one_readable_line() -> None:
    path = Path(farm_agent.__file__).parent / "__main__.py"
    spec = importlib.util.spec_from_file_location("entry", path)
    assert spec is not None
    assert spec.loader is not None
    entry = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(entry)
    assert entry.too_old((3, 8, 0)) == ""
    assert '"device.python-too-old"' in entry.too_old((3, 6, 15))
    assert "Python 3.6.15" in entry.too_old((3, 6, 15))
