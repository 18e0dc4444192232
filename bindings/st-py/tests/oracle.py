"""The naive answer: every row sorted whole, by Python's own comparisons of numbers."""

from __future__ import annotations

import numpy as np


def key(value, nan_last: bool, descending: bool):
    """What an element is sorted by, ascending: NaN above every number, or behind all in the direction of the search."""
    number = value.item() if not isinstance(value, float) else value
    if hasattr(value, "astype") and value.dtype.kind not in "iub":
        number = float(value)
    if number != number:
        return (0 if descending and not nan_last else 1, 0)
    level = 1 if descending and not nan_last else 0
    return (level, -number if descending else number)


def ranks(kind: str, n: int, k: int, start: int) -> range:
    first = {"midk": (n - k) // 2, "range": start}.get(kind, 0)
    return range(first, first + k)


def select(x, kind: str, k: int, start: int = 0, axis: int = -1, sorted_: bool = True, nan_last: bool = False):
    """(values, indices) by the contract; int64 indices."""
    moved = np.moveaxis(x, axis, -1)
    shape = moved.shape[:-1] + (k,)
    values, indices = np.empty(shape, x.dtype.newbyteorder("=")), np.empty(shape, np.int64)
    descending = kind == "topk"
    for place in np.ndindex(moved.shape[:-1]):
        row = moved[place]
        order = sorted(range(len(row)), key=lambda i: (*key(row[i], nan_last, descending), i))
        chosen = [order[rank] for rank in ranks(kind, len(row), k, start)]
        if not sorted_:
            chosen.sort()
        indices[place] = chosen
        values[place] = row[chosen] if chosen else []
    return np.moveaxis(values, -1, axis), np.moveaxis(indices, -1, axis)


def bits(array):
    """The bytes of an array's elements: NaN and zeros as they are."""
    array = np.ascontiguousarray(array)
    return array.view(np.uint8) if array.size else array.reshape(-1)


def check(found, want, context=""):
    values, indices = (np.asarray(part) for part in found)
    assert values.shape == want[0].shape and indices.shape == want[1].shape, context
    assert values.dtype == want[0].dtype, context
    np.testing.assert_array_equal(indices, want[1], err_msg=str(context))
    np.testing.assert_array_equal(bits(values), bits(want[0]), err_msg=str(context))
