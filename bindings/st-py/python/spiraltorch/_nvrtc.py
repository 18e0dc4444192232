"""Where Python's packages have NVRTC, the compiler of CUDA kernels: PyTorch brings one along."""

from __future__ import annotations

import ctypes
import os
import re
from importlib.util import find_spec
from pathlib import Path

from . import _native


_looked = False


def find_nvrtc() -> None:
    """Tells the native part, once. The environment's SPIRAL_NVRTC goes before, the system's comes after."""
    global _looked
    if _looked or os.environ.get("SPIRAL_NVRTC"):
        return
    _looked = True
    found = newest(candidates(), driver_major())
    if found:
        _native.nvrtc_at(str(found))


def newest(found: list[Path], driver: int | None) -> Path | None:
    """The newest whose code a driver of that major version takes; if there is none the newest, of which the error tells."""
    ordered = sorted(found, key=version)
    fit = [path for path in ordered if driver is None or version(path)[0] <= driver]
    best = fit or ordered
    return best[-1] if best else None


def driver_major() -> int | None:
    """The major version of the newest CUDA that the driver knows; none without a driver."""
    number = ctypes.c_int(0)
    try:
        library = ctypes.CDLL(os.environ.get("SPIRAL_CUDA_DRIVER") or "libcuda.so.1")
        failed = library.cuDriverGetVersion(ctypes.byref(number))
    except (OSError, AttributeError):
        return None
    return None if failed or not number.value else number.value // 1000


def candidates() -> list[Path]:
    """Files of NVRTC in the packages nvidia-cuda-nvrtc and torch."""
    found: list[Path] = []
    for package, pattern in (("nvidia", "*/lib/libnvrtc.so.*"), ("torch", "lib/libnvrtc*.so*")):
        spec = find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            found += Path(folder).glob(pattern)
    return [path for path in found if "builtins" not in path.name and ".alt." not in path.name]


def version(path: Path) -> tuple[int, ...]:
    """The numbers at the end of a library's name."""
    numbers = re.search(r"\.so((?:\.\d+)+)$", path.name)
    return tuple(int(number) for number in numbers[1][1:].split(".")) if numbers else (0,)
