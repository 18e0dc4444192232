"""What other libraries answer: JAX's ties, ONNX's reference operator, and arrays of libraries that have DLPack."""

import ml_dtypes
import numpy as np
import oracle
import pytest
import spiraltorch as st


class OnlyDLPack:
    """An array of a library that has DLPack and nothing else."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **how):
        return self.array.__dlpack__(**how)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    @staticmethod
    def __array_namespace__():
        return OnlyDLPack

    from_dlpack = classmethod(lambda cls, array: cls(array))


def test_dlpack_in_its_own_library_out():
    x = np.random.default_rng(0).standard_normal((3, 50))
    found = st.topk(OnlyDLPack(x), 4)
    assert type(found.values) is OnlyDLPack and type(found.indices) is OnlyDLPack
    oracle.check((found.values.array, found.indices.array), oracle.select(x, "topk", 4))
    with pytest.raises(TypeError, match="out="):
        st.topk(OnlyDLPack(x), 4, out=(x, x))


def test_dlpack_on_a_device_is_told_what_to_do():
    class Elsewhere(OnlyDLPack):
        def __dlpack_device__(self):
            return (2, 0)

    with pytest.raises(TypeError, match="from_dlpack"):
        st.topk(Elsewhere(np.zeros(3)), 1)


def test_data_frames():
    class Series:
        """What has NumPy's conversion and nothing else, as pandas has."""

        def __array__(self, dtype=None, copy=None):
            return np.array([3.0, 9.0, 5.0])

    np.testing.assert_array_equal(st.topk(Series(), 2).indices, [1, 2])


@pytest.fixture(scope="module")
def jax():
    return pytest.importorskip("jax")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "int32", "uint8"])
def test_jax_top_k_to_the_bit(jax, dtype):
    """Ties and NaN as jax.lax.top_k on the processor; on JAX's own arrays, without a copy.

    Not zeros of both signs: JAX has -0.0 below 0.0, for us they are equal.
    """
    random = np.random.default_rng(0)
    x = random.integers(-3, 4, (20, 200)).astype(np.float32)
    if dtype not in ("int32", "uint8"):
        x[random.random(x.shape) < 0.05] = np.nan
    x = jax.numpy.asarray(np.abs(x) if dtype == "uint8" else x).astype(dtype)
    for k in (1, 17, 200):
        want, found = jax.lax.top_k(x, k), st.topk(x, k)
        assert isinstance(found.values, jax.Array) and found.values.dtype == x.dtype
        assert found.indices.dtype == want[1].dtype == "int32"
        np.testing.assert_array_equal(np.asarray(found.indices), np.asarray(want[1]))
        np.testing.assert_array_equal(oracle.bits(np.asarray(found.values)), oracle.bits(np.asarray(want[0])))


def test_jax_inside_jit(jax):
    with pytest.raises(TypeError, match="pure_callback"):
        jax.jit(lambda x: st.topk(x, 2).values)(jax.numpy.zeros(5))
    x = jax.numpy.asarray([1.0, 5.0, 3.0])
    shapes = jax.ShapeDtypeStruct((2,), "float32"), jax.ShapeDtypeStruct((2,), "int32")
    call = lambda x: jax.pure_callback(lambda x: tuple(map(np.asarray, st.topk(x, 2, index_dtype="int32"))), shapes, x)
    np.testing.assert_array_equal(jax.jit(call)(x)[1], [1, 2])


def test_jax_deleted(jax):
    x = jax.numpy.zeros(5)
    x.delete()
    with pytest.raises(ValueError, match="deleted"):
        st.topk(x, 2)


def onnx_cases():
    onnx = pytest.importorskip("onnx")
    from onnx.backend.test.case.node import collect_testcases

    return onnx, [case for case in collect_testcases("TopK") if "top_k" in case.name]


def test_every_case_that_onnx_generates():
    onnx, cases = onnx_cases()
    assert len(cases) >= 5
    for case in cases:
        (node,) = [node for node in case.model.graph.node if node.op_type == "TopK"]
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        for inputs, outputs in case.data_sets:
            x, k = (onnx.numpy_helper.to_array(i) if hasattr(i, "data_type") else np.asarray(i) for i in inputs)
            want = [onnx.numpy_helper.to_array(o) if hasattr(o, "data_type") else np.asarray(o) for o in outputs]
            found = st.topk(
                x,
                int(k[0]),
                dim=attributes.get("axis", -1),
                largest=bool(attributes.get("largest", 1)),
                sorted=bool(attributes.get("sorted", 1)),
            )
            if attributes.get("sorted", 1):
                oracle.check(found, (want[0], want[1].astype(np.int64)), case.name)
            else:
                assert sorted(found.values.ravel()) == sorted(want[0].ravel()), case.name


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64, np.int32, np.uint8])
@pytest.mark.parametrize("largest", [0, 1])
def test_onnx_reference_operator(dtype, largest):
    onnx = pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    random = np.random.default_rng(5)
    for axis, shape in [(0, (30, 4)), (1, (4, 30)), (-1, (2, 3, 20)), (1, (2, 20, 3))]:
        x = random.integers(0, 6, shape).astype(dtype)
        node = onnx.helper.make_node("TopK", ["x", "k"], ["v", "i"], axis=axis, largest=largest, sorted=1)
        info = onnx.helper.make_tensor_value_info
        kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        graph = onnx.helper.make_graph(
            [node],
            "topk",
            [info("x", kind, shape), info("k", onnx.TensorProto.INT64, [1])],
            [info("v", kind, None), info("i", onnx.TensorProto.INT64, None)],
        )
        for k in (1, 5, 20):
            want = ReferenceEvaluator(onnx.helper.make_model(graph)).run(None, {"x": x, "k": np.array([k])})
            oracle.check(st.topk(x, k, dim=axis, largest=bool(largest)), tuple(want), (axis, k))


def test_against_numpy_s_own_partition():
    x = np.random.default_rng(2).standard_normal((10, 5000)).astype(ml_dtypes.bfloat16).astype(np.float32)
    for k in (1, 30, 4999):
        np.testing.assert_array_equal(st.bottomk(x, k).values, np.sort(x, axis=1)[:, :k])
        np.testing.assert_array_equal(st.topk(x, k).indices, np.argsort(-x, axis=1, kind="stable")[:, :k])
        np.testing.assert_array_equal(st.midk(x, k).values, np.sort(x, axis=1)[:, (5000 - k) // 2 :][:, :k])
