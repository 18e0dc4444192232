"""Run by test_cuda.py with the emulator, whose device memory is the host's."""

import numpy as np
import spiraltorch as st
from spiraltorch._nvrtc import driver_major


class OnDevice:
    """An array of a library that we do not know."""

    def __init__(self, array, **more):
        self.array, self.more = array, more

    @property
    def __cuda_array_interface__(self):
        x = self.array
        strides = None if x.flags.c_contiguous else x.strides
        return {"shape": x.shape, "typestr": x.dtype.str, "data": (x.ctypes.data, False), "strides": strides, "version": 3} | self.more


def refused(error, part, call):
    try:
        call()
    except error as refusal:
        assert part in str(refusal), refusal
    else:
        raise AssertionError(f"nothing was refused: {part}")


random = np.random.default_rng(0)
for shape, k in [((3, 500), 7), ((2, 2, 20000), 30), ((1, 60000), 3000)]:
    # Kernels are compiled for a width and an index, which takes most of the time.
    for dtype in ("f4", "u1") if k == 7 else ("f4",):
        x = (random.standard_normal(shape) * 50).astype(dtype) if dtype != "u1" else random.integers(0, 255, shape, "u1")
        for index in ("int64", "int32"):
            for call in (st.topk, st.midk):
                found, want = call(OnDevice(x), k, index_dtype=index), call(x, k, index_dtype=index)
                assert found.indices.dtype == np.dtype(index)
                assert (found.indices.numpy() == want.indices).all() and (found.values.numpy() == want.values).all()
x = random.standard_normal((6, 5000)).astype("f4")
found, want = st.topk(OnDevice(x[:, :4000]), 5, sorted=False), st.topk(x[:, :4000], 5, sorted=False)
assert (np.asarray(found.indices) == want.indices).all()
# The result is an array on the device, and can be selected from again.
again = st.topk(found.values, 2)
assert (np.asarray(again.values) == st.topk(want.values, 2).values).all()
assert repr(found.values) == "<DeviceArray on cuda:0: float32, shape (6, 5)>"
assert st.topk(OnDevice(x), 0).values.shape == (6, 0)

refused(ValueError, "stays there", lambda: st.topk(OnDevice(x), 3, device="cpu"))
refused(ValueError, "at most 5000", lambda: st.topk(OnDevice(x), 5001))
refused(ValueError, "k = -1", lambda: st.topk(OnDevice(x), -1))
refused(ValueError, "last axis", lambda: st.topk(OnDevice(x), 3, dim=0))
refused(ValueError, "one distance", lambda: st.topk(OnDevice(x[:, ::2]), 3))
refused(TypeError, "real numbers", lambda: st.topk(OnDevice(x.astype("c8")), 3))
refused(TypeError, "mask", lambda: st.topk(OnDevice(x, mask=OnDevice(x)), 3))
refused(ValueError, "synchronise", lambda: st.topk(OnDevice(x, stream=1), 3))
refused(TypeError, "out=", lambda: st.topk(OnDevice(x), 3, out=(x, x)))

for device in ("cuda", "cuda:1"):
    found, want = st.topk(x, 9, device=device), st.topk(x, 9, device="cpu")
    assert (found.indices == want.indices).all() and (found.values == want.values).all()
refused(RuntimeError, "no cuda device", lambda: st.topk(x, 9, device="cuda:7"))
assert [d.device for d in st.devices()][1:3] == ["cuda:0", "cuda:1"]
assert st.doctor().missing["cuda"] is None
assert driver_major() == 13
print("passed")
