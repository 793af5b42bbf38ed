"""The library's own settings for its reference problems, with their accuracy and time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kanml._validation import Float64Array
from kanml.equations import (
    AllenCahn,
    Burgers,
    Helmholtz,
    KortewegDeVries,
    PoissonInterface,
    ReferenceProblem,
)
from kanml.experiments.outputs import draw_picture
from kanml.experiments.runs import Error, ErrorCurve, uninterrupted
from kanml.experiments.tables import heading
from kanml.layers import Affine, Layer, PeriodicEmbedding
from kanml.network import KAN, Network
from kanml.optim import LBFGS
from kanml.plotting import figure, plot_errors
from kanml.problems import PINN, Term
from kanml.threads import get_num_threads
from kanml.training import RESTARTS, Result, train

__all__ = ["SETTINGS", "Setting", "solve"]

MEASUREMENTS = 40  # of the error in each run
OPTIMIZER = LBFGS(memory=300)
SUMMARY = "{:20s}{:15d}{:15.0f}{:15.1e}{:15.1e}"


@dataclass(frozen=True)
class Setting:
    """How a problem is solved.

    Attributes
    ----------
    equation : ReferenceProblem
    about : str
        One line: the network and its points.
    network : callable
        Makes the network on the coarsest grid.
    problem : callable
        Makes the loss.
    schedule : tuple of int
        The steps of each level.
    restarts : int
        The number of other starts that are tried.
    """

    equation: ReferenceProblem
    about: str
    network: Callable[[], Network]
    problem: Callable[[], PINN]
    schedule: tuple[int, ...]
    restarts: int = RESTARTS

    def error(self, problem: PINN, net: Network) -> float:
        """Return the relative L2 error of the solution of `problem` that a network represents."""
        return self.equation.relative_l2(partial(problem.solution, net))


def lattice(
    equation: ReferenceProblem,
    n: int,
    concentrate: Callable[[Float64Array], Float64Array] | None = None,
) -> Float64Array:
    """Return n points that fill the domain evenly but share no coordinates.

    On a grid, a network of splines along the inputs can be right at every point and wrong between
    them. These are the points of a Kronecker sequence with the plastic number, the root of
    p^3 = p + 1: x_i = (i / p, i / p^2) mod 1.

    Parameters
    ----------
    equation : ReferenceProblem
    n : int
    concentrate : callable, optional
        A map of [-1, 1] onto itself for the second coordinate of every other point, which makes
        points denser where it is flat.
    """
    plastic = 1.3247179572447460
    unit = (0.5 + np.outer(np.arange(1, n + 1), [1 / plastic, 1 / plastic**2])) % 1.0
    low, high = np.array(equation.domain).T
    points: Float64Array = low + (high - low) * unit
    if concentrate is not None:
        points[::2, 1] = concentrate(points[::2, 1])
    return points


def _kan(widths: Sequence[int], *front: Layer) -> Network:
    """Return a network of degree 5 on the coarsest grid, with other layers in front.

    The tanh between its layers keeps values inside the domains, where splines are smooth.
    """
    return KAN(widths, degree=5, intervals=4, activation="tanh", front=front)


def _sinh(strength: float) -> Callable[[Float64Array], Float64Array]:
    """Return a map of [-1, 1] onto itself that is flat at 0."""
    return lambda x: np.sinh(strength * x) / np.sinh(strength)


def _on_square(u: Any, x: Any, y: Any) -> Any:
    return (1 - x**2) * (1 - y**2) * u


def _poisson() -> Setting:
    equation = PoissonInterface()
    points = {"volume": lattice(equation, 4096), "interface": equation.equispaced("interface", 99)}
    return Setting(
        equation,
        "[3,6,1] of (x, y, |x|), 4096 points, 99 at the interface; zero on the boundary exactly",
        lambda: _kan([3, 6, 1]),
        lambda: equation.pinn(
            points, weights={"volume": 1e-3, "interface": 1e-1}, transform=_on_square
        ),
        (300, 700, 1500),
    )


def _helmholtz() -> Setting:
    equation = Helmholtz(a1=1, a2=4)
    return Setting(
        equation,
        "[2,5,1] without tanh, 4096 points; zero on the boundary exactly; starts as linear maps,\n"
        "which suit the solution, a product of waves along the inputs, best",
        lambda: KAN([2, 5, 1], degree=5, intervals=4, extrapolation="polynomial", start="linear"),
        lambda: equation.pinn(
            {"volume": lattice(equation, 4096)}, weights={"volume": 1e-3}, transform=_on_square
        ),
        (200, 400, 3000),
        restarts=0,
    )


def _burgers(nu: float, widths: Sequence[int], n: int, strength: float) -> Setting:
    equation = Burgers(nu)
    return Setting(
        equation,
        f"{list(widths)}, {n} points, half of them near x = 0; initial and boundary values exactly",
        lambda: _kan(widths, Affine.normalising([0, -1], [1, 1])),
        lambda: equation.pinn(
            {"volume": lattice(equation, n, _sinh(strength))},
            transform=lambda u, t, x: -np.sin(np.pi * x) + t * (1 - x**2) * u,
        ),
        (300, 700, 2000),
    )


# (t, x) -> (t, cos(pi x), sin(pi x)), t from (0, 1) to (-1, 1)
CIRCLE = (PeriodicEmbedding(2, {1: 2.0}), Affine([2, 1, 1], [-1, 0, 0]))


def _allen_cahn() -> Setting:
    equation = AllenCahn(eps=1e-4)
    return Setting(
        equation,
        "[3,8,8,1] of (t, cos(pi x), sin(pi x)), 4096 points; initial values exactly",
        lambda: _kan([2, 8, 8, 1], *CIRCLE),
        lambda: equation.pinn(
            {"volume": lattice(equation, 4096)},
            transform=lambda u, t, x: x**2 * np.cos(np.pi * x) + t * u,
        ),
        (400, 800, 1500),
    )


def _korteweg_de_vries() -> Setting:
    equation = KortewegDeVries()
    residual = equation.terms({"volume": 1})[0].residual

    def early_first(u: Any, t: Any) -> Any:
        """Return the residual, damped with time, since early errors propagate."""
        return np.exp(-1.5 * t) * residual(u)

    return Setting(
        equation,
        "[3,8,8,1] of (t, cos(pi x), sin(pi x)), 3000 points; initial values exactly; early times\n"
        "weighted more",
        lambda: _kan([2, 8, 8, 1], *CIRCLE),
        lambda: PINN(
            equation.inputs,
            [Term("volume", lattice(equation, 3000), early_first)],
            transform=lambda u, t, x: np.cos(np.pi * x) + t * u,
        ),
        (400, 800, 1500),
    )


SETTINGS = {
    "poisson-interface": _poisson(),
    "helmholtz": _helmholtz(),
    "burgers": _burgers(1e-2, [2, 6, 6, 1], 4096, 4.0),
    "burgers-shock": _burgers(0.01 / np.pi, [2, 8, 8, 1], 6000, 5.0),
    "allen-cahn": _allen_cahn(),
    "korteweg-de-vries": _korteweg_de_vries(),
}


def solve(names: Sequence[str], picture: Path | None) -> int:
    """Solve problems by name, print the error after each level, and draw the picture.

    Returns
    -------
    int
        The exit status: 1 if a training failed.
    """
    print(
        "Errors on 201 x 201 points: relative to the solution in L2, and the largest one. Seconds\n"
        f"with {get_num_threads()} thread(s) on this machine, including those to measure errors.\n"
    )
    errors = {}
    summary = []
    for name in names:
        setting = SETTINGS[name]
        print(f"{name}: {setting.about}", flush=True)
        problem, net = setting.problem(), setting.network()
        error = partial(setting.error, problem)
        curve = ErrorCurve(setting.schedule, error, MEASUREMENTS)
        result = uninterrupted(
            train(
                net,
                problem,
                setting.schedule,
                OPTIMIZER,
                restarts=setting.restarts,
                callbacks=[curve],
            )
        )
        _print_levels(result, error)
        if result.status != "completed":
            print(f"{name}: {result.message}", file=sys.stderr)
            return 1
        errors[name] = result.history, *curve.arrays()
        summary.append(_summary(name, setting, problem, result))
    names = ("problem", "parameters", "seconds", "relative L2", "largest error")
    print("\n".join([heading(SUMMARY, names), *summary]))

    def draw(picture: Path) -> None:
        canvas = figure(8, 5)
        plot_errors(canvas.subplots(), errors, "seconds")
        canvas.savefig(picture, dpi=120)

    draw_picture(picture, draw)
    return 0


def _print_levels(result: Result, error: Error) -> None:
    history = result.history
    for level, net in enumerate(result.levels):
        space = next(layer.spaces[0] for layer in net.layers if layer.spaces)
        row = np.flatnonzero(history.level == level)[-1]
        print(
            f"  {space.intervals:4d} intervals {net.n_parameters:6d} parameters"
            f"{history.step[row]:7d} steps{history.seconds[row]:6.0f} s   "
            f"loss {history.loss[row]:.1e}   relative L2 {error(net):.1e}",
            flush=True,
        )
    print()


def _summary(name: str, setting: Setting, problem: PINN, result: Result) -> str:
    return SUMMARY.format(
        name,
        result.network.n_parameters,
        result.history.last["seconds"],
        setting.error(problem, result.network),
        setting.equation.maximum_error(partial(problem.solution, result.network)),
    )
