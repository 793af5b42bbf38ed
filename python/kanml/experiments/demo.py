"""The demonstration: what multilevel training gains on the paper's regression, in seconds."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from kanml.equations import RotatedWaves
from kanml.experiments.outputs import draw_picture, log10_size
from kanml.experiments.regression import (
    COARSE,
    FINE,
    MULTILEVEL,
    OPTIMIZER,
    kan,
    mean_squared_error,
)
from kanml.experiments.runs import uninterrupted
from kanml.experiments.tables import heading
from kanml.network import Network
from kanml.plotting import figure, plot_convergence, plot_surface
from kanml.problems import Regression
from kanml.training import Result, train

__all__ = ["demo"]

SEED = 1234


def demo(picture: Path | None) -> int:
    """Train coarse to fine, on the coarse and on the fine grid; print the table, draw the picture.

    Returns
    -------
    int
        The exit status: 1 if a training failed.
    """
    data = RotatedWaves(SEED)
    problem = Regression(data.x, data.y)
    steps = sum(MULTILEVEL)
    print(
        "A Kolmogorov-Arnold network, Linear(2, 5) and cubic splines 5 -> 1, learns\n"
        "f = cos(4 pi x') + sin(pi y') + sin(2 pi y') + |sin(3 pi y'^2)|, rotated by 0.175 rad,\n"
        f"from {len(data.x)} points: {steps} steps of L-BFGS in three ways.\n"
    )
    runs = {
        "multilevel": (COARSE, MULTILEVEL),
        "coarse grid only": (COARSE, (steps,)),
        "fine grid only": (FINE, (steps,)),
    }
    results = {}
    for name, (intervals, schedule) in runs.items():
        print(f"{name}: {_grids(intervals, len(schedule))}", file=sys.stderr, flush=True)
        net = kan(data, intervals, SEED)
        results[name] = uninterrupted(train(net, problem, schedule, OPTIMIZER, restarts=0))
        if results[name].status != "completed":
            print(f"{name}: {results[name].message}", file=sys.stderr)
            return 1
    _print_table(results, data)
    _print_conclusion(results)
    draw_picture(picture, partial(_draw, results, data))
    return 0


def _grids(intervals: int, levels: int) -> str:
    return " -> ".join(str(intervals * 2**level) for level in range(levels)) + " knot intervals"


def _print_table(results: Mapping[str, Result], data: RotatedWaves) -> None:
    line = "{:20s}{:11d}{:7d}{:13d}{:9.1f}{:10.1e}{:19.1e}"
    counted = ("parameters", "steps", "evaluations", "seconds")
    print("\n" + heading(line, ("training", *counted, "MSE", "MSE, fresh points")))
    for name, result in results.items():
        net, last = result.network, result.history.last
        counts = (net.n_parameters, last["step"], last["evaluations"], last["seconds"])
        error = mean_squared_error(net, data.x, data.y)
        print(line.format(name, *counts, error, mean_squared_error(net, data.x_test, data.y_test)))


def _print_conclusion(results: Mapping[str, Result]) -> None:
    multilevel, *others = (result.history.last["loss"] for result in results.values())
    coarse, fine = (error / multilevel for error in others)
    print(
        "\nFor the same number of steps, coarse to fine leaves an error\n"
        f"{fine:.1f} times smaller than the fine grid alone, and {coarse:.0f} times smaller than\n"
        "the coarse one. This is one seed; for more: python -m kanml reproduce regression"
    )


def _draw(results: Mapping[str, Result], data: RotatedWaves, picture: Path) -> None:
    grid = figure(11, 8)
    (top_left, top_right), (bottom_left, bottom_right) = grid.subplots(2, 2)
    plot_convergence(top_left, {name: result.history for name, result in results.items()})

    points = 200
    line = np.linspace(*data.DOMAIN, points)
    mesh = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    true = data(mesh).reshape(points, points)

    def surface(net: Network) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return net(mesh).astype(np.float64).reshape(points, points)

    unit = (0.0, 1.0, 0.0, 1.0)
    fitted = surface(results["multilevel"].network)
    plot_surface(top_right, true, unit, "The function")
    plot_surface(bottom_left, fitted, unit, "The network, trained multilevel")
    plot_surface(bottom_right, log10_size(fitted - true), unit, "log10 |network - function|")
    grid.savefig(picture, dpi=120)
