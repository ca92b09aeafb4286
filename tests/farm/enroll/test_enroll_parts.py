"""Enrolment's parts that need no device: what is read, what it means, and what is refused."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from farm.config import load_config
from farm.devices import inventory
from farm.devices.device import Device
from farm.devices.hostkeys import HostKey
from farm.enroll import events, failures, flow, keys, playbook, record, survey
from farm.enroll.events import Begun, Counts, Ended
from farm.enroll.login import explained
from farm.enroll.proposal import Proposal
from farm.enroll.record import Record
from farm.enroll.target import default_name, parse_target
from farm.errors import FarmError, InfrastructureError, UsageError
from tests.zoo import sshd

# As ansible-core 2.19 and our callback wrote it, cut to the fields that differ.
REASONS = {
    "device.disk-full": "Could not make temp file; [Errno 28] No space left on device: '/opt/farm'",
    "enroll.read-only": "issue creating /opt/farm: [Errno 30] Read-only file system: b'/opt/farm'",
    "enroll.sudo": "Task failed: Missing sudo password",
    "enroll.wheels": "ERROR: No matching distribution found for numpy==2.4.6",
    "enroll.no-pip": "/opt/farm/venv/bin/python: No module named ensurepip",
    "enroll.no-network": "Err:1 http://deb.debian.org Temporary failure resolving 'deb.debian.org'",
    "enroll.user-taken": "[enroll.user-taken] it has a user farm that farm did not make",
    "enroll.no-python": "[enroll.no-python] it has no Python 3.8 or newer, and none could be installed: x",
    "enroll.task": "non-zero return code",
}
SURVEY = """motd that somebody's shell prints
farm-survey machine aarch64
farm-survey kernel 5.10.120-tegra
farm-survey clock 1795286832
farm-survey libc glibc 2.31
farm-survey model NVIDIA Orin Nano Developer Kit
farm-survey l4t # R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref, EABI: aarch64
farm-survey systemd yes
farm-survey memory_kb 7802212
farm-survey packages apt-get
farm-survey free_kb 20971520
farm-survey python 3.6.9 /usr/bin/python3
farm-survey python 3.8.10 /usr/bin/python3.8
farm-survey python x.y /usr/bin/evil
"""


def ended(reason: str, status: str = "failed") -> Ended:
    """A task's end."""
    return Ended("pi-1", "runtimes", "Install the runtimes", status, reason, "")


@pytest.mark.parametrize(("code", "reason"), REASONS.items())
def test_a_failed_task_is_a_typed_error(code: str, reason: str) -> None:
    """The device and the reason in the message, and what to do."""
    error = failures.failed(ended(reason))

    assert error.code == code
    assert "pi-1" in error.message
    assert error.fix


def test_a_task_that_nobody_knows_keeps_its_name_and_reason() -> None:
    """And an unreachable device is the link's fault."""
    error = failures.failed(ended("boom\n" + "\n".join(f"line {number}" for number in range(50))))
    assert "'Install the runtimes' of role runtimes" in error.message
    assert "boom; line 0; ...; line 47; line 48; line 49" in error.message
    assert failures.failed(ended("Shared connection to 10.0.0.7 closed.", "unreachable")).code == "link.lost"


def test_events_are_read_strictly() -> None:
    """What the callback writes, and nothing else."""
    task = '{"event": "task", "at_unix_s": 1.5, "task": "Make the user", "role": "account"}'
    stats = '{"event": "stats", "at_unix_s": 1.5, "devices": {"a": {"ok": 3, "changed": 2, "failures": 0}}}'
    result = (
        '{"event": "result", "device": "a", "role": "", "task": "t", "status": "changed", '
        '"reason": "", "diff": "+x"}'
    )
    assert events.read(task) == Begun("account", "Make the user")
    assert events.read(result) == Ended("a", "", "t", "changed", "", "+x")
    counts = events.read(stats)
    assert isinstance(counts, Counts)
    assert counts.changed == 2
    for line in (
        "PLAY RECAP",
        "[]",
        "{}",
        task.replace('"account"', "7"),
        result.replace("changed", "great"),
    ):
        with pytest.raises(InfrastructureError, match="unexpected"):
            events.read(line)


def test_a_survey_is_read_whatever_the_shell_prints_besides() -> None:
    """The first Python that is new enough counts; a clock is off only beyond the time that asking took."""
    seen = survey.read("orin", SURVEY, 1795286830.0, 1795286840.0)

    assert (seen.machine, seen.model, seen.systemd) == ("aarch64", "NVIDIA Orin Nano Developer Kit", True)
    assert seen.python == "/usr/bin/python3.8"
    assert seen.pythons[0] == ((3, 6, 9), "/usr/bin/python3")
    assert seen.memory_bytes == 7802212 * 1024
    assert seen.clock_off_s == 0.0
    survey.check("orin", seen)
    with pytest.raises(InfrastructureError) as caught:
        survey.read("orin", "Welcome!\n", 0.0, 1.0)
    assert caught.value.code == "enroll.survey"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("clock 1795286832", "clock 10", "enroll.clock"),
        ("clock 1795286832", "clock 1795287832", "enroll.clock"),
        ("free_kb 20971520", "free_kb 1024", "device.disk-full"),
        ("systemd yes", "readonly /", "enroll.read-only"),
        ("python 3.8.10 /usr/bin/python3.8", "packages", "device.python-too-old"),
    ],
)
def test_what_no_installation_can_mend_is_refused_before_it(old: str, new: str, code: str) -> None:
    """1970, a clock ahead, a full or read-only disk, only an old Python and nothing to bring another."""
    text = SURVEY.replace(f"farm-survey {old}", f"farm-survey {new}")
    if code == "device.python-too-old":
        text = text.replace("farm-survey packages apt-get\n", "")
    seen = survey.read("pi", text, 1795286830.0, 1795286840.0)

    with pytest.raises(InfrastructureError) as caught:
        survey.check("pi", seen)

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("pi@192.0.2.7", "192.0.2.7"),
        ("pi@192.0.2.7:2222", "192.0.2.7"),
        ("ssh://pi@[2001:db8::1]:22", "2001-db8-1"),
        ("root@board.example", "board.example"),
        ("adb:R58M12", "R58M12"),
    ],
)
def test_targets(text: str, name: str) -> None:
    """And the names that come of them."""
    assert default_name(parse_target(text)) == name


@pytest.mark.parametrize(
    "text", ["192.0.2.7", "local://", "pi:secret@192.0.2.7", "http://pi@192.0.2.7", "", "@"]
)
def test_bad_targets_are_refused_and_passwords_not_repeated(text: str) -> None:
    """As usage errors."""
    with pytest.raises(UsageError) as caught:
        parse_target(text)
    assert "secret" not in caught.value.message + caught.value.fix


@pytest.mark.parametrize(
    ("said", "by_password", "code", "words"),
    [
        ("pi@h: Permission denied (publickey,password).", True, "enroll.login", "the password is wrong"),
        ("pi@h: Permission denied (publickey).", True, "enroll.login", "takes no passwords"),
        ("pi@h: Permission denied (publickey).", False, "enroll.login", "no key of yours"),
        ("ssh: connect to host h port 22: Connection refused", False, "device.unreachable", "refused"),
        ("", False, "device.unreachable", "without a word"),
    ],
)
def test_what_ssh_said_is_told_apart(said: str, by_password: bool, code: str, words: str) -> None:
    """By OpenSSH's own words."""
    device = Device("pi", "rpi4", "ssh://pi@h", "")
    error = explained(device, said, by_password=by_password)
    assert error.code == code
    assert words in error.message


def test_farms_own_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    """No passphrase; an encrypted one is refused."""
    first, second = keys.own_key(tmp_path / "keys"), keys.own_key(tmp_path / "keys")
    assert first == second
    assert first.path.stat().st_mode & 0o777 == 0o600
    assert first.public.startswith("ssh-ed25519 ")
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-P", "", "-N", "words", "-f", str(first.path)], check=True, timeout=60
    )
    with pytest.raises(UsageError) as caught:
        keys.own_key(tmp_path / "keys")
    assert caught.value.code == "enroll.key"


def test_records_outlive_the_process_and_damage_is_no_record(tmp_path: Path) -> None:
    """What retire needs."""
    made = Record("ssh://pi@192.0.2.7", "/usr/bin/python3", sshd_key(), "farm")
    record.write(tmp_path, "pi", made)
    assert record.read(tmp_path, "pi") == made
    record.path_of(tmp_path, "pi").write_text("{")
    assert record.read(tmp_path, "pi") is None
    record.forget(tmp_path, "pi")
    record.forget(tmp_path, "pi")


def sshd_key() -> str:
    """A host key's text."""
    return " ".join(sshd.make_key()[1].split()[:2])


HELPER = playbook.folder() / "roles/helper/files/farm-helper"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["sh"],
        ["governor"],
        ["governor", "get", "x"],
        ["governor", "set", "performance;id"],
        ["governor", "set", "../../x"],
        ["governor", "set", "performance", "policy0/../.."],
        ["governor", "set", "performance", "policy"],
        ["turbo", "set", "2", "boost"],
        ["turbo", "set", "1", "/etc/passwd"],
        ["clocks", "store", "/etc/passwd"],
        ["power-mode", "set", "0 -x"],
        ["drop-caches", "now"],
        ["rapl-readable", "all"],
        ["version\nreboot"],
        ["governor", "set", "a" * 33],
    ],
)
def test_the_helper_refuses_whatever_is_not_one_of_its_verbs(words: list[str]) -> None:
    """Before it does anything, with the status of a usage error."""
    if os.geteuid() != 0:
        pytest.skip("the helper's own check for root comes first")
    done = subprocess.run(
        ["/bin/sh", str(HELPER), *words], capture_output=True, text=True, timeout=30, check=False,
        env={"PATH": "/nowhere", "IFS": "x", "ENV": "/nowhere"},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (64, ""), done.stderr


def test_every_code_of_ours_that_a_role_names_has_a_fix() -> None:
    """The roles and failures.py stay together."""
    named = set()
    for path in playbook.folder().rglob("*.yml"):
        named |= {word.partition("]")[0] for word in path.read_text().split("[enroll.")[1:]}
    assert {f"enroll.{name}" for name in named} - {"enroll.task"} <= set(failures.FIXES)
    assert issubclass(InfrastructureError, FarmError)


class Nobody:
    """Talks to nobody."""

    present = False

    def say(self, text: str) -> None:
        """Unheard."""

    def hear(self, event: events.Event) -> None:
        """Unheard."""

    def is_key(self, device: Device, key: HostKey) -> bool:
        """Never asked."""
        raise AssertionError(device, key)

    def password(self, what: str) -> str:
        """Never asked."""
        raise AssertionError(what)

    def agreed(self, device: Device, proposal: Proposal | None) -> bool:
        """Never asked."""
        raise AssertionError(device, proposal)


@pytest.mark.parametrize(
    ("target", "name", "code"),
    [
        ("pi@192.0.2.8", "taken", "device.exists"),
        ("pi@192.0.2.7:2222", "taken", "device.exists"),
        ("farm@192.0.2.9", "new", "enroll.login-user"),
        ("pi@192.0.2.9", "all", "device.name"),
        ("pi@192.0.2.9", "local", "device.exists"),
    ],
)
def test_names_and_users_that_cannot_be_are_refused_before_any_connection(
    target: str, name: str, code: str
) -> None:
    """Another address under that name, farm's own user, words that mean something else."""
    config = load_config()
    taken = Device("taken", "rpi4", "ssh://farm@192.0.2.7", sshd_key())
    inventory.add(config.inventory_path, taken)

    with pytest.raises(UsageError) as caught:
        flow.enroll(flow.Request(parse_target(target), name, "again"), config, Nobody())
    assert caught.value.code == code

    again = flow.Request(parse_target("pi@192.0.2.7"), "taken", "again")
    assert flow.pinned(again, config, Nobody()).host_key == taken.host_key
