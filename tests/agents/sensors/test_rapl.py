"""RAPL counters on folders made of real listings."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm_agent.sensors import SensorError, rapl
from tests.agents.sensors.parts import tree
from tests.support import need

# find(1) on a machine with two packages (a bug report about a monitoring tool).
TWO_PACKAGES = """
/sys/devices/virtual/powercap/intel-rapl/intel-rapl:0/energy_uj
/sys/devices/virtual/powercap/intel-rapl/intel-rapl:0/max_energy_range_uj
/sys/devices/virtual/powercap/intel-rapl/intel-rapl:0/intel-rapl:0:0/energy_uj
/sys/devices/virtual/powercap/intel-rapl/intel-rapl:0/intel-rapl:0:0/max_energy_range_uj
/sys/devices/virtual/powercap/intel-rapl/intel-rapl:1/energy_uj
/sys/devices/virtual/powercap/intel-rapl/intel-rapl:1/intel-rapl:1:0/energy_uj
"""
CAP = "sys/class/powercap"
INTEL = {
    f"{CAP}/intel-rapl:0/name": "package-0",
    f"{CAP}/intel-rapl:0/energy_uj": "2469474853",
    f"{CAP}/intel-rapl:0/max_energy_range_uj": "262143328850",
    f"{CAP}/intel-rapl:0:0/name": "core",
    f"{CAP}/intel-rapl:0:0/energy_uj": "1469474853",
    f"{CAP}/intel-rapl:0:0/max_energy_range_uj": "262143328850",
    f"{CAP}/intel-rapl:0:1/name": "dram",
    f"{CAP}/intel-rapl:0:1/energy_uj": "469474853",
    f"{CAP}/intel-rapl:0:1/max_energy_range_uj": "262143999938",
    f"{CAP}/intel-rapl:1/name": "psys",
    f"{CAP}/intel-rapl:1/energy_uj": "9469474853",
    f"{CAP}/intel-rapl:1/max_energy_range_uj": "262143328850",
    f"{CAP}/intel-rapl-mmio:0/name": "package-0",
    f"{CAP}/intel-rapl-mmio:0/energy_uj": "2469474853",
}


def test_packages_and_parts_are_found_in_a_listing() -> None:
    """Each once, packages in order, parts knowing their package."""
    zones = rapl.parse_zones(TWO_PACKAGES.splitlines())

    assert [(zone.name, zone.parent) for zone in zones] == [
        ("intel-rapl:0", ""),
        ("intel-rapl:0:0", "intel-rapl:0"),
        ("intel-rapl:1", ""),
        ("intel-rapl:1:0", "intel-rapl:1"),
    ]


def test_each_counter_has_its_name_scope_and_wrap(tmp_path: Path) -> None:
    """The platform's counter is no package; the mmio copy of a package is not counted twice."""
    sensor = rapl.open(tree(tmp_path, INTEL))

    assert {channel.name: channel.scope for channel in sensor.channels} == {
        "package-0": "package",
        "package-0/core": "core",
        "package-0/dram": "dram",
        "psys": "platform",
    }
    package = sensor.channels[0]
    assert package.kind == "energy_j"
    assert package.wraps_at == pytest.approx(262143.328850)
    assert package.quantum == pytest.approx(2**-14, rel=1e-3)
    assert sensor.read()["package-0"] == pytest.approx(2469.474853)


def test_amd_counts_in_smaller_steps_and_wraps_sooner(tmp_path: Path) -> None:
    """65 532 610 987 uJ: 16.8 minutes at 65 W, so one read in 16 s is enough even at 1000 W."""
    zone = f"{CAP}/intel-rapl:0"
    files = {f"{zone}/name": "package-0", f"{zone}/energy_uj": "65532610986"}
    files[f"{zone}/max_energy_range_uj"] = "65532610987"
    sensor = rapl.open(tree(tmp_path, files))

    assert sensor.channels[0].quantum == pytest.approx(2**-16, rel=1e-3)
    assert sensor.interval_s < rapl.longest_interval_s(65532.610987) < 17
    (tmp_path / zone / "energy_uj").write_text("12\n")
    assert sensor.read()["package-0"] == pytest.approx(12e-6)


def test_parts_inside_their_package_folder_are_found_too(tmp_path: Path) -> None:
    """Where the class folder lists packages alone, as a container's view may."""
    files = {name: text for name, text in INTEL.items() if "intel-rapl:0:" not in name}
    files[f"{CAP}/intel-rapl:0/intel-rapl:0:0/name"] = "core"
    files[f"{CAP}/intel-rapl:0/intel-rapl:0:0/energy_uj"] = "5"

    assert "package-0/core" in rapl.open(tree(tmp_path, files)).read()


def test_a_zone_of_an_unknown_name_is_no_energy_that_we_can_name(tmp_path: Path) -> None:
    """What it covers is not known, so it is not shown."""
    files = dict(INTEL)
    files[f"{CAP}/intel-rapl:0:1/name"] = "mystery"

    assert "package-0/mystery" not in rapl.open(tree(tmp_path, files)).read()


@pytest.mark.parametrize("text", ["", "-5", "12.5", "9" * 30, "nan", "0x10"])
def test_a_counter_that_holds_nonsense_is_left_out(tmp_path: Path, text: str) -> None:
    """The other counters go on."""
    files = dict(INTEL)
    files[f"{CAP}/intel-rapl:0/energy_uj"] = text

    values = rapl.open(tree(tmp_path, files)).read()

    assert "package-0" not in values
    assert "psys" in values


def test_a_counter_for_root_alone_comes_with_the_rule_that_helps() -> None:
    """Linux keeps energy_uj from other users; a process without root is told which udev rule opens it."""
    need(os.geteuid() == 0, "only root can become another user")
    # Others may not enter pytest's own folders.
    with tempfile.TemporaryDirectory() as name:
        folder = tree(Path(name), INTEL)
        folder.chmod(0o755)
        reason, fix = _probe_as_nobody(folder)

    assert "Permission denied" in reason
    assert 'SUBSYSTEM=="powercap"' in fix
    assert "chgrp farm" in fix


def _probe_as_nobody(folder: Path) -> list[str]:
    """In a child that gives root away, for only the kernel can refuse for real."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o444)
    for path in folder.rglob("energy_uj"):
        path.chmod(0o400)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgid(65534)
        os.setuid(65534)
        found = rapl.probe(folder)
        os.write(writer, f"{found.unavailable}\n{found.fix}".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text.split("\n")


def test_a_machine_without_counters_says_so(tmp_path: Path) -> None:
    """As on a virtual machine."""
    assert "no energy counter" in rapl.probe(tmp_path).unavailable
    with pytest.raises(SensorError):
        rapl.open(tmp_path)


@given(st.lists(st.text(max_size=60) | st.from_regex(r"/x/intel-rapl:[0-9:]{0,9}/energy_uj"), max_size=8))
def test_any_listing_gives_zones(paths: list[str]) -> None:
    """Each name once."""
    names = [zone.name for zone in rapl.parse_zones(paths)]

    assert len(names) == len(set(names))
