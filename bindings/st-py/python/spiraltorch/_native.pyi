"""The native part: what the facade calls. No part of the package's interface."""

from typing import Any, final

__all__ = [
    "DeviceMemory",
    "__version__",
    "cuda_allocate",
    "cuda_select",
    "devices",
    "doctor",
    "explain",
    "forked",
    "nvrtc_at",
    "plan",
    "rows_along_last",
    "select_array",
    "select_host",
]

__version__: str

_Ask = tuple[int, Any, int, bool, bool]
_Lie = tuple[int, int, int]
_Part = tuple[int, int]
_Shape = tuple[Any, Any, Any]

@final
class DeviceMemory:
    @property
    def address(self) -> int: ...
    def read(self, length: int) -> bytes: ...

def select_array(
    x: Any,
    kind: int,
    k: Any,
    start: int,
    axis: Any,
    sorted: bool,
    nan_last: bool,
    index: int,
    device: str,
    out: tuple[Any, Any] | None,
) -> tuple[Any, Any]: ...
def rows_along_last(shape: Any, strides: Any | None, itemsize: int) -> _Lie | None: ...
def select_host(
    address: int, lie: _Lie, dtype: str, ask: _Ask, index: int, device: str, values: int, indices: int
) -> None: ...
def cuda_select(
    ordinal: int,
    stream: int | None,
    address: int,
    lie: _Lie,
    dtype: str,
    ask: _Ask,
    index: int,
    values: int,
    indices: int,
    zeroed: _Part,
    scratch: _Part,
) -> _Part | None: ...
def cuda_allocate(ordinal: int, bytes: int) -> DeviceMemory: ...
def plan(
    kind: int,
    shape: _Shape,
    start: Any,
    dtype: str,
    nan_last: bool,
    sorted: bool,
    device: str,
    caps: str | None,
) -> str: ...
def explain(
    kind: int,
    shape: _Shape,
    start: Any,
    dtype: str,
    nan_last: bool,
    sorted: bool,
    device: str,
    caps: str | None,
    top: Any,
) -> str: ...
def devices() -> str: ...
def doctor() -> str: ...
def forked() -> None: ...
def nvrtc_at(path: str) -> None: ...
