"""Sums of squares: functions that Gauss-Newton methods minimise."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

from numpy.typing import ArrayLike

from kanml._validation import FloatArray, real_array
from kanml.optim.matrices import Triangle
from kanml.optim.vectors import Vector, operations

__all__ = ["LeastSquares", "SumOfSquares"]


class SumOfSquares(ABC):
    """A function |r(theta)|^2 of parameters theta (n,) with m residuals r and their Jacobian J.

    Losses that are no squares fit in through rows of their own. These have 2 J^T r as their
    gradient and 2 J^T J as the Gauss-Newton matrix, while the value is that of the loss.

    Where the function does not exist, its value is infinite or NaN; no method raises for that.
    """

    @abstractmethod
    def __call__(self, theta: Vector) -> tuple[float, Vector]:
        """Return value and gradient (n,), 2 J^T r."""

    @abstractmethod
    def value(self, theta: Vector) -> float:
        """Return the value alone."""

    @abstractmethod
    def triangle(self, theta: Vector) -> Triangle:
        """Return the triangle of the rows [J r]."""

    @property
    def linear(self) -> slice:
        """The parameters in which residuals are affine, while all others are fixed.

        Raises
        ------
        TypeError
            If none are known, the default.
        """
        raise TypeError(f"a {type(self).__name__} does not know parameters that enter linearly")

    def linear_triangle(self, theta: Vector) -> Triangle:
        """Return the triangle of the columns of `linear`, and r; by default that of all reduced."""
        return self.triangle(theta).of_columns(self.linear)

    @abstractmethod
    def jvp(self, theta: Vector, v: Vector) -> Vector:
        """Return J v (m,) for a vector v (n,)."""

    @abstractmethod
    def vjp(self, theta: Vector, u: Vector) -> Vector:
        """Return J^T u (n,) for a vector u (m,)."""


class LeastSquares(SumOfSquares):
    """The sum of squares of residuals that are given as functions, with their Jacobian.

    Parameters
    ----------
    residuals : callable
        Maps parameters (n,) to the residuals (m,).
    jacobian : callable
        Maps parameters (n,) to the derivatives of the residuals (m, n).

    Raises
    ------
    TypeError
        If an argument is no function. Calls raise it for anything but real numbers, and ValueError
        for other shapes.

    Notes
    -----
    Results are converted to the dtype of the parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from kanml.optim import LeastSquares, LevenbergMarquardt
    >>> rosenbrock = LeastSquares(
    ...     residuals=lambda x: np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]]),
    ...     jacobian=lambda x: np.array([[-20 * x[0], 10.0], [-1.0, 0.0]]),
    ... )
    >>> rosenbrock.value(np.array([-1.2, 1.0])).__round__(6)
    24.2
    """

    def __init__(
        self,
        residuals: Callable[[Vector], ArrayLike],
        jacobian: Callable[[Vector], ArrayLike],
    ) -> None:
        for name, function in (("residuals", residuals), ("jacobian", jacobian)):
            if not callable(function):
                raise TypeError(f"{name} must be a function of the parameters, got {function!r}")
        self._residuals = residuals
        self._jacobian = jacobian
        self._last: tuple[Vector, FloatArray] | None = None

    def __call__(self, theta: Vector) -> tuple[float, Vector]:
        """Return value and gradient; see `SumOfSquares`."""
        residuals = self._residuals_at(theta)
        value = self._square(residuals)
        if not math.isfinite(value):
            return value, operations(theta).full(math.nan, theta)
        jacobian = self._jacobian_at(theta)
        if len(jacobian) != len(residuals):
            raise ValueError(
                f"jacobian must have a row for each of the {len(residuals)} residuals, "
                f"got shape {jacobian.shape}"
            )
        return value, 2 * (residuals @ jacobian)

    def value(self, theta: Vector) -> float:
        """Return the value; see `SumOfSquares`."""
        return self._square(self._residuals_at(theta))

    def triangle(self, theta: Vector) -> Triangle:
        """Return the triangle; see `SumOfSquares`."""
        return Triangle.of(self._jacobian_at(theta), self._residuals_at(theta))

    def jvp(self, theta: Vector, v: Vector) -> Vector:
        """Return J v; see `SumOfSquares`."""
        return self._jacobian_at(theta) @ v

    def vjp(self, theta: Vector, u: Vector) -> Vector:
        """Return J^T u; see `SumOfSquares`."""
        return u @ self._jacobian_at(theta)

    def _residuals_at(self, theta: Vector) -> FloatArray:
        residuals = real_array(self._residuals(theta), "residuals", theta.dtype)
        if residuals.ndim != 1:
            raise ValueError(f"residuals must return shape (m,), got shape {residuals.shape}")
        return residuals

    def _jacobian_at(self, theta: Vector) -> FloatArray:
        """Return the Jacobian; that of the last parameters is kept while nothing can change them.

        An optimizer asks for it several times at one point.
        """
        if self._last is not None and self._last[0] is theta and not theta.flags.writeable:
            return self._last[1]
        jacobian = real_array(self._jacobian(theta), "jacobian", theta.dtype)
        n = theta.shape[0]
        if jacobian.ndim != 2 or jacobian.shape[1] != n:
            raise ValueError(f"jacobian must return shape (m, {n}), got shape {jacobian.shape}")
        self._last = theta, jacobian
        return jacobian

    @staticmethod
    def _square(residuals: FloatArray) -> float:
        return operations(residuals).dot(residuals, residuals)
