"""Runs the CPU peers for st-bench: one JSON request a line on stdin, one JSON answer a line on
stdout. Every peer is timed in this process, around the call alone.

    python server.py THREADS

    {"cmd": "hello"}                                      versions and threads
    {"cmd": "load", "path": P}                            load an f32 [rows, cols] .npy
    {"cmd": "time", "peer": N, "k": K, "calls": C, "budget_ns": B, "warm": W}
                                                          W untimed calls, then up to C timed ones
    {"cmd": "result", "peer": N, "k": K, "values": P, "indices": P}
                                                          write one result (f32, u32; [rows, k])
    {"cmd": "quit"}
"""

import gc
import json
import os
import sys
import time

THREADS = int(sys.argv[1])
# Before the libraries are loaded: OpenMP reads it once.
os.environ["OMP_NUM_THREADS"] = str(THREADS)

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime as ort  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(THREADS)
torch.set_grad_enabled(False)


def numpy_call(x, k):
    """NumPy has no top-k: partition indices, gather, sort the k found. Always one thread."""
    n = x.shape[1]

    def call():
        part = np.argpartition(x, n - k, axis=1)[:, n - k :]
        values = np.take_along_axis(x, part, axis=1)
        order = np.argsort(values, axis=1)[:, ::-1]
        return (np.take_along_axis(values, order, axis=1), np.take_along_axis(part, order, axis=1))

    return call


def ort_call(x, k):
    """ONNX Runtime's TopK, inputs and outputs bound in place so that nothing is copied."""
    helper, proto = onnx.helper, onnx.TensorProto
    node = helper.make_node("TopK", ["x", "k"], ["v", "i"], axis=1, largest=1, sorted=1)
    graph = helper.make_graph(
        [node],
        "topk",
        [helper.make_tensor_value_info("x", proto.FLOAT, x.shape)],
        [
            helper.make_tensor_value_info("v", proto.FLOAT, [x.shape[0], k]),
            helper.make_tensor_value_info("i", proto.INT64, [x.shape[0], k]),
        ],
        [helper.make_tensor("k", proto.INT64, [1], [k])],
    )
    opsets = [helper.make_opsetid("", 24)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=11)
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    values = np.zeros((x.shape[0], k), np.float32)
    indices = np.zeros((x.shape[0], k), np.int64)
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


def torch_call(x, k):
    """torch.topk into outputs that are reused."""
    tensor = torch.from_numpy(x)
    values = torch.zeros((x.shape[0], k), dtype=torch.float32)
    indices = torch.zeros((x.shape[0], k), dtype=torch.int64)

    def call():
        torch.topk(tensor, k, dim=1, largest=True, sorted=True, out=(values, indices))
        return values.numpy(), indices.numpy()

    return call


PEERS = {"numpy": numpy_call, "onnxruntime": ort_call, "torch": torch_call}


def settle(clock):
    """Waits (a quarter of a second at most) until a process's threads no longer spin, so that the
    side whose turn it is has the cores for itself. OpenMP's threads spin for some 7 ms after their
    work, ONNX Runtime's for some 40. The clock of another running thread moves with the
    scheduler's tick, so the window is longer than one (4 ms)."""
    try:
        for _ in range(40):
            before = time.clock_gettime_ns(clock)
            time.sleep(0.006)
            if time.clock_gettime_ns(clock) - before < 1_000_000:
                return
    except OSError:
        time.sleep(0.06)


OWN_CLOCK = getattr(time, "CLOCK_PROCESS_CPUTIME_ID", -1)
# Linux: the CPU clock of another process, here of the driver.
DRIVER_CLOCK = (~os.getppid() << 3) | 2


class Server:
    def __init__(self):
        self.x = None
        self.calls = {}

    def call_of(self, request):
        key = (request["peer"], request["k"])
        if key not in self.calls:
            self.calls[key] = PEERS[key[0]](self.x, key[1])
        return self.calls[key]

    def hello(self, _request):
        return {
            "threads": THREADS,
            "versions": {
                "python": sys.version.split()[0],
                "numpy": np.__version__,
                "onnxruntime": ort.__version__,
                "torch": torch.__version__,
            },
        }

    def load(self, request):
        self.calls.clear()
        self.x = None
        gc.collect()
        self.x = np.ascontiguousarray(np.load(request["path"]))
        assert self.x.dtype == np.float32 and self.x.ndim == 2
        return {}

    def time(self, request):
        call = self.call_of(request)
        settle(DRIVER_CLOCK)
        clock = time.perf_counter_ns
        times = []
        for _ in range(request["warm"]):
            call()
        end = clock() + request["budget_ns"]
        while len(times) < request["calls"]:
            start = clock()
            call()
            stop = clock()
            times.append(stop - start)
            if stop >= end:
                break
        settle(OWN_CLOCK)
        return {"ns": times}

    def result(self, request):
        values, indices = self.call_of(request)()
        np.ascontiguousarray(values, "<f4").tofile(request["values"])
        np.ascontiguousarray(indices).astype("<u4").tofile(request["indices"])
        settle(OWN_CLOCK)
        return {"shape": list(values.shape)}


def main():
    server = Server()
    gc.disable()
    for line in sys.stdin:
        request = json.loads(line)
        if request["cmd"] == "quit":
            return
        try:
            answer = getattr(server, request["cmd"])(request)
        except Exception as error:  # the driver reports it and goes on
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
