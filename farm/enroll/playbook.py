"""Run ansible-playbook in its managed environment and hand on its events.

Ansible is under the GPL and is only ever a program of its own. It gets an environment made for it: none of
the user's ANSIBLE_* settings, folders of ours, and the connection that is open already.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import farm
from farm.devices.address import parse_address
from farm.enroll import events
from farm.enroll.events import Counts, Ended, Event
from farm.enroll.failures import failed
from farm.enroll.login import Login
from farm.enroll.privilege import Privilege
from farm.errors import FarmBug, InfrastructureError
from farm_converters import children, environment, guard

ENVIRONMENT = "ansible"
STALL_S = 1800.0  # a package manager on a slow board may be silent for long
TAIL_BYTES = 8192
NOT_FOR_ANSIBLE = ("ANSIBLE_", "PYTHON", "LC_", "FARM_")  # passwords among them


def folder() -> Path:
    """The playbooks: in the repository beside farm, in an installed farm inside it."""
    here = Path(farm.__file__).resolve().parent
    for candidate in (here / "enroll" / "ansible", here.parent / "ansible"):
        if (candidate / "enrol.yml").is_file():
            return candidate
    raise FarmBug("the playbooks are not there", code="farm.bug", fix="install farm again")


@dataclass(frozen=True)
class Stage:
    """Where playbooks run: one device. ``hear`` gets every event as it comes; ``python``: the device's."""

    login: Login
    privilege: Privilege
    cache_dir: Path
    hear: Callable[[Event], None]
    say: Callable[[str], None]
    python: str = ""

    def play(
        self, name: str, values: Mapping[str, Any], *, check: bool = False, words: tuple[str, ...] = ()
    ) -> Counts:
        """Run a playbook with these variables; the final counts.

        Raises what ``failures.failed`` makes of the first failed task, InfrastructureError enroll.ansible,
        env.*.
        """
        prepared = environment.prepare(ENVIRONMENT, self.cache_dir, self.say)
        ours, place = self.login.folder, folder()
        program = str(Path(prepared.python).parent / "ansible-playbook")
        inventory, secret = ours / "inventory.json", ours / "become"
        inventory.touch(mode=0o600)
        inventory.write_text(json.dumps(_inventory(self.login, self.privilege, values, self.python)))
        argv = [program, "-i", str(inventory), str(place / name), *words]
        argv += ["--check", "--diff"] if check else []
        if self.privilege.password:
            secret.touch(mode=0o600)
            secret.write_text(f"{self.privilege.password}\n")
            argv += ["--become-password-file", str(secret)]
        try:
            with _running(argv, _environment(self.login, place, prepared.python), ours) as process:
                problem, counts = _follow(process, self.hear)
        finally:
            secret.unlink(missing_ok=True)
        if problem is not None:
            raise problem
        if counts is None or process.returncode != 0:
            raise _silent(ours / "ansible-said", process.returncode)
        return counts


def _inventory(
    login: Login, privilege: Privilege, values: Mapping[str, Any], python: str
) -> dict[str, object]:
    address = parse_address(login.device.address)
    host: dict[str, object] = {
        "ansible_host": address.host,
        "ansible_user": address.user,
        "ansible_ssh_args": " ".join(_quoted(word) for word in (*login.options, "-o", "ControlMaster=no")),
        "ansible_python_interpreter": python or "auto_silent",
        "ansible_become": privilege.become,
        "ansible_become_method": "sudo",
        **values,
    }
    if address.port:
        host["ansible_port"] = address.port
    return {"all": {"hosts": {login.device.name: host}}}


def _quoted(word: str) -> str:
    return '"' + word.replace('"', '\\"') + '"' if " " in word else word


def _environment(login: Login, place: Path, python: str) -> dict[str, str]:
    """Ansible's own settings alone. What Python compiles lies in the environment: never beside the playbooks,
    and not compiled anew by each of Ansible's processes."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(NOT_FOR_ANSIBLE)}
    ours = login.folder
    return {
        **kept,
        "LANG": "C.UTF-8",
        "PYTHONPYCACHEPREFIX": str(Path(python).parent.parent / "pycache"),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_CONFIG": str(place / "ansible.cfg"),
        "ANSIBLE_HOME": str(ours / "ansible"),
        "ANSIBLE_LOCAL_TEMP": str(ours / "ansible" / "tmp"),
        "ANSIBLE_REMOTE_TMP": remote_folder(login),
        "ANSIBLE_CALLBACK_PLUGINS": str(place / "callback_plugins"),
        "ANSIBLE_STDOUT_CALLBACK": "farm_events",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_SSH_PIPELINING": "1",
    }


def remote_folder(login: Login) -> str:
    """Where modules and the agent may lie on the device meanwhile; removed at the end."""
    return f"/tmp/.{login.folder.name}"  # noqa: S108 - mkdtemp's name, made by the user who logged in


@contextmanager
def _running(argv: list[str], variables: dict[str, str], ours: Path) -> Iterator[subprocess.Popen[str]]:
    with (ours / "ansible-said").open("w") as said:
        process = subprocess.Popen(
            guard.command(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, text=True,
            errors="replace", start_new_session=True, env=variables, cwd=ours,
        )  # fmt: skip
        with children.owned(process):
            yield process


def _follow(
    process: subprocess.Popen[str], hear: Callable[[Event], None]
) -> tuple[InfrastructureError | Any, Counts | None]:
    """Read to the end; the first failure and the counts."""
    problem: Any = None
    counts: Counts | None = None
    alarm = _Alarm(process)
    try:
        for line in process.stdout or ():
            alarm.again()
            event = events.read(line)
            hear(event)
            if isinstance(event, Ended) and event.status in ("failed", "unreachable") and problem is None:
                problem = failed(event)
            if isinstance(event, Counts):
                counts = event
        process.wait()
    finally:
        alarm.end()
    if alarm.rang:
        raise InfrastructureError(
            f"Ansible said nothing for {STALL_S / 60:.0f} min and was stopped",
            code="enroll.ansible",
            fix="look what hangs on the device, then run the same command again",
        )
    return problem, counts


class _Alarm:
    """Stops a process that says nothing for too long."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.rang = False
        self._timer: threading.Timer | None = None
        self.again()

    def again(self) -> None:
        self.end()
        self._timer = threading.Timer(STALL_S, self._ring)
        self._timer.daemon = True
        self._timer.start()

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        self.rang = True
        self._process.terminate()


def _silent(said: Path, status: int | None) -> InfrastructureError:
    text = said.read_text(errors="replace")[-TAIL_BYTES:].strip().splitlines()
    told = "; ".join(line.strip() for line in text[-4:] if line.strip()) or "no words"
    return InfrastructureError(
        f"Ansible ended with status {status}: {told[:500]}",
        code="enroll.ansible",
        fix="farm env sync ansible makes its environment anew; run the command again",
    )
