"""What this box is: machine, model, CPU, memory, kernel, and which runtimes its Python has."""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, NoReturn, Optional

from farm_agent import android, codec, faults, identity, libc, pack, probes, runtimes, sysfs, task
from farm_agent.wire import Facts, RuntimeFact

PROBE_TIMEOUT_S = 60.0


def facts(folder: Optional[Path] = None, *, fresh: bool = True) -> Facts:
    """Read everything; each runtime is imported in a process of its own, because an import may crash.

    ``folder``: the agent's, where it keeps what was found; unless ``fresh``, what is kept is believed.
    """
    cpu = sysfs.fields(sysfs.text("/proc/cpuinfo", 1 << 20) or "")
    system = os.uname()
    properties = android.properties()
    phone, release = android.names(properties)
    told = android.details(properties)
    return Facts(
        machine=system.machine,
        model=phone or model(),
        cpu=_cpu_name(cpu),
        cores=os.cpu_count() or 1,
        memory_bytes=sysfs.memory()["total_bytes"],
        kernel=system.release,
        os=release or sysfs.os_release() or system.sysname,
        libc=libc.libc(),
        python=platform.python_version(),
        runtimes=probes.survey(folder, probe, fresh=fresh) if folder else tuple(map(probe, runtimes.names())),
        details={**_details(cpu), **({"android": told} if told else {})},
    )


def model() -> str:
    """The board's name from the device tree, else vendor and product from DMI."""
    tree = sysfs.text("/proc/device-tree/model") or sysfs.text("/sys/firmware/devicetree/base/model")
    if tree:
        return tree
    parts = [sysfs.text(f"/sys/class/dmi/id/{key}") for key in ("sys_vendor", "product_name")]
    return " ".join(part for part in parts if part)


def probe(name: str) -> RuntimeFact:
    """Import one runtime in a subprocess; a crash or a hang makes it unavailable, with the reason.

    One that is not installed at all can do neither, and a process costs a small board a second.
    """
    module = runtimes.load(name)
    if not any(importlib.util.find_spec(package) for package in module.PACKAGES):
        return _found(name, module.probe())
    try:
        done = subprocess.run(
            identity.agent_argv("_probe", name),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return RuntimeFact(name, "", f"importing it took longer than {PROBE_TIMEOUT_S:.0f} s")
    except OSError as error:
        return RuntimeFact(name, "", f"no process for it could be started: {error}")
    return parse_probe(name, done.returncode, done.stdout, done.stderr)


def parse_probe(name: str, returncode: int, stdout: bytes, stderr: bytes) -> RuntimeFact:
    """The last line a probe printed, or why there is none."""
    lines = stdout.decode("utf-8", "replace").strip().splitlines()
    try:
        return codec.loads(RuntimeFact, lines[-1])
    except (IndexError, codec.DecodeError):
        how = f"signal {-returncode}" if returncode < 0 else f"exit status {returncode}"
        tail = faults.shorten(stderr.decode("utf-8", "replace")[-400:])
        return RuntimeFact(name, "", f"importing it ended with {how} {tail}".strip(), "install it again")


def print_probe(name: str) -> NoReturn:
    """The process behind ``probe``; stdout stays clean of what the runtime prints."""
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    output.write(codec.dumps(_found(name, runtimes.load(name).probe())) + "\n")
    output.flush()
    task.leave()


def _found(name: str, found: runtimes.Probe) -> RuntimeFact:
    return RuntimeFact(name, found.version, found.unavailable, found.fix)


def _cpu_name(cpu: Dict[str, str]) -> str:
    for key in ("model name", "Model", "Hardware", "Processor", "cpu model", "cpu"):
        if cpu.get(key):
            return cpu[key]
    return platform.processor()


def _details(cpu: Dict[str, str]) -> Dict[str, Any]:
    return {
        "cpu_flags": (cpu.get("flags") or cpu.get("Features") or "").split(),
        "clocks": sysfs.cpu_clocks(),
        "thermal_zones": sysfs.thermal_zones(),
        "cpu_pressure_available": sysfs.cpu_pressure_pct() is not None,
        "clocksource": sysfs.text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "userland_bits": 64 if sys.maxsize > 2**32 else 32,
        "virtual_machine": "hypervisor" in (cpu.get("flags") or "").split(),
        "python_executable": sys.executable,
        "python_flavour": libc.python_flavour(),
        "emulator": libc.emulator(),
        "numpy": _numpy_version(),
        "l4t": sysfs.text("/etc/nv_tegra_release"),
        "firmware": _firmware(),
        "agent_sha256": pack.agent_sha256(),
        "boot_id": identity.boot_id(),
    }


def _firmware() -> Optional[str]:
    """The BIOS's version, or that of a Raspberry Pi's bootloader."""
    bios = sysfs.text("/sys/class/dmi/id/bios_version")
    return bios or sysfs.text("/proc/device-tree/chosen/bootloader/version") or None


def _numpy_version() -> Optional[str]:
    from importlib import metadata

    try:
        return metadata.version("numpy")
    except metadata.PackageNotFoundError:
        return None
