"""Ansible's progress as one JSON object per line on standard output, for the program that started it.

Loaded by ansible-playbook when ANSIBLE_STDOUT_CALLBACK=farm_events. What a task asks to keep quiet
(``no_log``) stays quiet: Ansible itself censors it before this sees it.
"""

# ruff: noqa: ANN401, ARG002, FBT001, FBT002, FBT003, INP001 - Ansible gives the signatures and loads the file
from __future__ import annotations

import json
import sys
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: farm_events
type: stdout
short_description: one JSON object per line
description: One JSON object per line for each task, result and the final counts.
"""
LONGEST = 20_000


class CallbackModule(CallbackBase):
    """Writes events; decides nothing."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "farm_events"

    def _write(self, event: str, **values: Any) -> None:
        sys.stdout.write(json.dumps({"event": event, "at_unix_s": time.time(), **values}) + "\n")
        sys.stdout.flush()

    def _result(self, status: str, result: Any, ignored: bool = False) -> None:
        body = getattr(result, "result", None) or result._result  # noqa: SLF001 - the name before 2.19
        task = getattr(result, "task", None) or result._task  # noqa: SLF001
        host = getattr(result, "host", None) or result._host  # noqa: SLF001
        if status == "ok" and body.get("changed"):
            status = "changed"
        self._write(
            "result",
            device=host.get_name(),
            **_named(task),
            status="ignored" if ignored else status,
            reason="" if status in ("ok", "changed", "skipped") else _reason(body),
            diff=_plain(self._diff(body)),
        )

    def _diff(self, body: Any) -> str:
        parts = [each for each in body.get("results", []) if isinstance(each, dict)]
        found = [each.get("diff") for each in (body, *parts)]
        return "".join(self._get_diff(each) for each in found if each)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._write("task", **_named(task))

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_ok(self, result: Any) -> None:
        self._result("ok", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._result("skipped", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result("failed", result, ignore_errors)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result("unreachable", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        hosts = {host: stats.summarize(host) for host in sorted(stats.processed)}
        self._write("stats", devices=hosts)


def _named(task: Any) -> dict[str, str]:
    """``role : task`` in two."""
    role, _, name = task.get_name().rpartition(" : ")
    return {"task": name, "role": role}


def _reason(body: Any) -> str:
    """What went wrong, from wherever this module put it."""
    parts = [body.get(key) for key in ("msg", "stderr", "module_stderr", "stdout", "module_stdout")]
    for each in (body.get("failed_modules") or {}).values():
        parts += [each.get("msg"), each.get("module_stderr"), each.get("module_stdout")]
    for each in body.get("results", []):
        if isinstance(each, dict) and each.get("failed"):
            parts += [each.get("msg"), each.get("stderr")]
    told = [str(part).strip() for part in parts if part]
    return _plain("\n".join(dict.fromkeys(told)))


def _plain(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + " ..."
