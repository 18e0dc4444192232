"""Arrays of other libraries than NumPy: each goes to what knows it, and results come back in the same library."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np

from . import Selection
from ._native import select_array

# What the native part calls types of indices.
INDEX_CODES = {"int64": 0, "int32": 1, "uint32": 2, "uint64": 3}

# DLPack's numbers of kinds of devices whose memory the processor reads: its own, pinned for CUDA and for HIP.
ON_HOST = (1, 3, 11)


class Ask(NamedTuple):
    """What is asked of a selection, but for the array."""

    kind: int
    k: Any
    start: int
    dim: Any
    sorted: bool
    nan_last: bool
    index_dtype: Any
    device: str
    out: tuple[Any, Any] | None


def index_name(index_dtype: Any, default: str = "int64") -> str:
    """The name of a type of indices, given as a name, a NumPy or a PyTorch dtype, or not at all."""
    if index_dtype is None:
        return default
    name = str(index_dtype).removeprefix("torch.")
    if name not in INDEX_CODES:
        try:
            name = np.dtype(index_dtype).name
        except TypeError:
            pass
    if name not in INDEX_CODES:
        raise TypeError(f"index_dtype = {index_dtype!r}: use int64, int32, uint32 or uint64")
    return name


def select(x: Any, *asked: Any) -> Selection[Any]:
    """Selects from an array of any library; ``asked`` are the fields of ``Ask``."""
    if "torch" in sys.modules and isinstance(x, sys.modules["torch"].Tensor):
        # From now on calls go there before they come here, because those on tensors are short.
        from . import _torch

        return _torch.select(x, *asked)
    ask = Ask(*asked)
    if isinstance(x, np.ndarray):
        return of_numpy(x, ask)
    if _is_jax(x):
        jax_has_elements(x)
    if getattr(x, "__cuda_array_interface__", None) is not None:
        from . import _cuda

        return _cuda.select(x, ask)
    if hasattr(x, "__dlpack__"):
        return of_dlpack(x, ask)
    return of_numpy(np.asarray(on_host(x)), ask)


def flat(x: Any) -> Any:
    """The array with one axis, in row-major order."""
    if hasattr(x, "reshape") and not isinstance(x, np.ndarray):
        return x.reshape(-1)
    return np.asarray(on_host(x)).reshape(-1)


def on_host(x: Any) -> Any:
    """What NumPy makes an array of; buffers as what they are, bytes as numbers."""
    if isinstance(x, (bytes, bytearray)):
        return memoryview(x)
    if isinstance(x, memoryview):
        # Of one that was released NumPy would make an object; this says what it is.
        _ = x.nbytes
    return x


def of_numpy(x: np.ndarray, ask: Ask) -> Selection[Any]:
    """From NumPy's arrays, subclasses of them too."""
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(
            "cannot select from a masked array, whose mask would be ignored: use x.filled(fill_value), or x.compressed()"
        )
    if type(x) is not np.ndarray:
        x = np.asarray(x)
    index = INDEX_CODES[index_name(ask.index_dtype)]
    return select_array(x, ask.kind, ask.k, ask.start, ask.dim, ask.sorted, ask.nan_last, index, ask.device, ask.out)


def _is_jax(x: Any) -> bool:
    return type(x).__module__.partition(".")[0] in ("jax", "jaxlib")


def jax_has_elements(x: Any) -> None:
    """Refuses JAX's placeholders and what was deleted."""
    if isinstance(x, sys.modules["jax"].core.Tracer):
        raise TypeError(
            f"cannot select from a {type(x).__name__}: inside jax.jit there are no elements yet; use jax.lax.top_k "
            "there, or jax.pure_callback"
        )
    if getattr(x, "is_deleted", bool)():
        raise ValueError("the array was deleted (donated, perhaps): select from it before")


def check_ranks(k: int, start: int, cols: int) -> None:
    """Refuses ranks that a row does not have, before results are made for them."""
    if start:
        if start + k > cols:
            raise ValueError(
                f"ranks {start} to {start + k} were asked for, but there are {cols} elements along the axis: stop may be "
                f"at most {cols}"
            )
    elif k > cols:
        raise ValueError(f"k = {k} is greater than the {cols} elements along the axis: ask for at most {cols}")


def of_dlpack(x: Any, ask: Ask) -> Selection[Any]:
    """From arrays with DLPack on the host: JAX and others. Without a copy, and back into their library."""
    kind, _ = x.__dlpack_device__()
    if kind not in ON_HOST:
        raise TypeError(
            f"cannot select from a {type(x).__name__} on a device (DLPack's kind {kind}) without "
            "__cuda_array_interface__: copy it to the host, or select from a torch tensor, torch.from_dlpack(x)"
        )
    if ask.out is not None:
        raise TypeError(f"out= cannot be had for {type(x).__name__}, whose arrays are not written to: leave it out")
    if _is_jax(x):
        # JAX counts with 32 bits unless it was told otherwise, and its bfloat16 is not in NumPy's DLPack.
        import jax

        default = "int64" if jax.config.read("jax_enable_x64") else "int32"
        found = of_numpy(np.asarray(x), ask._replace(index_dtype=index_name(ask.index_dtype, default)))
        return Selection(*(jax.device_put(array) for array in found))
    found = of_numpy(np.from_dlpack(x), ask)
    names = getattr(x, "__array_namespace__", None)
    if names is None:
        return found
    return Selection(*(names().from_dlpack(array) for array in found))


# From now on other libraries' arrays come here at once.
sys.modules[__package__]._elsewhere = select  # type: ignore[attr-defined]
