"""Gradients of an outer loss by hyper-parameters, through an inner problem, over functions of NumPy's arrays.

    >>> from spiraltorch import hypergrad
    >>> step = lambda z, params: z / 2 + params           # z = 2 params
    >>> vjp = lambda z, params, v: (v / 2, v)
    >>> outer = lambda z, params: (z @ z / 2, z, None)    # E = |z|^2 / 2, so dE/dparams = 4 params
    >>> z = hypergrad.iterate(step, [0.0, 0.0], [3.0, 1.0]).state
    >>> hypergrad.implicit(step, vjp, outer, z, [3.0, 1.0]).value.round(9)
    array([12.,  4.])

A value comes with a residual that was computed anew from it and is below the tolerance; all else is an error that says what
happened, but for truncations that were asked for, whose result says so.

The functions are given float64 arrays of the shapes of ``z`` and ``params``, which are theirs to keep, and return such:

``step(z, params)``
    the update, of which ``z`` is a fixed point.
``vjp(z, params, v)``
    ``(z_bar, params_bar)``: the products of ``v`` with the step's derivatives by z and by params, both transposed.
``jvp(z, params, dz, dparams)``
    the derivative of the step along a direction; for ``solver="cgnr"`` and ``mode="forward"``.
``outer(z, params)``
    ``(value, dE/dz, dE/dparams)``: the loss, and its derivatives with the other held; None in the third place if it
    looks at z alone.

What they raise comes through as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native

__all__ = [
    "Breakdown",
    "Diverged",
    "HyperGrad",
    "HyperGradError",
    "IndefiniteOperator",
    "NonFinite",
    "NotAFixedPoint",
    "NotConverged",
    "NotSymmetric",
    "Reached",
    "Unrolled",
    "Unsupported",
    "VjpCheck",
    "WrongProduct",
    "check_vjp",
    "implicit",
    "iterate",
    "unrolled",
]

Array = NDArray[np.float64]
Step = Callable[[Array, Array], ArrayLike]
Vjp = Callable[[Array, Array, Array], tuple[ArrayLike, ArrayLike]]
Jvp = Callable[[Array, Array, Array, Array], ArrayLike]
Outer = Callable[[Array, Array], tuple[Any, ArrayLike, "ArrayLike | None"]]
Solver = Literal["auto", "cg", "cgnr", "bicgstab", "gmres", "neumann"]


@dataclass(frozen=True, eq=False, repr=False)
class HyperGrad:
    """A hyper-gradient, with what is known of its error."""

    value: Array
    """dE/dparams, total, in the shape of ``params``."""
    residual: float
    """``|g - (I - J)^T v| / |g|`` with ``g = dE/dz``, computed anew from the solution; 0 for g = 0."""
    fixed_point_residual: float
    """``|step(z) - z|``: the value's error that comes from it is of this order, times one over 1 - the contraction."""
    ending: Literal["converged", "truncated", "partial"]
    """Whether the residual is below the tolerance; or that so many ``terms`` were asked for; or that it is an error's."""
    adjoint: Array
    """v, the solution of ``(I - J)^T v = g``, in the shape of ``z``."""
    outer: float
    """The loss."""
    peak_residual: float
    """The greatest residual on the way. Far above 1 it tells of an operator that is far from normal."""
    iterations: int
    """Iterations of the solver."""
    products: int
    """Calls of ``vjp`` (and ``jvp``) that it took."""
    solver: str
    """The method that was used."""
    terms: int | None
    """Terms of Neumann's series, if so many were asked for."""

    def __repr__(self) -> str:
        terms = f" to {self.terms} terms" if self.terms is not None else ""
        return (
            f"<HyperGrad {self.ending}{terms}: {_array(self.value)}, residual {self.residual:.1e} by {self.solver} in "
            f"{self.iterations} iterations, fixed point to {self.fixed_point_residual:.1e}>"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Unrolled:
    """The gradient of the loss after so many steps: exact for them, whether or not they reach a fixed point."""

    value: Array
    """dE/dparams, total, in the shape of ``params``."""
    fixed_point_residual: float
    """``|step(z_T) - z_T|``: how far the last state is from being fixed."""
    truncated_to: int | None
    """Through how many of the last steps derivatives went, if not through all: a biased value, as was asked for."""
    initial: Array | None
    """dE/dz_0; None if the pass was truncated, or went forward."""
    state: Array
    """z_T"""
    outer: float
    """The loss there."""
    steps: int
    """T"""
    peak_states: int
    """The most states (forward: rows of derivatives) held at a time."""
    peak_numbers: int
    """The same in numbers."""
    steps_made: int
    """Calls of ``step`` on the way, those made twice counted twice."""

    def __repr__(self) -> str:
        through = f" through the last {self.truncated_to}" if self.truncated_to is not None else ""
        return (
            f"<Unrolled {self.steps} steps{through}: {_array(self.value)}, fixed point to "
            f"{self.fixed_point_residual:.1e}, {self.peak_states} states held>"
        )


@dataclass(frozen=True, eq=False)
class Reached:
    """Where an inner loop ended."""

    state: Array
    """The state, in the shape of ``z0``."""
    steps: int
    """Steps made."""
    last_step: float
    """The length of the last one."""
    converged: bool
    """Whether it was short enough. If not, ``implicit`` says that this is no fixed point."""


@dataclass(frozen=True)
class VjpCheck:
    """The greatest differences found, relative to the products' size."""

    state: float
    """Of ``z_bar`` from differences of the step."""
    params: float
    """Of ``params_bar``."""
    forward: float | None
    """Of ``jvp`` from ``vjp``."""


class HyperGradError(ArithmeticError):
    """Why there is no hyper-gradient. Its attributes say what is known; those that do not apply are None."""

    residual: float | None = None
    """How far it got: the true relative residual; of ``NotAFixedPoint`` ``|step(z) - z|``."""
    tolerance: float | None = None
    """What was allowed."""
    iterations: int | None = None
    """Iterations made, or at which it happened (of the inner loop or of the solver)."""
    solver: str | None = None
    """The method."""
    where: str | None = None
    """In which function, in words."""
    curvature: float | None = None
    asymmetry: float | None = None
    got: float | None = None
    expected: float | None = None
    partial: HyperGrad | None = None
    """The value as far as it was computed, if ``keep_partial`` was asked for; its residual is above the tolerance."""

    def __init__(self, message: str, known: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        for name, value in (known or {}).items():
            setattr(self, name, HyperGrad(**value) if name == "partial" else value)


class NotConverged(HyperGradError):
    """Iterations, or digits, ran out above the tolerance."""


class Diverged(HyperGradError):
    """The residual grew beyond all reason."""


class Breakdown(HyperGradError):
    """The system is singular, or the method divided by zero."""


class IndefiniteOperator(HyperGradError):
    """Negative curvature: the point is no minimum."""


class NotSymmetric(HyperGradError):
    """Conjugate gradients failed, and a probe shows that the operator is not symmetric."""


class NotAFixedPoint(HyperGradError):
    """The state is none, and the implicit formula does not hold there."""


class NonFinite(HyperGradError):
    """NaN or infinity, with where and when it appeared."""


class Unsupported(HyperGradError):
    """The method needs a product that is not there."""


class WrongProduct(HyperGradError):
    """``vjp`` or ``jvp`` is not the derivative of ``step``."""


def implicit(
    step: Step,
    vjp: Vjp,
    outer: Outer,
    z: ArrayLike,
    params: ArrayLike,
    *,
    jvp: Jvp | None = None,
    solver: Solver = "auto",
    tol: float = 1e-10,
    fixed_point_tol: float = 1e-8,
    max_iterations: SupportsIndex | None = None,
    restart: SupportsIndex | None = None,
    terms: SupportsIndex | None = None,
    keep_partial: bool = False,
) -> HyperGrad:
    """The hyper-gradient at a fixed point ``z`` of the step at ``params``, by one linear solve.

    solver: "auto" looks whether the operator is symmetric, and takes conjugate gradients ("cg") or "gmres" and
        "bicgstab"; "cgnr" needs ``jvp``; "neumann" a contraction.
    tol: the greatest true relative residual that is no error; above 0 and below 1.
    fixed_point_tol: the greatest ``|step(z) - z|``, relative to ``|z|`` where that is above 1, at which z counts as fixed;
        ``inf`` allows any.
    max_iterations: of the solver; ten for each unknown and a thousand more if not given.
    restart: of GMRES, iterations until it begins again.
    terms: so many terms of Neumann's series, however large the next is: a truncation, and the result says so.
    keep_partial: whether errors have the value so far, as ``partial``.

    Raises a ``HyperGradError`` whenever the residual is above ``tol``, and whatever the functions raise.
    """
    how = solver, _count("restart", restart), _count("terms", terms)
    most = _count("max_iterations", max_iterations)
    found = _native.hypergrad_implicit(
        step, vjp, jvp, outer, z, params, how, float(tol), float(fixed_point_tol), most, bool(keep_partial)
    )
    return HyperGrad(**found)


def unrolled(
    step: Step,
    vjp: Vjp | None,
    outer: Outer,
    z0: ArrayLike,
    params: ArrayLike,
    steps: SupportsIndex,
    *,
    jvp: Jvp | None = None,
    mode: Literal["reverse", "forward"] = "reverse",
    truncate: SupportsIndex | None = None,
    checkpoints: Literal["all", "sqrt"] | SupportsIndex = "all",
) -> Unrolled:
    """The gradient of the loss after ``steps`` steps from ``z0``.

    mode: "reverse" takes a few times the time of the steps, whatever the number of hyper-parameters, and holds states;
        "forward" needs ``jvp`` (and no ``vjp``) and holds one row of derivatives for each hyper-parameter.
    truncate: go back through so many of the last steps only; the result says so.
    checkpoints: which states are held: "all"; "sqrt": about ``2 sqrt(steps)``, and each step is made twice; a number: each
        so many-th.

    Raises ``HyperGradError`` for NaN and infinity (with the step of their appearance) and for what is missing, and
    whatever the functions raise.
    """
    if mode not in ("reverse", "forward"):
        raise ValueError(f'mode = {mode!r}: use "reverse" or "forward"')
    if mode == "reverse" and vjp is None:
        raise TypeError('vjp is None, but mode = "reverse" goes back by it: give it, or use "forward" with jvp')
    kept: tuple[str, int] = ("every", 0)
    if isinstance(checkpoints, str):
        if checkpoints not in ("all", "sqrt"):
            raise ValueError(f'checkpoints = {checkpoints!r}: use "all", "sqrt" or a number of steps')
        kept = (checkpoints, 0)
    else:
        kept = ("every", _number("checkpoints", checkpoints))
    back = _count("truncate", truncate)
    found = _native.hypergrad_unrolled(
        step, vjp, jvp, outer, z0, params, _number("steps", steps), mode == "forward", back, kept
    )
    return Unrolled(**found)


def iterate(
    step: Step, z0: ArrayLike, params: ArrayLike, *, tol: float = 1e-13, max_steps: SupportsIndex = 10_000
) -> Reached:
    """The inner loop: steps until one is at most ``tol`` times the state's norm (or than ``tol``, for states shorter than 1).

    Ending at ``max_steps`` is no error; ``converged`` tells. NaN and infinity are, with the step of their appearance.
    """
    return Reached(**_native.hypergrad_iterate(step, z0, params, float(tol), _number("max_steps", max_steps)))


def check_vjp(step: Step, vjp: Vjp, z: ArrayLike, params: ArrayLike, *, jvp: Jvp | None = None) -> VjpCheck:
    """Checks products at a point against differences of the step, which should be smooth there.

    Raises ``WrongProduct`` with both numbers for one that is wrong.
    """
    return VjpCheck(*_native.hypergrad_check(step, vjp, jvp, z, params))


def _count(name: str, value: SupportsIndex | None) -> int | None:
    return None if value is None else _number(name, value)


def _number(name: str, value: SupportsIndex) -> int:
    try:
        number = value.__index__()
    except AttributeError:
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}") from None
    if not 0 <= number < 1 << 62:
        raise ValueError(f"{name} = {number}: give a number that is not negative")
    return number


def _array(array: Array) -> str:
    return np.array2string(array, precision=6, threshold=8, edgeitems=3, separator=", ").replace("\n", "")
