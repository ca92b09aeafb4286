"""Folders, files and lines of root's, as many as there are, in one module.

Ansible's own modules do it one by one, and each costs a slow board the start of a Python or two.
"""

# ruff: noqa: ANN401, INP001 - Ansible has no types, and loads the file by its name
from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: farm_files
short_description: root's folders, files and lines, many at once
description:
  - Makes each of C(files) what it says, in order, and shows what differs.
  - What it makes is root's. A link that lies in the way is replaced, never followed.
options:
  files:
    description: What there shall be.
    type: list
    elements: dict
    required: true
    suboptions:
      path: {description: Where; from the root on., type: path, required: true}
      state: {description: What it is., type: str, choices: [file, directory, absent], default: file}
      content: {description: The whole text of a file., type: str}
      line: {description: A line that a file has among others; not with C(content)., type: str}
      mode: {description: Permissions; octal with a leading 0., type: str}
      validate: {description: A command that must agree to the file named by %s., type: str}
author: The farm developers
"""
EXAMPLES = """
- name: Have a folder and a script in it
  farm_files:
    files:
      - {path: /opt/farm, state: directory}
      - {path: /opt/farm/run, content: "exec true\\n", mode: "0755", validate: sh -n %s}
"""
RETURN = """
paths: {description: What was not as it should be., type: list, elements: str, returned: always}
"""
FILE = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["file", "directory", "absent"], "default": "file"},
    "content": {"type": "str"},
    "line": {"type": "str"},
    "mode": {"type": "str"},
    "validate": {"type": "str"},
}


def main() -> None:
    """Do what the arguments say; with ``--check`` only find out."""
    files = {"type": "list", "elements": "dict", "options": FILE, "required": True}
    module = AnsibleModule(
        argument_spec={"files": {**files, "mutually_exclusive": [("content", "line")]}},
        supports_check_mode=True,
    )
    for wanted in module.params["files"]:
        problem = _problem(wanted)
        if problem:
            module.fail_json(msg=f"{wanted['path']}: {problem}")
    makers = {"file": _file, "directory": _directory, "absent": _absent}
    diffs: list[dict[str, str]] = []
    for wanted in module.params["files"]:
        try:
            diffs += makers[wanted["state"]](module, Path(wanted["path"]), wanted)
        except OSError as error:
            module.fail_json(msg=f"{wanted['path']}: {error.strerror or error}")
    paths = [diff["after_header"] for diff in diffs]
    module.exit_json(changed=bool(diffs), diff=diffs, paths=paths)


def _problem(wanted: dict[str, Any]) -> str:
    """What cannot be meant, before anything is changed. YAML makes 420 of an unquoted 0644."""
    if not Path(wanted["path"]).is_absolute():
        return "not a path from the root on"
    if wanted["mode"] is not None and not re.fullmatch("0[0-7]{3,4}", wanted["mode"]):
        return f"the mode {wanted['mode']!r} is not octal with a leading 0, like '0644'"
    if wanted["validate"] is not None and "%s" not in wanted["validate"]:
        return "validate names no file: it has no %s"
    return ""


def _directory(module: Any, path: Path, wanted: dict[str, Any]) -> list[dict[str, str]]:
    mode = int(wanted["mode"] or "0755", 8)
    there = path.is_dir() and not path.is_symlink()
    if there and _is_roots(path, mode):
        return []
    diff = _diff(path, _said(path) if there else "", f"folder {mode:04o}\n")
    if not module.check_mode:
        if not there:
            _remove(path)
            path.mkdir(parents=True)
        _give_root(path, mode)
    return [diff]


def _file(module: Any, path: Path, wanted: dict[str, Any]) -> list[dict[str, str]]:
    mode = int(wanted["mode"] or "0644", 8)
    there = path.is_file() and not path.is_symlink()
    before = path.read_text(encoding="utf-8", errors="surrogateescape") if there else ""
    after = wanted["content"] or "" if wanted["line"] is None else _with_line(before, wanted["line"])
    if there and before == after:
        if _is_roots(path, mode):
            return []
        diff = _diff(path, _said(path), f"file {mode:04o}\n")
        if not module.check_mode:
            _give_root(path, mode)
        return [diff]
    if not module.check_mode:
        _write(module, path, after, mode, wanted["validate"])
    return [_diff(path, before, after)]


def _absent(module: Any, path: Path, _wanted: dict[str, Any]) -> list[dict[str, str]]:
    if not os.path.lexists(path):
        return []
    diff = _diff(path, _said(path), "")
    if not module.check_mode:
        _remove(path)
    return [diff]


def _write(module: Any, path: Path, text: str, mode: int, validate: str | None) -> None:
    """Whole or not at all. The name that it has meanwhile is one that sudo, udev and cron pass over."""
    handle, name = tempfile.mkstemp(prefix=".farm.", suffix=".part", dir=str(path.parent))
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        _give_root(part, mode)
        if validate:
            status, said, problem = module.run_command(validate.replace("%s", name))
            if status:
                module.fail_json(msg=f"{path} would not be valid: {said}{problem}")
        if path.is_dir() and not path.is_symlink():
            _remove(path)
        part.replace(path)
    finally:
        if part.exists():
            part.unlink()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()


def _with_line(text: str, line: str) -> str:
    if line in text.splitlines():
        return text
    return text + ("" if not text or text.endswith("\n") else "\n") + line + "\n"


def _is_roots(path: Path, mode: int) -> bool:
    found = path.lstat()
    return (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, 0, mode)


def _give_root(path: Path, mode: int) -> None:
    os.chown(path, 0, 0)
    path.chmod(mode)


def _said(path: Path) -> str:
    """What lies there, in words."""
    kind = "link" if path.is_symlink() else "folder" if path.is_dir() else "file"
    return f"{kind} {stat.S_IMODE(path.lstat().st_mode):04o}\n"


def _diff(path: Path, before: str, after: str) -> dict[str, str]:
    return {"before_header": str(path), "after_header": str(path), "before": before, "after": after}


if __name__ == "__main__":
    main()
