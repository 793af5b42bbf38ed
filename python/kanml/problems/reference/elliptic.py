"""Boundary value problems on the square, with manufactured solutions."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array
from kanml.problems.reference.base import ReferenceProblem, cospi, sinpi

__all__ = ["Biharmonic", "Helmholtz", "Poisson", "PoissonInterface"]

SQUARE = ((-1.0, 1.0), (-1.0, 1.0))


@dataclass(frozen=True)
class Poisson(ReferenceProblem):
    """Poisson's equation with a product of sines.

    ``-(u_xx + u_yy) = f`` on [-1, 1]^2, u = 0 on the boundary, with
    ``f = 2 m^2 pi^2 sin(m pi x) sin(m pi y)`` and the solution ``sin(m pi x) sin(m pi y)``.

    Parameters
    ----------
    waves : int
        The number m of waves across the square, at least 1.

    Notes
    -----
    The residual, with f = ``source(points)``: ``u.xx + u.yy + f``.

    Examples
    --------
    >>> from kanml.problems import Poisson
    >>> problem = Poisson()
    >>> problem.solution([[0.5, 0.5], [0.5, -0.5], [1.0, 0.3]]).ravel().tolist()
    [1.0, -1.0, 0.0]
    >>> problem.relative_l2(lambda points: 1.25 * problem.solution(points))  # doctest: +ELLIPSIS
    0.25...
    """

    inputs: ClassVar[str] = "xy"
    domain: ClassVar = SQUARE

    waves: int = 1

    def __post_init__(self) -> None:
        self._require_integer("waves")

    def source(self, points: npt.ArrayLike) -> Float64Array:
        """Return f at points of shape (N, 2), as (N, 1)."""
        return 2 * (self.waves * pi) ** 2 * self.solution(points)

    def _values(self, *columns: Float64Array) -> Float64Array:
        x, y = columns
        return sinpi(self.waves * x) * sinpi(self.waves * y)


@dataclass(frozen=True)
class Helmholtz(ReferenceProblem):
    """The Helmholtz equation with waves of two lengths.

    ``u_xx + u_yy + k^2 u = q`` on [-1, 1]^2, u = 0 on the boundary, with
    ``q = (k^2 - (a1^2 + a2^2) pi^2) sin(a1 pi x) sin(a2 pi y)`` and the solution
    ``sin(a1 pi x) sin(a2 pi y)``.

    Parameters
    ----------
    a1, a2 : int
        Numbers of waves in x and y, at least 1.
    k : float
        The wave number, positive.

    Notes
    -----
    The residual, with q = ``source(points)``: ``u.xx + u.yy + k**2 * u - q``.

    Wang, Teng and Perdikaris, "Understanding and mitigating gradient flow pathologies in
    physics-informed neural networks", SIAM J. Sci. Comput. 43 (2021), take (a1, a2) = (1, 4)
    and k = 1.

    Examples
    --------
    >>> from kanml.problems import Helmholtz
    >>> Helmholtz(a1=1, a2=4).solution([[0.5, 0.125], [0.5, 0.5]]).ravel().tolist()
    [1.0, 0.0]
    """

    inputs: ClassVar[str] = "xy"
    domain: ClassVar = SQUARE

    a1: int = 1
    a2: int = 4
    k: float = 1.0

    def __post_init__(self) -> None:
        self._require_integer("a1")
        self._require_integer("a2")
        self._require_positive("k")

    def source(self, points: npt.ArrayLike) -> Float64Array:
        """Return q at points of shape (N, 2), as (N, 1)."""
        return (self.k**2 - (self.a1**2 + self.a2**2) * pi**2) * self.solution(points)

    def _values(self, *columns: Float64Array) -> Float64Array:
        x, y = columns
        return sinpi(self.a1 * x) * sinpi(self.a2 * y)


@dataclass(frozen=True)
class PoissonInterface(ReferenceProblem):
    """Poisson's equation in two materials that meet at x = 0.

    ``div(eps grad u) = f`` on [-1, 1]^2, u = 0 on the boundary, where

    - for x < 0: eps = 1, ``u = sin(pi x) sin(3 pi y)``, ``f = -10 pi^2 u``;
    - for x >= 0: eps = 1/2, ``u = sin(2 pi x) sin(3 pi y)``, ``f = -6.5 pi^2 u``.

    At the interface u and the flux eps u_x are continuous: ``u_x(-0, y) = u_x(+0, y) / 2``.

    Notes
    -----
    The residuals, with f = ``source(points)``. A network of the inputs (x, y, z) with z = |x|
    can bend at the interface (`level_set` makes them); the directions ``p = (1, 0, 1)`` and
    ``m = (1, 0, -1)`` differentiate by x to the right and to the left of it:

    - volume, x < 0: ``u.mm + u.yy - f``;
    - volume, x >= 0: ``0.5 * (u.pp + u.yy) - f``;
    - interface: ``0.5 * u.p - u.m``;
    - boundary: ``u``.

    Section 5.2.1 of Southworth, Actor, Harper and Cyr, arXiv:2603.04827.

    Examples
    --------
    >>> from kanml.problems import PoissonInterface
    >>> problem = PoissonInterface()
    >>> problem.solution([[-0.5, 0.5], [0.25, 0.5]]).ravel().tolist()
    [1.0, -1.0]
    >>> problem.level_set([[-0.5, 0.25]]).tolist()
    [[-0.5, 0.25, 0.5]]

    The error of a network of (x, y, z):

    >>> import kanml
    >>> net = kanml.KAN([3, 5, 1], intervals=4)
    >>> problem.relative_l2(lambda points: net(problem.level_set(points))) > 0.1
    True
    """

    inputs: ClassVar[str] = "xy"
    domain: ClassVar = SQUARE

    def diffusivity(self, points: npt.ArrayLike) -> Float64Array:
        """Return eps at points of shape (N, 2), as (N, 1)."""
        x, _ = self._columns(points)
        return np.where(x < 0, 1.0, 0.5)[:, None]

    def source(self, points: npt.ArrayLike) -> Float64Array:
        """Return f at points of shape (N, 2), as (N, 1)."""
        x, _ = self._columns(points)
        factor = np.where(x < 0, -10.0, -6.5)[:, None] * pi**2
        return factor * self.solution(points)

    def level_set(self, points: npt.ArrayLike) -> Float64Array:
        """Return (x, y, |x|), shape (N, 3), at points of shape (N, 2)."""
        x, y = self._columns(points)
        return np.stack([x, y, abs(x)], axis=1)

    def _values(self, *columns: Float64Array) -> Float64Array:
        x, y = columns
        return sinpi(np.where(x < 0, x, 2 * x)) * sinpi(3 * y)


@dataclass(frozen=True)
class Biharmonic(ReferenceProblem):
    """The bending of a clamped plate.

    ``u_xxxx + 2 u_xxyy + u_yyyy = f`` on [0, 1]^2, u = 0 and du/dn = 0 on the boundary, with the
    solution ``s(x) s(y)`` where ``s(x) = sin^2(pi x)``, and
    ``f = s''''(x) s(y) + 2 s''(x) s''(y) + s(x) s''''(y)``.

    Notes
    -----
    The residuals, with f = ``source(points)``:

    - volume: ``u.xxxx + 2 * u.xxyy + u.yyyy - f``;
    - boundary: ``u``, and ``u.x`` where x is 0 or 1, ``u.y`` where y is 0 or 1.

    Examples
    --------
    >>> from kanml.problems import Biharmonic
    >>> Biharmonic().solution([[0.5, 0.5], [0.0, 0.7]]).ravel().tolist()
    [1.0, 0.0]
    """

    inputs: ClassVar[str] = "xy"
    domain: ClassVar = ((0.0, 1.0), (0.0, 1.0))

    def source(self, points: npt.ArrayLike) -> Float64Array:
        """Return f at points of shape (N, 2), as (N, 1)."""
        x, y = self._columns(points)
        s_x, s_y = sinpi(x) ** 2, sinpi(y) ** 2
        c_x, c_y = cospi(2 * x), cospi(2 * y)  # s'' = 2 pi^2 c and s'''' = -8 pi^4 c
        f: Float64Array = 8 * pi**4 * (c_x * c_y - c_x * s_y - s_x * c_y)
        return f[:, None]

    def _values(self, *columns: Float64Array) -> Float64Array:
        x, y = columns
        values: Float64Array = (sinpi(x) * sinpi(y)) ** 2
        return values
