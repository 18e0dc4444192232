"""Every dtype, kind, axis, stride, order of NaN and edge of k, against the naive oracle."""

import ml_dtypes
import numpy as np
import oracle
import pytest
import spiraltorch as st
from hypothesis import given, settings
from hypothesis import strategies as some

DTYPES = [
    np.dtype(name)
    for name in ("f4", "f8", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", ml_dtypes.bfloat16)
]
CALLS = {
    "topk": lambda x, k, start, **more: st.topk(x, k, **more),
    "bottomk": lambda x, k, start, **more: st.bottomk(x, k, **more),
    "midk": lambda x, k, start, **more: st.midk(x, k, **more),
    "range": lambda x, k, start, **more: st.rank_range(x, start, start + k, **more),
}


def elements(dtype, count, seed, spread):
    """Numbers of a type: any bits, few values with many ties, or ordinary ones."""
    random = np.random.default_rng(seed)
    if dtype.kind == "b":
        return random.integers(0, 2, count).astype(bool)
    if spread == "bits":
        return random.integers(0, 256, count * dtype.itemsize, dtype=np.uint8).view(dtype)
    if spread == "ties":
        return random.integers(0, 4, count).astype(dtype)
    return (random.standard_normal(count) * 50 if dtype.kind != "u" else random.integers(0, 120, count)).astype(dtype)


@some.composite
def arrays(draw):
    """An array of one to four axes that lies in memory in any of the ways that NumPy knows."""
    dtype = draw(some.sampled_from(DTYPES))
    shape = draw(some.lists(some.integers(0, 7), min_size=1, max_size=4).map(tuple))
    if draw(some.booleans()):
        shape = (*shape[:-1], draw(some.integers(8, 300)))
    seed, spread = draw(some.integers(0, 2**32)), draw(some.sampled_from(["bits", "ties", "numbers"]))
    how = draw(some.sampled_from(["c", "fortran", "reversed", "steps", "offset", "swapped", "broadcast", "unaligned"]))
    count = int(np.prod(shape))
    if how == "steps":
        wide = elements(dtype, count * 2 ** len(shape), seed, spread).reshape([2 * n for n in shape])
        return wide[tuple(slice(None, None, 2) for _ in shape)]
    if how == "offset":
        wide = elements(dtype, int(np.prod([n + 3 for n in shape])), seed, spread).reshape([n + 3 for n in shape])
        return wide[tuple(slice(1, n + 1) for n in shape)]
    x = elements(dtype, count, seed, spread).reshape(shape)
    if how == "fortran":
        return np.asfortranarray(x)
    if how == "reversed":
        return x[tuple(slice(None, None, -1) for _ in shape)]
    if how == "swapped" and dtype.kind in "fiu":
        return x.astype(dtype.newbyteorder())
    if how == "broadcast":
        return np.broadcast_to(x, (3, *shape))
    if how == "unaligned" and dtype.kind in "fiu":
        room = np.zeros(x.nbytes + 1, np.uint8)[1:]
        view = room[: x.nbytes].view(dtype).reshape(shape) if x.nbytes else x
        view[...] = x
        return view
    x.flags.writeable = draw(some.booleans())
    return x


@settings(max_examples=400, deadline=None)
@given(some.data(), arrays())
def test_every_layout(data, x):
    axis = data.draw(some.integers(-x.ndim, x.ndim - 1))
    n = x.shape[axis]
    k = data.draw(some.sampled_from(sorted({0, min(1, n), n // 2, max(n - 1, 0), n})))
    kind = data.draw(some.sampled_from(sorted(CALLS)))
    start = data.draw(some.integers(0, n - k)) if kind == "range" else 0
    nan, by_rank = data.draw(some.sampled_from(["greatest", "last"])), data.draw(some.booleans())
    before = x.copy()
    found = CALLS[kind](x, k, start, dim=axis, nan=nan, sorted=by_rank)
    want = oracle.select(x, kind, k, start, axis, by_rank, nan == "last")
    oracle.check(found, want, (kind, x.dtype, x.shape, axis, k, start, nan, by_rank))
    assert type(found.values) is np.ndarray and found.values.flags.c_contiguous and found.values.flags.writeable
    assert oracle.bits(before).tobytes() == oracle.bits(x).tobytes(), "the input was written to"


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", sorted(CALLS))
def test_every_type_of_longer_rows(dtype, kind):
    for spread in ("bits", "ties"):
        x = elements(dtype, 3 * 5000, 7, spread).reshape(3, 5000)
        for k in (1, 50, 5000):
            start = min(100, 5000 - k)
            oracle.check(CALLS[kind](x, k, start), oracle.select(x, kind, k, start), (spread, k))


@pytest.mark.parametrize("index", ["int64", "int32", "uint32", "uint64", "intp", np.int32, np.dtype("u8")])
def test_types_of_indices(index):
    x = np.random.default_rng(1).standard_normal((4, 100))
    found = st.topk(x, 7, index_dtype=index)
    assert found.indices.dtype == np.dtype(index)
    oracle.check((found.values, found.indices.astype(np.int64)), oracle.select(x, "topk", 7))


def test_the_types_that_the_functions_promise():
    x = np.ones((2, 3), np.float32)
    for found in (st.topk(x, 1), st.topk2d(x, 1), st.bottomk(x, 1), st.midk(x), st.rank_range(x, 0, 2)):
        assert found.indices.dtype == np.int64
    assert st.top_k(x, 1).indices.dtype == np.intp


def test_top_k_is_the_array_apis():
    x = np.array([[3.0, np.nan, 1.0, 2.0], [np.nan, np.nan, 5.0, 5.0]])
    np.testing.assert_array_equal(st.top_k(x, 2).indices, [[0, 3], [2, 3]])
    np.testing.assert_array_equal(st.top_k(x, 2, mode="smallest").indices, [[2, 3], [2, 3]])
    np.testing.assert_array_equal(st.top_k(x, 3, axis=None).values, [5, 5, 3])
    np.testing.assert_array_equal(st.top_k(x, 1, axis=0).indices, [[0, 0, 1, 1]])
    with pytest.raises(ValueError, match="smallest"):
        st.top_k(x, 2, mode="least")


def test_the_founding_example():
    x = np.random.default_rng(0).standard_normal((8, 65536), dtype=np.float32)
    vals, idx = st.topk2d(x, k=1024, device="auto")
    np.testing.assert_array_equal(vals, -np.sort(-x, axis=1)[:, :1024])
    np.testing.assert_array_equal(np.take_along_axis(x, idx, 1), vals)


def test_a_contiguous_array_is_not_copied():
    """Memory that may be read once more only: a copy would be seen in the peak of what NumPy allocates."""
    import tracemalloc

    x = np.random.default_rng(0).standard_normal((64, 1 << 15), dtype=np.float32)
    for y in (x, x[:, :30000], x[::2], x.reshape(8, 8, -1), x.T.copy().T, np.broadcast_to(x[:1], (1, 1 << 15))):
        dim = 0 if y.flags.f_contiguous and not y.flags.c_contiguous else -1
        tracemalloc.start()
        st.topk(y, 1, dim=dim)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < x.nbytes // 8, (y.strides, peak)


@pytest.mark.parametrize("axis", [0, 1])
def test_out(axis):
    x = np.random.default_rng(3).standard_normal((20, 30))
    want = oracle.select(x, "topk", 4, axis=axis)
    shape = want[0].shape
    for values, indices in [
        (np.empty(shape), np.empty(shape, np.int64)),
        (np.empty(shape), np.empty(shape, np.uint32)),
        (np.empty((2 * shape[0], shape[1]))[::2], np.empty((shape[1], shape[0]), np.int32).T),
    ]:
        found = st.topk(x, 4, dim=axis, out=(values, indices))
        assert found.values is values and found.indices is indices
        oracle.check((values, indices.astype(np.int64)), want)


def test_out_in_the_inputs_own_memory():
    x = np.random.default_rng(4).standard_normal((5, 40))
    want = oracle.select(x, "topk", 8)
    indices = np.empty((5, 8), np.int64)
    st.topk(x, 8, out=(x[:, :8], indices))
    oracle.check((x[:, :8], indices), want)
    x = np.random.default_rng(4).standard_normal((5, 40))
    st.topk(x, 8, out=(np.empty((5, 8)), x.view(np.int64)[:, 30:38]))
    np.testing.assert_array_equal(x.view(np.int64)[:, 30:38], want[1])


@pytest.mark.parametrize(
    ("values", "indices", "error"),
    [
        (np.empty((2, 3)), np.empty((2, 2), int), ValueError),
        (np.empty((2, 2), "f4"), np.empty((2, 2), int), TypeError),
        (np.empty((2, 2)), np.empty((2, 2)), TypeError),
        (np.empty((2, 2)), np.empty((2, 2), "i2"), TypeError),
        ([[0, 0], [0, 0]], np.empty((2, 2), int), TypeError),
        (np.broadcast_to(np.empty(2), (2, 2)), np.empty((2, 2), int), ValueError),
    ],
)
def test_places_that_do_not_do(values, indices, error):
    with pytest.raises(error, match="out"):
        st.topk(np.ones((2, 5)), 2, out=(values, indices))


def test_other_containers():
    import array

    want = [7, 5]
    for x in (
        [1, 5, 7, 2],
        (1, 5, 7, 2),
        array.array("h", [1, 5, 7, 2]),
        bytes([1, 5, 7, 2]),
        bytearray([1, 5, 7, 2]),
        memoryview(np.array([1.0, 5.0, 7.0, 2.0])),
        np.matrix([[1, 5, 7, 2]]),
    ):
        found = st.topk(x, 2)
        assert type(found.values) is np.ndarray
        np.testing.assert_array_equal(found.values.reshape(-1), want)
        np.testing.assert_array_equal(st.top_k(x, 2, axis=None).values, want)
