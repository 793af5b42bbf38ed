"""Units of the unknowns of a problem, in which steps of least squares are measured.

The parameters of a network have one size, while an unknown of a problem may have any: a modulus of
1e9, a diffusivity of 1e-9. Its column of the Jacobian is then that much shorter or longer than
those of the network. A length |p| of steps says nothing in such units, and where the quotient comes
near the rounding of the Jacobian, the shorter columns count as zero. So each unknown has a unit in
which its column is about as long as the root mean square of the network's. The network's parameters
keep theirs: many have short columns, since few samples meet their functions, and such steps must
stay short.

Units are powers of two, so that they round nothing. They follow from the Jacobian at the present
parameters alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kanml.optim.least_squares import SumOfSquares
from kanml.optim.matrices import Triangle
from kanml.optim.vectors import Vector, operations

__all__ = ["InUnits", "Units"]

MOST = 100  # the largest exponent: in float32, a unit and its inverse are numbers of full precision


class Units:
    """Units of the last parameters; those of all others are 1.

    Parameters
    ----------
    lengths : sequence of float
        Those of the columns of the unknowns.
    typical : float
        That of a column of the network.
    like : vector (n,)
    """

    def __init__(self, lengths: Sequence[float], typical: float, like: Vector) -> None:
        longest = max(lengths, default=0.0)
        if typical < math.ldexp(longest, -MOST):  # the network has no effect, or next to none
            typical = longest
        self._sizes = [_unit(typical, length) for length in lengths]
        self._any = any(size != 1.0 for size in self._sizes)
        if self._any:
            on = operations(like)
            last = _last(len(self._sizes), like)
            ones = on.full(1.0, like)
            network = on.without(ones, last)
            self._units = on.joined(network, last, on.vector(self._sizes, like))
            self._inverse = on.quotient(ones, self._units)

    @classmethod
    def of_triangle(cls, triangle: Triangle, count: int, like: Vector) -> Units:
        """Return those of the last `count` columns of a triangle."""
        lengths = triangle.lengths
        network = len(lengths) - count
        typical = _root_mean_square(math.hypot(*lengths[:network]), network)
        return cls(lengths[network:], typical, like)

    @classmethod
    def of_products(cls, function: SumOfSquares, theta: Vector, count: int) -> Units:
        """Return those of the last `count` parameters, by as many products with J and one with J^T.

        The squares of the entries of J^T z are on average those of the lengths of columns, if the
        signs of z are random.
        """
        if count == 0:
            return cls([], 0.0, theta)
        on, last = operations(theta), _last(count, theta)
        columns = [
            function.jvp(theta, _unit_vector(j, theta)) for j in range(last.start, last.stop)
        ]
        row = function.vjp(theta, on.signs(0, columns[0]))
        typical = _root_mean_square(on.norm(on.without(row, last)), last.start)
        return cls([on.norm(column) for column in columns], typical, theta)

    def measured(self, vector: Vector) -> Vector:
        """Return parameters or a step (n,) in these units."""
        return operations(vector).quotient(vector, self._units) if self._any else vector

    def unmeasured(self, vector: Vector) -> Vector:
        """Return what is measured in these units as parameters (n,); also a gradient in them."""
        return operations(vector).quotient(vector, self._inverse) if self._any else vector

    def of_columns(self, triangle: Triangle) -> Triangle:
        """Return the triangle of derivatives with respect to what is measured."""
        if not self._any:
            return triangle
        return triangle.times([1.0] * (triangle.n - len(self._sizes)) + self._sizes)


class InUnits(SumOfSquares):
    """A sum of squares whose derivatives are those with respect to what units measure."""

    def __init__(self, function: SumOfSquares, units: Units) -> None:
        self._function, self._units = function, units

    def __call__(self, theta: Vector) -> tuple[float, Vector]:
        """Return value and gradient (n,)."""
        value, gradient = self._function(theta)
        return value, self._units.unmeasured(gradient)

    def value(self, theta: Vector) -> float:
        """Return the value."""
        return self._function.value(theta)

    def triangle(self, theta: Vector) -> Triangle:
        """Return the triangle of the rows."""
        return self._units.of_columns(self._function.triangle(theta))

    def jvp(self, theta: Vector, v: Vector) -> Vector:
        """Return J v (m,)."""
        return self._function.jvp(theta, self._units.unmeasured(v))

    def vjp(self, theta: Vector, u: Vector) -> Vector:
        """Return J^T u (n,)."""
        return self._units.unmeasured(self._function.vjp(theta, u))


def _root_mean_square(norm: float, count: int) -> float:
    return norm / math.sqrt(count) if count else 0.0


def _unit(typical: float, length: float) -> float:
    """Return the unit of a column; 1 where one is zero, or says nothing."""
    if not (0 < typical < math.inf and 0 < length < math.inf):
        return 1.0
    exponent = math.frexp(typical)[1] - math.frexp(length)[1]
    return math.ldexp(1.0, max(-MOST, min(MOST, exponent)))


def _last(count: int, like: Vector) -> slice:
    n = like.shape[0]
    return slice(n - count, n)


def _unit_vector(place: int, like: Vector) -> Vector:
    on, part = operations(like), slice(place, place + 1)
    return on.joined(on.full(0.0, on.without(like, part)), part, on.vector([1.0], like))
