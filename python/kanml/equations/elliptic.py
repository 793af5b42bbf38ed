"""Boundary value problems on the square, with manufactured solutions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array
from kanml.equations.base import ReferenceProblem, cospi, sinpi
from kanml.equations.conditions import Condition, lies_at, sides

__all__ = ["Biharmonic", "Helmholtz", "Poisson", "PoissonInterface"]

SQUARE = ((-1.0, 1.0), (-1.0, 1.0))
EDGES = sides({"x": (-1.0, 1.0), "y": (-1.0, 1.0)})


@dataclass(frozen=True)
class Poisson(ReferenceProblem):
    """Poisson's equation whose solution is a product of sines.

    ``-(u_xx + u_yy) = f`` on [-1, 1]^2, u = 0 on the boundary, with
    ``f = 2 m^2 pi^2 sin(m pi x) sin(m pi y)`` and the solution ``sin(m pi x) sin(m pi y)``.

    Parameters
    ----------
    waves : int
        The number m of waves across the square, at least 1.

    Notes
    -----
    The residuals of `terms`, with f = ``source(points)``:

    - volume: ``u.xx + u.yy + f``;
    - boundary: ``u``.

    Examples
    --------
    >>> from kanml.equations import Poisson
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

    def _conditions(self) -> dict[str, Condition]:
        m = self.waves * pi
        return {
            "volume": Condition(
                lambda u, x, y: u.xx + u.yy + 2 * m**2 * np.sin(m * x) * np.sin(m * y)
            ),
            "boundary": Condition(lambda u: u, EDGES),
        }

    def _values(self, *columns: Float64Array) -> Float64Array:
        x, y = columns
        return sinpi(self.waves * x) * sinpi(self.waves * y)


@dataclass(frozen=True)
class Helmholtz(ReferenceProblem):
    """The Helmholtz equation whose solution has waves of two lengths.

    ``u_xx + u_yy + k^2 u = q`` on [-1, 1]^2, u = 0 on the boundary, with
    ``q = (k^2 - (a1^2 + a2^2) pi^2) sin(a1 pi x) sin(a2 pi y)`` and the solution
    ``sin(a1 pi x) sin(a2 pi y)``.

    Parameters
    ----------
    a1, a2 : int
        The numbers of waves in x and y, at least 1.
    k : float
        The wave number, positive.

    Notes
    -----
    The residuals of `terms`, with q = ``source(points)``:

    - volume: ``u.xx + u.yy + k**2 * u - q``;
    - boundary: ``u``.

    Wang, Teng and Perdikaris, "Understanding and mitigating gradient flow pathologies in
    physics-informed neural networks", SIAM J. Sci. Comput. 43 (2021), use (a1, a2) = (1, 4) and
    k = 1.

    Examples
    --------
    >>> from kanml.equations import Helmholtz
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

    def _conditions(self) -> dict[str, Condition]:
        m1, m2, k2 = self.a1 * pi, self.a2 * pi, self.k**2
        q = k2 - m1**2 - m2**2
        return {
            "volume": Condition(
                lambda u, x, y: u.xx + u.yy + k2 * u - q * np.sin(m1 * x) * np.sin(m2 * y)
            ),
            "boundary": Condition(lambda u: u, EDGES),
        }

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
    Networks have the inputs (x, y, z) with ``z = |x|`` (see `level_set`), so they can bend at the
    interface. The direction s differentiates with respect to x on the side where a point lies:
    ``s = (1, 0, 1)`` for x >= 0 and ``(1, 0, -1)`` for x < 0. The directions ``p = (1, 0, 1)`` and
    ``m = (1, 0, -1)`` do so on the right and on the left of the interface. The residuals of
    `terms`, with f = ``source(points)`` and eps = ``diffusivity(points)``:

    - volume: ``eps * (u.ss + u.yy) - f``;
    - interface: ``0.5 * u.p - u.m``;
    - boundary: ``u``.

    Section 5.2.1 of Southworth, Actor, Harper and Cyr, arXiv:2603.04827.

    Examples
    --------
    >>> from kanml.equations import PoissonInterface
    >>> problem = PoissonInterface()
    >>> problem.solution([[-0.5, 0.5], [0.25, 0.5]]).ravel().tolist()
    [1.0, -1.0]
    >>> problem.level_set([[-0.5, 0.25]]).tolist()
    [[-0.5, 0.25, 0.5]]

    >>> import kanml
    >>> problem.relative_l2(kanml.KAN([3, 5, 1], intervals=4)) > 0.1
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

    @property
    def network_inputs(self) -> str:
        """The letters of the columns of `level_set`."""
        return "xyz"

    def network_points(self, points: npt.ArrayLike) -> Float64Array:
        """Return `level_set` of the points."""
        return self.level_set(points)

    def level_set(self, points: npt.ArrayLike) -> Float64Array:
        """Return ``(x, y, |x|)``, shape (N, 3), at points of shape (N, 2)."""
        x, y = self._columns(points)
        return np.stack([x, y, abs(x)], axis=1)

    def _conditions(self) -> dict[str, Condition]:
        def volume(u: Any, x: Any, y: Any) -> Any:
            wave = np.sin(3 * pi * y)
            f_left = -10 * pi**2 * np.sin(pi * x) * wave
            f_right = -6.5 * pi**2 * np.sin(2 * pi * x) * wave
            laplacian = u.ss + u.yy
            return np.where(x < 0, laplacian - f_left, 0.5 * laplacian - f_right)

        def own_side(points: Float64Array) -> Mapping[str, npt.ArrayLike]:
            directions = np.zeros((len(points), 3))
            directions[:, 0] = 1.0
            directions[:, 2] = np.where(points[:, 0] < 0, -1.0, 1.0)
            return {"s": directions}

        def both_sides(points: Float64Array) -> Mapping[str, npt.ArrayLike]:
            return {"p": (1.0, 0.0, 1.0), "m": (1.0, 0.0, -1.0)}

        return {
            "volume": Condition(volume, directions=own_side),
            "interface": Condition(lambda u: 0.5 * u.p - u.m, ({"x": 0.0},), both_sides),
            "boundary": Condition(lambda u: u, EDGES),
        }

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
    The residuals of `terms`, with f = ``source(points)``. The direction n is that of x if x is 0 or
    1, and that of y otherwise:

    - volume: ``u.xxxx + 2 * u.xxyy + u.yyyy - f``;
    - boundary: ``u`` and ``u.n``.

    Examples
    --------
    >>> from kanml.equations import Biharmonic
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

    def _conditions(self) -> dict[str, Condition]:
        def volume(u: Any, x: Any, y: Any) -> Any:
            s_x, s_y = np.sin(pi * x) ** 2, np.sin(pi * y) ** 2
            c_x, c_y = np.cos(2 * pi * x), np.cos(2 * pi * y)
            f = 8 * pi**4 * (c_x * c_y - c_x * s_y - s_x * c_y)
            return u.xxxx + 2 * u.xxyy + u.yyyy - f

        def normal(points: Float64Array) -> Mapping[str, npt.ArrayLike]:
            across = lies_at(points[:, 0], 0.0) | lies_at(points[:, 0], 1.0)
            return {"n": np.stack([across, ~across], axis=1).astype(np.float64)}

        edges = sides({"x": (0.0, 1.0), "y": (0.0, 1.0)})
        return {
            "volume": Condition(volume),
            "boundary": Condition(lambda u: (u, u.n), edges, normal),
        }

    def _values(self, *columns: Float64Array) -> Float64Array:
        x, y = columns
        values: Float64Array = (sinpi(x) * sinpi(y)) ** 2
        return values
