"""Burgers' equation, solved by the transformation of Cole and Hopf."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kanml._validation import Float64Array
from kanml.equations.base import ReferenceProblem, cospi, sinpi
from kanml.equations.conditions import Condition, sides

__all__ = ["Burgers"]

NEGLIGIBLE = 42.0  # exp(-42) < 1e-18
CHUNK = 2**19  # numbers in one array of the quadrature
SERIES_FROM = 0.1  # the diffusion number nu t above which the Fourier series is summed


@dataclass(frozen=True)
class Burgers(ReferenceProblem):
    """Burgers' equation: a sine that steepens into a shock, at any viscosity.

    ``u_t + u u_x = nu u_xx`` for t in [0, 1] and x in [-1, 1], ``u(0, x) = -sin(pi x)``,
    ``u(t, -1) = u(t, 1) = 0``.

    Parameters
    ----------
    nu : float
        The viscosity, positive.

    Notes
    -----
    The residuals of `terms`:

    - volume: ``u.t + u * u.x - nu * u.xx``;
    - initial: ``u + np.sin(np.pi * x)``;
    - boundary: ``u``.

    The solution is ``u = -2 nu phi_x / phi``, where phi solves the heat equation:

        u(t, x) = -∫ sin(pi y) exp(-G(y)) dy / ∫ exp(-G(y)) dy,
        G(y) = cos(pi y) / (2 pi nu) + (x - y)^2 / (4 nu t),

    over the whole line. The integrands are entire, so the trapezoidal rule converges faster than
    any power of its step, which is half the smallest width that the weight exp(-G) can have. Each
    node is combined with its mirror image before the sum, which keeps the error small relative to u
    near x = 0 and, by symmetry, near x = 1. If nu t > 0.1, the Fourier series of phi is summed
    instead. The relative error of the result is at most 1e-12; the work grows as nu^(-1/2).

    The default nu = 0.01 / pi is that of Basdevant et al., "Spectral and finite difference
    solutions of the Burgers equation", Computers & Fluids 14 (1986). The steepest slope is then
    -152.00516, at x = 0 and t = 0.5105.

    Examples
    --------
    >>> import numpy as np
    >>> from kanml.equations import Burgers
    >>> problem = Burgers(nu=0.01 / np.pi)
    >>> problem.solution([[0.5, -1.0], [0.5, 0.5]]).round(6).ravel().tolist()
    [0.0, -0.59277]
    """

    inputs: ClassVar[str] = "tx"
    domain: ClassVar = ((0.0, 1.0), (-1.0, 1.0))

    nu: float = 0.01 / math.pi

    def __post_init__(self) -> None:
        self._require_positive("nu")

    def _conditions(self) -> dict[str, Condition]:
        return {
            "volume": Condition(lambda u: u.t + u * u.x - self.nu * u.xx),
            "initial": Condition(lambda u, x: u + np.sin(np.pi * x), ({"t": 0.0},)),
            "boundary": Condition(lambda u: u, sides({"x": (-1.0, 1.0)})),
        }

    def _values(self, *columns: Float64Array) -> Float64Array:
        """Return the solution; symmetry reduces it to distances in [0, 1/2] from x = 0 or 1."""
        t, x = columns
        size = abs(x)
        right = size > 0.5
        distance = np.where(right, 1.0 - size, size)
        values = -sinpi(distance)
        for side, sign in ((~right, 1.0), (right, -1.0)):
            for rule, mask in (
                (self._quadrature, (t > 0) & (self.nu * t <= SERIES_FROM)),
                (self._series, self.nu * t > SERIES_FROM),
            ):
                rows = np.flatnonzero(side & mask)
                if rows.size:
                    values[rows] = rule(t[rows], distance[rows], sign)
        return np.copysign(1.0, x) * values + 0.0  # no -0.0

    def _quadrature(self, t: Float64Array, x: Float64Array, sign: float) -> Float64Array:
        """Return the ratio of the integrals at t > 0 and x in [0, 1/2].

        With `sign` -1, x is the distance to 1, and so is the variable of integration.
        """
        step = np.minimum(np.sqrt(2 * self.nu * t / (1 + math.pi * t)) / 2, 1 / 32)
        # Beyond this distance G exceeds its value at x by NEGLIGIBLE, since its first part differs
        # by at most 1 / (pi nu), and by at most |x - y| / (2 nu).
        spread = 4 * self.nu * t * NEGLIGIBLE
        reach = np.minimum(np.sqrt(4 * t / math.pi + spread), t + np.sqrt(t**2 + spread))
        first = np.floor(np.maximum(x - reach, 0.0) / step)
        count = int(np.max(np.ceil((x + reach) / step) - first, initial=0)) + 1
        values = np.empty_like(x)
        size = max(1, CHUNK // count)
        for start in range(0, len(x), size):
            rows = slice(start, start + size)
            nodes = (first[rows, None] + np.arange(count, dtype=np.float64)) * step[rows, None]
            values[rows] = self._ratio(nodes, t[rows, None], x[rows, None], sign)
        return values

    def _ratio(
        self, y: Float64Array, t: Float64Array, x: Float64Array, sign: float
    ) -> Float64Array:
        """Return the ratio of the sums over the nodes y >= 0 and their mirror images."""
        phase = sign * cospi(y) / (2 * math.pi * self.nu) + (x - y) ** 2 / (4 * self.nu * t)
        weight = np.exp(phase.min(axis=1, keepdims=True) - phase)
        weight[y == 0.0] *= 0.5  # the node is its own image
        with np.errstate(over="ignore"):
            difference = np.expm1(-x * y / (self.nu * t))  # relative, of the image's weight
        numerator = (weight * difference * sinpi(y)).sum(axis=1)
        values: Float64Array = numerator / (weight * (2.0 + difference)).sum(axis=1)
        return values

    def _series(self, t: Float64Array, x: Float64Array, sign: float) -> Float64Array:
        """Return -2 nu phi_x / phi from the Fourier series of phi."""
        modes = 16
        y = np.arange(64) / 32
        initial = np.expm1(-sign * cospi(y) / (2 * math.pi * self.nu))
        coefficients = 2 * np.fft.rfft(initial).real[:modes] / len(y)
        coefficients[0] = 1 + coefficients[0] / 2
        n = np.arange(modes)
        decayed = coefficients * np.exp(-self.nu * (math.pi * n) ** 2 * t[:, None])
        phi = (decayed * cospi(n * x[:, None])).sum(axis=1)
        slope = -(decayed * math.pi * n * sinpi(n * x[:, None])).sum(axis=1)
        values: Float64Array = -2 * self.nu * sign * slope / phi
        return values
