"""`spiraltorch` on the processor beside NumPy, ONNX Runtime and PyTorch, called from Python, call overhead included.

usage: cpu.py [--out OUT.json] [--seconds S] [--small] [--least] [--pause MS]

The cells are those of `cargo xtask bench cpu`. Every peer is timed in this process, by turns, and its result is checked;
medians, or with --least the least times, for a machine that has other work. ONNX Runtime's and PyTorch's threads wait for
more work by keeping a core busy: so before each turn there is a pause of --pause milliseconds, and then a call that is not
timed, so that everybody finds cores free and its own threads awake. With --pause 0 each contender meets the threads of the
one before, as in a program that uses several by turns. ONNX Runtime's inputs and outputs are bound in
place and PyTorch gets tensors over the same memory, so that nobody copies. Needs what
`crates/st-bench/peers/requirements.txt` names.
"""

import argparse
import json
import os
import sys
import time

THREADS = os.cpu_count()
os.environ["OMP_NUM_THREADS"] = str(THREADS)

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime as ort  # noqa: E402
import torch  # noqa: E402

import spiraltorch as st  # noqa: E402

torch.set_num_threads(THREADS)

GRID = [
    (8, 65_536, 8),
    (8, 65_536, 1024),
    (1, 1 << 20, 100),
    (1, 1 << 24, 100),
    (1, 1 << 24, 100_000),
    (1024, 4096, 64),
    (64, 131_072, 50),
    (16_384, 256, 8),
    (65_536, 128, 4),
    (100_000, 64, 10),
    (256, 151_936, 64),
]
SMALL = [(1, 1000, 10), (1, 100, 5), (10, 1000, 10), (1, 10_000, 100)]
KINDS = ["normal", "equal", "ties", "sorted"]


def make(rows, cols, kind):
    random = np.random.default_rng(7)
    if kind == "normal":
        return random.standard_normal((rows, cols), dtype=np.float32)
    if kind == "equal":
        return np.ones((rows, cols), np.float32)
    if kind == "ties":
        return random.integers(0, 8, (rows, cols)).astype(np.float32)
    return np.broadcast_to(np.arange(cols, dtype=np.float32), (rows, cols)).copy()


def numpy_call(x, k):
    """NumPy has no top-k yet: partition indices, gather, sort the k found."""
    n = x.shape[1]

    def call():
        part = np.argpartition(x, n - k, axis=1)[:, n - k :]
        values = np.take_along_axis(x, part, axis=1)
        order = np.argsort(values, axis=1)[:, ::-1]
        return np.take_along_axis(values, order, axis=1), np.take_along_axis(part, order, axis=1)

    return call


def onnx_call(x, k):
    helper, proto = onnx.helper, onnx.TensorProto
    info = helper.make_tensor_value_info
    shape = [x.shape[0], k]
    graph = helper.make_graph(
        [helper.make_node("TopK", ["x", "k"], ["v", "i"], axis=1, largest=1, sorted=1)],
        "topk",
        [info("x", proto.FLOAT, x.shape)],
        [info("v", proto.FLOAT, shape), info("i", proto.INT64, shape)],
        [helper.make_tensor("k", proto.INT64, [1], [k])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)], ir_version=11)
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    values, indices = np.zeros(shape, np.float32), np.zeros(shape, np.int64)
    binding = session.io_binding()
    for bind, name, array in (
        (binding.bind_input, "x", x),
        (binding.bind_output, "v", values),
        (binding.bind_output, "i", indices),
    ):
        bind(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)

    def call():
        session.run_with_iobinding(binding)
        return values, indices

    return call


def calls(x, k):
    tensor = torch.from_numpy(x)
    return {
        "spiraltorch": lambda: st.topk(x, k),
        "spiraltorch_torch": lambda: st.topk(tensor, k),
        "numpy": numpy_call(x, k),
        "onnxruntime": onnx_call(x, k),
        "torch": lambda: torch.topk(tensor, k),
    }


def measure(rows, cols, k, kind, seconds, least, pause):
    x = make(rows, cols, kind)
    want = -np.sort(-x, axis=1)[:, :k] if x.size < 1 << 25 else None
    of, times, batch = calls(x, k), {}, {}
    for name, call in of.items():
        values, indices = (np.asarray(part) for part in call())
        if want is not None:
            assert (values == want).all() and (np.take_along_axis(x, indices, 1) == values).all(), name
        began = time.perf_counter()
        call()
        once = time.perf_counter() - began
        # So many calls are timed together that the clock does not matter.
        batch[name], times[name] = max(1, int(200e-6 / once)), []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times["spiraltorch"]) < 5:
        for name, call in of.items():
            n = batch[name]
            if pause > 0:
                time.sleep(pause / 1000)
                call()
            began = time.perf_counter()
            for _ in range(n):
                call()
            times[name].append((time.perf_counter() - began) / n * 1e6)
    return {name: sorted(taken)[0 if least else len(taken) // 2] for name, taken in times.items()}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out")
    options.add_argument("--seconds", type=float, default=3.0, help="for each cell")
    options.add_argument("--small", action="store_true", help="short rows alone: what a call costs")
    options.add_argument("--least", action="store_true")
    options.add_argument("--pause", type=float, default=20.0, help="milliseconds before each turn")
    args = options.parse_args()
    report, slower = {"threads": THREADS, "torch": torch.__version__, "numpy": np.__version__, "cells": []}, []
    print("rows x cols, k, input | spiraltorch | with tensors | NumPy | ONNX Runtime | torch | best other / ours")
    for rows, cols, k in SMALL if args.small else SMALL + GRID:
        for kind in KINDS:
            us = measure(rows, cols, k, kind, args.seconds, args.least, args.pause)
            best = min(us["numpy"], us["onnxruntime"], us["torch"])
            ratio = best / us["spiraltorch"]
            row = " | ".join(f"{us[name]:.1f}" for name in ("spiraltorch", "spiraltorch_torch", "numpy", "onnxruntime", "torch"))
            print(f"{rows}x{cols}, {k}, {kind} | {row} | {ratio:.2f}", flush=True)
            report["cells"].append({"cell": [rows, cols, k, kind], "us": us, "ratio": ratio})
            if ratio < 1:
                slower.append((rows, cols, k, kind))
    if args.out:
        with open(args.out, "w") as file:
            json.dump(report, file, indent=1)
    print(f"{len(report['cells'])} cells, slower than the best other in {len(slower)}: {slower}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
