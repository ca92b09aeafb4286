"""Files of real boards: with ``Shape(files=boards.PI5)`` a device's agent reads a Raspberry Pi 5.

The processor stays this machine's, and so does ``uname -m``, unless the device has a root of its own.
Below /sys the files lie over the kernel's own and may be written by root, as on the board.
"""

from __future__ import annotations

from collections.abc import Mapping

_POLICY = "/sys/devices/system/cpu/cpufreq/policy0"
_TREE = "/sys/firmware/devicetree/base"
_ZONE = "/sys/class/thermal/thermal_zone0"


def _cpuinfo(part: str, *, cores: int, tail: str = "") -> str:
    features = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop"
    core = f"BogoMIPS\t: 108.00\nFeatures\t: {features}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
    core += f"CPU variant\t: 0x4\nCPU part\t: {part}\nCPU revision\t: 1\n\n"
    return "".join(f"processor\t: {number}\n{core}" for number in range(cores)) + tail


def _meminfo(total_kb: int) -> str:
    rows = {"MemTotal": total_kb, "MemFree": total_kb * 3 // 4, "MemAvailable": total_kb * 7 // 8}
    rows |= {"Buffers": 40_960, "Cached": 524_288, "SwapTotal": 102_384, "SwapFree": 102_384}
    return "".join(f"{name + ':':<16}{value:>8} kB\n" for name, value in rows.items())


def _clocks(top_khz: int, low_khz: int) -> dict[str, str]:
    return {
        f"{_POLICY}/affected_cpus": "0 1 2 3\n",
        f"{_POLICY}/scaling_available_governors": "conservative ondemand userspace powersave performance\n",
        f"{_POLICY}/scaling_governor": "ondemand\n",
        f"{_POLICY}/scaling_cur_freq": f"{low_khz}\n",
        f"{_POLICY}/scaling_min_freq": f"{low_khz}\n",
        f"{_POLICY}/scaling_max_freq": f"{top_khz}\n",
        f"{_POLICY}/cpuinfo_min_freq": f"{low_khz}\n",
        f"{_POLICY}/cpuinfo_max_freq": f"{top_khz}\n",
    }


PI5: Mapping[str, str] = {
    "/proc/cpuinfo": _cpuinfo(
        "0xd0b",
        cores=4,
        tail="Revision\t: d04171\nSerial\t\t: 3f1c2b7a90de4655\nModel\t\t: Raspberry Pi 5 Model B Rev 1.1\n",
    ),
    "/proc/meminfo": _meminfo(8_256_432),
    f"{_TREE}/model": "Raspberry Pi 5 Model B Rev 1.1\0",
    f"{_TREE}/compatible": "raspberrypi,5-model-b\0brcm,bcm2712\0",
    f"{_TREE}/serial-number": "3f1c2b7a90de4655\0",
    f"{_ZONE}/type": "cpu-thermal\n",
    f"{_ZONE}/temp": "48750\n",
    **_clocks(2_400_000, 1_500_000),
}

PI4: Mapping[str, str] = {
    "/proc/cpuinfo": _cpuinfo(
        "0xd08",
        cores=4,
        tail="Revision\t: c03115\nSerial\t\t: 10000000a3b1c7de\nModel\t\t: Raspberry Pi 4 Model B Rev 1.5\n",
    ),
    "/proc/meminfo": _meminfo(3_884_296),
    f"{_TREE}/model": "Raspberry Pi 4 Model B Rev 1.5\0",
    f"{_TREE}/compatible": "raspberrypi,4-model-b\0brcm,bcm2711\0",
    f"{_ZONE}/type": "cpu-thermal\n",
    f"{_ZONE}/temp": "51121\n",
    **_clocks(1_800_000, 600_000),
}

JETSON_ORIN_NANO: Mapping[str, str] = {
    "/proc/cpuinfo": _cpuinfo("0xd42", cores=6),
    "/proc/meminfo": _meminfo(7_802_056),
    f"{_TREE}/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
    f"{_TREE}/compatible": "nvidia,p3768-0000+p3767-0005\0nvidia,p3767-0005\0nvidia,tegra234\0",
    "/etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, "
    "DATE: Wed Jan  8 01:49:37 UTC 2025\n# KERNEL_VARIANT: oot\nTARGET_USERSPACE_LIB_DIR=nvidia\n",
    f"{_ZONE}/type": "cpu-thermal\n",
    f"{_ZONE}/temp": "46218\n",
    **_clocks(1_510_400, 115_200),
}
