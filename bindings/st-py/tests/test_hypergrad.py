"""Hyper-gradients over NumPy's functions: the reference problems and traps, refusals, and what users' functions raise.

``hypergrad_reference.json`` has values of 25 and more digits that were made without this package, rounded.
"""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import spiraltorch as st
from spiraltorch import hypergrad as hg

REFERENCE = json.loads((Path(__file__).parent / "hypergrad_reference.json").read_text())
SOLVERS = ["auto", "cg", "cgnr", "bicgstab", "gmres", "neumann"]


def features(first, last, d):
    i, j = np.arange(first, last + 1)[:, None], np.arange(1, d + 1)[None, :]
    return np.sin(0.37 * i * j + 0.11 * j * j)


def targets(first, last):
    i = np.arange(first, last + 1)
    return np.cos(0.9 * i) + 0.5 * np.sin(0.23 * i)


class Ridge:
    """P1 and P1b: ridge regression with a penalty for each weight, by gradient descent."""

    def __init__(self, n=40, m=24, d=12, level=-2.0, step=0.5):
        self.n, self.m, self.d = n, m, d
        self.x, self.y = features(1, n, d), targets(1, n)
        self.held_x, self.held_y = features(n + 1, n + m, d), targets(n + 1, n + m)
        self.params = level + 0.5 * np.cos(np.arange(1, d + 1))
        self.h = self.x.T @ self.x / n + np.diag(np.exp(self.params))
        self.rate = step if step is not None else 1 / np.linalg.eigvalsh(self.h)[-1]
        self.fixed = np.linalg.solve(self.h, self.x.T @ self.y / n)

    def gradient(self, w, params):
        return self.x.T @ (self.x @ w - self.y) / self.n + np.exp(params) * w

    def step(self, w, params):
        return w - self.rate * self.gradient(w, params)

    def hessian(self, params, v):
        return self.x.T @ (self.x @ v) / self.n + np.exp(params) * v

    def vjp(self, w, params, v):
        return v - self.rate * self.hessian(params, v), -self.rate * np.exp(params) * w * v

    def jvp(self, w, params, dw, dparams):
        return dw - self.rate * (self.hessian(params, dw) + np.exp(params) * w * dparams)

    def outer(self, w, params):
        r = self.held_x @ w - self.held_y
        return r @ r / (2 * self.m), self.held_x.T @ r / self.m, None


class HeavyBall(Ridge):
    """P5c: the state is weights and momenta, as two rows."""

    def step(self, z, params):
        m = 0.8 * z[1] - 0.5 * self.gradient(z[0], params)
        return np.stack([z[0] + m, m])

    def vjp(self, z, params, v):
        m = v[0] + v[1]
        return np.stack([v[0] - 0.5 * self.hessian(params, m), 0.8 * m]), -0.5 * np.exp(params) * z[0] * m

    def outer(self, z, params):
        value, by_w, _ = super().outer(z[0], params)
        return value, np.stack([by_w, np.zeros_like(by_w)]), None


class Equilibrium:
    """P5: z = tanh(W z + params), far from symmetric."""

    def __init__(self):
        i, j = np.arange(1, 17)[:, None], np.arange(1, 17)[None, :]
        self.w = 0.225 * np.sin(1.3 * i * j + 0.7 * i)
        self.params, self.target = 0.5 * np.cos(0.8 * i[:, 0]), 0.3 * np.cos(i[:, 0])

    def step(self, z, params):
        return np.tanh(self.w @ z + params)

    def vjp(self, z, params, v):
        u = (1 - np.tanh(self.w @ z + params) ** 2) * v
        return self.w.T @ u, u

    def jvp(self, z, params, dz, dparams):
        return (1 - np.tanh(self.w @ z + params) ** 2) * (self.w @ dz + dparams)

    def outer(self, z, params):
        r = z - self.target
        return r @ r / 2, r, np.zeros_like(params)


def error(found, want):
    return np.linalg.norm(np.asarray(found) - want) / np.linalg.norm(want)


@pytest.mark.parametrize("solver", SOLVERS)
def test_ridge(solver):
    p, want = Ridge(), REFERENCE["P1"]
    found = hg.implicit(p.step, p.vjp, p.outer, p.fixed, p.params, jvp=p.jvp, solver=solver, tol=1e-13)
    assert error(found.value, want["value"]) < 1e-12 and abs(found.outer - want["outer"]) < 1e-12
    assert found.ending == "converged" and found.residual <= 1e-13 and found.fixed_point_residual < 1e-14
    assert found.adjoint.shape == (12,) and found.value.dtype == np.float64


def test_ridge_of_a_hundred_weights_and_what_truncation_says():
    p = Ridge(200, 100, 100, -5.0, None)
    want = REFERENCE["P1b"]["value"]
    found = hg.implicit(p.step, p.vjp, p.outer, p.fixed, p.params, tol=1e-12)
    assert found.solver == "CG" and error(found.value, want) < 1e-10
    # T1: stopped early, with the residual that the reference has after so many iterations; the value on request alone.
    for most, residual, wrong in [(10, 0.5082027781990093, 0.27112367284919847), (50, 0.002576708700803139, 0.000669521542557885)]:
        for keep in (False, True):
            with pytest.raises(hg.NotConverged, match=f"after {most} iterations") as caught:
                hg.implicit(
                    p.step, p.vjp, p.outer, p.fixed, p.params, solver="cg", max_iterations=most, keep_partial=keep
                )
            refusal = caught.value
            assert refusal.iterations == most and abs(refusal.residual / residual - 1) < 1e-6 and refusal.tolerance == 1e-10
            assert (refusal.partial is not None) == keep
        assert refusal.partial.ending == "partial" and refusal.partial.residual == refusal.residual
        assert abs(error(refusal.partial.value, want) / wrong - 1) < 1e-5
    truncated = hg.implicit(p.step, p.vjp, p.outer, p.fixed, p.params, solver="neumann", terms=5)
    assert truncated.ending == "truncated" and truncated.terms == 5 and truncated.residual > 0.1
    assert "truncated to 5 terms" in repr(truncated) and f"residual {truncated.residual:.1e}" in repr(truncated)


def test_logistic_regression():
    x, s, params = features(1, 60, 10), np.sign(targets(1, 60)), -4 + 0.5 * np.cos(np.arange(1, 11))
    held_x, held_s = features(61, 100, 10), np.sign(targets(61, 100))
    share = lambda x, s, w: 1 / (1 + np.exp(s * (x @ w)))

    def hessian(w, params, v):
        q = share(x, s, w)
        return x.T @ (q * (1 - q) * (x @ v)) / 60 + np.exp(params) * v

    step = lambda w, params: w - 2 * (-x.T @ (s * share(x, s, w)) / 60 + np.exp(params) * w)
    vjp = lambda w, params, v: (v - 2 * hessian(w, params, v), -2 * np.exp(params) * w * v)
    outer = lambda w, params: (
        np.log1p(np.exp(-held_s * (held_x @ w))).mean(),
        -held_x.T @ (held_s * share(held_x, held_s, w)) / 40,
        None,
    )
    reached = hg.iterate(step, np.zeros(10), params, tol=1e-15)
    assert reached.converged and reached.last_step < 1e-15 * 2
    found, want = hg.implicit(step, vjp, outer, reached.state, params, tol=1e-13), REFERENCE["P2a"]
    assert error(found.value, want["value"]) < 1e-12 and abs(found.outer - want["outer"]) < 1e-12
    checked = hg.check_vjp(step, vjp, reached.state, params)
    assert checked.state < 1e-8 and checked.params < 1e-8 and checked.forward is None


@pytest.mark.parametrize("solver", ["auto", "cgnr", "bicgstab", "gmres", "neumann"])
def test_an_equilibrium_that_is_not_symmetric(solver):
    p, want = Equilibrium(), REFERENCE["P5"]
    z = hg.iterate(p.step, np.zeros(16), p.params, tol=1e-16, max_steps=2000).state
    found = hg.implicit(p.step, p.vjp, p.outer, z, p.params, jvp=p.jvp, solver=solver, tol=1e-14)
    assert error(found.value, want["value"]) < 1e-12 and abs(found.outer - want["outer"]) < 1e-12


def test_conjugate_gradients_are_refused_there():
    p = Equilibrium()
    z = hg.iterate(p.step, np.zeros(16), p.params, tol=1e-15).state
    with pytest.raises(hg.NotSymmetric, match='solver="auto"') as caught:
        hg.implicit(p.step, p.vjp, p.outer, z, p.params, solver="cg")
    assert caught.value.residual > 1e-10 and caught.value.asymmetry > 0.01 and caught.value.partial is None


def test_hyper_parameters_of_any_shape():
    """The weights of the equilibrium themselves, a matrix."""
    p, want = Equilibrium(), REFERENCE["P5"]

    def vjp(z, w, v):
        u = (1 - np.tanh(w @ z + p.params) ** 2) * v
        return w.T @ u, np.outer(u, z)

    step = lambda z, w: np.tanh(w @ z + p.params)
    z = hg.iterate(step, np.zeros(16), p.w, tol=1e-15).state
    found = hg.implicit(step, vjp, lambda z, w: (0.0, z - p.target, None), z, p.w, tol=1e-13)
    assert found.value.shape == (16, 16)
    assert abs(np.linalg.norm(found.value) - want["dW_fro"]) < 1e-12 and abs(np.trace(found.value) - want["dW_trace"]) < 1e-12


def test_a_non_normal_map():
    j, params = 0.5 * np.eye(8) + 2 * np.eye(8, k=1), np.cos(np.arange(1, 9))
    step, vjp = lambda z, l: j @ z + l, lambda z, l, v: (j.T @ v, v)
    outer = lambda z, l: ((z - 1) @ (z - 1) / 2, z - 1, None)
    z = np.linalg.solve(np.eye(8) - j, params)
    for solver in ("auto", "neumann"):
        found = hg.implicit(step, vjp, outer, z, params, solver=solver, fixed_point_tol=1e-6)
        assert error(found.value, REFERENCE["P5b"]["value"]) < 1e-8
    assert found.peak_residual > 1e3


def test_heavy_ball_gives_what_gradient_descent_does():
    p = HeavyBall()
    z = np.stack([p.fixed, np.zeros(12)])
    found = hg.implicit(p.step, p.vjp, p.outer, z, p.params, tol=1e-13)
    assert found.solver.startswith("GMRES") and error(found.value, REFERENCE["P1"]["value"]) < 1e-12
    assert found.adjoint.shape == (2, 12)


def test_unrolled_backward_and_forward():
    p, want = Ridge(), REFERENCE["P1"]
    zero = np.zeros(12)
    for steps, value in want["unrolled"].items():
        found = hg.unrolled(p.step, p.vjp, p.outer, zero, p.params, int(steps))
        assert error(found.value, value) < 1e-12 and found.steps == int(steps) and found.truncated_to is None
        assert found.peak_states == int(steps) and found.initial is not None
        rooted = hg.unrolled(p.step, p.vjp, p.outer, zero, p.params, int(steps), checkpoints="sqrt")
        every = hg.unrolled(p.step, p.vjp, p.outer, zero, p.params, int(steps), checkpoints=7)
        assert (rooted.value == found.value).all() and (every.value == found.value).all()
        forward = hg.unrolled(p.step, None, p.outer, zero, p.params, int(steps), jvp=p.jvp, mode="forward")
        assert error(forward.value, value) < 1e-12 and forward.initial is None
    assert rooted.peak_states <= 21 and rooted.peak_numbers == 12 * rooted.peak_states
    # T10: what the start still does; T9: nothing depends on params after one step from zero.
    at_the_minimum = p.outer(p.fixed, p.params)
    ten = hg.unrolled(p.step, p.vjp, lambda w, l: at_the_minimum, zero, p.params, 10)
    assert abs(np.linalg.norm(ten.initial) - 0.0076957810634982375) < 1e-14
    one = hg.unrolled(p.step, p.vjp, p.outer, zero, p.params, 1)
    assert not one.value.any() and one.fixed_point_residual > 1e-3 and "1 states held" in repr(one)
    for back, value in want["truncated_100"].items():
        found = hg.unrolled(p.step, p.vjp, p.outer, zero, p.params, 100, truncate=int(back))
        assert error(found.value, value) < 1e-12 and found.truncated_to == int(back) and found.initial is None
        assert f"through the last {back}" in repr(found)


def test_a_state_that_is_not_fixed():
    """T4: an exact solve at a wrong point is still wrong, and says so."""
    p = Ridge()
    w = hg.iterate(p.step, np.zeros(12), p.params, max_steps=10)
    assert not w.converged and w.steps == 10
    with pytest.raises(hg.NotAFixedPoint, match="fixed_point_tol") as caught:
        hg.implicit(p.step, p.vjp, p.outer, w.state, p.params)
    assert abs(caught.value.residual - 0.0011881457918212692) < 1e-14
    found = hg.implicit(p.step, p.vjp, p.outer, w.state, p.params, fixed_point_tol=np.inf)
    assert found.fixed_point_residual == caught.value.residual
    assert abs(error(found.value, REFERENCE["P1"]["value"]) - 0.03667718397545489) < 1e-8


def test_traps():
    p = Ridge()
    # T5: scales of the loss.
    base = hg.implicit(p.step, p.vjp, p.outer, p.fixed, p.params).value
    for c in (1e-200, 1e150):
        scaled = lambda w, l: tuple(None if part is None else c * part for part in p.outer(w, l))
        assert error(hg.implicit(p.step, p.vjp, scaled, p.fixed, p.params).value / c, base) < 1e-12
    # T6: nothing to solve.
    direct = np.arange(12.0)
    found = hg.implicit(p.step, p.vjp, lambda w, l: (1, np.zeros(12), direct), p.fixed, p.params)
    assert (found.value == direct).all() and found.iterations == 0 and found.residual == 0
    # T3: a step that is too long.
    p.rate = 2.2 / np.linalg.eigvalsh(p.h)[-1]
    with pytest.raises(hg.Diverged) as caught:
        hg.implicit(p.step, p.vjp, p.outer, p.fixed, p.params, solver="neumann")
    assert caught.value.residual > 1e7 and caught.value.iterations > 50
    assert error(hg.implicit(p.step, p.vjp, p.outer, p.fixed, p.params).value, REFERENCE["P1"]["value"]) < 1e-9
    # T7: a saddle. T8: singular.
    h = np.diag([1.0, -1.0])
    linear = lambda h, size: (lambda z, l: z - 0.5 * (h @ z + l), lambda z, l, v: (v - 0.5 * h.T @ v, -0.5 * v))
    gradient = lambda g: lambda z, l: (0.0, np.array(g, float), None)
    with pytest.raises(hg.IndefiniteOperator) as caught:
        hg.implicit(*linear(h, 2), gradient([1, 2]), [0, 0], [0, 0], solver="cg")
    assert caught.value.curvature < 0
    assert np.allclose(hg.implicit(*linear(h, 2), gradient([1, 2]), [0, 0], [0, 0], solver="gmres").value, [-1, 2])
    h = np.array([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]])
    with pytest.raises((hg.Breakdown, hg.NotConverged)) as caught:
        hg.implicit(*linear(h, 3), gradient([1, 0, 0]), np.zeros(3), np.zeros(3), solver="gmres")
    assert abs(caught.value.residual - 0.5**0.5) < 1e-9


class Mine(Exception):
    pass


def fails(*arguments):
    raise Mine("of the user's")


@pytest.mark.parametrize("which", ["step", "vjp", "outer", "jvp"])
def test_what_functions_raise_comes_through(which):
    p = Ridge()
    functions = {"step": p.step, "vjp": p.vjp, "outer": p.outer, "jvp": p.jvp} | {which: fails}
    calls = [
        lambda: hg.implicit(**functions, z=p.fixed, params=p.params, solver="cgnr"),
        lambda: hg.unrolled(**functions, z0=p.fixed, params=p.params, steps=3, mode="forward" if which == "jvp" else "reverse"),
    ]
    for call in calls:
        with pytest.raises(Mine) as caught:
            call()
        assert caught.value.args == ("of the user's",) and caught.traceback[-1].name == "fails"


def test_an_exception_is_the_same_object():
    raised = KeyboardInterrupt("here")

    def interrupted(z, params):
        raise raised

    with pytest.raises(KeyboardInterrupt) as caught:
        hg.iterate(interrupted, [0.0], [0.0])
    assert caught.value is raised


def test_numbers_that_are_none_are_reported_with_where_and_when():
    p, calls = Ridge(), []

    def step(w, params):
        calls.append(1)
        return p.step(w, params) * (np.nan if len(calls) == 4 else 1)

    with pytest.raises(hg.NonFinite, match="the update holds NaN or infinity at iteration 3") as caught:
        hg.unrolled(step, p.vjp, p.outer, np.zeros(12), p.params, 10)
    assert caught.value.iterations == 3 and caught.value.where == "the update"
    with pytest.raises(hg.NonFinite, match="the state"):
        hg.implicit(p.step, p.vjp, p.outer, p.fixed * np.inf, p.params)
    with pytest.raises(hg.NonFinite, match="the outer loss"):
        hg.implicit(p.step, p.vjp, lambda w, l: (np.nan, w, None), p.fixed, p.params)


def test_a_wrong_product_is_found():
    p = Ridge()
    with pytest.raises(hg.WrongProduct, match="transposed product by the state") as caught:
        hg.check_vjp(p.step, lambda w, l, v: (2 * v, p.vjp(w, l, v)[1]), p.fixed, p.params)
    assert caught.value.got != caught.value.expected and caught.value.residual > caught.value.tolerance
    assert hg.check_vjp(p.step, p.vjp, p.fixed, p.params, jvp=p.jvp).forward < 1e-12


R = Ridge()


@pytest.mark.parametrize(
    ("call", "error", "part"),
    [
        (lambda: hg.implicit(R.step, R.vjp, R.outer, R.fixed, R.params, solver="lu"), ValueError, '"bicgstab"'),
        (lambda: hg.implicit(R.step, R.vjp, R.outer, R.fixed, R.params, solver="cg", restart=3), ValueError, "gmres"),
        (lambda: hg.implicit(R.step, R.vjp, R.outer, R.fixed, R.params, terms=3), ValueError, "neumann"),
        (lambda: hg.implicit(R.step, R.vjp, R.outer, R.fixed, R.params, solver="cgnr"), hg.Unsupported, "jvp"),
        (lambda: hg.implicit(R.step, R.vjp, R.outer, R.fixed, R.params, tol=0), ValueError, "above 0"),
        (lambda: hg.implicit(R.step, R.vjp, R.outer, R.fixed, R.params, tol=np.nan), ValueError, "above 0"),
        (lambda: hg.implicit(R.step, R.vjp, R.outer, R.fixed, R.params, max_iterations=0), ValueError, "at least 1"),
        (lambda: hg.implicit(R.step, R.vjp, R.outer, R.fixed, R.params, max_iterations=-1), ValueError, "not negative"),
        (lambda: hg.implicit(R.step, R.vjp, R.outer, R.fixed * 1j, R.params), TypeError, "real numbers"),
        (lambda: hg.implicit(R.step, R.vjp, R.outer, "abc", R.params), TypeError, "real numbers"),
        (lambda: hg.implicit(lambda z, l: z[:3], R.vjp, R.outer, R.fixed, R.params), ValueError, "step has shape [3]"),
        (lambda: hg.implicit(lambda z, l: z * 1j, R.vjp, R.outer, R.fixed, R.params), TypeError, "step has dtype"),
        (lambda: hg.implicit(R.step, lambda z, l, v: v, R.outer, R.fixed, R.params), TypeError, "(z_bar, params_bar)"),
        (lambda: hg.implicit(R.step, lambda z, l, v: (v, v[:2]), R.outer, R.fixed, R.params), ValueError, "params_bar has shape"),
        (lambda: hg.implicit(R.step, R.vjp, lambda z, l: (1, z), R.fixed, R.params), TypeError, "(value, dE/dz, dE/dparams)"),
        (lambda: hg.implicit(R.step, R.vjp, lambda z, l: ("a", z, None), R.fixed, R.params), TypeError, "must be a number"),
        (lambda: hg.implicit(3, R.vjp, R.outer, R.fixed, R.params), TypeError, "not callable"),
        (lambda: hg.unrolled(R.step, None, R.outer, R.fixed, R.params, 3), TypeError, "forward"),
        (lambda: hg.unrolled(R.step, R.vjp, R.outer, R.fixed, R.params, 3, mode="both"), ValueError, "reverse"),
        (lambda: hg.unrolled(R.step, None, R.outer, R.fixed, R.params, 3, mode="forward"), hg.Unsupported, "jvp"),
        (lambda: hg.unrolled(R.step, R.vjp, R.outer, R.fixed, R.params, -3), ValueError, "not negative"),
        (lambda: hg.unrolled(R.step, R.vjp, R.outer, R.fixed, R.params, 3.5), TypeError, "integer"),
        (lambda: hg.unrolled(R.step, R.vjp, R.outer, R.fixed, R.params, 3, checkpoints=0), ValueError, "at least 1"),
        (lambda: hg.unrolled(R.step, R.vjp, R.outer, R.fixed, R.params, 3, checkpoints="x"), ValueError, "sqrt"),
    ],
)
def test_refused_with_advice(call, error, part):
    with pytest.raises(error) as caught:
        call()
    assert part in str(caught.value)


def test_arrays_are_the_functions_to_keep_and_inputs_of_any_kind():
    seen = []

    def step(z, params):
        seen.append(z)
        return [z.item() / 2 + params.item()]

    vjp = lambda z, params, v: (v.astype(np.float32) / 2, v.tolist())
    outer = lambda z, params: (np.float32(z[0]), [1], None)
    z = hg.iterate(step, [0], [np.float32(3)]).state
    assert np.allclose(np.array(seen)[:4, 0], [0, 3, 4.5, 5.25])
    found = hg.implicit(step, vjp, outer, z, np.array([3], dtype=np.int8), tol=1e-6)
    assert found.value == 2 and found.value.shape == (1,)
    # States and hyper-parameters that are one number, and of which there are none.
    found = hg.implicit(lambda z, l: z / 2 + l, lambda z, l, v: (v / 2, v), lambda z, l: (z, 1.0, None), 6.0, 3.0)
    assert found.value.shape == () and found.value == 2
    found = hg.implicit(lambda z, l: z / 2, lambda z, l, v: (v / 2, l), lambda z, l: (0.0, z + 1, None), [0.0], [])
    assert found.value.shape == (0,)


def test_fields_of_structured_arrays_are_read_where_they_lie():
    """Their distances need not be whole numbers of elements."""
    for fields in ([("b", "f8"), ("a", "i4")], [("a", "i4"), ("b", "f8")]):
        params = np.zeros(5, dtype=fields)
        params["b"] = np.arange(5)
        end = hg.iterate(lambda z, p: 0.5 * z + p, np.zeros(5), params["b"])
        np.testing.assert_allclose(end.state, 2 * np.arange(5), rtol=1e-12)

        def step(z, p, fields=fields):
            made = np.zeros(5, dtype=fields)
            made["b"] = 0.5 * z + p
            return made["b"]

        np.testing.assert_allclose(hg.iterate(step, np.zeros(5), np.arange(5.0)).state, 2 * np.arange(5), rtol=1e-8)


def test_the_module_is_loaded_when_it_is_asked_for():
    code = "import sys, spiraltorch as st; assert 'spiraltorch.hypergrad' not in sys.modules; st.hypergrad.implicit"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert st.hypergrad is hg and issubclass(hg.NotConverged, hg.HyperGradError) and issubclass(hg.HyperGradError, ArithmeticError)


@pytest.mark.skipif(not hasattr(signal, "raise_signal") or sys.platform == "win32", reason="no such signals")
def test_an_interrupt_ends_a_long_iteration(interruptible):
    """Also where the function is none of Python's, which would look for signals itself."""
    import operator
    import os

    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        hg.iterate(operator.add, np.zeros(3), np.ones(3), max_steps=1 << 40)
    timer.join()


def test_the_docstring_s_example():
    import doctest

    with np.printoptions(legacy=False):
        assert doctest.testmod(hg).failed == 0
