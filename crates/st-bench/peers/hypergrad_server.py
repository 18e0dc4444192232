"""Runs jaxopt and NumPy for `st-bench hypergrad`: one JSON request a line on stdin, one JSON answer a
line on stdout. One thread; this process and that of the benchmark are held to one core, so that
they take turns on it.

    {"cmd": "hello", "pid": P}                            pins both; versions
    {"cmd": "load", "d": D, "w": [...]}                   makes the problem; the minimum of the inner one
    {"cmd": "time", "peer": N, "calls": C, "budget_ns": B, "warm": W}
    {"cmd": "result", "peer": N}                          one hyper-gradient
"""

import gc
import json
import os
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["JAX_ENABLE_X64"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

# Before the libraries make their threads, which then stay on the same core.
if hasattr(os, "sched_setaffinity"):
    CORE = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {CORE})

from functools import partial  # noqa: E402
from importlib.metadata import version  # noqa: E402

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import jaxopt  # noqa: E402
import numpy as np  # noqa: E402
from jaxopt.implicit_diff import root_vjp  # noqa: E402
from jaxopt.linear_solve import solve_cg, solve_normal_cg  # noqa: E402

N = 1000


def rows(first, d):
    """The problem's closed formula, in integers."""
    i = np.arange(first, first + N, dtype=np.int64)[:, None]
    j = np.arange(1, d + 1, dtype=np.int64)[None, :]
    x = ((31 * i * i + 17 * i * j + 7 * j * j * j) % 1009) / 504.0 - 1.0
    s = np.where((5 * i[:, 0] * i[:, 0] + 3 * i[:, 0]) % 11 < 5, 1.0, -1.0)
    return x, s


def loss(w, x, s):
    return jnp.mean(jax.nn.softplus(-s * (x @ w)))


def inner(w, lam, x, s):
    return loss(w, x, s) + 0.5 * jnp.sum(jnp.exp(lam) * w * w)


def implicit(solve):
    def hypergrad(w, lam, x, s, xv, sv):
        cotangent = jax.grad(loss)(w, xv, sv)
        optimality = lambda w, lam: jax.grad(inner)(w, lam, x, s)
        return root_vjp(optimality, w, (lam,), cotangent, solve=solve)[0]

    return jax.jit(hypergrad)


def whole():
    solve = partial(solve_cg, tol=1e-10, maxiter=100000)

    def outer(lam, x, s, xv, sv):
        fit = jaxopt.LBFGS(
            lambda w, lam: inner(w, lam, x, s), tol=1e-9, maxiter=10000, implicit_diff=True,
            implicit_diff_solve=solve,
        )
        return loss(fit.run(jnp.zeros(x.shape[1]), lam).params, xv, sv)

    return jax.jit(jax.grad(outer))


class Problem:
    def __init__(self, d, w):
        (x, s), (xv, sv) = rows(1, d), rows(N + 1, d)
        lam = np.log(0.01) + 0.5 * np.cos(np.arange(1, d + 1))
        data = [jax.device_put(a) for a in (lam, x, s, xv, sv)]
        at = jax.device_put(np.array(w))
        cg = implicit(partial(solve_cg, tol=1e-10, maxiter=100000))
        default, both = implicit(solve_normal_cg), whole()
        self.calls = {
            "jaxopt_cg": lambda: cg(at, *data).block_until_ready(),
            "jaxopt_default": lambda: default(at, *data).block_until_ready(),
            "jaxopt_lbfgs": lambda: both(*data).block_until_ready(),
            "numpy_cg": lambda: numpy_cg(np.array(w), lam, x, s, xv, sv),
        }


def numpy_cg(w, lam, x, s, xv, sv):
    slope = lambda t: -1.0 / (1.0 + np.exp(t))
    g = xv.T @ (sv * slope(sv * (xv @ w))) / N
    p = slope(s * (x @ w))
    curvature, penalty = -p * (1.0 + p) / N, np.exp(lam)
    product = lambda v: x.T @ (curvature * (x @ v)) + penalty * v
    v, r = np.zeros_like(g), g.copy()
    q, rr, least = r.copy(), r @ r, 1e-20 * (g @ g)
    while rr > least:
        hq = product(q)
        alpha = rr / (q @ hq)
        v += alpha * q
        r -= alpha * hq
        rr, before = r @ r, rr
        q = r + rr / before * q
    return -penalty * w * v


def answer(problem, request):
    match request["cmd"]:
        case "hello":
            if hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(request["pid"], {CORE})
            versions = {name: version(name) for name in ("jax", "jaxopt", "numpy")}
            return problem, {"versions": versions | {"python": sys.version.split()[0]}}
        case "load":
            return Problem(request["d"], request["w"]), {}
        case "time":
            call = problem.calls[request["peer"]]
            for _ in range(request["warm"]):
                call()
            gc.disable()
            times, begin = [], time.perf_counter_ns()
            while len(times) < request["calls"]:
                start = time.perf_counter_ns()
                call()
                times.append(time.perf_counter_ns() - start)
                if time.perf_counter_ns() - begin >= request["budget_ns"]:
                    break
            gc.enable()
            return problem, {"ns": times}
        case "result":
            return problem, {"value": np.asarray(problem.calls[request["peer"]]()).tolist()}
    raise ValueError(f"no such request: {request['cmd']}")


def main():
    problem = None
    for line in sys.stdin:
        try:
            problem, reply = answer(problem, json.loads(line))
        except Exception as error:  # noqa: BLE001  (the benchmark shows it)
            reply = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


main()
