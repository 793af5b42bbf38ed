"""The library's own settings for its reference problems."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from kanml._validation import Float64Array, FloatArray
from kanml.equations import (
    AllenCahn,
    Burgers,
    Helmholtz,
    KortewegDeVries,
    PoissonInterface,
    ReferenceProblem,
)
from kanml.layers import Affine, Layer, PeriodicEmbedding
from kanml.network import KAN, Network
from kanml.optim import SSBroyden
from kanml.problems import PINN, Term
from kanml.training import RESTARTS

__all__ = ["SETTINGS", "Setting"]

OPTIMIZER = SSBroyden()
ROUNDING = 1e-12  # of times on a grid


@dataclass(frozen=True)
class Setting:
    """How a problem is solved.

    Attributes
    ----------
    equation : ReferenceProblem
    about : str
        The network and its points.
    network : callable
        Makes the network on the coarsest grid from a seed.
    problem : callable
        Makes the loss.
    schedule : tuple of int
        The steps of each level.
    elsewhere : tuple of str
        Errors that others print, with their method, the size of the network and the time.
    restarts : int
        The number of other starts that are tried.
    known : callable, optional
        Values at points (N, d), shape (N,), that are added to the solution of the problem, for what
        a smooth network cannot represent.
    times : (float, float), optional
        The interval of the first input on which the network is the solution; all by default.
    """

    equation: ReferenceProblem
    about: str
    network: Callable[[int], Network]
    problem: Callable[[], PINN]
    schedule: tuple[int, ...]
    elsewhere: tuple[str, ...] = ()
    restarts: int = RESTARTS
    known: Callable[[Float64Array], Float64Array] | None = None
    times: tuple[float, float] | None = None

    def solution(self, problem: PINN, net: Network, points: Float64Array) -> FloatArray:
        """Return the solution that a network represents at points (N, d), shape (N, 1)."""
        values = problem.solution(net, points)
        return values if self.known is None else values + self.known(points)[:, None]

    def error(self, problem: PINN, net: Network) -> float:
        """Return the relative L2 error of the solution that a network represents."""
        error, exact = difference(self.equation, partial(self.solution, problem, net), self.times)
        return float(np.linalg.norm(error) / np.linalg.norm(exact))


def difference(
    equation: ReferenceProblem,
    solution: Callable[[Float64Array], FloatArray],
    times: tuple[float, float] | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return the error of a solution, and the exact one, both at N of 201 x 201 points, (N, 1).

    Only points with the first input in `times` count.
    """
    points = equation.grid()
    if times is not None:
        start, end = times[0] - ROUNDING, times[1] + ROUNDING
        points = points[(start <= points[:, 0]) & (points[:, 0] <= end)]
    exact = equation.solution(points)
    return solution(equation.network_points(points)) - exact, exact


def lattice(
    domain: Sequence[tuple[float, float]],
    n: int,
    concentrate: Callable[[Float64Array], Float64Array] | None = None,
) -> Float64Array:
    """Return n points that fill the domain evenly but share no coordinates.

    On a grid, a network of splines along the inputs can be right at every point and wrong between
    them. These are the points of a Kronecker sequence with the plastic number, the root of
    p^3 = p + 1: x_i = (i / p, i / p^2) mod 1.

    Parameters
    ----------
    domain : sequence of (float, float)
        The ends of the two inputs.
    n : int
    concentrate : callable, optional
        A map of [-1, 1] into itself for the second coordinate of every other point, which makes
        points denser where it is flat.
    """
    plastic = 1.3247179572447460
    unit = (0.5 + np.outer(np.arange(1, n + 1), [1 / plastic, 1 / plastic**2])) % 1.0
    low, high = np.array(domain).T
    points: Float64Array = low + (high - low) * unit
    if concentrate is not None:
        points[::2, 1] = concentrate(points[::2, 1])
    return points


def kan(widths: Sequence[int], *front: Layer) -> Callable[[int], Network]:
    """Return what makes a network of degree 5 on the coarsest grid, with other layers in front.

    The tanh between its layers keeps values inside the domains, where splines are smooth.
    """
    return lambda seed: KAN(
        widths, degree=5, intervals=4, activation="tanh", front=front, seed=seed
    )


def _sinh(strength: float) -> Callable[[Float64Array], Float64Array]:
    """Return a map of [-1, 1] onto itself that is flat at 0."""
    return lambda x: np.sinh(strength * x) / np.sinh(strength)


def _to_the_ends(width: float) -> Callable[[Float64Array], Float64Array]:
    """Return a map of [-1, 1] into its ends, no farther from them than a width."""
    return lambda x: np.sign(x) * (1 - width * np.abs(x))


def _on_square(u: Any, x: Any, y: Any) -> Any:
    return (1 - x**2) * (1 - y**2) * u


def _poisson() -> Setting:
    equation = PoissonInterface()
    points = {
        "volume": lattice(equation.domain, 4096),
        "interface": equation.equispaced("interface", 99),
    }
    return Setting(
        equation,
        "[3,12,1] of (x, y, |x|), 4096 points, 99 at the interface; zero on the boundary exactly",
        kan([3, 12, 1]),
        lambda: equation.pinn(
            points, weights={"volume": 1e-3, "interface": 1e-1}, transform=_on_square
        ),
        (1000, 3000, 9000),
    )


def _helmholtz() -> Setting:
    equation = Helmholtz(a1=1, a2=4)
    return Setting(
        equation,
        "[2,13,1] without tanh, 4096 points; zero on the boundary exactly; starts as linear maps,\n"
        "which suit the solution, a product of waves along the inputs, best",
        lambda seed: KAN(
            [2, 13, 1],
            degree=5,
            intervals=4,
            extrapolation="polynomial",
            start="linear",
            seed=seed,
        ),
        lambda: equation.pinn(
            {"volume": lattice(equation.domain, 4096)},
            weights={"volume": 1e-3},
            transform=_on_square,
        ),
        (1000, 3000, 12_000),
        restarts=0,
    )


def _burgers(nu: float, n: int, strength: float, *elsewhere: str) -> Setting:
    equation = Burgers(nu)
    return Setting(
        equation,
        f"[2,8,8,1], {n} points, half of them near x = 0; initial and boundary values exactly",
        kan([2, 8, 8, 1], Affine.normalising([0, -1], [1, 1])),
        lambda: equation.pinn(
            {"volume": lattice(equation.domain, n, _sinh(strength))},
            transform=lambda u, t, x: -np.sin(np.pi * x) + t * (1 - x**2) * u,
        ),
        (1000, 3000, 9000),
        elsewhere,
    )


def circle(start: float, end: float) -> tuple[Layer, Layer]:
    """Return layers (t, x) -> (t, cos(pi x), sin(pi x)), t from (start, end) to (-1, 1)."""
    time = Affine.normalising([start], [end])
    onto = Affine([time.scale.item(), 1, 1], [time.shift.item(), 0, 0])
    return PeriodicEmbedding(2, {1: 2.0}), onto


def _allen_cahn() -> Setting:
    """Return a setting that adds what a smooth network cannot represent: the corner at x = 1."""
    equation = AllenCahn(eps=1e-4)
    eps = equation.eps

    def problem() -> PINN:
        between_fronts = lattice(equation.domain, 6000, lambda x: 0.6 * x)
        at_the_corner = lattice(equation.domain, 1600, _to_the_ends(0.06))[::2]
        points = np.concatenate([between_fronts, at_the_corner])
        corner = equation.corner(points)
        term = Term(
            "volume",
            points,
            lambda u: u.t - eps * u.xx - 5 * (u + corner) + 5 * (u + corner) ** 3,
        )
        return PINN(
            equation.inputs,
            [term],
            transform=lambda u, t, x: x**2 * np.cos(np.pi * x) + t * u,
        )

    return Setting(
        equation,
        "[3,8,8,1] of (t, cos(pi x), sin(pi x)), 6800 points, 3000 of them between the fronts and\n"
        "800 near x = 1; initial values exactly, and the corner that they have at x = 1",
        kan([2, 8, 8, 1], *circle(0, 1)),
        problem,
        (1000, 3000, 9000),
        ("9.4e-7: SSBroyden (arXiv:2501.16371), 2019 parameters",),
        known=equation.corner,
    )


def korteweg_de_vries(equation: KortewegDeVries) -> Setting:
    """Return a setting with one network for all times."""
    residual = equation.terms({"volume": 1})[0].residual

    def early_first(u: Any, t: Any) -> Any:
        """Return the residual, damped with time, since early errors propagate."""
        return np.exp(-1.5 * t) * residual(u)

    return Setting(
        equation,
        "[3,8,8,1] of (t, cos(pi x), sin(pi x)), 6000 points; initial values exactly; early times\n"
        "weighted more",
        kan([2, 8, 8, 1], *circle(0, 1)),
        lambda: PINN(
            equation.inputs,
            [Term("volume", lattice(equation.domain, 6000), early_first)],
            transform=lambda u, t, x: np.cos(np.pi * x) + t * u,
        ),
        (1000, 3000, 9000),
    )


SETTINGS = {
    "poisson-interface": _poisson(),
    "helmholtz": _helmholtz(),
    "burgers": _burgers(
        1e-2,
        4096,
        4.0,
        "8.0e-14: DSGNAR (arXiv:2607.02194), 11,285 parameters, 346 s on an NVIDIA H100",
    ),
    "burgers-shock": _burgers(
        0.01 / math.pi,
        6000,
        5.0,
        "1.6e-8: SSBroyden (arXiv:2501.16371), 3021 parameters, 2878 s",
    ),
    "allen-cahn": _allen_cahn(),
    "korteweg-de-vries": korteweg_de_vries(KortewegDeVries()),
}
