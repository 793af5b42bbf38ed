"""The demonstration, in seconds: what multilevel training gains on the paper's regression."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from kanml._validation import Float64Array
from kanml.equations import RotatedWaves
from kanml.experiments.outputs import draw_picture
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
from kanml.plotting import figure, log10_size, plot_history, plot_surface
from kanml.problems import Regression
from kanml.training import Result, train

__all__ = ["demo"]

SEED = 1234
CELLS, POINTS_IN_A_CELL = 60, 5  # in each direction; the picture shows an error for each cell


def demo(picture: Path | None) -> int:
    """Train coarse to fine, and on each grid alone; print the table and draw the picture.

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
    columns = ("parameters", "steps", "evaluations", "seconds")
    print("\n" + heading(line, ("training", *columns, "MSE", "MSE, fresh points")))
    for name, result in results.items():
        net, last = result.network, result.history.last
        counts = (net.n_parameters, last["step"], last["evaluations"], last["seconds"])
        error = mean_squared_error(net, data.x, data.y)
        print(line.format(name, *counts, error, mean_squared_error(net, data.x_test, data.y_test)))


def _print_conclusion(results: Mapping[str, Result]) -> None:
    multilevel, *others = (result.history.last["loss"] for result in results.values())
    coarse, fine = (error / multilevel for error in others)
    print(
        "\nFor the same number of steps, training coarse to fine leaves an error\n"
        f"{fine:.1f} times smaller than the fine grid alone, and {coarse:.0f} times smaller than\n"
        "the coarse one alone. This is one seed; for more: python -m kanml reproduce regression"
    )


def _draw(results: Mapping[str, Result], data: RotatedWaves, picture: Path) -> None:
    canvas = figure(10, 11)
    above, below = canvas.subfigures(2, 1, height_ratios=[7, 4], squeeze=False)[:, 0]
    (top_left, top_right), (bottom_left, bottom_right) = above.subplots(2, 2)
    backwards = reversed(list(results))  # multilevel on top
    plot_history({name: results[name].history for name in backwards}, axes=top_left)

    points = CELLS * POINTS_IN_A_CELL
    line = np.linspace(*data.DOMAIN, points)
    mesh = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)

    def surface(net: Network) -> Float64Array:
        return net(mesh).astype(np.float64).reshape(points, points)

    def error(net: Network) -> Float64Array:
        squares = (surface(net) - data(mesh).reshape(points, points)) ** 2
        cells = squares.reshape(CELLS, POINTS_IN_A_CELL, CELLS, POINTS_IN_A_CELL)
        return log10_size(np.sqrt(cells.mean(axis=(1, 3))))

    unit = (0.0, 1.0, 0.0, 1.0)
    fitted = surface(results["multilevel"].network)
    plot_surface(fitted, unit, "The network after multilevel training", colours=16, axes=top_right)
    errors = {name: error(results[name].network) for name in ("fine grid only", "multilevel")}
    limits = (min(map(np.min, errors.values())), max(map(np.max, errors.values())))
    for axes, (name, values) in zip((bottom_left, bottom_right), errors.items(), strict=True):
        title = f"log10 |network - function|, {name}"
        plot_surface(values, unit, title, limits=limits, colours=16, axes=axes)
    learnt = results["multilevel"].network.plot(
        data.x, inputs="xy", outputs="f", axes=below.add_subplot()
    )
    learnt.set_title("What it has learnt: splines on their knots, shaded where the data are")
    canvas.savefig(picture, dpi=80)
