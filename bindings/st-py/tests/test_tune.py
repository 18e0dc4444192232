"""The tuner on the processor: what it finds is kept, is planned with from then on, and can be interrupted."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import spiraltorch as st

# Short rows: a second is enough for all choices, and what is left of a budget is not spent; a busy machine takes longer.
SHAPE = (40, 700, 11)


@pytest.fixture(autouse=True)
def the_planner_forgets():
    """What other tests plan with is what the usual tables say."""
    yield
    with contextlib.suppress(OSError):
        st.tune("cpu", 1e-9, shapes=[SHAPE])


def test_what_is_found_is_planned_with(tmp_path):
    before = st.plan("topk", *SHAPE, device="cpu")
    assert "table" not in before.sources.values()
    found = st.tune("cpu", 10.0, shapes=[SHAPE], home=tmp_path)
    assert (found.measured, found.known, found.left, found.failed) == (1, 0, 0, 0) and found.records > 10
    (cell,) = found.cells
    assert (cell["kind"], cell["rows"], cell["cols"], cell["k"], cell["dtype"]) == ("topk", *SHAPE, "f32")
    # Which is less is noise on a busy machine, and where the best takes less on hard inputs: the tuner's own tests ask.
    assert min(cell["best_us"], cell["planned_us"]) > 0 and set(cell["best"]) == set(before.choice)
    text = repr(found)
    for part in (f"topk 40x700 k=11 f32: {cell['best_us']:.1f} us", "1 shapes measured", f"table {found.table}>"):
        assert part in text
    table = json.loads((tmp_path / "tables" / os.path.basename(found.table)).read_text())
    assert len(table["records"]) == found.records
    after = st.plan("topk", *SHAPE, device="cpu")
    assert after.sources["mk"] == "table" and after.choice["mk"] == cell["best"]["mk"]
    x = np.random.default_rng(0).standard_normal(SHAPE[:2], dtype=np.float32)
    assert (st.topk(x, SHAPE[2]).values == -np.sort(-x, axis=1)[:, : SHAPE[2]]).all()
    # What is known is not measured again, unless that is wanted.
    again = st.tune("cpu", 10.0, shapes=[SHAPE], home=tmp_path)
    assert (again.measured, again.known, again.records) == (0, 1, 0) and again.cells == []
    fresh = st.tune("cpu", 1.0, shapes=[list(SHAPE)], home=str(tmp_path), fresh=True)
    assert fresh.measured == 1


def test_where_later_processes_look(tmp_path):
    """Without a home it is the usual one's, which the environment names; a later process plans with it."""
    code = f"""
import spiraltorch as st, sys
if sys.argv[1:]:
    st.tune("cpu", 1.0, shapes=[{SHAPE}])
print(st.plan("topk", *{SHAPE}, device="cpu").sources["mk"])
"""
    env = os.environ | {"SPIRAL_HOME": str(tmp_path)}
    for arguments, source in ([], "model"), (["tune"], "table"), ([], "table"):
        run = subprocess.run([sys.executable, "-c", code, *arguments], env=env, capture_output=True, text=True, check=True)
        assert run.stdout.strip() == source


def test_kinds_and_types(tmp_path):
    shapes = [{"kind": "midk", "rows": 3, "cols": 400, "k": 5, "dtype": "f64"}, (np.int64(4), 300, 7, "bf16")]
    found = st.tune("cpu", 2.0, shapes=shapes, home=tmp_path)
    assert [(cell["kind"], cell["dtype"]) for cell in found.cells] == [("midk", "f64"), ("topk", "bf16")]


def test_no_time_is_said(tmp_path):
    found = st.tune("cpu", 1e-9, shapes=[SHAPE, (2, 100, 3)], home=tmp_path)
    assert found.measured == 0 and found.left == 2 and "call it again" in repr(found)


@pytest.mark.parametrize(
    ("call", "error", "part"),
    [
        (lambda home: st.tune("tpu", 1, home=home), ValueError, '"cpu"'),
        (lambda home: st.tune("hip", 1, home=home), RuntimeError, "without the hip backend"),
        (lambda home: st.tune("cpu", 0, home=home), ValueError, "more than 0"),
        (lambda home: st.tune("cpu", float("nan"), home=home), ValueError, "more than 0"),
        (lambda home: st.tune("cpu", -1, home=home), ValueError, "more than 0"),
        (lambda home: st.tune("cpu", 1, shapes=[], home=home), ValueError, "empty"),
        (lambda home: st.tune("cpu", 1, shapes=[(1, 2)], home=home), ValueError, "shapes: cell 0"),
        (lambda home: st.tune("cpu", 1, shapes=[(1, 2, 3)], home=home), ValueError, "k = 3"),
        (lambda home: st.tune("cpu", 1, shapes=[(1, 2, 1, "f31")], home=home), ValueError, "f31"),
        (lambda home: st.tune("cpu", 1, shapes=[(1, 2, 1, "f32", 5)], home=home), ValueError, "(rows, cols, k, dtype)"),
        (lambda home: st.tune("cpu", 1, shapes=[7], home=home), TypeError, "dictionary"),
        (lambda home: st.tune("cpu", 1, shapes=[(1, 2.5, 1)], home=home), TypeError, "integers"),
        (lambda home: st.tune("cpu", 1, shapes=[SHAPE], home=home / "file"), OSError, "SPIRAL_HOME"),
        (lambda home: st.tune("cpu", 1, shapes=[SHAPE], home=3), TypeError, ""),
        (lambda home: st.tune("cpu", 1, shapes=[(10**8, 10**8, 1)], home=home), MemoryError, "100000000x100000000"),
    ],
)
def test_refused_with_advice(call, error, part, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(error) as caught:
        call(tmp_path)
    assert part in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise")
def test_the_lock_is_released_and_an_interrupt_ends_it(tmp_path, interruptible):
    counts = [0]

    def count_and_interrupt():
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            counts[0] += 1
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=count_and_interrupt)
    began = time.monotonic()
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        st.tune("cpu", 60.0, shapes=[(64, 100_000, 50), (64, 100_000, 500)], home=tmp_path)
    took = time.monotonic() - began
    thread.join()
    assert took < 20 and counts[0] > 1000
    # The process goes on as if nothing had been.
    assert st.topk(np.arange(5.0), 2).indices.tolist() == [4, 3]
