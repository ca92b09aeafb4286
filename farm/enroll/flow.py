"""Enrol one device over SSH: pin its key, look, propose, let Ansible work, prove by a health run, admit."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm.devices import inventory
from farm.devices.address import Address, parse_address
from farm.devices.device import Device
from farm.enroll import keys, login, playbook, privilege, proposal, record, survey
from farm.enroll.failures import AGAIN
from farm.enroll.record import Record
from farm.errors import FarmError, InfrastructureError, UsageError

if TYPE_CHECKING:
    from farm.config import Config
    from farm.enroll.events import Counts
    from farm.enroll.login import Login
    from farm.enroll.proposal import Proposal
    from farm.enroll.talk import Talk
    from farm.health import Admission

VENV_PYTHON = "/opt/farm/venv/bin/python"
CLEAN_TIMEOUT_S = 60.0
# Our own folder, and those of runs that were killed before they could
CLEAN = """rm -rf -- "$1"
find /tmp -maxdepth 1 -name '.farm-login-*' -user "$(id -u)" -mmin +60 -exec rm -rf -- {} +
"""


@dataclass(frozen=True)
class Request:
    """What the command line says. Secrets are here and in no log; ``again`` is the command to repeat."""

    address: Address
    name: str
    again: str
    profile: str = proposal.AUTO
    wheels: Path | None = None
    runtimes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    user: str = "farm"
    identity: str = ""
    key: Path | None = None
    password: str = ""
    become_password: str = ""
    host_key: str = ""
    fingerprint: str = ""
    check: bool = False
    health: bool = True


@dataclass(frozen=True)
class Outcome:
    """``device``: as in the inventory; None after ``--check``. ``admission``: None without a health run."""

    counts: Counts | None
    proposal: Proposal | None
    device: Device | None = None
    admission: Admission | None = None


def enroll(request: Request, config: Config, talk: Talk) -> Outcome:
    """Do it, or with ``check`` say what would be done. Raises the errors of its parts."""
    admin = pinned(request, config, talk)
    key = keys.Key(request.key, keys.public_of(request.key)) if request.key else None
    with opened(admin, request.password, talk) as (entered, password):
        seen = survey.look(admin, entered.link)
        survey.check(admin.name, seen)
        ask = (lambda: talk.password(f"Password of {admin.address} for sudo")) if talk.present else None
        power = privilege.find(admin, entered.link, (request.become_password, password), ask)
        stage = playbook.Stage(entered, power, config.cache_dir, talk.hear, talk.say, seen.python)
        if not seen.python:
            if request.check or not talk.agreed(admin, None):
                talk.say(
                    f"{admin.name}: would install python3 by {seen.packages} first, and then look further"
                )
                return Outcome(None, None)
            stage.play("bootstrap.yml", {})
            seen = survey.look(admin, entered.link)
            survey.check(admin.name, replace(seen, packages=""))
        talk.say(f"{admin.name}: asking what it is ...")
        facts = proposal.facts_of(entered, seen.python, config.cache_dir)
        offer = proposal.propose(
            facts, seen, profile=request.profile, python=seen.python, folder=request.wheels,
            runtimes=request.runtimes, name=admin.name,
        )  # fmt: skip
        if not talk.agreed(admin, offer) and not request.check:
            raise UsageError("nothing was changed", code="enroll.declined", fix="say yes, or give --yes")
        if key is None and request.check and not (config.state_dir / "keys" / "id_ed25519").exists():
            key = keys.Key(Path(), "ssh-ed25519 MADE+WHEN+ENROLLED")  # nothing is made, here neither
        key = key or keys.own_key(config.state_dir / "keys")
        values = _values(request, offer, key)
        if not request.check and offer.requirements:
            wheels = entered.folder / "wheels"
            talk.say(f"{admin.name}: gathering {len(offer.requirements)} wheels ...")
            proposal.gather(offer.plan, config.cache_dir, wheels)
            values["farm_wheels"] = str(wheels)
        if not request.check:
            made = Record(admin.address, seen.python, admin.host_key, request.user, admin.identity)
            record.write(config.state_dir, admin.name, made)
        counts = replace(stage, python=seen.python).play(
            "enrol.yml", values, check=request.check, words=("--skip-tags", "bootstrap")
        )
        if request.check:
            return Outcome(counts, offer)
    device = _entered(request, admin, offer, key, config)
    return Outcome(counts, offer, device, prove(device, config, talk, health_run=request.health))


def pinned(request: Request, config: Config, talk: Talk) -> Device:
    """The device as the user who becomes root there, its host key pinned.

    Raises UsageError device.exists, enroll.login-user; what ``key_to_pin`` raises.
    """
    from farm.devices.enrolment import key_to_pin

    inventory.check_name(request.name)
    if request.address.user == request.user:
        raise UsageError(
            f"{request.user} is the user that farm makes there; it cannot be the one who becomes root",
            code="enroll.login-user",
            fix="log in as another user, or name farm's own differently: --user NAME",
        )
    known = inventory.load(config.inventory_path).get(request.name)
    host_key = request.host_key
    if known is not None:
        if not _same_place(known, request.address):
            raise UsageError(
                f"a device is called {request.name} already: {known.address}",
                code="device.exists",
                fix=f"choose another one with --name, or retire that one first: farm retire {request.name}",
            )
        if not request.fingerprint:
            host_key = host_key or known.host_key
    device = Device(
        request.name, request.profile, request.address.text(), "", request.tags, identity=request.identity
    )
    ask = (lambda offered: talk.is_key(device, offered)) if talk.present else None
    text = key_to_pin(
        device, host_key=host_key, fingerprint=request.fingerprint, ask=ask, again=request.again
    )
    return replace(device, host_key=text)


def _same_place(known: Device, address: Address) -> bool:
    there = parse_address(known.address)
    return (there.scheme, there.host, there.port or 22) == (address.scheme, address.host, address.port or 22)


@contextlib.contextmanager
def opened(device: Device, password: str, talk: Talk) -> Iterator[tuple[Login, str]]:
    """A login by key, or by a password that was given or is asked for; and that password. It cleans up."""
    with contextlib.ExitStack() as stack:
        try:
            entered = stack.enter_context(login.logged_in(device, password))
        except InfrastructureError as error:
            if error.code != "enroll.login" or password or not talk.present:
                raise
            talk.say(error.message)
            password = talk.password(f"Password of {device.address}")
            entered = stack.enter_context(login.logged_in(device, password))
        try:
            yield entered, password
        finally:
            with contextlib.suppress(FarmError):
                words = ["sh", "-c", CLEAN, "sh", playbook.remote_folder(entered)]
                entered.link.run(words, timeout_s=CLEAN_TIMEOUT_S)


def prove(device: Device, config: Config, talk: Talk, *, health_run: bool) -> Admission | None:
    """Note the enrolment; then the health run that admits the device. Raises what is this machine's fault."""
    from farm import audit, health
    from farm.devices.session import Session
    from farm_agent import pack
    from farm_profiles.load import load_profile
    from farm_results.store import open_store

    store = open_store(config.store)
    try:
        audit.append(
            store.engine, device.name, audit.person(), "enrolled", f"{device.address} as {device.profile}"
        )
        if not health_run:
            return None
        talk.say(f"{device.name}: proving by a canary network that it measures as it should ...")
        packed = pack.build(config.cache_dir / "agents")
        stop = threading.Event()
        session = Session(device, load_profile(device.profile), packed, stop=stop)
        try:
            return health.admit(store.engine, session, cache_dir=config.cache_dir, stop=stop, say=talk.say)
        finally:
            session.close()
    finally:
        store.close()


def _values(request: Request, offer: Proposal, key: keys.Key) -> dict[str, Any]:
    return {
        "farm_user": request.user,
        "farm_public_key": key.public,
        "farm_python": offer.python,
        "farm_requirements": offer.requirements,
        "farm_system_packages": list(offer.plan.system_packages),
        "farm_system_site_packages": offer.site_packages,
    }


def _entered(request: Request, admin: Device, offer: Proposal, key: keys.Key, config: Config) -> Device:
    """Write the inventory's entry, after a login as the new user. Raises enroll.farm-login."""
    from farm.transports import connect

    address = replace(request.address, user=request.user).text()
    device = Device(
        request.name, offer.profile.name, address, admin.host_key, request.tags, VENV_PYTHON, str(key.path)
    )
    try:
        connect(device, CLEAN_TIMEOUT_S).close()
    except FarmError as error:
        if error.code != "device.auth":
            raise
        raise InfrastructureError(
            f"device {device.name}: all is installed, but {request.user} cannot log in: {error.message}",
            code="enroll.farm-login",
            fix="let its sshd accept the key in ~/.ssh/authorized_keys (AuthorizedKeysFile, AllowUsers); "
            f"then {AGAIN}",
        ) from error
    inventory.add(config.inventory_path, device, overwrite=True)
    return device
