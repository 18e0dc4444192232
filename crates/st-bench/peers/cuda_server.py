"""The CUDA peers of `gpu_compare.py`, timed a cell at a time in one process.

usage: cuda_server.py DIR     DIR holds lib{raft,fi,cub}_peer.so and what they need

Reads a cell `[rows, cols, k, input, dtype]` a line; answers JSON lines: `{"variant": name}` before
each variant, so that one that never returns is known, `{"name": ..., "loop_us": ..., "graph_us":
..., "right": ...}` or `{"name": ..., "error": ...}` after it, and `{"done": cell}` in the end.
Results are checked by their values, and by what lies at their indices. Inputs smaller than 200 MB
are several, taken by turns, so that they are not read from the cache. Times are of CUDA graphs of
several calls (`graph_us`) and of calls in a loop (`loop_us`).
"""

import ctypes as C
import json
import os
import sys

import torch

DEVICE = "cuda"
ROTATED = 200e6
# RAFT's own numbers of its algorithms; 0 is its own chooser.
RAFT_ANY = [0, 1, 2, 3]
RAFT_SMALL = [4, 7, 8]
# CUB's batched selection takes rows up to so long; FlashInfer never returned on longer ones.
MOST_CUB = 1 << 21
MOST_FLASHINFER = 1 << 24


def say(**what):
    print(json.dumps(what), flush=True)


def pointer(tensor):
    return C.c_void_p(tensor.data_ptr())


class Peers:
    """Each method makes a call `f(x)` and its outputs, values and indices."""

    def __init__(self, folder):
        load = lambda name, mode=C.DEFAULT_MODE: C.CDLL(os.path.join(folder, name), mode=mode)
        for name in ("librapids_logger.so", "librmm.so"):
            load(name, C.RTLD_GLOBAL)
        self.raft_lib = load("libraft_peer.so")
        self.fi_lib = load("libfi_peer.so")
        self.cub_lib = load("libcub_peer.so")
        self.stream = torch.cuda.Stream()
        self.s = C.c_void_p(self.stream.cuda_stream)
        self.fi_space = torch.zeros(1 << 20, dtype=torch.uint8, device=DEVICE)

    def outputs(self, x, k, index=torch.int32):
        rows = x.shape[0]
        values = torch.empty(rows, k, device=DEVICE, dtype=x.dtype)
        return values, torch.empty(rows, k, dtype=index, device=DEVICE)

    def torch(self, x, k, in_order):
        values, indices = self.outputs(x, k, torch.int64)
        call = lambda x: torch.topk(x, k, dim=1, sorted=in_order, out=(values, indices))
        return call, values, indices

    def raft(self, x, k, algorithm):
        (rows, cols), (values, indices) = x.shape, self.outputs(x, k)
        shape = C.c_int64(rows), C.c_int64(cols), C.c_int64(k)
        out = pointer(values), pointer(indices)

        def call(x):
            checked(self.raft_lib.raft_select_k(
                C.c_int(algorithm), pointer(x), *shape, *out, C.c_int(0), C.c_int(0), self.s))
        return call, values, indices

    def flashinfer(self, x, k):
        (rows, cols), (values, indices) = x.shape, self.outputs(x, k)
        out = pointer(indices), pointer(values)
        shape = C.c_uint(rows), C.c_uint(k), C.c_uint(cols)

        def call(x):
            checked(self.fi_lib.fi_topk(
                code(x), pointer(x), *out, *shape, pointer(self.fi_space), 0, 0, 0, self.s))
        return call, values, indices

    def cub(self, x, k):
        (rows, cols), (values, indices) = x.shape, self.outputs(x, k)
        out, size = (pointer(values), pointer(indices)), C.c_size_t(0)
        shape = C.c_int64(rows), C.c_int64(k), C.c_int64(cols)
        run = lambda x, space: checked(self.cub_lib.cub_batched(
            code(x), space, C.byref(size), pointer(x), *out, *shape, 0, self.s))
        return self.with_space(run, x, size), values, indices

    def cub_single(self, x, k):
        cols, (values, indices) = x.shape[1], self.outputs(x, k)
        out, size = (pointer(values), pointer(indices)), C.c_size_t(0)
        run = lambda x, space: checked(self.cub_lib.cub_single(
            space, C.byref(size), pointer(x), *out, C.c_int64(k), C.c_int64(cols), self.s))
        return self.with_space(run, x, size), values, indices

    def with_space(self, run, x, size):
        run(x, None)
        space = torch.empty(max(size.value, 1), dtype=torch.uint8, device=DEVICE)
        return lambda x: run(x, pointer(space))

    def variants(self, cell, x):
        """What makes sense for a cell: names and what makes the call."""
        rows, cols, k, _, dtype = cell
        yield "torch_sorted", lambda: self.torch(x, k, True)
        yield "torch", lambda: self.torch(x, k, False)
        if cols <= MOST_CUB:
            yield "cub", lambda: self.cub(x, k)
        if rows == 1 and dtype == "f32":
            yield "cub_single", lambda: self.cub_single(x, k)
        if dtype == "f32":
            for a in RAFT_ANY + (RAFT_SMALL if k <= 256 else []):
                yield f"raft{a}", lambda a=a: self.raft(x, k, a)
        # Last, because it is the one known to hang.
        if cols <= MOST_FLASHINFER:
            yield "flashinfer", lambda: self.flashinfer(x, k)


def code(x):
    return 0 if x.dtype == torch.float32 else 1


def checked(status):
    if status:
        raise RuntimeError(f"status {status}")


def make(rows, cols, kind, dtype, random):
    """An input; the kinds are those of `st-bench wgpu`."""
    shape = dict(device=DEVICE, generator=random)
    if kind == "normal":
        x = torch.randn(rows, cols, **shape)
    elif kind == "uniform":
        x = torch.rand(rows, cols, **shape)
    elif kind == "equal":
        x = torch.ones(rows, cols, device=DEVICE)
    elif kind == "ties":
        x = torch.randint(0, 8, (rows, cols), **shape).float()
    elif kind == "radixadv":
        low = torch.randint(0, 1 << 12, (rows, cols), dtype=torch.int32, **shape)
        x = (low + 0x3F800000).view(torch.float32)
    elif kind == "relu":
        x = torch.relu(torch.randn(rows, cols, **shape) - 1)
    elif kind == "pivot":
        x = torch.ones(rows, cols, device=DEVICE)
        x[:, :: max(cols // 40, 1)] = 2.0
    elif kind == "blockasc":
        x = torch.randn(rows, cols, **shape) + torch.arange(cols, device=DEVICE) // 4096
    elif kind == "lastwin":
        x = torch.randn(rows, cols, **shape)
        x[:, -4096:] += 20
    elif kind == "sorted":
        x = torch.arange(cols, device=DEVICE, dtype=torch.float32).expand(rows, cols).contiguous()
    else:
        raise ValueError(f"no input is called {kind}")
    return x.to(dtype)


def median(x):
    x = sorted(x)
    return (x[(len(x) - 1) // 2] + x[len(x) // 2]) / 2


def timed(call, xs, stream):
    """Microseconds of a call in a loop and in a graph, the inputs by turns."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

    def us(run, calls):
        begin.record(stream)
        run()
        end.record(stream)
        stream.synchronize()
        return begin.elapsed_time(end) * 1e3 / calls

    with torch.cuda.stream(stream):
        for i in range(3):
            call(xs[i % len(xs)])
        stream.synchronize()
        one = us(lambda: call(xs[0]), 1)
        n = max(3, min(40, int(15e3 / max(one, 10))))
        loop = lambda: [call(xs[i % len(xs)]) for i in range(n)]
        loop_us = median([us(loop, n) for _ in range(3)])
        # Long calls need no graph: launching them costs nothing that can be seen.
        if loop_us > 3000:
            return loop_us, None
        try:
            graph = torch.cuda.CUDAGraph()
            m = len(xs) if len(xs) > 1 else min(n, 20)
            with torch.cuda.graph(graph, stream=stream):
                for i in range(m):
                    call(xs[i % len(xs)])
            graph.replay()
            stream.synchronize()
            return loop_us, median([us(graph.replay, m) for _ in range(5)])
        except Exception:
            torch.cuda.synchronize()
            return loop_us, None


def right(call, x, values, indices, want, stream):
    with torch.cuda.stream(stream):
        call(x)
    torch.cuda.synchronize()
    if not torch.equal(values.float().sort(dim=1, descending=True)[0], want):
        return False
    return bool(torch.equal(torch.gather(x, 1, indices.long()).float(), values.float()))


def measure(peers, cell, skip):
    rows, cols, k, kind, name = cell
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[name]
    size = rows * cols * (4 if name == "f32" else 2)
    copies = max(1, min(64, int(ROTATED // size)))
    random = torch.Generator(device=DEVICE)
    random.manual_seed(7)
    xs = [make(rows, cols, kind, dtype, random) for _ in range(copies)]
    want = torch.topk(xs[0], k, dim=1, sorted=True)[0].float()
    torch.cuda.synchronize()
    for variant, prepare in peers.variants(cell, xs[0]):
        if variant in skip:
            continue
        say(variant=variant)
        try:
            call, values, indices = prepare()
            ok = right(call, xs[0], values, indices, want, peers.stream)
            loop_us, graph_us = timed(call, xs, peers.stream)
            say(name=variant, loop_us=loop_us, graph_us=graph_us, right=ok)
            del call, values, indices
        except Exception as error:
            say(name=variant, error=str(error)[:200])
            # A device that is broken by a peer stays broken: this raises, and we are restarted.
            torch.cuda.synchronize()
    del xs, want
    torch.cuda.empty_cache()


def main():
    peers = Peers(sys.argv[1])
    say(ready=torch.__version__, device=torch.cuda.get_device_name())
    for line in sys.stdin:
        job = json.loads(line)
        measure(peers, job["cell"], set(job.get("skip", [])))
        say(done=job["cell"])


if __name__ == "__main__":
    main()
