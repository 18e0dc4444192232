"""Run by test_cuda.py with the emulator: the paths of CUDA tensors, over tensors of the processor, whose memory is the
emulated device's. What PyTorch tells of them through DLPack is changed to say that they are there."""

import ctypes
import os
from contextlib import nullcontext

import torch
import spiraltorch as st

STREAM = ctypes.c_void_p()


class Table(ctypes.Structure):
    """DLPack's functions."""

    OF_OBJECT = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_void_p)
    CURRENT_STREAM = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int32, ctypes.POINTER(ctypes.c_void_p))
    _fields_ = [
        ("version", ctypes.c_uint32 * 2),
        ("rest", ctypes.c_void_p * 4),
        ("of_object", ctypes.c_void_p),
        ("current_stream", ctypes.c_void_p),
    ]


get = ctypes.pythonapi.PyCapsule_GetPointer
get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
new = ctypes.pythonapi.PyCapsule_New
new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
NAME = b"dlpack_exchange_api"
real = Table.from_address(get(torch.Tensor.__dlpack_c_exchange_api__, NAME))
real_of_object = ctypes.cast(real.of_object, Table.OF_OBJECT)
elsewhere = set()


def of_object(x, told):
    failed = real_of_object(x, told)
    if failed == 0:
        kind, ordinal = (ctypes.c_int32 * 2).from_address(told + 8)
        assert (kind, ordinal) == (1, 0)
        (ctypes.c_int32 * 2).from_address(told + 8)[:] = [2, 1 if x.data_ptr() in elsewhere else 0]
    return failed


def current_stream(kind, ordinal, stream):
    assert kind == 2
    stream[0] = STREAM.value
    return 0


functions = Table.OF_OBJECT(of_object), Table.CURRENT_STREAM(current_stream)
table = Table((ctypes.c_uint32 * 2)(1, 3), (ctypes.c_void_p * 4)(), *(ctypes.cast(f, ctypes.c_void_p).value for f in functions))
capsule = new(ctypes.addressof(table), NAME, None)

# Before our module looks: PyTorch with tensors on the device.
torch.Tensor.__dlpack_c_exchange_api__ = capsule
del torch._C._const_dlpack_exchange_api
guards = torch._C._dynamo.guards
guards._empty_strided_cuda = guards._empty_strided_cpu
torch.cuda.device = lambda ordinal: nullcontext()
made = []


def of_the_host(function):
    def call(*shape, device=None, **more):
        if device == "cuda":
            made.append(shape)
            device = None
        return function(*shape, device=device, **more)

    return call


torch.zeros, torch.empty = of_the_host(torch.zeros), of_the_host(torch.empty)
from spiraltorch import _torch  # noqa: E402

assert _torch.plain is not None
_torch._raw_stream = lambda ordinal: STREAM.value or 0
the_long_way = []


def run(x, lie, dtype, asked, code, device, values, indices):
    the_long_way.append(x.data_ptr())
    _torch._on_cuda(x, 0, lie, dtype, asked, code, values, indices)


_torch._run = run


def check(call, x, found):
    want = call(x.double().numpy())
    assert (found.indices.numpy() == want.indices).all()
    assert torch.equal(found.values.double(), torch.from_numpy(want.values)) and found.values.dtype == x.dtype


for shape, k, dim in [((3, 500), 7, -1), ((2, 20000, 2), 30, 1), ((1, 60000), 3000, -1)]:
    for dtype in (torch.float32, torch.bfloat16):
        x = (torch.randn(shape) * 50).to(dtype)
        for kind in (st.topk, st.midk):
            for index in ("int64", "int32"):
                call = lambda x: kind(x, k, dim=dim, index_dtype=index)
                found = call(x)
                assert str(found.indices.dtype) == f"torch.{index}"
                check(call, x, found)
# The device was opened the long way; all else went there that is not along the last axis.
assert len(the_long_way) == 1 + 8, len(the_long_way)
x, call = torch.randn(3, 5000), lambda x: st.topk(x, 40)
check(call, x, call(x))
out = torch.empty(3, 40), torch.empty(3, 40, dtype=torch.int32)
assert st.topk(x, 40, out=out).values is out[0]
check(call, x, st.Selection(*out))
assert st.topk(x, 0).values.shape == (3, 0) and len(the_long_way) == 9
# Results that were made on another device than the tensor's are not used.
x = torch.randn(2, 300)
elsewhere.add(x.data_ptr())
assert _torch.plain.select(x, 0, 3, 0, -1, True, False, 0, "auto") is None
# Kept on the stream.
x, call = torch.randn(1, 60000), lambda x: st.topk(x, 3000)
check(call, x, call(x))
before = len(made)
assert before > 0
for _ in range(3):
    check(call, x, call(x))
assert len(made) == before
# But what a graph is captured with is its own, and runs whenever.
driver = ctypes.CDLL(os.environ["SPIRAL_CUDA_DRIVER"])
assert driver.cuStreamCreate(ctypes.byref(STREAM), 1) == 0
check(call, x, call(x))
kept = len(made)
assert kept == before + 2
assert driver.cuStreamBeginCapture_v2(STREAM, 1) == 0
found = call(x)
assert len(made) == kept + 2
graph, ready = ctypes.c_void_p(), ctypes.c_void_p()
assert driver.cuStreamEndCapture(STREAM, ctypes.byref(graph)) == 0
assert driver.cuGraphInstantiateWithFlags(ctypes.byref(ready), graph, ctypes.c_ulonglong(0)) == 0
for _ in range(2):
    x.copy_(torch.randn(1, 60000))
    check(call, x, call(x))
    assert driver.cuGraphLaunch(ready, STREAM) == 0
    check(call, x, found)
assert len(made) == kept + 2
# A call that failed midway may have left no zeros: its workspace is not used again.
failing = ctypes.c_int.in_dll(driver, "st_emulated_launches_fail")
failing.value = 1
try:
    call(x)
except RuntimeError as error:
    assert "launch" in str(error), error
else:
    raise AssertionError("nothing failed")
failing.value = 0
check(call, x, call(x))
assert len(made) == kept + 4
print("passed")
