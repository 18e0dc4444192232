"""PyTorch's CUDA tensors through `spiraltorch`, beside `torch.topk`: correctness, no copies, streams, CUDA graphs,
gradients, and the time of calls in a loop from Python.

usage: cuda.py [--grid GRID.json] [--out OUT.json] [--seconds S] [--checks-only]

GRID.json is a list of cells [rows, cols, k, input, dtype]. Prints each check and a table, writes both as JSON; ends with
status 1 if a check failed. No cell is begun after S seconds (540 if not given); those left out are named.
"""

import argparse
import json
import sys
import time
import traceback

import numpy as np
import torch

import spiraltorch as st

DEVICE = "cuda"
# Inputs smaller than this are several, taken by turns, so that they are not read from the cache.
ROTATED = 200e6
CELLS = [
    [8, 65536, 1024, "normal", "f32"],
    [1, 4096, 64, "normal", "f32"],
    [1, 131072, 50, "normal", "f32"],
    [64, 131072, 50, "normal", "f32"],
    [16384, 256, 8, "normal", "f32"],
    [1, 67108864, 100, "normal", "f32"],
    [64, 131072, 50, "normal", "bf16"],
]


def make(rows, cols, kind, name, seed):
    """An input of a kind, as the other benchmarks have them."""
    random = torch.Generator(device=DEVICE)
    random.manual_seed(seed)
    own = {"device": DEVICE, "generator": random}
    if kind == "normal":
        x = torch.randn(rows, cols, **own)
    elif kind == "equal":
        x = torch.ones(rows, cols, device=DEVICE)
    elif kind == "ties":
        x = torch.randint(0, 8, (rows, cols), **own).float()
    elif kind == "radixadv":
        x = (torch.randint(0, 1 << 12, (rows, cols), dtype=torch.int32, **own) + 0x3F800000).view(torch.float32)
    elif kind == "sorted":
        x = torch.arange(cols, device=DEVICE, dtype=torch.float32).expand(rows, cols).contiguous()
    else:
        raise ValueError(f"no input is called {kind}")
    return x.to({"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}[name])


def same(ours, x, k, dim=-1, largest=True):
    """Values as torch.topk's, indices of them, and of equal ones the lower first."""
    values, indices = ours
    want = torch.topk(x, k, dim=dim, largest=largest).values
    assert values.dtype == x.dtype and indices.dtype == torch.int64 and values.device == x.device
    assert torch.equal(values, want), "values"
    assert torch.equal(x.gather(dim, indices), values), "what lies at the indices"
    v, i = values.movedim(dim, -1), indices.movedim(dim, -1)
    tied = v[..., 1:] == v[..., :-1]
    assert bool((i[..., 1:][tied] > i[..., :-1][tied]).all()), "order of ties"


def shapes_and_types():
    for rows, cols, k in [(1, 1000, 5), (7, 300, 300), (3, 5000, 64), (64, 70000, 50), (2, 300000, 4000), (70000, 40, 3)]:
        x = torch.randn(rows, cols, device=DEVICE) * 100
        for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.int32, torch.int64, torch.float64, torch.uint8):
            y = x.clamp(0, 255).to(dtype) if dtype == torch.uint8 else x.to(dtype)
            same(st.topk(y, k), y, k)
            same(st.topk(y, k, largest=False), y, k, largest=False)


def against_the_host():
    """Every kind and option, bit for bit as on the processor."""
    x = torch.randn(5, 3000, device=DEVICE)
    x[0, 5], x[1, 7], x[2, 9] = float("nan"), -0.0, float("inf")
    host = x.cpu()
    for call in (
        lambda x: st.topk(x, 10),
        lambda x: st.topk(x, 10, sorted=False),
        lambda x: st.bottomk(x, 10, nan="last"),
        lambda x: st.midk(x, 7),
        lambda x: st.rank_range(x, 100, 164, index_dtype="int32"),
        lambda x: st.top_k(x, 9, mode="smallest"),
    ):
        for ours, theirs in zip(call(x), call(host)):
            assert ours.dtype == theirs.dtype
            bits = lambda t: t.cpu().view(torch.int32) if t.dtype == torch.float32 else t.cpu()
            assert torch.equal(bits(ours), bits(theirs))


def layouts():
    x = torch.randn(6, 40, 500, device=DEVICE)
    for y in (x, x[:, ::2], x[..., :300], x.transpose(0, 2), x[..., ::3], x.flip(-1), x[:1].expand(4, 40, 500)):
        for dim in range(3):
            same(st.topk(y, 3, dim=dim), y, 3, dim=dim)
    assert st.topk(x, 0).values.shape == (6, 40, 0)


def written_to_out():
    x = torch.randn(6, 5000, device=DEVICE)
    values, indices = torch.empty(6, 9, device=DEVICE), torch.empty(6, 9, dtype=torch.int64, device=DEVICE)
    found = st.topk(x, 9, out=(values, indices))
    assert found.values is values and found.indices is indices
    same(found, x, 9)


def nothing_is_copied():
    """A gigabyte in: what is allocated meanwhile is the results and the workspace. And a view of rows with gaps."""
    x = torch.randn(256, 1 << 20, device=DEVICE)
    for y in (x, x[:, : (1 << 20) - 64]):
        st.topk(y, 64)
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        same_pointer = y.data_ptr()
        found = st.topk(y, 64)
        torch.cuda.synchronize()
        taken = torch.cuda.max_memory_allocated() - before
        assert taken < 1 << 20, f"{taken} bytes were allocated"
        assert y.data_ptr() == same_pointer
        same(found, y, 64)


def on_the_current_stream():
    """What comes before on a stream is waited for, and what comes after waits: without a synchronisation of ours."""
    stream = torch.cuda.Stream()
    source = torch.randn(16, 100000, device=DEVICE)
    torch.cuda.synchronize()
    for _ in range(20):
        with torch.cuda.stream(stream):
            x = torch.zeros_like(source)
            torch.cuda._sleep(2_000_000)
            x.copy_(source)
            begun = time.perf_counter()
            found = st.topk(x, 50)
            host = time.perf_counter() - begun
            later = found.values * 2
        stream.synchronize()
        same(found, source, 50)
        assert torch.equal(later, found.values * 2)
    assert host < 0.9e-3, f"the call took {host} s on the host: it waited"


def rounds_of_rows():
    """So many rows that they are taken in rounds, whose workspace is used again: 64-bit indices of each in their place."""
    x = torch.randn(20000, 20000, device=DEVICE)
    for k in (2000, 9000):
        values, indices = st.topk(x, k)
        for rows in (slice(0, 3), slice(9999, 10002), slice(-3, None)):
            want = torch.topk(x[rows], k).values
            assert torch.equal(values[rows], want) and torch.equal(x[rows].gather(1, indices[rows]), want)
        del values, indices


def captured_in_a_graph():
    for shape, k in [((64, 131072), 50), ((16384, 256), 8), ((1, 1 << 22), 100)]:
        x = torch.randn(shape, device=DEVICE)
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            st.topk(x, k)
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            found = st.topk(x, k)
            doubled = found.values * 2
        for _ in range(5):
            x.copy_(torch.randn(shape, device=DEVICE))
            # Beside the graph, on the stream that it was captured on.
            st.topk(torch.randn(shape, device=DEVICE), k)
            graph.replay()
            torch.cuda.synchronize()
            same(found, x, k)
            assert torch.equal(doubled, found.values * 2)


def gradients():
    x = torch.randn(8, 1000, device=DEVICE, requires_grad=True)
    (st.topk(x, 5).values * torch.arange(1.0, 6.0, device=DEVICE)).sum().backward()
    y = x.detach().clone().requires_grad_()
    (torch.topk(y, 5).values * torch.arange(1.0, 6.0, device=DEVICE)).sum().backward()
    assert torch.equal(x.grad, y.grad)
    torch.library.opcheck(torch.ops.spiraltorch.select, (x, 0, 3, 0, -1, True, False, "int64", "auto"))


def compiled():
    call = torch.compile(lambda x: st.topk(x * 2, 5), backend="aot_eager", fullgraph=True)
    x = torch.randn(8, 1000, device=DEVICE)
    same(call(x), x * 2, 5)


def refused():
    x = torch.randn(8, 100, device=DEVICE)
    for call, error in (
        (lambda: st.topk(x, 101), ValueError),
        (lambda: st.topk(x, -1), ValueError),
        (lambda: st.topk(x, 3, device="cpu"), ValueError),
        (lambda: st.topk(x.to(torch.complex64), 3), TypeError),
        (lambda: st.topk(x, 3, dim=2), IndexError),
    ):
        try:
            call()
        except error:
            continue
        raise AssertionError("nothing was refused")
    same(st.topk(x, 3), x, 3)


def many_threads():
    from concurrent.futures import ThreadPoolExecutor

    x = torch.randn(16, 20000, device=DEVICE)
    torch.cuda.synchronize()

    def work(n):
        with torch.cuda.stream(torch.cuda.Stream()) if n % 2 else torch.cuda.stream(torch.cuda.default_stream()):
            found = [st.topk(x, 1 + (n + i) % 40) for i in range(50)]
            torch.cuda.synchronize()
        return all(torch.equal(f.values, torch.topk(x, f.values.shape[1]).values) for f in found)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(16)))


def from_the_host():
    """Arrays in host memory, on the device by name."""
    x = np.random.default_rng(0).standard_normal((64, 10000), dtype=np.float32)
    for ours, theirs in zip(st.topk(x, 50, device="cuda"), st.topk(x, 50, device="cpu")):
        assert (ours == theirs).all()


def of_other_libraries():
    """CuPy's and JAX's arrays, where they are installed."""
    x = np.random.default_rng(0).standard_normal((8, 20000), dtype=np.float32)
    want = st.topk(x, 50, device="cpu")
    try:
        import cupy
    except ImportError:
        print("  CuPy is not installed")
    else:
        found = st.topk(cupy.asarray(x), 50)
        assert isinstance(found.values, cupy.ndarray)
        assert (cupy.asnumpy(found.values) == want.values).all() and (cupy.asnumpy(found.indices) == want.indices).all()
    try:
        import jax
    except ImportError:
        print("  JAX is not installed")
    else:
        found = st.topk(jax.device_put(x, jax.devices("cpu")[0]), 50)
        assert (np.asarray(found.values) == want.values).all() and (np.asarray(found.indices) == want.indices).all()


CHECKS = [
    of_other_libraries,
    shapes_and_types,
    against_the_host,
    layouts,
    written_to_out,
    rounds_of_rows,
    nothing_is_copied,
    on_the_current_stream,
    captured_in_a_graph,
    gradients,
    compiled,
    refused,
    many_threads,
    from_the_host,
]


def median(numbers):
    numbers = sorted(numbers)
    return numbers[len(numbers) // 2]


def loops(calls, xs, repeats=7):
    """Microseconds of a call in a loop, from its begin on the host to its end on the device; the calls by turns."""
    times = {name: [] for name in calls}

    def once(call, n):
        torch.cuda.synchronize()
        begun = time.perf_counter()
        for i in range(n):
            call(xs[i % len(xs)])
        torch.cuda.synchronize()
        return (time.perf_counter() - begun) / n * 1e6

    counts = {}
    for name, call in calls.items():
        once(call, 3)
        counts[name] = max(2, min(200, int(20e3 / once(call, 2))))
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(once(call, counts[name]))
    return {name: median(taken) for name, taken in times.items()}


def on_the_host(calls, x, n=64, repeats=15):
    """Microseconds that a call takes on the host, which waits for nothing: launches of so few calls are queued. The least of
    the repeats, the calls by turns."""
    times = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            torch.cuda.synchronize()
            begun = time.perf_counter()
            for _ in range(n):
                call(x)
            times[name].append((time.perf_counter() - begun) / n * 1e6)
    torch.cuda.synchronize()
    return {name: min(taken) for name, taken in times.items()}


def measure(cell):
    rows, cols, k, kind, dtype = cell
    size = rows * cols * (4 if dtype == "f32" else 2)
    xs = [make(rows, cols, kind, dtype, seed) for seed in range(max(1, min(64, int(ROTATED // size))))]
    values = torch.topk(xs[0], k).values
    found = st.topk(xs[0], k)
    right = torch.equal(found.values, values) and torch.equal(xs[0].gather(1, found.indices), found.values)
    del found, values
    out = (
        torch.empty(rows, k, dtype=xs[0].dtype, device=DEVICE),
        torch.empty(rows, k, dtype=torch.int64, device=DEVICE),
    )
    calls = {
        "spiraltorch": lambda x: st.topk(x, k),
        "torch": lambda x: torch.topk(x, k),
        "spiraltorch_out": lambda x: st.topk(x, k, out=out),
        "torch_out": lambda x: torch.topk(x, k, out=out),
    }
    return {"cell": cell, "right": bool(right), **loops(calls, xs), "host": on_the_host(calls, xs[0])}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--grid")
    options.add_argument("--out")
    options.add_argument("--seconds", type=float, default=540)
    options.add_argument("--checks-only", action="store_true")
    args = options.parse_args()
    begun = time.monotonic()
    report = {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "spiraltorch": st.__version__,
        "python": sys.version.split()[0],
        "checks": {},
        "cells": [],
    }
    print(f"{report['device']}, torch {torch.__version__}, Python {report['python']}", flush=True)
    print(st.devices(), flush=True)
    for check in CHECKS:
        began = time.monotonic()
        try:
            check()
            report["checks"][check.__name__] = "passed"
        except Exception as error:
            report["checks"][check.__name__] = f"failed: {type(error).__name__}: {error}"
            traceback.print_exc()
        print(f"{check.__name__:<24} {report['checks'][check.__name__]} ({time.monotonic() - began:.1f} s)", flush=True)
    cells = CELLS
    if args.grid:
        with open(args.grid) as file:
            cells = json.load(file)
    print(
        "rows x cols, k, input, type | spiraltorch us | torch us | ratio | with out= | torch out= | ratio | on the host: "
        "spiraltorch, torch, with out=, torch out=",
        flush=True,
    )
    for cell in [] if args.checks_only else cells:
        name = f"{cell[0]}x{cell[1]}, {cell[2]}, {cell[3]}, {cell[4]}"
        if time.monotonic() - begun > args.seconds:
            report["cells"].append({"cell": cell, "left_out": "no time"})
            print(f"{name}: left out, no time", flush=True)
            continue
        try:
            row = measure(cell)
            ratio, ratio_out = row["torch"] / row["spiraltorch"], row["torch_out"] / row["spiraltorch_out"]
            wrong = "" if row["right"] else "  WRONG"
            print(
                f"{name} | {row['spiraltorch']:.1f} | {row['torch']:.1f} | {ratio:.2f} | "
                f"{row['spiraltorch_out']:.1f} | {row['torch_out']:.1f} | {ratio_out:.2f} | "
                f"{', '.join(f'{us:.1f}' for us in row['host'].values())}{wrong}",
                flush=True,
            )
        except Exception as error:
            row = {"cell": cell, "error": f"{type(error).__name__}: {error}"[:300]}
            print(f"{name}: {row['error']}", flush=True)
        report["cells"].append(row)
        torch.cuda.empty_cache()
        if args.out:
            with open(args.out, "w") as file:
                json.dump(report, file, indent=1)
    if args.out:
        with open(args.out, "w") as file:
            json.dump(report, file, indent=1)
    timed = [row for row in report["cells"] if "torch" in row]
    slower = [row["cell"] for row in timed if row["torch"] <= row["spiraltorch"]]
    failed = [name for name, state in report["checks"].items() if state != "passed"]
    failed += [str(row["cell"]) for row in report["cells"] if row.get("right") is False or "error" in row]
    print(f"{len(timed)} cells, slower in {len(slower)}: {slower}; failed: {failed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
