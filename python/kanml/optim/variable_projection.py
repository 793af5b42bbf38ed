"""Variable projection: least squares in which some parameters enter linearly.

For fixed other parameters x, the linear ones y solve a linear least-squares problem, which is done
exactly. What is left to minimise is a function of x alone, |r(x, y(x))|^2. It is a sum of squares
again: with the projector P off the range of the linear columns J_y, a step p in x changes the
residual r(x, y(x)) to r + P J_x p, up to terms that are of second order where r is small
(L. Kaufman, A variable projection method for solving separable nonlinear least squares problems,
BIT 15, 1975). Its triangle is a part of that of all columns, with those of y first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from numpy.typing import ArrayLike

from kanml._validation import integer, require_memory
from kanml.optim.base import (
    IDENTITY,
    Function,
    Geometry,
    Optimizer,
    TransferMaps,
    advanced,
    obstacle,
)
from kanml.optim.least_squares import SumOfSquares
from kanml.optim.levenberg_marquardt import (
    FLOAT64_BYTES,
    MATRICES,
    LevenbergMarquardt,
    LevenbergMarquardtState,
    require_squares,
)
from kanml.optim.matrices import DampedSteps, Triangle
from kanml.optim.vectors import EPSILON, Vector, operations

__all__ = ["VariableProjection"]


class Projected(SumOfSquares):
    """A sum of squares as a function of the parameters x that are not linear.

    Parameters
    ----------
    function : SumOfSquares
    theta : vector (n,)
        All parameters. The linear ones are where searches for others begin.

    Attributes
    ----------
    eliminated : slice
        The linear parameters.
    start : vector
        The parameters x in `theta`.
    """

    def __init__(self, function: SumOfSquares, theta: Vector) -> None:
        self._function, self.eliminated = function, function.linear
        self._on = operations(theta)
        self.start = self._on.without(theta, self.eliminated)
        self._guess = self._on.within(theta, self.eliminated)
        self._solved: list[tuple[Vector, Vector]] = []
        # All columns will be needed there if its linear parameters are the best already.
        self._theta, self._triangle = theta, function.triangle(theta)
        self._solve(self.start, theta, self._triangle.of_columns(self.eliminated))

    def whole(self, x: Vector) -> Vector:
        """Return all parameters, with the best linear ones."""
        for other, theta in self._solved:
            if other is x:
                return theta
        guess = self._on.joined(x, self.eliminated, self._guess)
        return self._solve(x, guess, self._function.linear_triangle(guess))

    def __call__(self, theta: Vector) -> tuple[float, Vector]:
        """Return value and gradient."""
        value, gradient = self._function(self.whole(theta))
        return value, self._on.without(gradient, self.eliminated)

    def value(self, theta: Vector) -> float:
        """Return the value."""
        return self._function.value(self.whole(theta))

    def triangle(self, theta: Vector) -> Triangle:
        """Return the triangle of P J_x and the residual."""
        whole = self.whole(theta)
        known = whole is self._theta
        triangle = self._triangle if known else self._function.triangle(whole)
        return triangle.projected(self.eliminated)

    def jvp(self, theta: Vector, v: Vector) -> Vector:
        """Raise TypeError: the projection needs the triangle."""
        raise TypeError("a projected sum of squares has no products with its Jacobian")

    def vjp(self, theta: Vector, u: Vector) -> Vector:
        """Raise TypeError: the projection needs the triangle."""
        raise TypeError("a projected sum of squares has no products with its Jacobian")

    def _solve(self, x: Vector, theta: Vector, triangle: Triangle) -> Vector:
        """Return `theta` with the best linear parameters; itself if they are the best already."""
        if triangle.is_finite():
            (step,), _, (decrease,) = DampedSteps(triangle).solve([0.0])
            value = float(triangle.c @ triangle.c) + triangle.rest**2
            if decrease > EPSILON[theta.dtype] * value:
                linear = self._on.within(theta, self.eliminated)
                best = self._on.axpy(1.0, self._on.vector(step, theta), linear)
                theta = self._on.joined(x, self.eliminated, best)
        self._solved.append((x, theta))
        return theta


class FewRadii(LevenbergMarquardt):
    """Levenberg-Marquardt where the value costs nearly as much as the Jacobian."""

    radii = 3  # 4 outcomes: at most two evaluations


@dataclass(frozen=True)
class VariableProjection(Optimizer[LevenbergMarquardtState]):
    """Variable projection: the linear parameters are solved for, the others by Levenberg-Marquardt.

    The residuals must be affine in the parameters of the last layer while the others are fixed.
    This holds for regressions with squared errors, with or without a penalty, and for linear
    differential equations. Few parameters are left: 15 of 230 in the paper's regression. Each trial
    costs an evaluation with the Jacobian of the linear parameters, where `LevenbergMarquardt` needs
    the value alone, but there are fewer steps, and each gains more.

    If nothing but linear parameters is there, one step solves the problem. With minibatches or
    points drawn anew, each step solves for the rows of the moment alone.

    Radius, damping and rank are those of `LevenbergMarquardt`, in the parameters that are left. Of
    three radii, a third of that of the last step, the same and three times as much, the longest is
    taken that can be trusted.

    Parameters
    ----------
    largest_triangle : int
        The largest number of all parameters; more are refused.

    Raises
    ------
    TypeError, ValueError
        If `largest_triangle` is not an integer of at least 1.

    Examples
    --------
    >>> import kanml
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 200)[:, None]
    >>> problem = kanml.Regression(x, np.sin(6 * x) / (1 + x**2))
    >>> net = kanml.KAN([1, 2, 1], intervals=4, seed=0)
    >>> result = kanml.train(net, problem, [20, 20], kanml.VariableProjection(), progress=False)
    >>> bool(result.history.loss[-1] < 1e-6)
    True
    """

    largest_triangle: int = 2000
    needs_squares = True
    needs_linear = True
    window = LevenbergMarquardt.window
    rounds = (8, 12, 18, 27)
    evaluations = 4

    def __post_init__(self) -> None:
        integer(self.largest_triangle, "largest_triangle", 1)

    def init(self, parameters: ArrayLike) -> LevenbergMarquardtState:
        """Return an initial state; see `Optimizer.init`."""
        return self._inner.init(parameters)

    def step(
        self,
        function: Function,
        state: LevenbergMarquardtState,
        geometry: Geometry | None = None,
    ) -> LevenbergMarquardtState:
        """Return the state after one step; see `Optimizer.step`.

        Parameters
        ----------
        function : SumOfSquares
            Its `linear` says which parameters enter linearly.
        state : LevenbergMarquardtState
        geometry : Geometry, optional
            Only the identity.

        Returns
        -------
        LevenbergMarquardtState

        Raises
        ------
        TypeError
            If the function is no `SumOfSquares`, or no parameters are linear.
        ValueError
            If the geometry is another one, there are too many parameters, or not enough memory.
        """
        function = require_squares(self, function, geometry)
        n = state.parameters.shape[0]
        require_memory(FLOAT64_BYTES * self.numbers(n, 1), f"{self!r} needs for {n} parameters")
        if state.finished:
            return state
        state = self.evaluate(function, state)
        value, gradient = state.evaluation()
        if reason := obstacle(operations(gradient), value, gradient):
            return state.changed(value=None, gradient=None, finished=reason)
        projected = Projected(function, state.parameters)
        after = self._inner_step(projected, state, geometry or IDENTITY)
        reached = projected.whole(after.parameters)
        if after.step > state.step:
            return after.changed(parameters=reached)
        # Better linear parameters are a step, too.
        if after.value is not None and after.value < value:
            return advanced(state, reached, value=after.value, evaluations=after.evaluations)
        return state.changed(finished=after.finished, evaluations=after.evaluations)

    def numbers(self, n: int, steps: int) -> int:
        """Return how many numbers a step needs; see `Optimizer.numbers`."""
        if n > self.largest_triangle:
            raise ValueError(
                f"{self!r} cannot train {n} parameters, more than largest_triangle; "
                "LevenbergMarquardt can"
            )
        return super().numbers(n, steps) + MATRICES * (n + 1) ** 2

    def require_sound(self, state: LevenbergMarquardtState) -> None:
        """Raise ValueError unless a run could have reached this state."""
        self._inner.require_sound(state)

    def transfer(
        self,
        state: LevenbergMarquardtState,
        maps: TransferMaps,
        how: Literal["prolong", "reset"],
    ) -> LevenbergMarquardtState:
        """Carry a state through a refinement; see `Optimizer.transfer`."""
        return self._inner.transfer(state, maps, how)

    def _inner_step(
        self, projected: Projected, state: LevenbergMarquardtState, geometry: Geometry
    ) -> LevenbergMarquardtState:
        """Return the state after a step in the parameters that are not linear."""
        _, gradient = state.evaluation()
        on, start = operations(gradient), projected.start
        kept = on.without(gradient, projected.eliminated)
        inner = state.changed(parameters=start, gradient=kept)
        if projected.whole(start) is not state.parameters:
            inner = self.evaluate(projected, inner.changed(value=None, gradient=None))
        if start.shape[0] == 0:
            return inner.changed(finished="all parameters are linear, and the best")
        # Unknowns are not linear parameters: they are at the end of those that are left, too.
        return self._inner.step(projected, inner, Geometry(n_unknowns=geometry.n_unknowns))

    @property
    def _inner(self) -> LevenbergMarquardt:
        return FewRadii(largest_triangle=self.largest_triangle)
