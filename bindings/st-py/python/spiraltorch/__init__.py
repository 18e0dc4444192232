"""SpiralTorch: rank selection (Top-K, Bottom-K, Mid-K, any range of ranks) on arrays wherever they live.

    >>> import numpy as np, spiraltorch as st
    >>> x = np.array([[0.5, -1.0, 2.0, 0.25], [7.0, np.nan, 7.0, 1.0]], dtype=np.float32)
    >>> values, indices = st.topk(x, 2)
    >>> indices
    array([[2, 0],
           [1, 0]])

Every answer is exact and unique: of equal values the lower index comes first, NaN is greater than every number (or
last, with ``nan="last"``), and values are the input's own bits. Results are of the caller's library and on the
caller's device: NumPy in, NumPy out; a PyTorch tensor on a GPU in, one on that GPU out.
"""

from __future__ import annotations

import os as _os
from typing import Any, Generic, Literal, NamedTuple, SupportsIndex, TypeVar

from numpy import ndarray as _ndarray

from . import _native
from ._native import __version__
from ._native import select_array as _select_array

__all__ = [
    "Selection",
    "bottomk",
    "devices",
    "doctor",
    "explain",
    "hypergrad",
    "midk",
    "plan",
    "rank_range",
    "top_k",
    "topk",
    "topk2d",
    "tune",
]

# Windows does not fork.
if hasattr(_os, "register_at_fork"):
    _os.register_at_fork(after_in_child=_native.forked)

_A = TypeVar("_A")
Nan = Literal["greatest", "last"]

# What the native part calls the kinds of selection.
_TOP, _BOTTOM, _MID, _RANGE = range(4)


class Selection(NamedTuple, Generic[_A]):
    """What was selected: arrays of the input's library, with k in place of the axis."""

    values: _A
    """The elements, bit for bit those of the input."""
    indices: _A
    """Where they are along the axis."""


_native.results_are(Selection)


def topk(
    x: _A,
    k: SupportsIndex,
    dim: SupportsIndex = -1,
    largest: bool = True,
    sorted: bool = True,
    *,
    out: tuple[Any, Any] | None = None,
    device: str = "auto",
    nan: Nan = "greatest",
    index_dtype: Any = None,
) -> Selection[_A]:
    """The k greatest elements along an axis (``largest=False``: the k least), shaped as ``torch.topk``.

    x: an array of NumPy, PyTorch, JAX or CuPy, anything with DLPack, ``__cuda_array_interface__`` or the buffer
        protocol, or nested lists. bool, integers, float16 to float64, bfloat16. Not copied where rows lie at one
        distance and their elements one after another.
    k: how many, from 0 to the length of the axis.
    dim: the axis; negative ones count from the last.
    sorted: by rank (descending, or ascending for the least), or by ascending index. Both are deterministic: of equal
        elements the lower index comes first.
    out: a pair of arrays (values, indices) of the input's library to write to, and then the result.
    device: where host data is selected: "auto" (where it is expected to be done first), "cpu", "wgpu", "cuda", "cuda:1",
        "mps". Data on a device stays there. Nothing falls back to another device.
    nan: "greatest" puts NaN above every number, "last" behind every number in the direction of the search.
    index_dtype: "int64" (if not given), "int32", "uint32" or "uint64".

    Raises ValueError for a k or an axis that cannot be, TypeError for a wrong type, RuntimeError for a device that is
    not there, MemoryError without memory.
    """
    kind = _TOP if largest else _BOTTOM
    nan_last = False if nan == "greatest" else _last(nan)
    if type(x) is _ndarray and index_dtype is None:
        return _select_array(x, kind, k, 0, dim, sorted, nan_last, 0, device, out)
    if type(x) is _tensor and index_dtype is None and out is None and not _is_traced():
        found = _select_tensor(x, kind, k, 0, dim, sorted, nan_last, 0, device)
        if found is not None:
            return found
    return _elsewhere(x, kind, k, 0, dim, sorted, nan_last, index_dtype, device, out)


def topk2d(x: _A, k: SupportsIndex, device: str = "auto", *, index_dtype: Any = None) -> Selection[_A]:
    """The k greatest elements of each row of a matrix, in descending order; otherwise as ``topk``."""
    shape = getattr(x, "shape", None)
    if shape is not None and len(shape) != 2:
        raise ValueError(
            f"topk2d selects from a matrix, and this has shape {tuple(shape)}: use topk(x, k, dim=...) for others"
        )
    if type(x) is _ndarray and index_dtype is None:
        return _select_array(x, _TOP, k, 0, -1, True, False, 0, device, None)
    return _select(x, _TOP, k, 0, -1, True, "greatest", index_dtype, device, None)


def top_k(
    x: _A,
    k: SupportsIndex,
    /,
    *,
    axis: SupportsIndex | None = -1,
    mode: Literal["largest", "smallest"] = "largest",
    sorted: bool = True,
) -> Selection[_A]:
    """As ``top_k`` of NumPy and of the Array API: NaN comes after every number, whatever the mode.

    axis: the axis; None: the array is flattened.
    """
    if mode not in ("largest", "smallest"):
        raise ValueError(f'mode = {mode!r}: use "largest" or "smallest"')
    if axis is None:
        x, axis = _flat(x), -1
    kind = _TOP if mode == "largest" else _BOTTOM
    return _select(x, kind, k, 0, axis, sorted, "last", "intp", "auto", None)


def bottomk(
    x: _A,
    k: SupportsIndex,
    dim: SupportsIndex = -1,
    sorted: bool = True,
    *,
    out: tuple[Any, Any] | None = None,
    device: str = "auto",
    nan: Nan = "greatest",
    index_dtype: Any = None,
) -> Selection[_A]:
    """The k least elements along an axis, in ascending order; otherwise as ``topk``."""
    return _select(x, _BOTTOM, k, 0, dim, sorted, nan, index_dtype, device, out)


def midk(
    x: _A,
    k: SupportsIndex = 1,
    dim: SupportsIndex = -1,
    sorted: bool = True,
    *,
    out: tuple[Any, Any] | None = None,
    device: str = "auto",
    nan: Nan = "greatest",
    index_dtype: Any = None,
) -> Selection[_A]:
    """The k elements in the middle of an axis, in ascending order; otherwise as ``topk``.

    Of n elements in order, those from place (n - k) // 2 on. k = 1 is the lower median, as of ``torch.median``.
    """
    return _select(x, _MID, k, 0, dim, sorted, nan, index_dtype, device, out)


def rank_range(
    x: _A,
    start: SupportsIndex,
    stop: SupportsIndex,
    dim: SupportsIndex = -1,
    sorted: bool = True,
    *,
    out: tuple[Any, Any] | None = None,
    device: str = "auto",
    nan: Nan = "greatest",
    index_dtype: Any = None,
) -> Selection[_A]:
    """The elements at the places start to stop (exclusive) of the ascending order along an axis; otherwise as ``topk``.

    Places count from 0, the least, and are not negative.
    """
    first, end = _place("start", start), _place("stop", stop)
    if end < first:
        raise ValueError(f"stop = {end} is before start = {first}: give a stop of at least start")
    return _select(x, _RANGE, end - first, first, dim, sorted, nan, index_dtype, device, out)


def plan(
    kind: str,
    rows: SupportsIndex,
    cols: SupportsIndex,
    k: SupportsIndex,
    *,
    start: SupportsIndex | None = None,
    dtype: str = "f32",
    nan: Nan = "greatest",
    sorted: bool = True,
    device: str = "auto",
    caps: str | None = None,
) -> Plan:
    """How a selection would be run: the planner's choice, with where each field came from.

    kind: "topk", "bottomk", "midk", or "range" (with start).
    caps: a device that need not be here, in words: "wgpu,lane=32,subgroup=true,wg=256,smem=32768". Not with device.
    """
    from . import _report

    return _report.plan(kind, (rows, cols, k), start, dtype, nan, sorted, device, caps)


def explain(
    kind: str,
    rows: SupportsIndex,
    cols: SupportsIndex,
    k: SupportsIndex,
    *,
    start: SupportsIndex | None = None,
    dtype: str = "f32",
    nan: Nan = "greatest",
    sorted: bool = True,
    device: str = "auto",
    caps: str | None = None,
    top: SupportsIndex = 5,
) -> Explanation:
    """Why: every candidate considered (the best ``top`` of them), what is expected of each, and who spoke for it.

    Arguments as of ``plan``. In a notebook it is shown as tables.
    """
    from . import _report

    return _report.explain(kind, (rows, cols, k), start, dtype, nan, sorted, device, caps, top)


def devices() -> list[Device]:
    """The devices that this package can use here. ``auto`` takes none whose driver is software."""
    from . import _report

    return _report.devices()


def doctor() -> Health:
    """What was found on this machine, and what is missing: devices, rules, tables, libraries."""
    from . import _report

    return _report.doctor()


def tune(
    device: str = "auto",
    budget: float = 60.0,
    *,
    shapes: Sequence[Any] | None = None,
    home: str | PathLike[str] | None = None,
    fresh: bool = False,
) -> Tuning:
    """Measures every sensible choice for some shapes on a device, and plans with what was found from then on.

    It is what ``spiral tune`` does: results are checked, each choice's times go into the device's table before the next shape
    begins, what the table has is not measured again. Python's lock is released; an interrupt (Ctrl-C) ends it, and loses
    the shape at hand.

    device: "auto" is the processor; else "cpu", "wgpu", "cuda", "cuda:1", "mps".
    budget: how many seconds it may take. Nothing begins that is not expected to end in time.
    shapes: a list of (rows, cols, k), (rows, cols, k, dtype) or {"kind": "midk", "rows": .., "cols": .., "k": .., "dtype": "f32"};
        the device's usual ones if not given. For those that do not fit memory MemoryError is raised when the others are
        measured.
    home: the folder whose ``tables`` has the table; ``SPIRAL_HOME``, else ``~/.spiraltorch``, where later processes look.
        With another one this process alone plans with what was found.
    fresh: measure again what the table has already.
    """
    from . import _report

    return _report.tune(device, budget, shapes, home, fresh)


def _last(nan: str) -> bool:
    if nan == "greatest":
        return False
    if nan == "last":
        return True
    raise ValueError(f'nan = {nan!r}: use "greatest" or "last"')


def _place(name: str, value: SupportsIndex) -> int:
    try:
        place = value.__index__()
    except AttributeError:
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}: use int({name})") from None
    if place < 0:
        raise ValueError(f"{name} = {place}: places count from 0, the least element")
    return place


def _select(
    x: Any,
    kind: int,
    k: Any,
    start: int,
    dim: Any,
    sorted: bool,
    nan: str,
    index_dtype: Any,
    device: str,
    out: tuple[Any, Any] | None,
) -> Selection[Any]:
    nan_last = False if nan == "greatest" else _last(nan)
    if type(x) is _ndarray and index_dtype is None:
        return _select_array(x, kind, k, start, dim, sorted, nan_last, 0, device, out)
    return _elsewhere(x, kind, k, start, dim, sorted, nan_last, index_dtype, device, out)


# PyTorch's class, whether a call is being traced, and what does plain calls on tensors: set by ``_torch`` when a tensor was
# met.
_tensor: Any = None
_is_traced: Any = None
_select_tensor: Any = None


def _elsewhere(x: Any, *asked: Any) -> Selection[Any]:
    """Other libraries' arrays, whose module is not loaded before there is one; it takes this function's place."""
    from . import _libraries

    return _libraries.select(x, *asked)


def _flat(x: Any) -> Any:
    from . import _libraries

    return _libraries.flat(x)


def __getattr__(name: str) -> Any:
    # Classes of reports, whose module is not loaded before it is needed.
    if name in ("Plan", "Explanation", "Device", "Health", "Tuning"):
        from . import _report

        return getattr(_report, name)
    if name == "hypergrad":
        from importlib import import_module

        return import_module(".hypergrad", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import hypergrad
    from collections.abc import Sequence
    from os import PathLike

    from ._report import Device, Explanation, Health, Plan, Tuning
