"""What the structure of the code promises."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

PACKAGES = ("farm", "agents", "converters", "results", "device_profiles")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MAX_LINES = 350
# Packages that may be imported only inside functions, because importing one takes tenths of a second.
HEAVY = {
    "alembic",
    "fabric",
    "numpy",
    "onnx",
    "onnxruntime",
    "openvino",
    "optuna",
    "pandas",
    "paramiko",
    "pyarrow",
    "rich",
    "sqlalchemy",
}
# Licences that the project must not be bound by.
FORBIDDEN = {"jtop", "ultralytics", "ansible", "ansible_runner"}
# The agent's runtime processes import these; nothing else of it does.
RUNTIMES = {"numpy", "onnxruntime", "openvino", "ai_edge_litert", "tflite_runtime", "tensorrt"}


def imports(path: Path, *, top_level: bool = False) -> Iterator[str]:
    """Root names of the modules a file imports; with ``top_level`` only those it imports at once."""

    def walk(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            deferred = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            guard = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            if not (top_level and (deferred or guard)):
                yield child
                yield from walk(child)

    for node in walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def test_imports_run_one_way() -> None:
    """farm -> results | converters -> profiles -> agent, as pyproject.toml writes it down."""
    from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)

    assert status == EXIT_STATUS_SUCCESS


@pytest.mark.parametrize("path", SOURCES, ids=[str(path.relative_to(ROOT)) for path in SOURCES])
def test_a_file_is_one_noun(path: Path) -> None:
    """No file outgrows what a person reads at one sitting."""
    assert len(path.read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", SOURCES, ids=[str(path.relative_to(ROOT)) for path in SOURCES])
def test_licences_stay_apart(path: Path) -> None:
    """Nothing under AGPL is imported; GPL programs run as programs."""
    assert not FORBIDDEN & set(imports(path))


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if "farm_agent" in path.parts], ids=lambda p: p.stem
)
def test_the_agent_needs_only_the_standard_library(path: Path) -> None:
    """Beside itself; numpy and runtimes are imported inside functions, in a runtime's process."""
    assert set(imports(path, top_level=True)) <= set(sys.stdlib_module_names) | {"farm_agent"}
    assert set(imports(path)) <= set(sys.stdlib_module_names) | {"farm_agent"} | RUNTIMES


CLI = [path for path in SOURCES if path.is_relative_to(ROOT / "farm" / "cli")]


@pytest.mark.parametrize("path", CLI, ids=lambda path: path.stem)
def test_the_command_line_imports_heavy_packages_on_use(path: Path) -> None:
    """No module of farm.cli imports one at its top."""
    assert not HEAVY & set(imports(path, top_level=True))


@pytest.mark.parametrize(
    "module", ["farm", "farm.config", "farm.plan", "farm.devices.select", "farm_profiles.load"]
)
def test_light_modules_stay_light(module: str) -> None:
    """What every command needs imports nothing heavy, not even through others."""
    script = f"import sys, {module}; print(sorted({HEAVY!r} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
