"""Calls that make no sense: an exception with advice, or a defined result; never a crash."""

import os
import subprocess
import sys
import threading

import numpy as np
import oracle
import pytest
import spiraltorch as st
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

X = np.random.default_rng(0).standard_normal((4, 20))
# Examples of the random calls: minutes of them are asked for by this.
EXAMPLES = int(os.environ.get("SPIRAL_PY_EXAMPLES", "300"))


@pytest.mark.parametrize(
    ("call", "error", "part"),
    [
        (lambda: st.topk(X, -1), ValueError, "k = -1"),
        (lambda: st.topk(X, 21), ValueError, "at most 20"),
        (lambda: st.topk(X, 1 << 70), ValueError, "k = "),
        (lambda: st.topk(X, 2.0), TypeError, "int(k)"),
        (lambda: st.topk(X, "2"), TypeError, "integer"),
        (lambda: st.topk(X, None), TypeError, "integer"),
        (lambda: st.topk(X, 2, dim=2), ValueError, "out of bounds"),
        (lambda: st.topk(X, 2, dim=2), IndexError, "out of bounds"),
        (lambda: st.topk(X, 2, dim=1 << 80), ValueError, "out of bounds"),
        (lambda: st.topk(X, 2, dim="last"), TypeError, "axis"),
        (lambda: st.topk(X, 2, nan="first"), ValueError, '"last"'),
        (lambda: st.topk(X, 2, device="tpu"), ValueError, '"cpu"'),
        (lambda: st.topk(X, 2, device="cuda:x"), ValueError, '"cuda:1"'),
        (lambda: st.topk(X, 2, device="hip"), RuntimeError, "without the hip backend"),
        (lambda: st.topk(X, 2, device=3), TypeError, "device"),
        (lambda: st.topk(X, 2, index_dtype="float32"), TypeError, "int64"),
        (lambda: st.topk(X, 2, index_dtype="nonsense"), TypeError, "int64"),
        (lambda: st.topk(X, 2, out=3), TypeError, ""),
        (lambda: st.topk(X, 2, out=(1, 2, 3)), TypeError, ""),
        (lambda: st.topk(np.array(["a", "b"]), 1), TypeError, ".astype"),
        (lambda: st.topk(np.array([object()]), 1), TypeError, ".astype"),
        (lambda: st.topk(np.array([1 + 2j]), 1), TypeError, ".astype"),
        (lambda: st.topk(np.array(["2020-01-01"], "M8[D]"), 1), TypeError, ".astype"),
        (lambda: st.topk(np.zeros(3, "f4,i4"), 1), TypeError, ".astype"),
        (lambda: st.topk(np.zeros(3, np.longdouble), 1), TypeError, ".astype"),
        (lambda: st.topk(np.float32(3), 1), ValueError, "single number"),
        (lambda: st.topk(3.0, 1), ValueError, "single number"),
        (lambda: st.topk(None, 1), TypeError, ".astype"),
        (lambda: st.topk({1: 2}, 1), TypeError, ".astype"),
        (lambda: st.topk([[1, 2], [3]], 1), ValueError, ""),
        (lambda: st.topk(np.ma.masked_array([1, 2], [0, 1]), 1), TypeError, "filled"),
        (lambda: st.topk2d(X[0], 2), ValueError, "topk(x, k"),
        (lambda: st.rank_range(X, 3, 2), ValueError, "before"),
        (lambda: st.rank_range(X, -1, 2), ValueError, "count from 0"),
        (lambda: st.rank_range(X, 0.5, 2), TypeError, "int(start)"),
        (lambda: st.rank_range(X, 15, 21), ValueError, "stop may be at most 20"),
        (lambda: st.rank_range(X, 1 << 63, (1 << 63) + 2), (ValueError, OverflowError), ""),
        (lambda: st.rank_range(X, 1 << 70, (1 << 70) + 2), (ValueError, OverflowError), ""),
        (lambda: st.topk(np.empty((0, 5)), 1 << 62), ValueError, ""),
        (lambda: st.topk(np.broadcast_to(np.float32(0), (1 << 40, 3)), 2), MemoryError, ""),
        (lambda: st.topk(np.broadcast_to(np.float32(0), (2, 1 << 40)), 2), (ValueError, MemoryError), ""),
        (lambda: st.topk(memoryview(b"abc").cast("c"), 1), TypeError, ""),
    ],
)
def test_refused_with_advice(call, error, part):
    with pytest.raises(error) as caught:
        call()
    assert part in str(caught.value)
    oracle.check(st.topk(X, 2), oracle.select(X, "topk", 2))


def test_a_released_buffer():
    view = memoryview(bytearray(8))
    view.release()
    with pytest.raises(ValueError):
        st.topk(view, 1)


def test_empty_arrays():
    for shape in [(0,), (0, 5), (5, 0), (3, 0, 2)]:
        for axis in range(len(shape)):
            x = np.empty(shape, np.float32)
            oracle.check(st.topk(x, 0, dim=axis), oracle.select(x, "topk", 0, axis=axis))
    with pytest.raises(ValueError, match="at most 0"):
        st.topk(np.empty((5, 0)), 1)
    assert st.topk(np.empty((0, 5)), 3).values.shape == (0, 3)


ANY = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(-3, 25),
    some.integers(),
    some.floats(),
    some.text(max_size=5),
    some.binary(max_size=5),
    some.lists(some.one_of(some.integers(), some.floats(), some.text(max_size=2)), max_size=4),
    some.sampled_from([X, X.T, X[::-1], X.astype("O"), np.array("x"), np.float16(3), object(), int, "cpu", "wgpu", "last"]),
    some.builds(lambda n, d: np.zeros(n, d), some.integers(0, 30), some.sampled_from(["f4", "?", "U3", "M8[s]", "c8", "O"])),
)
FUNCTIONS = [st.topk, st.topk2d, st.top_k, st.bottomk, st.midk, st.rank_range, st.plan, st.explain]
NAMES = ["k", "dim", "largest", "sorted", "out", "device", "nan", "index_dtype", "axis", "mode", "start", "caps", "top"]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    some.sampled_from(FUNCTIONS),
    some.lists(ANY, max_size=5),
    some.dictionaries(some.sampled_from(NAMES), ANY, max_size=4),
)
def test_any_call(function, positional, named):
    try:
        found = function(*positional, **named)
    except (TypeError, ValueError, IndexError, OverflowError, MemoryError, RuntimeError) as refused:
        assert str(refused)
        assert "panic" not in type(refused).__name__.lower()
    else:
        assert found is not None


def test_an_array_that_another_thread_writes_to():
    """Whatever is read, indices are in range, or the call says what happened."""
    x = np.random.default_rng(0).standard_normal((8, 40000)).astype(np.float32)
    stop = threading.Event()

    def write():
        random = np.random.default_rng(1)
        while not stop.is_set():
            x[...] = random.permuted(x, axis=1) if random.random() < 0.5 else random.integers(0, 3, x.shape)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        gave_up = 0
        for n in range(120):
            for call in (st.topk, st.midk, st.bottomk):
                try:
                    found = call(x, (1, 100, 5000)[n % 3])
                except RuntimeError as error:
                    assert "another thread" in str(error)
                    gave_up += 1
                else:
                    assert found.indices.min() >= 0 and found.indices.max() < x.shape[1]
    finally:
        stop.set()
        writer.join()
    oracle_like = -np.sort(-x, axis=1)[:, :10]
    np.testing.assert_array_equal(st.topk(x, 10).values, oracle_like)


def test_sixteen_threads_at_once():
    arrays = [np.random.default_rng(seed).standard_normal((50, 3000)) for seed in range(16)]
    wants = [-np.sort(-x, axis=1)[:, :20] for x in arrays]
    wrong = []

    def work(number):
        for _ in range(100):
            if not np.array_equal(st.topk(arrays[number], 20).values, wants[number]):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_lock_is_released():
    """Another thread goes on while a long selection runs."""
    x = np.random.default_rng(0).standard_normal((1, 1 << 24)).astype(np.float32)
    counts, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counts[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    before = counts[0]
    st.topk(x, 1 << 22)
    during = counts[0] - before
    stop.set()
    thread.join()
    assert during > 1000


FORK = """
import os, threading, numpy as np, spiraltorch as st
x = np.random.default_rng(0).standard_normal((64, 50000))
want = st.topk(x, 9)
stop = threading.Event()
busy = [threading.Thread(target=lambda: [st.topk(x, 9) for _ in iter(stop.is_set, True)]) for _ in range(3)]
for thread in busy: thread.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        found = st.topk(x, 9)
        os._exit(0 if (found.indices == want.indices).all() else 1)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
for thread in busy: thread.join()
child = os.fork()
if child == 0:
    try:
        st.topk(x, 9, device="cuda")
    except RuntimeError as error:
        os._exit(0 if "spawn" in str(error) else 2)
    os._exit(3)
assert os.waitpid(child, 0)[1] == 0
"""


def test_children_of_a_fork():
    """What multiprocessing does on Linux: the child has none of its parent's threads."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], check=True, timeout=120)
