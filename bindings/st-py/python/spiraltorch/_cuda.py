"""Arrays with ``__cuda_array_interface__``: CuPy's, Numba's and others'. Nothing is copied; the work goes onto the
stream that the array names, or CuPy's current one."""

from __future__ import annotations

import sys
from operator import index as integer
from typing import Any

import numpy as np

from . import Selection, _native
from ._libraries import INDEX_CODES, Ask, check_ranks, index_name
from ._nvrtc import find_nvrtc

# The native part's names of types, by NumPy's kind and size. Truth values are bytes.
LETTERS = {"f": "f", "i": "i", "u": "u", "b": "u"}


class DeviceArray:
    """An array on an NVIDIA device, for callers whose library is not known: it has ``__cuda_array_interface__``, which
    CuPy, Numba and PyTorch take as it is. ``numpy()`` copies it to the host."""

    def __init__(self, ordinal: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype, self.device = shape, dtype, ordinal
        self._memory = _native.cuda_allocate(ordinal, self.nbytes)

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self._memory.address, False),
            "strides": None,
            "version": 3,
        }

    def numpy(self) -> np.ndarray:
        """A copy on the host."""
        return np.frombuffer(self._memory.read(self.nbytes), self.dtype).reshape(self.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("an array on a device cannot be had on the host without a copy")
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    def __repr__(self) -> str:
        return f"<DeviceArray on cuda:{self.device}: {self.dtype}, shape {self.shape}>"


def select(x: Any, ask: Ask) -> Selection[Any]:
    """Selects from an array of any library that has the interface."""
    find_nvrtc()
    interface = x.__cuda_array_interface__
    if interface.get("mask") is not None:
        raise TypeError("cannot select from a masked array, whose mask would be ignored: fill it first")
    dtype, shape = np.dtype(interface["typestr"]), tuple(interface["shape"])
    if dtype.kind not in LETTERS or dtype.itemsize > 8 or not dtype.isnative:
        raise TypeError(f"cannot select from an array of {dtype}: convert it to a type of real numbers")
    name = f"{LETTERS[dtype.kind]}{dtype.itemsize * 8}"
    last = len(shape) - 1
    if last < 0:
        raise ValueError("cannot select from a single number: give an array with at least one axis")
    dim = integer(ask.dim)
    if dim not in (-1, last):
        raise ValueError(f"dim = {dim}: of arrays on a device that are no tensors, use the last axis (move it there)")
    if ask.out is not None:
        raise TypeError("out= goes with NumPy's arrays and PyTorch's tensors: leave it out")
    ordinal = integer(getattr(getattr(x, "device", 0), "id", 0))
    if ask.device not in ("auto", "cuda", f"cuda:{ordinal}"):
        raise ValueError(f"device = {ask.device!r}, but the array is on cuda:{ordinal}: data on a device stays there")
    lie = _native.rows_along_last(shape, interface.get("strides"), dtype.itemsize)
    if lie is None:
        raise ValueError("the array's rows do not lie at one distance with their elements one after another: copy it")
    index = index_name(ask.index_dtype)
    k = integer(ask.k)
    if k < 0:
        raise ValueError(f"k = {k}: give a number from 0 to the elements along the axis")
    if lie[0]:
        check_ranks(k, ask.start, lie[1])
    place = CuPy(ordinal) if _is_cupy(x) else Own(x, ordinal)
    shape = (*shape[:-1], k)
    results = [place.array(shape, dtype), place.array(shape, np.dtype(index))]
    values, indices = (result.__cuda_array_interface__["data"][0] for result in results)
    asked = (ask.kind, ask.k, ask.start, ask.sorted, ask.nan_last)
    where = (interface["data"][0], lie, name, asked, INDEX_CODES[index], values, indices)
    _native.cuda_select(ordinal, place.stream, *where, place.workspace, False)
    return Selection(*results)


def _is_cupy(x: Any) -> bool:
    cupy = sys.modules.get("cupy")
    return cupy is not None and isinstance(x, cupy.ndarray)


class Place:
    """Where memory comes from."""

    def zeros(self, size: int) -> Any:
        raise NotImplementedError

    def workspace(self, ordinal: int, zeroed: int, scratch: int) -> tuple[tuple[int, int], tuple[int, int], list[Any]]:
        """Where each part begins, its bytes, and what keeps them."""
        parts = [self.zeros(zeroed), self.zeros(scratch)]
        first, second = (part.__cuda_array_interface__["data"][0] for part in parts)
        return (first, zeroed), (second, scratch), parts


class CuPy(Place):
    """CuPy's memory and its current stream, in whose order it is given and taken back. Its arrays begin at multiples of 256."""

    def __init__(self, ordinal: int) -> None:
        self.cupy, self.ordinal = sys.modules["cupy"], ordinal
        with self.cupy.cuda.Device(ordinal):
            self.stream: int | None = self.cupy.cuda.get_current_stream().ptr

    def array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        with self.cupy.cuda.Device(self.ordinal):
            return self.cupy.empty(shape, dtype)

    def zeros(self, size: int) -> Any:
        with self.cupy.cuda.Device(self.ordinal):
            return self.cupy.zeros(max(size, 1), np.uint8)


class Own(Place):
    """Memory of ours for a library that is not known, and a stream of ours, which is waited for."""

    stream: int | None = None

    def __init__(self, x: Any, ordinal: int) -> None:
        self.ordinal = ordinal
        if x.__cuda_array_interface__.get("stream"):
            raise ValueError(
                "the array names a stream that it is being made on: synchronise it first, or use CuPy or PyTorch, whose "
                "streams are known"
            )
        if hasattr(x, "block_until_ready"):
            x.block_until_ready()

    def array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> DeviceArray:
        return DeviceArray(self.ordinal, shape, dtype)

    def zeros(self, size: int) -> DeviceArray:
        return DeviceArray(self.ordinal, (size,), np.dtype(np.uint8))
