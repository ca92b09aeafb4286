"""What the wheel holds, and what an installed farm finds without the repository."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.support import ROOT

# The source of the timed loop lies beside the agent in the repository, inside it in the wheel.
MOVED = {"farm_agent/timeloop.c"}
FOLDERS = {
    "farm": "farm",
    "ansible": "farm/enroll/ansible",
    "agents/farm_agent": "farm_agent",
    "converters/farm_converters": "farm_converters",
    "results/farm_results": "farm_results",
    "device_profiles/farm_profiles": "farm_profiles",
}

IGNORED = {"__pycache__", ".mypy_cache", ".ruff_cache"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this tree without network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def expected() -> set[str]:
    """Every file of the five packages, as the wheel names it."""
    return MOVED | {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, package in FOLDERS.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not IGNORED & set(path.parts)
    }


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    """Code, profiles, pins, migrations, the sample and the typing marks; no tests, no stray top level."""
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert names == expected()
    for name in (
        "farm/sample/digits.onnx",
        "farm/sample/digits_test.npz",
        "farm_profiles/rpi4.toml",
        "farm_converters/environments/tflite.txt",
        "farm/enroll/ansible/enrol.yml",
        *(f"{package}/py.typed" for package in FOLDERS.values() if "/" not in package),
    ):
        assert name in names


def test_an_unpacked_wheel_works_without_the_repository(wheel: Path, tmp_path: Path) -> None:
    """Profiles, sample, migrations and the agent are found where a wheel puts them."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    script = """
import farm, pathlib, sys
from farm.sample import sample_model
from farm_agent.pack import build
from farm_profiles.load import load_profile, profile_names
from farm_results.store import open_store
here = pathlib.Path(sys.argv[1])
assert pathlib.Path(farm.__file__).is_relative_to(here), farm.__file__
assert sample_model().is_relative_to(here)
assert len([load_profile(name) for name in profile_names()]) >= 11
store = open_store(here / "store"); assert store.count() == 0; store.close()
build(here / "agents")
"""

    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_the_lock_file_pins_and_hashes_every_package_and_names_no_place() -> None:
    lock = (ROOT / "requirements.lock").read_text()

    assert "://" not in lock
    for block in re.split(r"\n(?=[A-Za-z0-9])", lock.strip()):
        assert re.match(r"[A-Za-z0-9._-]+==\S+ .*--hash=sha256:", block, re.DOTALL), block


def test_the_lock_file_knows_every_direct_dependency() -> None:
    """A dependency added to pyproject.toml without ``scripts/lock.sh`` is noticed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = set(re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    wanted = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]

    assert {_name(item) for item in wanted} - {project["name"]} <= locked


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return found[0].lower()
