"""Spline spaces: knots and the local evaluation of B-splines."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kanml import _core
from kanml._validation import MAX_SIZE, Float64Array, finite, integer, real_array

__all__ = ["SplineSpace"]


class SplineSpace:
    """Splines of one degree on strictly increasing breakpoints.

    The basis consists of the B-splines of de Boor, normalised to sum to one on the domain. The
    knots are the breakpoints ``t_0 = a < ... < t_n = b`` and `degree` ghost knots on either side,
    which continue the spacing of the end interval; no knot is repeated. The functions on [a, b] do
    not depend on the ghost knots, but their coefficients do.

    Parameters
    ----------
    breakpoints : array_like, shape (n + 1,)
        Strictly increasing and finite, including the ends of the domain.
    degree : int
        Polynomial degree, 1 to 5 (SciPy's ``k``).

    Raises
    ------
    ValueError
        If the breakpoints are not finite and strictly increasing, or the degree is unsupported.
    TypeError
        If the breakpoints are not real numbers or the degree is not an integer.

    Examples
    --------
    >>> import kanml
    >>> space = kanml.SplineSpace([0.0, 0.5, 2.0], degree=3)
    >>> space.dim, space.intervals, space.domain
    (5, 2, (0.0, 2.0))
    >>> first, values = space.basis([0.25])
    >>> float(values.sum())
    1.0
    """

    __slots__ = ("_core", "breakpoints", "knots")

    _core: _core.SplineSpace
    breakpoints: Float64Array
    knots: Float64Array

    def __init__(self, breakpoints: npt.ArrayLike, degree: int) -> None:
        points = real_array(breakpoints, "breakpoints")
        if points.ndim != 1 or points.size < 2:
            raise ValueError(
                f"breakpoints must have shape (n + 1,) with n >= 1, got shape {points.shape}"
            )
        integer(points.size - 1, "the number of intervals", 1, MAX_SIZE)
        finite(points, "breakpoints")
        points = points + 0.0  # -0.0 becomes 0.0: equal spaces have equal bytes, and equal hashes
        degree = integer(degree, "degree", _core.min_degree, _core.max_degree)
        (stuck,) = np.nonzero(points[1:] <= points[:-1])
        if stuck.size:
            i = int(stuck[0])
            raise ValueError(
                "breakpoints must be strictly increasing, got "
                f"breakpoints[{i}] = {points[i]} and breakpoints[{i + 1}] = {points[i + 1]}"
            )
        with np.errstate(over="ignore"):
            shortest = float(np.diff(points).min())
        if shortest < np.finfo(np.float64).tiny:
            raise ValueError(
                f"intervals must have a length of at least {np.finfo(np.float64).tiny:.3g}, whose "
                f"reciprocal is a float64, got {shortest:.3g}"
            )
        try:
            self._core = _core.SplineSpace(points, degree)
        except ValueError as error:
            raise ValueError(
                f"breakpoints from {points[0]} to {points[-1]} are too close or too far apart for "
                f"float64 knots of degree {degree}: {error}"
            ) from None
        self.breakpoints = _read_only(self._core.breakpoints)
        self.knots = _read_only(self._core.knots)

    @classmethod
    def uniform(cls, a: float, b: float, intervals: int, degree: int) -> SplineSpace:
        """Return the space on `intervals` equal intervals of [a, b].

        Parameters
        ----------
        a, b : float
            The ends of the domain, a < b.
        intervals, degree : int
            The number of intervals, and the degree as in `SplineSpace`.

        Raises
        ------
        ValueError
            If a and b are not finite with a < b, or as in `SplineSpace`.

        Examples
        --------
        >>> import kanml
        >>> kanml.SplineSpace.uniform(-1, 1, intervals=4, degree=3).breakpoints
        array([-1. , -0.5,  0. ,  0.5,  1. ])
        """
        ends = finite(real_array([a, b], "domain"), "domain")
        if not ends[0] < ends[1]:
            raise ValueError(f"the domain must have a < b, got a = {a} and b = {b}")
        count = integer(intervals, "intervals", 1, MAX_SIZE)
        return cls(np.linspace(ends[0], ends[1], count + 1), degree)

    @property
    def degree(self) -> int:
        """Polynomial degree."""
        return self._core.degree

    @property
    def order(self) -> int:
        """Order: degree + 1."""
        return self.degree + 1

    @property
    def intervals(self) -> int:
        """Number of knot intervals on the domain."""
        return self._core.intervals

    @property
    def dim(self) -> int:
        """Number of basis functions: intervals + degree."""
        return self._core.dim

    @property
    def domain(self) -> tuple[float, float]:
        """The ends a and b."""
        return self._core.lower, self._core.upper

    def basis(
        self, x: npt.ArrayLike, derivative: int = 0
    ) -> tuple[npt.NDArray[np.int64], Float64Array]:
        """Return the degree + 1 basis functions that are nonzero at each point.

        Parameters
        ----------
        x : array_like, shape (N,)
            Points in the domain. NaN gives NaN.
        derivative : int
            Order of the derivative, 0 to degree. The derivative of order `degree` jumps at the
            breakpoints; it is taken from the right, and from the left at the upper end.

        Returns
        -------
        first : ndarray of int64, shape (N,)
            Index of the first of these functions.
        values : ndarray, shape (N, degree + 1)
            Their values, by the Cox-de Boor recursion.

        Raises
        ------
        ValueError
            If a point lies outside the domain.
        """
        return self._core.basis(self._points(x), self._derivative(derivative))

    def design_matrix(self, x: npt.ArrayLike, derivative: int = 0) -> Float64Array:
        """Return all basis functions at each point, including those that are zero there.

        Layers never form this matrix; they use the entries that `basis` returns.

        Parameters
        ----------
        x, derivative
            As in `basis`.

        Returns
        -------
        ndarray, shape (N, dim)
        """
        first, values = self.basis(x, derivative)
        matrix = np.zeros((first.size, self.dim))
        np.put_along_axis(matrix, first[:, None] + np.arange(self.order), values, axis=1)
        return matrix

    def evaluate(
        self, coefficients: npt.ArrayLike, x: npt.ArrayLike, derivative: int = 0
    ) -> Float64Array:
        """Evaluate splines.

        Parameters
        ----------
        coefficients : array_like, shape (..., dim)
        x, derivative
            As in `basis`.

        Returns
        -------
        ndarray, shape (..., N)

        Examples
        --------
        >>> import kanml
        >>> space = kanml.SplineSpace.uniform(0, 1, intervals=3, degree=2)
        >>> space.evaluate([1, 1, 1, 1, 1], [0.0, 0.3, 1.0])
        array([1., 1., 1.])
        """
        array = real_array(coefficients, "coefficients")
        if array.ndim == 0 or array.shape[-1] != self.dim:
            raise ValueError(f"coefficients must have shape (..., {self.dim}), got {array.shape}")
        points = self._points(x)
        values = self._core.evaluate(array, points, self._derivative(derivative))
        return values.reshape(*array.shape[:-1], points.size)

    def refine(self, factor: int = 2) -> SplineSpace:
        """Return the space with every interval divided into `factor` equal parts.

        Parameters
        ----------
        factor : int
            At least 2.

        Raises
        ------
        ValueError
            If there were too many intervals, or intervals too short for float64.
        """
        factor = integer(factor, "factor", 2)
        if factor * self.intervals > MAX_SIZE:
            raise ValueError(
                f"factor must lead to at most {MAX_SIZE} intervals, got {factor} for "
                f"{self.intervals} intervals"
            )
        left, width = self.breakpoints[:-1, None], np.diff(self.breakpoints)[:, None]
        inner = left + width * (np.arange(factor) / factor)
        return SplineSpace(np.append(inner.ravel(), self.breakpoints[-1]), self.degree)

    def insert(self, new_breakpoints: npt.ArrayLike) -> SplineSpace:
        """Return the space with additional breakpoints.

        Parameters
        ----------
        new_breakpoints : array_like
            Strictly inside the domain, in any order; none is a breakpoint already.

        Raises
        ------
        ValueError
            If a new breakpoint is not as described.
        """
        new = finite(real_array(new_breakpoints, "new_breakpoints"), "new_breakpoints").ravel()
        a, b = self.domain
        for t in new[~((new > a) & (new < b))]:
            raise ValueError(f"new_breakpoints must lie strictly inside ({a}, {b}), got {t}")
        for t in new[np.isin(new, self.breakpoints)]:
            raise ValueError(f"new_breakpoints must be new, but {t} is already a breakpoint")
        return SplineSpace(np.sort(np.concatenate([self.breakpoints, new])), self.degree)

    def _points(self, x: npt.ArrayLike) -> Float64Array:
        points = real_array(x, "x")
        if points.ndim != 1:
            raise ValueError(f"x must have shape (N,), got shape {points.shape}")
        a, b = self.domain
        (outside,) = np.nonzero((points < a) | (points > b))
        if outside.size:
            i = int(outside[0])
            raise ValueError(f"x[{i}] = {points[i]} lies outside the domain [{a}, {b}]")
        return points

    def _derivative(self, derivative: int) -> int:
        return integer(derivative, "derivative", 0, self.degree)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SplineSpace):
            return NotImplemented
        return self is other or (
            self.degree == other.degree and np.array_equal(self.breakpoints, other.breakpoints)
        )

    def __hash__(self) -> int:
        return hash((self.degree, self.breakpoints.tobytes()))

    @property
    def _evenly_spaced(self) -> bool:
        """Whether the breakpoints are those of `uniform`, up to rounding errors."""
        a, b = self.domain
        even = np.linspace(a, b, self.intervals + 1)
        rounding = 4 * np.finfo(np.float64).eps * max(abs(a), abs(b))
        return bool(np.abs(self.breakpoints - even).max() <= rounding)

    def __repr__(self) -> str:
        if self._evenly_spaced:
            a, b = self.domain
            return (
                f"SplineSpace.uniform({a}, {b}, intervals={self.intervals}, degree={self.degree})"
            )
        points = list(map(str, self.breakpoints.tolist()))
        if len(points) > 20:
            points = [*points[:3], "...", *points[-2:]]
        return f"SplineSpace([{', '.join(points)}], degree={self.degree})"

    def __reduce__(self) -> tuple[type[SplineSpace], tuple[Float64Array, int]]:
        return SplineSpace, (self.breakpoints, self.degree)


def _read_only(array: Float64Array) -> Float64Array:
    array.setflags(write=False)
    return array
