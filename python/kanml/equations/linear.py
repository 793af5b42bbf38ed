"""Linear evolution equations whose solutions are waves."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import ClassVar

import numpy as np

from kanml._validation import Float64Array
from kanml.equations.base import ReferenceProblem, sinpi
from kanml.equations.conditions import Condition, sides

__all__ = ["Advection", "Heat"]


@dataclass(frozen=True)
class Heat(ReferenceProblem):
    """The heat equation on a rod with cold ends.

    ``u_t = alpha u_xx`` for t and x in [0, 1], ``u(0, x) = sin(m pi x)``,
    ``u(t, 0) = u(t, 1) = 0``; the solution is ``exp(-alpha m^2 pi^2 t) sin(m pi x)``.

    Parameters
    ----------
    alpha : float
        The diffusivity, positive.
    waves : int
        The number m of half waves on the rod, at least 1.

    Notes
    -----
    The residuals of `terms`:

    - volume: ``u.t - alpha * u.xx``;
    - initial: ``u - np.sin(waves * np.pi * x)``;
    - boundary: ``u``.

    Examples
    --------
    >>> from kanml.equations import Heat
    >>> Heat(alpha=0.1, waves=2).solution([[0.0, 0.25], [0.4, 0.5], [0.3, 1.0]]).ravel().tolist()
    [1.0, 0.0, 0.0]
    """

    inputs: ClassVar[str] = "tx"
    domain: ClassVar = ((0.0, 1.0), (0.0, 1.0))

    alpha: float = 0.1
    waves: int = 1

    def __post_init__(self) -> None:
        self._require_positive("alpha")
        self._require_integer("waves")

    def _conditions(self) -> dict[str, Condition]:
        frequency = self.waves * pi
        return {
            "volume": Condition(lambda u: u.t - self.alpha * u.xx),
            "initial": Condition(lambda u, x: u - np.sin(frequency * x), ({"t": 0.0},)),
            "boundary": Condition(lambda u: u, sides({"x": (0.0, 1.0)})),
        }

    def _values(self, *columns: Float64Array) -> Float64Array:
        t, x = columns
        values: Float64Array = np.exp(-self.alpha * (self.waves * pi) ** 2 * t)
        return values * sinpi(self.waves * x)


@dataclass(frozen=True)
class Advection(ReferenceProblem):
    """A sine carried around a circle, many times at high speed.

    ``u_t + c u_x = 0`` for t in [0, 1] and x in [0, 2 pi], periodic in x, ``u(0, x) = sin(x)``;
    the solution is ``sin(x - c t)``.

    Parameters
    ----------
    c : float
        The speed, positive.

    Notes
    -----
    The residuals of `terms`:

    - volume: ``u.t + c * u.x``;
    - initial: ``u - np.sin(x)``;
    - boundary: u at x = 0 minus u at x = 2 pi.

    Krishnapriyan, Gholami, Zhe, Kirby and Mahoney, "Characterizing possible failure modes in
    physics-informed neural networks", NeurIPS 2021, train at c = 30 and fail.

    Examples
    --------
    >>> import numpy as np
    >>> from kanml.equations import Advection
    >>> Advection(c=30.0).solution([[0.0, np.pi / 2], [0.1, 3.0]]).ravel().tolist()
    [1.0, 0.0]
    """

    inputs: ClassVar[str] = "tx"
    domain: ClassVar = ((0.0, 1.0), (0.0, 2 * pi))

    c: float = 30.0

    def __post_init__(self) -> None:
        self._require_positive("c")

    def _conditions(self) -> dict[str, Condition]:
        return {
            "volume": Condition(lambda u: u.t + self.c * u.x),
            "initial": Condition(lambda u, x: u - np.sin(x), ({"t": 0.0},)),
            "boundary": Condition(
                lambda u, u_partner: u - u_partner, ({"x": 0.0},), opposite={"x": 2 * pi}
            ),
        }

    def _values(self, *columns: Float64Array) -> Float64Array:
        t, x = columns
        values: Float64Array = np.sin(x - self.c * t)
        return values
