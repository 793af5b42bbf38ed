"""Solves the library's reference problems with its own settings: accuracy and time."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from kanml._validation import FloatArray
from kanml.experiments.outputs import draw_picture, log10_size
from kanml.experiments.runs import Run, run
from kanml.experiments.settings import OPTIMIZER, SETTINGS, Setting
from kanml.experiments.tables import heading
from kanml.plotting import figure, plot_errors, plot_surface
from kanml.threads import get_num_threads

__all__ = ["solve"]

LEVEL = "  seed {}{:5d} intervals{:7d} parameters{:8d} steps{:6.0f} s   loss {:.1e}   error {:.1e}"
SUMMARY = "{:26s}{:12d}{:10.0f}{:12.1e}{:12.1e}{:14.1e}"
PICTURE = 101  # points in each direction
COLOURS = 64
WRAPPED = 40  # characters of a title


def solve(names: Sequence[str], seeds: int, folder: Path, picture: Path | None) -> int:
    """Solve problems by name, print the error after each level, and draw the picture.

    Parameters
    ----------
    names : sequence of str
    seeds : int
        The number of runs of each problem.
    folder : Path
        Where runs are kept; those that are finished are not repeated.
    picture : Path or None

    Returns
    -------
    int
        The exit status: 1 if a training failed.
    """
    print(
        "Errors on 201 x 201 points, relative to the solution in L2. Seconds with "
        f"{get_num_threads()} thread(s) on\nthis machine, including those to measure errors.\n"
    )
    runs: dict[str, list[Run]] = {}
    for name in names:
        setting = SETTINGS[name]
        print(f"{name}: {setting.about}", flush=True)
        for seed in range(seeds):
            done = _run(folder / f"{name}-{seed}", setting, seed)
            _print_levels(seed, done)
            if done.result.status != "completed":
                print(f"{name}: {done.result.message}", file=sys.stderr)
                return 1
            runs.setdefault(name, []).append(done)
        print()
    columns = ("problem", "parameters", "seconds", "median", "worst", "largest error")
    print(heading(SUMMARY, columns))
    for name, found in runs.items():
        print(_summary(name, found))
    print("\nElsewhere:")
    for name in runs:
        for line in SETTINGS[name].elsewhere:
            print(f"{name:26s}{line}")
    draw_picture(picture, partial(_draw, runs))
    return 0


def _run(folder: Path, setting: Setting, seed: int) -> Run:
    """Train, or continue what is in the folder."""
    problem = setting.problem()
    return run(
        folder,
        setting.network(seed),
        problem,
        setting.schedule,
        OPTIMIZER,
        partial(setting.error, problem),
        transfer_state="prolong",
        restarts=setting.restarts,
    )


def _print_levels(seed: int, done: Run) -> None:
    history = done.result.history
    for level, net in enumerate(done.result.levels):
        space = next(layer.spaces[0] for layer in net.layers if layer.spaces)
        row = np.flatnonzero(history.level == level)[-1]
        step = history.step[row]
        numbers = (space.intervals, net.n_parameters, step, history.seconds[row], history.loss[row])
        print(LEVEL.format(seed, *numbers, done.error_at(step)), flush=True)


def _summary(name: str, runs: Sequence[Run]) -> str:
    """Return a row: median seconds, median and worst error, the largest error of all runs."""
    setting = SETTINGS[name]
    problem = setting.problem()
    largest = [
        setting.equation.maximum_error(partial(setting.solution, problem, done.result.network))
        for done in runs
    ]
    seconds = [done.result.history.last["seconds"] for done in runs]
    errors = [done.errors[-1] for done in runs]
    return SUMMARY.format(
        name,
        runs[0].result.network.n_parameters,
        np.median(seconds),
        np.median(errors),
        max(errors),
        max(largest),
    )


def _draw(runs: dict[str, list[Run]], picture: Path) -> None:
    """Draw solution, error and its fall for each problem, and what is known elsewhere."""
    canvas = figure(13, 3.4 * len(runs))
    panels = canvas.subplots(len(runs), 3, squeeze=False)
    for (name, found), (left, middle, right) in zip(runs.items(), panels, strict=True):
        setting = SETTINGS[name]
        best = found[int(np.argsort([done.errors[-1] for done in found])[(len(found) - 1) // 2])]
        values, error = _on_grid(setting, best)
        (low, high), (bottom, top) = setting.equation.domain
        box, letters = (low, high, bottom, top), setting.equation.inputs
        plot_surface(left, values, box, name, letters, colours=COLOURS)
        title = "error, decimal logarithm, median run"
        plot_surface(middle, log10_size(error), box, title, letters, colours=COLOURS)
        curves = {
            f"seed {seed}: {done.errors[-1]:.1e}": (done.result.history, done.steps, done.errors)
            for seed, done in enumerate(found)
        }
        plot_errors(right, curves, "seconds")
        known = textwrap.fill("; ".join(setting.elsewhere), WRAPPED)
        right.set_title(f"elsewhere {known}" if known else "", fontsize="small")
    canvas.savefig(picture, dpi=80)


def _on_grid(setting: Setting, done: Run) -> tuple[FloatArray, FloatArray]:
    """Return solution and error on a grid, with rows along the second input."""
    equation, problem = setting.equation, setting.problem()
    points = equation.grid(PICTURE)
    found = setting.solution(problem, done.result.network, equation.network_points(points))
    exact = equation.solution(points)
    shape = (PICTURE, PICTURE)
    return found.reshape(shape).T, (found - exact).reshape(shape).T
