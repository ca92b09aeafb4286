"""Runs in Ansible's own Python: the module's ``main`` once for each line of arguments on stdin.

Ansible's own reader of arguments checks them, and its own ``exit_json`` and ``fail_json`` print the answer.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import sys
from types import ModuleType

from ansible.module_utils.testing import patch_module_args


def _loaded(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("farm_files", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _answer(module: ModuleType, arguments: dict[str, object]) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit), patch_module_args(arguments):
        module.main()
    return said.getvalue().strip()


if __name__ == "__main__":
    made = _loaded(sys.argv[1])
    for line in sys.stdin:
        print(json.dumps(json.loads(_answer(made, json.loads(line)))), flush=True)
