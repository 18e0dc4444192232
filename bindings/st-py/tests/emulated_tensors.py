"""Run by test_cuda.py with the emulator: the path of CUDA tensors, over tensors of the processor, whose memory is the
emulated device's."""

from contextlib import nullcontext

import torch
import spiraltorch as st
from spiraltorch import _torch

capturing = False
_torch._raw_stream = lambda ordinal: 0
torch.cuda.is_current_stream_capturing = lambda: capturing
torch.cuda.device = lambda ordinal: nullcontext()
launched = []


def run(x, lie, dtype, asked, code, device, values, indices):
    launched.append(x.data_ptr())
    _torch._on_cuda(x, 0, lie, dtype, asked, code, values, indices)


on_the_processor, _torch._run = _torch._run, run
for shape, k, dim in [((3, 500), 7, -1), ((2, 20000, 2), 30, 1), ((1, 60000), 3000, -1)]:
    for dtype in (torch.float32, torch.bfloat16):
        x = (torch.randn(shape) * 50).to(dtype)
        for call in (st.topk, st.midk):
            for index in ("int64", "int32"):
                found = call(x, k, dim=dim, index_dtype=index)
                _torch._run = on_the_processor
                want = call(x, k, dim=dim, index_dtype=index)
                _torch._run = run
                assert torch.equal(found.indices, want.indices) and torch.equal(found.values, want.values)
# The workspace is kept for the stream, and is all zero again; but not what a graph is captured with.
((key, (zeroed, scratch)),) = _torch._spaces.items()
assert key == (0, 0) and scratch.numel() > 0 and not zeroed.any()
before = scratch.data_ptr()
x = torch.randn(1, 60000)
st.topk(x, 3000)
assert _torch._spaces[key][1].data_ptr() == before and launched[-1] == x.data_ptr()
capturing, kept = True, dict(_torch._spaces)
_torch._spaces.clear()
st.topk(x, 3000)
assert not _torch._spaces
capturing = False
_torch._spaces.update(kept)


def fails(*where):
    raise RuntimeError("the driver refused")


# A call that failed midway may have left no zeros: its workspace is not used again.
_torch.cuda_select = fails
try:
    st.topk(x, 3000)
except RuntimeError as error:
    assert str(error) == "the driver refused" and not _torch._spaces
else:
    raise AssertionError("nothing failed")
print("passed")
