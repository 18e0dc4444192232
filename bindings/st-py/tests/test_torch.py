"""PyTorch on the processor: answers, layouts, gradients, tracing. Skipped where it is not installed."""

import threading

import numpy as np
import oracle
import pytest
import spiraltorch as st

torch = pytest.importorskip("torch")

DTYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.uint8,
    torch.bool,
    torch.uint16,
    torch.uint32,
    torch.uint64,
]


def test_values_as_torch_topk_and_indices_lowest_first():
    x = torch.randint(-5, 6, (20, 300)).float()
    for k in (0, 1, 17, 300):
        for largest in (True, False):
            found, want = st.topk(x, k, largest=largest), torch.topk(x, k, largest=largest)
            assert torch.equal(found.values, want.values) and found.indices.dtype == torch.int64
            by_numpy = st.topk(x.numpy(), k, largest=largest)
            assert (found.indices.numpy() == by_numpy.indices).all()
    assert torch.equal(st.midk(x, 1).values[:, 0], torch.median(x, dim=1).values)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_types(dtype):
    x = torch.randint(0, 2 if dtype == torch.bool else 120, (6, 500)).to(dtype)
    for call in (lambda x: st.topk(x, 9), lambda x: st.bottomk(x, 9, sorted=False), lambda x: st.midk(x, 9)):
        found = call(x)
        assert found.values.dtype == dtype and found.values.shape == (6, 9)
        wide = x.to(torch.float64).numpy()
        want = call(wide)
        assert (found.indices.numpy() == want.indices).all()
        assert (found.values.to(torch.float64).numpy() == want.values).all()


def test_layouts():
    x = torch.randn(6, 40, 50)
    views = [x, x[:, ::2], x[..., :30], x.transpose(0, 2), x[..., ::3], x[:1].expand(4, 40, 50), x[1:, 2:, 3:], x[:, :1]]
    views += [torch.conj(torch.randn(4, 5, dtype=torch.complex64)).imag, torch.randn(5, 0), torch.nn.Parameter(x).data]
    for y in views:
        for dim in range(-y.dim(), y.dim()):
            k = min(3, y.shape[dim])
            found = st.topk(y, k, dim=dim)
            want = oracle.select(y.resolve_neg().numpy(), "topk", k, axis=dim)
            oracle.check((found.values.numpy(), found.indices.numpy()), want, (y.shape, y.stride(), dim))


def test_nothing_is_copied():
    """The values are at the tensor's own addresses while it is read: a write from another thread is seen, or nothing is
    allocated; here the second."""
    x = torch.randn(64, 1 << 16)
    with torch.profiler.profile(profile_memory=True) as profile:
        st.topk(x[:, :60000], 3)
    taken = sum(max(event.self_cpu_memory_usage, 0) for event in profile.key_averages() if hasattr(event, "self_cpu_memory_usage"))
    assert taken < x.nbytes // 100, taken


def test_out():
    x = torch.randn(5, 60)
    want = oracle.select(x.numpy(), "topk", 4)
    for values, indices in [
        (torch.empty(5, 4), torch.empty(5, 4, dtype=torch.int64)),
        (torch.empty(5, 8)[:, ::2], torch.empty(4, 5, dtype=torch.int32).t()),
        (x[:, :4], torch.empty(5, 4, dtype=torch.int64)),
    ]:
        found = st.topk(x, 4, out=(values, indices))
        assert found.values is values and found.indices is indices
        oracle.check((values.numpy(), indices.numpy().astype(np.int64)), want)
    good = torch.empty(5, 4), torch.empty(5, 4, dtype=torch.int64)
    x = torch.randn(5, 60)
    for values, indices, error in [
        (good[0].double(), good[1], TypeError),
        (good[0][:4], good[1], ValueError),
        (good[0], good[1].float(), TypeError),
        (good[0].numpy(), good[1], TypeError),
        (torch.empty(5, 4, requires_grad=True), good[1], RuntimeError),
        (good[0].to("meta"), good[1], ValueError),
    ]:
        with pytest.raises(error, match="out"):
            st.topk(x, 4, out=(values, indices))
    with pytest.raises(RuntimeError, match="no_grad"):
        st.topk(x.requires_grad_(), 4, out=good)


def test_gradients_are_torch_s():
    for call, theirs in [
        (lambda x: st.topk(x, 5).values, lambda x: torch.topk(x, 5).values),
        (lambda x: st.topk(x, 3, dim=0).values, lambda x: torch.topk(x, 3, dim=0).values),
        (lambda x: st.midk(x, 1, dim=1).values, lambda x: torch.median(x, dim=1, keepdim=True).values),
    ]:
        x = torch.randn(8, 30, dtype=torch.float64, requires_grad=True)
        y = x.detach().clone().requires_grad_()
        weights = torch.randn_like(call(x))
        (call(x) * weights).sum().backward()
        (theirs(y) * weights).sum().backward()
        assert torch.equal(x.grad, y.grad)
        assert torch.autograd.gradcheck(call, (x,)) and torch.autograd.gradgradcheck(call, (x,))
    assert not st.topk(x, 5).indices.requires_grad
    with torch.no_grad():
        assert not st.topk(x, 5).values.requires_grad


@pytest.mark.parametrize("kind", range(4))
def test_opcheck(kind):
    for x in (torch.randn(4, 30, requires_grad=True), torch.randn(3, 4, 30)[:, :, ::2], torch.randint(0, 9, (4, 30))):
        for dim in (-1, 0):
            torch.library.opcheck(torch.ops.spiraltorch.select, (x, kind, 2, kind // 3, dim, True, False, "int64", "auto"))


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_without_a_break(backend):
    call = lambda x: (st.topk(x * 2, 5).values.sum(), st.bottomk(x, 3, dim=0, index_dtype="int32").indices)
    compiled = torch.compile(call, backend=backend, fullgraph=True)
    for shape in [(8, 30), (9, 40)]:
        x = torch.randn(shape, requires_grad=True)
        for ours, theirs in zip(compiled(x), call(x)):
            assert torch.equal(ours, theirs)
        (gradient,) = torch.autograd.grad(compiled(x)[0], x)
        assert torch.equal(gradient, torch.autograd.grad(call(x)[0], x)[0])


def test_vmap_and_fake_tensors():
    x = torch.randn(4, 5, 30)
    assert torch.equal(torch.vmap(lambda row: st.topk(row, 3).values)(x), st.topk(x, 3).values)
    assert torch.equal(torch.vmap(lambda row: st.topk(row, 2, dim=0).indices, in_dims=1)(x), st.topk(x.movedim(1, 0), 2, dim=1).indices)
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        found = st.topk(torch.empty(4, 30), 7, dim=-1)
        assert found.values.shape == (4, 7) and found.indices.dtype == torch.int64
    found = st.topk(torch.empty(4, 30, device="meta"), 7)
    assert found.values.device.type == "meta" and found.values.shape == (4, 7)


@pytest.mark.parametrize(
    ("call", "error", "part"),
    [
        (lambda x: st.topk(x, 31), ValueError, "at most 30"),
        (lambda x: st.topk(x, 1 << 50), ValueError, "at most 30"),
        (lambda x: st.rank_range(x, 20, 31), ValueError, "stop may be at most 30"),
        (lambda x: st.topk(x, -1), ValueError, "k = -1"),
        (lambda x: st.topk(x, 2.0), TypeError, "int(k)"),
        (lambda x: st.topk(x, 1 << 70), ValueError, "k = "),
        (lambda x: st.topk(x, 2, dim=2), IndexError, "out of range"),
        (lambda x: st.topk(x, 2, dim="a"), TypeError, ""),
        (lambda x: st.topk(x.to(torch.complex64), 2), TypeError, "convert"),
        (lambda x: st.topk(x.to_sparse(), 2), TypeError, "to_dense"),
        (lambda x: st.topk(torch.quantize_per_tensor(x, 1, 0, torch.qint8), 2), TypeError, "convert"),
        (lambda x: st.topk(torch.tensor(1.0), 1), ValueError, "single number"),
        (lambda x: st.topk(x, 2, device="tpu"), ValueError, '"cpu"'),
        (lambda x: st.topk(x, 2, index_dtype=torch.float32), TypeError, "int64"),
        (lambda x: st.topk(freed(x), 2), ValueError, "storage"),
        (lambda x: st.topk(x.requires_grad_(), 31), (ValueError, RuntimeError), ""),
    ],
)
def test_refused_with_advice(call, error, part):
    with pytest.raises(error) as caught:
        call(torch.randn(4, 30))
    assert part in str(caught.value)


def freed(x):
    x.untyped_storage().resize_(16)
    return x


def test_sixteen_threads():
    xs = [torch.randn(30, 2000) for _ in range(16)]
    wants, wrong = [torch.topk(x, 9).values for x in xs], []

    def work(n):
        for _ in range(50):
            if not torch.equal(st.topk(xs[n], 9).values, wants[n]):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not wrong


def test_plain_calls_are_those_of_the_native_part():
    """And answer as the long way does, which all others take."""
    from spiraltorch import _torch

    if _torch.plain is None:
        pytest.skip("this PyTorch does not tell what tensors are")
    x = torch.randn(7, 3, 90)
    plain = [x, x[1:, :, 3:60], x[:, 1], torch.nn.Parameter(x).data, x.to(torch.bfloat16), x > 0, x.to(torch.uint16), x[:0], x[..., :1]]
    others = [
        x.transpose(0, 2),
        x[..., ::2],
        x.expand(2, 7, 3, 90),
        torch.randn([1] * 9 + [20]),
        torch._neg_view(x),
        torch.conj(torch.randn(6, 1, dtype=torch.complex64)).imag,
        torch.randn(3, 9, requires_grad=True),
        x.to_sparse(),
        x.to("meta"),
        freed(torch.randn(4, 30)),
        torch.tensor(3.0),
    ]
    for y in plain:
        k = min(4, y.shape[-1])
        for ask in [(0, k, 0), (1, k, 0), (2, k, 0), (3, k - 1, 1)]:
            for sorted, nan_last, code in [(True, False, 0), (False, True, 1)]:
                found = _torch.plain.select(y, *ask[:2], ask[2], -1, sorted, nan_last, code, "auto")
                name = ("int64", "int32")[code]
                want = _torch._eager(y, *ask[:2], ask[2], -1, sorted, nan_last, name, "auto", None)
                assert type(found) is st.Selection and found.indices.dtype == want[1].dtype
                assert torch.equal(found.values, want[0]) and torch.equal(found.indices, want[1])
                assert found.values.is_contiguous() and found.values.shape == want[0].shape
    for y in others:
        assert _torch.plain.select(y, 0, 1, 0, -1, True, False, 0, "auto") is None, y.layout
    for k, dim, device in [(91, -1, "auto"), (-1, -1, "auto"), (2.0, -1, "auto"), (2, 0, "auto"), (2, 9, "auto"), (2, "a", "auto"), (2, -1, "x")]:
        assert _torch.plain.select(x, 0, k, 0, dim, True, False, 0, device) is None


def test_negated_tensors():
    x = torch.randn(4, 30)
    found, want = st.topk(torch._neg_view(x), 3), st.topk(-x, 3)
    assert torch.equal(found.values, want.values) and torch.equal(found.indices, want.indices)
    places = torch._neg_view(torch.empty(4, 3)), torch.empty(4, 3, dtype=torch.int64)
    st.topk(x, 3, out=places)
    assert torch.equal(places[0], st.topk(x, 3).values)


def test_whoever_looks_on_sees_the_operator():
    from torch.utils._python_dispatch import TorchDispatchMode

    seen = []

    class Looks(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            seen.append(str(function))
            return function(*args, **(kwargs or {}))

    x = torch.randn(4, 30)
    with Looks():
        found = st.topk(x, 3)
    assert seen == ["spiraltorch.select.default"] and torch.equal(found.values, st.topk(x, 3).values)


def test_a_backward_pass_notices_that_out_was_written_to():
    for k in (3, 3000):
        x, w = torch.randn(4, 5000), torch.randn(4, k, requires_grad=True)
        for values in (torch.randn(4, k), torch.randn(4, k + 1)[:, :k]):
            product = w * values
            st.topk(x, k, out=(values, torch.empty(4, k, dtype=torch.int64)))
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                product.sum().backward()


def test_out_that_is_gone():
    x, values = torch.randn(4, 30), torch.empty(4, 3)
    values.untyped_storage().resize_(8)
    for places in [(values, torch.empty(4, 3, dtype=torch.int64)), [values, torch.empty(4, 3, dtype=torch.int64)]]:
        with pytest.raises(ValueError, match="storage"):
            st.topk(x, 3, out=places)
    overlapping = torch.empty(4, 30)
    assert torch.equal(st.topk(overlapping.copy_(x), 3, out=(overlapping[:, :3], places[1])).values, st.topk(x, 3).values)


def test_inside_transforms():
    x, constant = torch.randn(5, 30), torch.randn(4, 30)
    want = st.topk(constant, 3).values
    found = torch.vmap(lambda row: st.topk(row, 3).values + st.topk(constant, 3).values)(x)
    assert torch.equal(found, st.topk(x, 3).values[:, None] + want)


def test_in_inference_mode():
    with torch.inference_mode():
        x = torch.randn(4, 30)
        found = st.topk(x, 3, out=(torch.empty(4, 3), torch.empty(4, 3, dtype=torch.int64)))
        assert found.values.is_inference() and st.topk(x, 3).values.is_inference()
    assert torch.equal(found.values, torch.topk(x, 3).values)
