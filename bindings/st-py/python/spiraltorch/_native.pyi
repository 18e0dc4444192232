"""The native part: what the facade calls. No part of the package's interface."""

from collections.abc import Callable
from typing import Any, final

__all__ = [
    "DeviceMemory",
    "Tensors",
    "__version__",
    "cuda_allocate",
    "cuda_select",
    "devices",
    "doctor",
    "explain",
    "forked",
    "hypergrad_check",
    "hypergrad_implicit",
    "hypergrad_iterate",
    "hypergrad_unrolled",
    "nvrtc_at",
    "plan",
    "results_are",
    "rows_along_last",
    "select_array",
    "select_host",
    "tune",
]

__version__: str

_Ask = tuple[int, Any, int, bool, bool]
_Lie = tuple[int, int, int]
_Part = tuple[int, int]
_Shape = tuple[Any, Any, Any]

# Of a device, so many zeros and so many bytes: where each part begins, its bytes, and what keeps them.
_Workspace = Callable[[int, int, int], tuple[_Part, _Part, Any]]

@final
class DeviceMemory:
    @property
    def address(self) -> int: ...
    def read(self, length: int) -> bytes: ...

@final
class Tensors:
    def __new__(
        cls,
        read: Any,
        write: Any,
        types: list[tuple[int, int, str, Any]],
        index_types: list[Any],
        empty_on_host: Callable[..., Any],
        empty_on_cuda: Callable[..., Any] | None,
        modes: Callable[[], int],
        workspace: _Workspace,
    ) -> Tensors: ...
    def select(
        self,
        x: Any,
        kind: int,
        k: Any,
        start: int,
        dim: Any,
        sorted: bool,
        nan_last: bool,
        index: int,
        device: str,
    ) -> Any: ...
    def select_into(
        self,
        x: Any,
        kind: int,
        k: Any,
        start: int,
        dim: Any,
        sorted: bool,
        nan_last: bool,
        device: str,
        values: Any,
        indices: Any,
    ) -> bool: ...

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
) -> Any: ...
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
    workspace: _Workspace,
    keep: bool,
) -> None: ...
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
def hypergrad_check(step: Any, vjp: Any, jvp: Any, z: Any, params: Any) -> tuple[float, float, float | None]: ...
def hypergrad_implicit(
    step: Any,
    vjp: Any,
    jvp: Any,
    outer: Any,
    z: Any,
    params: Any,
    how: tuple[str, int | None, int | None],
    tolerance: float,
    fixed_point_tolerance: float,
    max_iterations: int | None,
    keep_partial: bool,
) -> dict[str, Any]: ...
def hypergrad_iterate(step: Any, z0: Any, params: Any, tolerance: float, max_steps: int) -> dict[str, Any]: ...
def hypergrad_unrolled(
    step: Any,
    vjp: Any,
    jvp: Any,
    outer: Any,
    z0: Any,
    params: Any,
    steps: int,
    forward: bool,
    truncate: int | None,
    checkpoints: tuple[str, int],
) -> dict[str, Any]: ...
def results_are(class_: type[tuple[Any, ...]]) -> None: ...
def nvrtc_at(path: str) -> None: ...
def tune(device: str, budget: float, shapes: str | None, home: Any, fresh: bool) -> str: ...
