"""The Python that trains: the framework's managed environment, one with a recipe's packages, or the user's
own."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from farm_agent.errors import InfrastructureError, UsageError
from farm_converters import environment
from farm_converters.environment import Environment
from farm_converters.training.recipe import EnvironmentWish

CHECK_TIMEOUT_S = 300.0
MODULES = {
    "torch": ("torch", "onnx", "onnxruntime", "torch_pruning", "numpy"),
    "keras": ("tf_keras", "onnx", "numpy"),
}
TORCH_FIX = (
    "name a folder that holds the CPU wheel (torch-2.13.0+cpu-*.whl): PIP_FIND_LINKS=FOLDER farm optimize; "
    'or a Python of your own that has torch: [environment] python = "PATH"'
)


def prepare(
    framework: str, wish: EnvironmentWish, folder: Path, cache_dir: Path, report: Callable[[str], None]
) -> Environment:
    """The environment, built when needed. ``folder`` is the recipe's, which a relative ``python`` counts
    from.

    Raises UsageError train.python; InfrastructureError env.*.
    """
    if wish.python:
        return _own(framework, folder / Path(wish.python).expanduser())
    try:
        if wish.packages:
            return _derived(framework, wish.packages, cache_dir, report)
        return environment.prepare(framework, cache_dir, report)
    except InfrastructureError as error:
        if framework != "torch" or error.code not in ("env.broken", "env.build-failed"):
            raise
        raise InfrastructureError(error.message, code=error.code, fix=TORCH_FIX) from error


def _own(framework: str, python: Path) -> Environment:
    modules = MODULES[framework]
    code = "".join(f"import {name}; " for name in modules) + f"print({modules[0]}.__version__)"
    try:
        done = subprocess.run(
            [str(python), "-c", code],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=CHECK_TIMEOUT_S,
            check=False,
        )
        told = done.stdout if done.returncode == 0 else done.stderr or done.stdout
        said = told.strip().splitlines() or [f"exit status {done.returncode}"]
        wrong = "" if done.returncode == 0 else said[-1][:300]
    except (OSError, subprocess.TimeoutExpired) as error:
        said, wrong = [], str(error)[:300]
    if wrong:
        raise UsageError(
            f"environment.python: {python} cannot train with {framework}: {wrong}",
            code="train.python",
            fix=f"install {', '.join(modules)} there, or leave python out: farm builds an environment",
        )
    return Environment("own", str(python), {framework: said[-1]})


def _derived(
    framework: str, packages: tuple[str, ...], cache_dir: Path, report: Callable[[str], None]
) -> Environment:
    """The framework's list, then the user's packages. Named so that ``farm env prune`` finds it."""
    text = repr((environment.fingerprint(framework), sorted(packages)))
    key = hashlib.sha256(text.encode()).hexdigest()[:12]
    folder = Path(os.path.abspath(cache_dir)) / "environments" / f"{framework}-extra-{key}"  # noqa: PTH100
    environment.provide(framework, folder, report, packages)
    versions = dict(environment.pins(framework)) | dict(package.split("==", 1) for package in packages)
    return Environment(framework, str(folder / "bin" / "python"), versions)
