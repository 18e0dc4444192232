"""PyTorch's tensors: on the processor and on NVIDIA devices, without a copy where rows lie at one distance and their
elements one after another; on the current stream, under CUDA graphs, with gradients, under ``torch.compile``.

``torch.ops.spiraltorch.select`` is the operator, for whatever traces or differentiates; plain calls go past it.
"""

from __future__ import annotations

import sys
from math import prod
from operator import index as integer
from typing import Any

import torch
from torch import Tensor, empty
from torch.compiler import is_compiling, is_dynamo_compiling

from . import Selection
from . import _libraries
from ._libraries import INDEX_CODES, check_ranks, index_name
from ._native import Tensors, cuda_select, select_host
from ._nvrtc import find_nvrtc

# The native part's names of types. Truth values are bytes.
NAMES = {
    torch.float32: "f32",
    torch.float16: "f16",
    torch.bfloat16: "bf16",
    torch.float64: "f64",
    torch.int8: "i8",
    torch.int16: "i16",
    torch.int32: "i32",
    torch.int64: "i64",
    torch.uint8: "u8",
    torch.bool: "u8",
}
NAMES |= {getattr(torch, f"uint{bits}"): f"u{bits}" for bits in (16, 32, 64) if hasattr(torch, f"uint{bits}")}

INDEX_TYPES = {name: getattr(torch, name) for name in INDEX_CODES if hasattr(torch, name)}

# Kind, k, first rank, by rank, NaN last: what the native part takes beside the array.
Asked = tuple[int, int, int, bool, bool]

# The same by DLPack's codes (signed, unsigned, floating, bfloat, bool) and bits.
DLPACK_CODES = {"i": 0, "u": 1, "f": 2, "b": 4}

# Where the parts of a workspace may begin.
ALIGNED = 256

PLAIN = (Tensor, torch.nn.Parameter)

_new = tuple.__new__

# Private and quick where PyTorch has them; public otherwise.
_raw_stream = getattr(torch._C, "_cuda_getCurrentRawStream", None)
_modes = getattr(torch._C, "_len_torch_dispatch_stack", lambda: 0)
_transforms = getattr(getattr(torch._C, "_functorch", None), "peek_interpreter_stack", lambda: None)


def workspace(ordinal: int, zeroed: int, scratch: int) -> tuple[tuple[int, int], tuple[int, int], tuple[Tensor, Tensor]]:
    """Memory on a device for launches on its current stream: where each part begins, its bytes, and what keeps them."""
    with torch.cuda.device(ordinal):
        # With room to begin at a multiple of ALIGNED.
        zeros = torch.zeros(zeroed + ALIGNED, dtype=torch.uint8, device="cuda")
        space = torch.empty(scratch + ALIGNED, dtype=torch.uint8, device="cuda")
    return (_aligned(zeros), zeroed), (_aligned(space), scratch), (zeros, space)


def _aligned(space: Tensor) -> int:
    return -(-space.data_ptr() // ALIGNED) * ALIGNED


def plain_calls() -> Tensors | None:
    """What does plain calls in the native part; nothing before PyTorch 2.10, which does not tell it what tensors are."""
    of_tensor = getattr(Tensor, "__dlpack_c_exchange_api__", None)
    guards = getattr(getattr(torch._C, "_dynamo", None), "guards", None)
    empty_on_host = getattr(guards, "_empty_strided_cpu", None)
    if of_tensor is None or empty_on_host is None:
        return None
    # Reading through this one does not make a lazy copy a real one.
    constant = getattr(torch._C, "_const_dlpack_exchange_api", None)
    types = [(DLPACK_CODES[name[0]], int(name.lstrip("iufb")), name, dtype) for dtype, name in NAMES.items() if dtype != torch.bool]
    types.append((6, 8, "u8", torch.bool))
    try:
        return Tensors(
            constant() if constant else of_tensor,
            of_tensor,
            types,
            [INDEX_TYPES[name] for name in INDEX_CODES if name in INDEX_TYPES],
            empty_on_host,
            getattr(guards, "_empty_strided_cuda", None),
            _modes,
            workspace,
        )
    except ValueError:
        # Of another version of DLPack.
        return None


plain = plain_calls()
_select = plain.select if plain is not None else lambda *asked: None
_select_into = plain.select_into if plain is not None else lambda *asked: False


def select(
    x: Any,
    kind: int,
    k: Any,
    start: int,
    dim: Any,
    sorted: bool,
    nan_last: bool,
    index_dtype: Any,
    device: str,
    out: tuple[Any, Any] | None,
) -> Selection[Tensor]:
    """Selects from a tensor; what is none goes on."""
    # Most calls, and the first lines therefore, with as little as can be done.
    if type(x) is Tensor and not is_dynamo_compiling():
        if out is None:
            code = 0 if index_dtype is None else INDEX_CODES[index_name(index_dtype)]
            found = _select(x, kind, k, start, dim, sorted, nan_last, code, device)
            if found is not None:
                return found
        elif _is_plain(out) and _select_into(x, kind, k, start, dim, sorted, nan_last, device, *out):
            _written(out)
            return _new(Selection, out)
    elif not isinstance(x, Tensor):
        return _libraries.select(x, kind, k, start, dim, sorted, nan_last, index_dtype, device, out)
    if (
        is_compiling()
        or (x.requires_grad and torch.is_grad_enabled())
        or type(x) not in PLAIN
        or _modes() > 0
        or _transforms() is not None
    ):
        if out is not None:
            raise RuntimeError("out= goes with neither gradients nor tracing: leave it out, or use torch.no_grad()")
        index = "int64" if index_dtype is None else index_name(index_dtype)
        return Selection(
            *torch.ops.spiraltorch.select(x, kind, k, start, dim, sorted, nan_last, index, device)
        )
    index = "int64" if index_dtype is None else index_name(index_dtype)
    return _new(Selection, _eager(x, kind, k, start, dim, sorted, nan_last, index, device, out))


def _is_plain(out: Any) -> bool:
    """Whether places for results are what most are."""
    return type(out) is tuple and len(out) == 2 and type(out[0]) is Tensor is type(out[1]) and not (
        out[0].requires_grad or out[0].is_neg()
    )


# What was kept of these tensors for a backward pass is not what it was.
_written = getattr(torch._C, "_increment_version", lambda tensors: None)


def _eager(
    x: Tensor,
    kind: int,
    k: Any,
    start: int,
    dim: Any,
    sorted: bool,
    nan_last: bool,
    index: str,
    device: str,
    out: tuple[Any, Any] | None,
) -> tuple[Tensor, Tensor]:
    dtype = NAMES.get(x.dtype)
    if dtype is None:
        raise TypeError(f"cannot select from a tensor of {x.dtype}: convert it with .to to a type of real numbers")
    if x.layout is not torch.strided:
        raise TypeError(f"cannot select from a tensor of layout {x.layout}: use x.to_dense()")
    if x.is_neg():
        x = x.resolve_neg()
    k = _count(k)
    asked = kind, k, start, sorted, nan_last
    shape = list(x.shape)
    last = len(shape) - 1
    if dim != -1 and dim != last or last < 0:
        dim = _dim(dim, last + 1)
        moved = x.transpose(dim, last)
        shape[dim], shape[last] = shape[last], shape[dim]
    else:
        dim, moved = last, x
    cols = shape[last]
    shape[last] = k
    rows = prod(shape[:last])
    if start + k > cols and rows:
        check_ranks(k, start, cols)
    flat, stride = moved, cols
    if not moved.is_contiguous():
        flat, stride = _rows(moved, cols)
    if out is not None:
        return _into(x, flat, (rows, cols, stride), dtype, asked, device, dim, shape, out)
    values = empty(shape, dtype=x.dtype, device=x.device)
    indices = empty(shape, dtype=INDEX_TYPES[index], device=x.device)
    _run(flat, (rows, cols, stride), dtype, asked, INDEX_CODES[index], device, values, indices)
    if dim == last:
        return values, indices
    return values.transpose(dim, last).contiguous(), indices.transpose(dim, last).contiguous()


def _rows(x: Tensor, cols: int) -> tuple[Tensor, int]:
    """The rows along the last axis and the elements from one to the next: a view, or a copy where that must be."""
    if cols == 0:
        return x, 0
    flat = x.reshape(-1, cols)
    if flat.shape[0] < 2:
        return flat.contiguous(), cols
    if flat.stride(0) < cols or (cols > 1 and flat.stride(1) != 1):
        flat = flat.contiguous()
    return flat, flat.stride(0)


def _run(
    x: Tensor,
    lie: tuple[int, int, int],
    dtype: str,
    asked: Asked,
    code: int,
    device: str,
    values: Tensor,
    indices: Tensor,
) -> None:
    """Selects from rows that lie so into results that lie one after another."""
    rows, cols, stride = lie
    _whole(x, (rows - 1) * stride + cols if rows and cols else 0)
    if x.is_cpu:
        select_host(x.data_ptr(), lie, dtype, asked, code, device, values.data_ptr(), indices.data_ptr())
    elif x.is_cuda:
        ordinal = x.device.index
        if device != "auto" and device not in ("cuda", f"cuda:{ordinal}"):
            raise ValueError(
                f"device = {device!r}, but the tensor is on {x.device}: data on a device stays there; use "
                f'device="auto", or move it with .to first'
            )
        _on_cuda(x, ordinal, lie, dtype, asked, code, values, indices)
    elif x.device.type != "meta":
        raise TypeError(f"cannot select from a tensor on {x.device}: move it to the cpu or to a CUDA device with .to")


def _whole(x: Tensor, elements: int) -> None:
    """Refuses a tensor whose storage has not so many elements from its first on."""
    if elements and x.untyped_storage().nbytes() < (x.storage_offset() + elements) * x.element_size():
        raise ValueError("the tensor's storage has been freed or made smaller than the tensor: use one that is whole")


def _on_cuda(
    x: Tensor,
    ordinal: int,
    lie: tuple[int, int, int],
    dtype: str,
    asked: Asked,
    code: int,
    values: Tensor,
    indices: Tensor,
) -> None:
    find_nvrtc()
    stream = _raw_stream(ordinal) if _raw_stream else torch.cuda.current_stream(ordinal).cuda_stream
    where = (x.data_ptr(), lie, dtype, asked, code, values.data_ptr(), indices.data_ptr())
    cuda_select(ordinal, stream, *where, workspace, True)


def _into(
    x: Tensor,
    flat: Tensor,
    lie: tuple[int, int, int],
    dtype: str,
    asked: Asked,
    device: str,
    dim: int,
    shape: list[int],
    out: tuple[Any, Any],
) -> tuple[Tensor, Tensor]:
    """Into the caller's tensors: at once where they lie like results and share no memory, else by a copy."""
    places = _pair(out)
    wanted = list(x.shape)
    wanted[dim] = asked[1]
    for name, place, types in (
        ("values", places[0], (x.dtype,)),
        ("indices", places[1], tuple(INDEX_TYPES.values())),
    ):
        if not isinstance(place, Tensor):
            raise TypeError(f"out: {name} must be a tensor, as the input is")
        if place.dtype not in types:
            raise TypeError(f"out: {name} has {place.dtype}, but {types[0]} is written")
        if place.device != x.device:
            raise ValueError(f"out: {name} is on {place.device}, but the input is on {x.device}")
        if list(place.shape) != wanted:
            raise ValueError(f"out: {name} has shape {list(place.shape)}, but {wanted} is written")
        if place.requires_grad and torch.is_grad_enabled():
            raise RuntimeError(f"out: {name} requires gradients, which are not passed on through out=")
    values, indices = places
    code = INDEX_CODES[index_name(indices.dtype)]
    stores = [tensor.untyped_storage().data_ptr() for tensor in (x, values, indices)]
    for place in places:
        _whole(place, place.numel())
    direct = dim == x.dim() - 1 and values.is_contiguous() and indices.is_contiguous() and not values.is_neg()
    if direct and len(set(stores)) == len(stores):
        _run(flat, lie, dtype, asked, code, device, values, indices)
        _written(places)
        return values, indices
    own = flat.new_empty(shape), torch.empty(shape, dtype=indices.dtype, device=x.device)
    _run(flat, lie, dtype, asked, code, device, *own)
    last = x.dim() - 1
    values.copy_(own[0].transpose(dim, last))
    indices.copy_(own[1].transpose(dim, last))
    return values, indices


def _pair(out: Any) -> tuple[Any, Any]:
    try:
        values, indices = out
    except (TypeError, ValueError):
        raise TypeError("out must be a pair of tensors (values, indices)") from None
    return values, indices


def _count(k: Any) -> int:
    try:
        number: int = integer(k)
    except TypeError:
        raise TypeError(f"k must be an integer, not {type(k).__name__}: use int(k)") from None
    if not 0 <= number < 1 << 63:
        raise ValueError(f"k = {number}: give a number from 0 to the elements along the axis")
    return number


def _dim(dim: Any, axes: int) -> int:
    if axes == 0:
        raise ValueError("cannot select from a single number: give a tensor with at least one axis")
    number = integer(dim)
    if not -axes <= number < axes:
        raise IndexError(f"dim = {number} is out of range: use {-axes} to {axes - 1}")
    return number % axes


@torch.library.custom_op("spiraltorch::select", mutates_args=())
def operator(
    x: Tensor,
    kind: int,
    k: int,
    start: int,
    dim: int,
    sorted: bool,
    nan_last: bool,
    index_dtype: str,
    device: str,
) -> tuple[Tensor, Tensor]:
    return _eager(x.detach(), kind, k, start, dim, sorted, nan_last, index_dtype, device, None)


@operator.register_fake
def _(
    x: Tensor,
    kind: int,
    k: int,
    start: int,
    dim: int,
    sorted: bool,
    nan_last: bool,
    index_dtype: str,
    device: str,
) -> tuple[Tensor, Tensor]:
    dim = _dim(dim, x.dim())
    shape = list(x.shape)
    torch._check(start + k <= shape[dim], lambda: f"k = {k} is greater than the {shape[dim]} elements along the axis")
    shape[dim] = k
    return x.new_empty(shape), x.new_empty(shape, dtype=INDEX_TYPES[index_dtype])


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, dim = inputs[0], inputs[4]
    ctx.save_for_backward(output[1])
    ctx.shape, ctx.dim = x.shape, dim
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grad: Tensor | None, _indices: Tensor | None) -> tuple[Any, ...]:
    """Each gradient goes to where its element came from."""
    if grad is None:
        return (None,) * 9
    (indices,) = ctx.saved_tensors
    back = grad.new_zeros(ctx.shape).scatter(ctx.dim, indices.to(torch.int64), grad)
    return back, *(None,) * 8


operator.register_autograd(_backward, setup_context=_keep)


if hasattr(operator, "register_vmap"):

    @operator.register_vmap
    def _(info: Any, in_dims: tuple[Any, ...], x: Tensor, *rest: Any) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        kind, k, start, dim, *others = rest
        x = x.movedim(in_dims[0], 0)
        return operator(x, kind, k, start, _dim(dim, x.dim() - 1) + 1, *others), (0, 0)


_package: Any = sys.modules[__package__]
_package._tensor, _package._is_traced, _package._select_tensor = Tensor, is_dynamo_compiling, _select
_package._elsewhere = select
