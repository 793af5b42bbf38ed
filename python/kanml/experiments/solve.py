"""Solves the library's reference problems with its own settings: accuracy and time."""

from __future__ import annotations

import functools
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from kanml._validation import Float64Array, FloatArray
from kanml.equations import ReferenceProblem
from kanml.experiments.outputs import draw_picture
from kanml.experiments.runs import KeptRunError, Run, run
from kanml.experiments.settings import OPTIMIZER, SETTINGS, Setting, difference
from kanml.experiments.slabs import EVOLUTIONS, Evolution
from kanml.experiments.tables import heading
from kanml.plotting import figure, log10_size, plot_surface
from kanml.problems import PINN
from kanml.threads import get_num_threads

__all__ = ["PROBLEMS", "solve", "trained"]

PROBLEMS: dict[str, Setting | Evolution] = {**SETTINGS, **EVOLUTIONS}

LEVEL = "  seed {}{}{:7d} parameters{:8d} steps{:6.0f} s   loss {:.1e}   error {:.1e}"
SUMMARY = "{:26s}{:12d}{:10.0f}{:12.1e}{:12.1e}{:14.1e}"
PICTURE = 101  # points in each direction
COLOURS = 64
WRAPPED = 40  # characters of a title


@dataclass(frozen=True)
class Part:
    """A network that was trained: all of a solution, or a slab of it."""

    setting: Setting
    run: Run

    @functools.cached_property
    def problem(self) -> PINN:
        """The loss."""
        return self.setting.problem()

    def __call__(self, points: Float64Array) -> FloatArray:
        """Return the solution at points (N, d), shape (N, 1)."""
        return self.setting.solution(self.problem, self.run.result.network, points)


@dataclass(frozen=True)
class Solution:
    """The parts of a solution, one for each slab."""

    parts: Sequence[Part]

    def __call__(self, points: Float64Array) -> FloatArray:
        """Return the solution at points (N, d), shape (N, 1); ends belong to the earlier slab."""
        ends = [part.setting.times[1] for part in self.parts[:-1] if part.setting.times]
        number = np.searchsorted(ends, points[:, 0])
        out = np.empty((len(points), 1))
        for i in np.unique(number):
            out[number == i] = self.parts[i](points[number == i])
        return out

    @property
    def times(self) -> tuple[float, float] | None:
        """The interval of the first input, if it is not all of the domain."""
        first, last = self.parts[0].setting.times, self.parts[-1].setting.times
        return None if first is None or last is None else (first[0], last[1])

    @functools.cached_property
    def errors(self) -> tuple[float, float]:
        """The relative L2 error, and the largest error."""
        error, exact = difference(self.parts[0].setting.equation, self, self.times)
        return float(np.linalg.norm(error) / np.linalg.norm(exact)), float(np.abs(error).max())

    @property
    def seconds(self) -> float:
        """Those of all trainings."""
        return float(sum(part.run.result.history.last["seconds"] for part in self.parts))

    @property
    def n_parameters(self) -> int:
        """Those of all networks."""
        return sum(part.run.result.network.n_parameters for part in self.parts)


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
        The exit status: 1 if a training failed, or the folder belongs to other runs.
    """
    try:
        return _solve(names, seeds, folder, picture)
    except KeptRunError as error:
        print(error, file=sys.stderr)
        return 1


def _solve(names: Sequence[str], seeds: int, folder: Path, picture: Path | None) -> int:
    print(
        "Errors on 201 x 201 points, relative to the solution in L2. Seconds with "
        f"{get_num_threads()} thread(s) on\nthis machine, including those to measure errors.\n"
    )
    found: dict[str, list[Solution]] = {name: [] for name in names}
    for name in names:
        print(f"{name}: {PROBLEMS[name].about}", flush=True)
        for seed in range(seeds):
            parts = []
            for part in _parts(PROBLEMS[name], folder / f"{name}-{seed}", seed):
                parts.append(part)
                _print_levels(seed, part)
                if part.run.result.status != "completed":
                    print(f"{name}: {part.run.result.message}", file=sys.stderr)
                    return 1
            found[name].append(Solution(parts))
        print()
    columns = ("problem", "parameters", "seconds", "median", "worst", "largest error")
    print(heading(SUMMARY, columns))
    for name, solutions in found.items():
        print(_summary(name, solutions))
    print("\nElsewhere:")
    for name in names:
        for line in PROBLEMS[name].elsewhere:
            print(f"{name:26s}{line}")
    draw_picture(picture, partial(_draw, found))
    return 0


def _parts(chosen: Setting | Evolution, folder: Path, seed: int) -> Iterator[Part]:
    """Train, or continue what is in the folder: one network, or one for each slab."""
    if isinstance(chosen, Setting):
        yield trained(folder, chosen, seed)
        return
    part = None
    for number in range(len(chosen.times) - 1):
        part = trained(folder / f"slab-{number + 1}", chosen.slab(number, part), seed)
        yield part


def trained(folder: Path, setting: Setting, seed: int) -> Part:
    """Train the network of a setting, or continue what is in the folder."""
    problem = setting.problem()
    done = run(
        folder,
        setting.network(seed),
        problem,
        setting.schedule,
        OPTIMIZER,
        partial(setting.error, problem),
        transfer_state="prolong",
        restarts=setting.restarts,
    )
    return Part(setting, done)


def _print_levels(seed: int, part: Part) -> None:
    """Print a line for each level, or for a slab one with its end."""
    result, times = part.run.result, part.setting.times
    history = result.history
    for level, net in enumerate(result.levels):
        if times is not None and level < len(result.levels) - 1:
            continue
        space = next(layer.spaces[0] for layer in net.layers if layer.spaces)
        stage = f"{space.intervals:5d} intervals" if times is None else f"   t <= {times[1]:5.3f}"
        row = np.flatnonzero(history.level == level)[-1]
        step = history.step[row]
        numbers = (net.n_parameters, step, history.seconds[row], history.loss[row])
        print(LEVEL.format(seed, stage, *numbers, part.run.error_at(step)), flush=True)


def _summary(name: str, solutions: Sequence[Solution]) -> str:
    """Return a row: median seconds, median and worst error, the largest error of all runs."""
    errors, largest = zip(*(solution.errors for solution in solutions), strict=True)
    return SUMMARY.format(
        name,
        solutions[0].n_parameters,
        np.median([solution.seconds for solution in solutions]),
        np.median(errors),
        max(errors),
        max(largest),
    )


def _draw(found: dict[str, list[Solution]], picture: Path) -> None:
    """Draw solution, error and its fall for each problem, and what is known elsewhere."""
    canvas = figure(13, 3.4 * len(found))
    panels = canvas.subplots(len(found), 3, squeeze=False)
    for (name, solutions), (left, middle, right) in zip(found.items(), panels, strict=True):
        order = np.argsort([solution.errors[0] for solution in solutions])
        median = solutions[int(order[(len(order) - 1) // 2])]
        equation = PROBLEMS[name].equation
        values, error, box = _on_grid(equation, median)
        plot_surface(values, box, name, equation.inputs, colours=COLOURS, axes=left)
        title = "error, decimal logarithm, median run"
        plot_surface(log10_size(error), box, title, equation.inputs, colours=COLOURS, axes=middle)
        for seed, solution in enumerate(solutions):
            label = f"seed {seed}: {solution.errors[0]:.1e}"
            right.semilogy(*_fall(solution), label=label)
        slabs = " of the slab in training" if len(median.parts) > 1 else ""
        right.set(xlabel="seconds", ylabel=f"relative $L_2$ error{slabs}")
        right.legend(fontsize="small")
        right.grid(alpha=0.3)
        known = textwrap.fill("; ".join(PROBLEMS[name].elsewhere), WRAPPED)
        right.set_title(f"elsewhere {known}" if known else "", fontsize="small")
    canvas.savefig(picture, dpi=80)


def _fall(solution: Solution) -> tuple[list[float], list[float]]:
    """Return seconds and the errors of the part in training."""
    seconds, errors, before = [], [], 0.0
    for part in solution.parts:
        history = part.run.result.history
        measured = history.seconds[np.searchsorted(history.step, part.run.steps)]
        seconds += (before + measured).tolist()
        errors += part.run.errors.tolist()
        before += float(history.last["seconds"])
    return seconds, errors


def _on_grid(
    equation: ReferenceProblem, solution: Solution
) -> tuple[FloatArray, FloatArray, tuple[float, ...]]:
    """Return solution and error on a grid, with rows along the second input, and the box of it."""
    first, second = equation.domain
    sides = (solution.times or first, second)
    grid = np.meshgrid(*(np.linspace(*ends, PICTURE) for ends in sides), indexing="ij")
    points = np.stack([axis.ravel() for axis in grid], axis=1)
    values = solution(equation.network_points(points))
    error = values - equation.solution(points)
    shape = (PICTURE, PICTURE)
    return values.reshape(shape).T, error.reshape(shape).T, (*sides[0], *sides[1])
