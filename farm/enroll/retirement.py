"""Undo an enrolment: what Ansible made on the device, the inventory's entry, and the device's health."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from farm.devices import inventory
from farm.devices.device import Device
from farm.enroll import flow, playbook, privilege, record
from farm.enroll.record import Record
from farm.enroll.target import parse_target
from farm.errors import UsageError

if TYPE_CHECKING:
    from farm.config import Config
    from farm.enroll.events import Counts
    from farm.enroll.talk import Talk


@dataclass(frozen=True)
class Request:
    """``login``: user@host that becomes root, where it is not the one of the enrolment.

    ``forget``: leave the device as it is (it is gone, say).
    """

    name: str
    login: str = ""
    identity: str = ""
    password: str = ""
    become_password: str = ""
    check: bool = False
    forget: bool = False
    reason: str = ""


def retire(request: Request, config: Config, talk: Talk) -> Counts | None:
    """Do it; None where the device itself was left alone. Raises the errors of its parts."""
    made = record.read(config.state_dir, request.name)
    device = inventory.load(config.inventory_path).get(request.name)
    if device is None and made is not None:  # its enrolment did not come to its end
        device = Device(request.name, "auto", made.login, made.host_key)
    if device is None or device.name == "local":
        raise UsageError(
            f"no device is called {request.name}" if device is None else "device local is always there",
            code="device.unknown" if device is None else "device.always-there",
            fix="farm devices list shows what there is",
        )
    if device.transport == "adb" and not request.forget and not request.check:
        from farm.phone import retirement

        retirement.undo(device)
    if request.check and device.transport == "adb":
        return None
    if device.transport != "ssh" or request.forget:
        _forget(device, request, config)
        return None
    counts = _undo(device, made, request, config, talk)
    if not request.check:
        _forget(device, request, config)
    return counts


def _undo(device: Device, made: Record | None, request: Request, config: Config, talk: Talk) -> Counts:
    if made is None and not request.login:
        raise UsageError(
            f"device {device.name} was not enrolled from here: who may become root there is not known",
            code="enroll.no-record",
            fix=f"farm retire {device.name} --login USER@HOST; or only forget it: --forget",
        )
    made = made or Record("", "", "")
    address = parse_target(request.login).text() if request.login else made.login
    identity = request.identity or made.identity
    admin = replace(device, address=address, identity=identity)
    if not talk.agreed(admin, None) and not request.check:
        raise UsageError("nothing was changed", code="enroll.declined", fix="say yes, or give --yes")
    with flow.opened(admin, request.password, talk) as (entered, password):
        ask = (lambda: talk.password(f"Password of {admin.address} for sudo")) if talk.present else None
        power = privilege.find(admin, entered.link, (request.become_password, password), ask)
        stage = playbook.Stage(entered, power, config.cache_dir, talk.hear, talk.say, made.python)
        return stage.play("retire.yml", {"farm_user": made.user}, check=request.check)


def _forget(device: Device, request: Request, config: Config) -> None:
    """The inventory's entry with the pinned key, the record, and the health, which keeps its history."""
    from farm import audit, health
    from farm_results.store import open_store

    store = open_store(config.store)
    try:
        reason = request.reason or ("forgotten, not undone" if request.forget else "retired")
        health.retire(store.engine, device.name, audit.person(), reason)
    finally:
        store.close()
    if device.name in inventory.load(config.inventory_path):
        inventory.remove(config.inventory_path, device.name)
    record.forget(config.state_dir, device.name)
