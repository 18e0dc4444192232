"""Where Python's packages have NVRTC, the compiler of CUDA kernels: PyTorch brings one along."""

from __future__ import annotations

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
    found = sorted(candidates(), key=version)
    if found:
        _native.nvrtc_at(str(found[-1]))


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
