"""The little of CUDA's driver interface that a TensorRT session needs, through ctypes.

The driver's own library is wherever a driver is; the runtime library may be missing. Both share the device's
primary context, in which TensorRT works.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError
from farm_agent.late import dataclass

LIBRARY = "libcuda.so.1"
OUT_OF_MEMORY = 2
DEFAULT_STREAM = 0
SM_MAJOR, SM_MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
NAME_BYTES = 256
KERNEL_DRIVER = Path("/proc/driver/nvidia/version")
TEGRA_RELEASE = Path("/etc/nv_tegra_release")


@dataclass(frozen=True)
class Gpu:
    """``sm``: compute capability, "87". ``driver``: the kernel driver's or JetPack's release, and the CUDA
    version that it serves."""

    name: str
    sm: str
    driver: str


class Cuda:
    """One GPU (the first that is visible) and its primary context, current in the thread that made this.

    Raises JobError runtime.device where there is no driver or no GPU. Calls raise runtime.out-of-memory or
    runtime.run-failed.
    """

    def __init__(self, library: str = LIBRARY) -> None:
        try:
            self._lib = ctypes.CDLL(library)
        except OSError as error:
            raise _absent(f"the CUDA driver's library {library} cannot be loaded: {error}") from error
        if self._lib.cuInit(0) != 0:
            raise _absent("the CUDA driver finds no GPU that it can use")
        self._device = ctypes.c_int()
        self._context = ctypes.c_void_p()
        self._do("cuDeviceGet", ctypes.byref(self._device), 0)
        self._do("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), self._device)
        self._do("cuCtxSetCurrent", self._context)

    def gpu(self) -> Gpu:
        """What this GPU is."""
        name = ctypes.create_string_buffer(NAME_BYTES)
        self._do("cuDeviceGetName", name, NAME_BYTES, self._device)
        major, minor, cuda = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
        self._do("cuDeviceGetAttribute", ctypes.byref(major), SM_MAJOR, self._device)
        self._do("cuDeviceGetAttribute", ctypes.byref(minor), SM_MINOR, self._device)
        self._do("cuDriverGetVersion", ctypes.byref(cuda))
        version = f"CUDA {cuda.value // 1000}.{cuda.value % 1000 // 10}"
        release = kernel_release()
        return Gpu(
            name.value.decode("utf-8", "replace"),
            f"{major.value}{minor.value}",
            f"{release}, {version}" if release else version,
        )

    def allocate(self, size_bytes: int) -> int:
        """The address of so many bytes on the GPU; one that may be freed also for zero bytes."""
        address = ctypes.c_uint64()
        self._do("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(1, size_bytes)))
        return int(address.value)

    def free(self, address: int) -> None:
        """Give memory back."""
        self._do("cuMemFree_v2", ctypes.c_uint64(address))

    def to_device(self, address: int, array: Any) -> None:  # noqa: ANN401 - a contiguous numpy array
        """Copy an array to the GPU; it is there when this returns.

        The copy itself returns once it has read the array: other streams would not wait for the rest.
        """
        self._do(
            "cuMemcpyHtoD_v2",
            ctypes.c_uint64(address),
            ctypes.c_void_p(array.ctypes.data),
            ctypes.c_size_t(array.nbytes),
        )
        self.synchronise(DEFAULT_STREAM)

    def to_host(self, array: Any, address: int) -> None:  # noqa: ANN401 - a contiguous numpy array
        """Fill an array from the GPU."""
        self._do(
            "cuMemcpyDtoH_v2",
            ctypes.c_void_p(array.ctypes.data),
            ctypes.c_uint64(address),
            ctypes.c_size_t(array.nbytes),
        )

    def stream(self) -> int:
        """A new stream that does not wait for the default one."""
        handle = ctypes.c_void_p()
        self._do("cuStreamCreate", ctypes.byref(handle), 1)  # CU_STREAM_NON_BLOCKING
        return int(handle.value or 0)

    def synchronise(self, stream: int) -> None:
        """Wait until everything in the stream is done. Raises what went wrong in there."""
        self._do("cuStreamSynchronize", ctypes.c_void_p(stream))

    def destroy(self, stream: int) -> None:
        """Give a stream back."""
        with contextlib.suppress(JobError):
            self._do("cuStreamDestroy_v2", ctypes.c_void_p(stream))

    def close(self) -> None:
        """Let go of the context, once: whoever made this owns it, and TensorRT works in the same one."""
        with contextlib.suppress(JobError):
            self._do("cuDevicePrimaryCtxRelease", self._device)

    def _do(self, name: str, *arguments: object) -> None:
        status = getattr(self._lib, name)(*arguments)
        if status == OUT_OF_MEMORY:
            raise JobError(
                f"the GPU has no memory left ({name})",
                code="runtime.out-of-memory",
                fix="use a smaller model or batch, or end what else uses the GPU",
            )
        if status != 0:
            raise JobError(
                f"CUDA: {name} failed: {self._reason(status)}",
                code="runtime.run-failed",
                fix="look at dmesg for Xid lines; try another model to see whether the GPU works",
            )

    def _reason(self, status: int) -> str:
        text = ctypes.c_char_p()
        if self._lib.cuGetErrorString(status, ctypes.byref(text)) != 0 or text.value is None:
            return f"error {status}"
        return f"error {status}, {text.value.decode('utf-8', 'replace')}"


def kernel_release() -> str:
    """The release of the kernel's driver: 535.129.03, or JetPack's R36.4.3; "" when neither is told."""
    text = _text(KERNEL_DRIVER)
    found = re.search(r"Kernel Module(?: for \S+)?\s+(\d[\d.]+)", text)
    if found:
        return found[1]
    found = re.search(r"# R(\d+) \(release\), REVISION: ([\d.]+)", _text(TEGRA_RELEASE))
    return f"R{found[1]}.{found[2]}" if found else ""


def _text(path: Path) -> str:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(64 * 1024).decode("utf-8", "replace")
    return ""


def _absent(text: str) -> JobError:
    return JobError(text, code="runtime.device", fix="install NVIDIA's driver, and check it with nvidia-smi")
