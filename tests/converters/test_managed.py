"""Environments as a user sees them: listed, repaired, removed, never under somebody who works in one."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from farm_agent.errors import FarmError, InfrastructureError
from farm_converters import environment, managed
from farm_converters.lock import held
from tests.converters import made
from tests.support import disk_of, is_alive, wait_for

NAME = "farm-tiny-package-of-nobody"
HOLD = """
import sys
from pathlib import Path
from farm_converters import environment, installer
environment.LISTS = Path(sys.argv[1])
if len(sys.argv) > 3:
    installer.find_uv = lambda: sys.argv[3]
environment.prepare("tiny", Path(sys.argv[2]), lambda text: print(text, flush=True))
print("prepared", flush=True)
sys.stdin.read()
"""
ENDLESS_INSTALLER = """#!/bin/sh
sleep 600 &
setsid sleep 600 >/dev/null 2>&1 &
mkdir -p "$FOLDER"
echo $$ $! > "$FOLDER/some"
mv "$FOLDER/some" "$FOLDER/pids"
wait
"""


def wheel(folder: Path, code: str = "X = 1\n") -> Path:
    """A wheel of one module ``farm_tiny``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "farm_tiny_package_of_nobody-1.0-py3-none-any.whl"
    info = "farm_tiny_package_of_nobody-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("farm_tiny.py", code)
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(
            f"{info}/RECORD", f"farm_tiny.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )
    return path


def write_list(folder: Path, path: Path, module: str = "farm_tiny") -> None:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "tiny.txt").write_text(f"# A tiny thing. For tests.\n{NAME}==1.0 --hash=sha256:{sha256}\n")
    (folder / "tiny.check").write_text(f"# what counts\n{module}\n")


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One list of our own, whose wheel lies in a folder: nothing is downloaded."""
    folder = tmp_path / "lists"
    folder.mkdir()
    write_list(folder, wheel(tmp_path / "wheels"))
    monkeypatch.setattr(environment, "LISTS", folder)
    monkeypatch.setattr(environment, "_held", {})
    monkeypatch.setenv("FARM_WHEELS", str(tmp_path / "wheels"))
    return folder


def only(cache: Path, name: str = "tiny") -> managed.Managed:
    (found,) = (each for each in managed.survey(cache) if each.name == name)
    return found


def test_an_environment_is_listed_before_and_after_it_is_built(tmp_path: Path, lists: Path) -> None:
    before = only(tmp_path)
    assert (before.state, before.about, before.path) == (managed.ABSENT, "A tiny thing", None)
    after = managed.sync("tiny", tmp_path, made.quiet)
    assert after.state == managed.READY
    assert after.path is not None
    assert after.path.is_dir()
    assert after.size_bytes > 1000
    assert only(tmp_path, "onnx").state == managed.MET


def test_what_cannot_be_imported_is_broken_and_not_kept(tmp_path: Path, lists: Path) -> None:
    write_list(lists, wheel(tmp_path / "wheels", "import there_is_no_such_module\n"))
    with pytest.raises(InfrastructureError) as caught:
        managed.sync("tiny", tmp_path, made.quiet)
    assert caught.value.code == "env.broken"
    assert "there_is_no_such_module" in caught.value.message
    assert only(tmp_path).state == managed.ABSENT


def test_sync_repairs_what_was_damaged(tmp_path: Path, lists: Path) -> None:
    built = managed.sync("tiny", tmp_path, made.quiet).path
    assert built is not None
    (module,) = built.glob("lib/python*/site-packages/farm_tiny.py")
    module.unlink()
    environment._held.clear()  # as in a process of its own
    said: list[str] = []
    assert managed.sync("tiny", tmp_path, said.append).state == managed.READY
    assert module.is_file()
    assert any("built anew" in text for text in said)


def test_prune_takes_old_and_unfinished_ones_alone(tmp_path: Path, lists: Path) -> None:
    managed.sync("tiny", tmp_path, made.quiet)
    old = tmp_path / "environments" / "tiny-0123456789ab"
    old.mkdir()
    environment.marker(old).touch()
    torn = tmp_path / "environments" / "other-0123456789ab"
    torn.mkdir()
    (tmp_path / "environments" / "of-somebody-else").mkdir()
    recipes = tmp_path / "environments" / "tiny-extra-0123456789ab"
    recipes.mkdir()
    environment.marker(recipes).touch()
    assert only(tmp_path, "tiny-extra").state == managed.READY
    chosen = managed.disposable(managed.survey(tmp_path), everything=False, unused_days=30.0)
    assert {each.path for each in chosen} == {old, torn}
    for each in chosen:
        assert each.path is not None
        managed.remove(each.path, made.quiet)
    assert not old.exists()
    assert only(tmp_path).state == managed.READY


def test_one_that_nobody_used_for_long_goes(tmp_path: Path, lists: Path) -> None:
    path = managed.sync("tiny", tmp_path, made.quiet).path
    assert path is not None
    found = [managed.Managed("tiny", "", managed.READY, 1, path, unused_days=31.0)]
    assert managed.disposable(found, everything=False, unused_days=30.0) == found
    os.utime(environment.use_lock(path), (0, 0))
    assert (only(tmp_path).unused_days or 0) > 10_000


def test_one_in_use_by_another_process_stays(tmp_path: Path, lists: Path) -> None:
    argv = [sys.executable, "-c", HOLD, str(lists), str(tmp_path)]
    user = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert user.stdin is not None
    assert user.stdout is not None
    try:
        assert b"prepared\n" in iter(user.stdout.readline, b"")
        held = only(tmp_path)
        assert held.path is not None
        assert held.in_use
        assert managed.disposable([held], everything=True, unused_days=0.0) == []
        with pytest.raises(InfrastructureError) as caught:
            managed.remove(held.path, made.quiet)
        assert caught.value.code == "env.in-use"
        assert environment.is_complete(held.path)
    finally:
        user.stdin.close()
        user.wait(timeout=60)
        user.stdout.close()
    assert managed.remove(held.path, made.quiet) > 0
    assert only(tmp_path).state == managed.ABSENT


def test_two_processes_build_an_environment_once(tmp_path: Path, lists: Path) -> None:
    """Both are held back until both wait; then one builds, and the other takes what it made."""
    folder = environment.folder_of("tiny", tmp_path)
    argv = [sys.executable, "-c", HOLD, str(lists), str(tmp_path)]
    with held(folder.with_suffix(".lock"), report=made.quiet, what="the test"):
        both = [
            subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
        ]
        for process in both:
            assert process.stdout is not None
            assert any("waiting for another process" in line for line in iter(process.stdout.readline, ""))
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all(text.endswith("prepared\n") for text in said)
    assert sorted("building the tiny environment" in text for text in said) == [False, True]


def test_a_killed_build_takes_its_installer_along(
    tmp_path: Path, lists: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would go on writing where the next build begins."""
    endless = tmp_path / "endless"
    endless.write_text(ENDLESS_INSTALLER)
    endless.chmod(0o755)
    folder = environment.folder_of("tiny", tmp_path)
    monkeypatch.setenv("FOLDER", str(folder))
    argv = [sys.executable, "-c", HOLD, str(lists), str(tmp_path), str(endless)]
    builder = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_for(folder / "pids")
        assert only(tmp_path).state == managed.TORN
        assert only(tmp_path).in_use
    finally:
        builder.kill()
        builder.wait()
    pids = [int(pid) for pid in (folder / "pids").read_text().split()]
    assert managed.sync("tiny", tmp_path, made.quiet).state == managed.READY
    assert not (folder / "pids").exists()
    # The lock was free only after the last of them
    assert not [pid for pid in pids if is_alive(pid)]


def test_a_disk_that_fills_up_under_a_build_is_the_machine_s_fault(
    tmp_path: Path, lists: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_list(lists, wheel(tmp_path / "wheels", f"X = {'7' * 6_000_000!r}\n"))
    monkeypatch.setenv("UV_LINK_MODE", "copy")
    with disk_of(tmp_path / "cache", 4) as cache_dir:
        with pytest.raises(InfrastructureError) as caught:
            managed.sync("tiny", cache_dir, made.quiet)
        assert caught.value.code == "host.disk-full"
        assert only(cache_dir).state == managed.ABSENT


def test_what_lies_ready_in_a_read_only_cache_serves(tmp_path: Path, lists: Path) -> None:
    with disk_of(tmp_path / "cache", 64) as cache_dir:
        managed.sync("tiny", cache_dir, made.quiet)
        environment._held.popitem()[1].close()  # as in a process of its own
        subprocess.run(["mount", "-o", "remount,ro", str(cache_dir)], check=True)
        assert environment.prepare("tiny", cache_dir, made.quiet).python.startswith(str(cache_dir))
        folder = environment.folder_of("tiny", cache_dir)
        with pytest.raises(InfrastructureError) as caught:
            managed.remove(folder, made.quiet)
        assert caught.value.code == "host.cache-unwritable"
        assert environment.is_complete(folder)


@pytest.mark.parametrize(
    "name", [name for name in environment.names() if name not in environment.HOST_PACKAGES]
)
def test_every_list_begins_with_a_sentence_that_says_what_it_is_for(name: str) -> None:
    first = environment.lists(name)[0].read_text().partition("\n")[0]
    assert first.startswith("# ")
    assert ". " in f"{first} ", "the first sentence ends in the first line"


def test_a_recipe_s_own_packages_come_on_top_and_count_as_used(tmp_path: Path, lists: Path) -> None:
    folder = tmp_path / "environments" / "tiny-extra-0123456789ab"
    packages = ["farm-tiny-second-package==1.0"]
    with pytest.raises(InfrastructureError) as caught:
        environment.provide("tiny", folder, made.quiet, packages)
    assert caught.value.code == "env.build-failed"
    assert not folder.exists()
    environment.provide("tiny", folder, made.quiet, [f"{NAME}==1.0"])
    os.utime(environment.use_lock(folder), (0, 0))
    environment._held.popitem()[1].close()  # as in a process of its own
    environment.provide("tiny", folder, made.quiet, [f"{NAME}==1.0"])
    found = only(tmp_path, "tiny-extra")
    assert found.in_use
    assert (found.unused_days or 0.0) < 1.0


def test_pip_s_own_folders_of_wheels_serve_uv_too(
    tmp_path: Path, lists: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of two folders has it; the network is forbidden."""
    monkeypatch.delenv("FARM_WHEELS")
    monkeypatch.setenv("FARM_OFFLINE", "1")
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", f"{tmp_path / 'none'} {tmp_path / 'wheels'}")
    assert managed.sync("tiny", tmp_path, made.quiet).state == managed.READY


def test_wheels_for_a_site_without_network_are_enough_to_build(
    tmp_path: Path, lists: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    assert managed.fetch_wheels(managed.select(["tiny"]), tmp_path / "taken", made.quiet) == 1
    shutil.rmtree(tmp_path / "wheels")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("FARM_WHEELS", str(tmp_path / "taken"))
    assert managed.sync("tiny", tmp_path, made.quiet).state == managed.READY


def test_an_unknown_name_is_the_user_s_mistake() -> None:
    with pytest.raises(FarmError) as caught:
        managed.select(["nothing"])
    assert caught.value.code == "env.no-such"
