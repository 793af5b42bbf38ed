"""What the paper's three differential equations have in common: rows, table, picture."""

from __future__ import annotations

import inspect
import re
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from kanml._validation import Float64Array, FloatArray
from kanml.equations import ReferenceProblem
from kanml.experiments.outputs import draw_picture
from kanml.experiments.rows import Row
from kanml.experiments.runs import KeptRunError, Run, run
from kanml.experiments.tables import heading, with_deviation
from kanml.network import Network
from kanml.plotting import (
    figure,
    log10_size,
    plot_decay,
    plot_errors,
    plot_history,
    plot_surface,
)
from kanml.problems import PINN

__all__ = ["Protocol", "reproduce"]

QUICK = 10  # the factor by which a quick protocol has fewer steps
POINTS = 201  # in each direction, for errors and pictures


@dataclass(frozen=True)
class Protocol:
    """An experiment of the paper.

    Attributes
    ----------
    name : str
        The name on the command line.
    introduction : str
        What is computed, and which choices the paper leaves open.
    equation : ReferenceProblem
    problem : callable
        Makes the loss from a seed.
    rows : tuple of Row
    seeds : tuple of int
    shown : str
        The name of the row whose levels are drawn.
    """

    name: str
    introduction: str
    equation: ReferenceProblem
    problem: Callable[[int], PINN]
    rows: tuple[Row, ...]
    seeds: tuple[int, ...]
    shown: str = "KAN spline, multilevel"

    def error(self, net: Network) -> float:
        """Return the relative L2 error of a network."""
        return self.equation.relative_l2(net, POINTS)

    def quick(self) -> Protocol:
        """Return the protocol with one seed and a tenth of the steps."""
        rows = (
            replace(row, schedule=tuple(max(1, steps // QUICK) for steps in row.schedule))
            for row in self.rows
        )
        introduction = inspect.cleandoc(self.introduction)
        return replace(
            self,
            introduction=f"{introduction}\nRun quickly: one seed and a tenth of the "
            "steps, which shows how it works, but not how the rows compare.",
            rows=tuple(rows),
            seeds=self.seeds[:1],
        )


def reproduce(protocol: Protocol, folder: Path, picture: Path | None) -> int:
    """Run every row with every seed, print the table and draw the picture.

    Finished runs are kept in the folder, so an interrupted reproduction continues where it stopped.

    Returns
    -------
    int
        The exit status: 1 if the folder belongs to other runs.
    """
    print(
        f"{inspect.cleandoc(protocol.introduction)}\n\nRuns are kept in {folder.resolve()}\n",
        flush=True,
    )
    runs: dict[str, list[Run]] = {row.name: [] for row in protocol.rows}
    for seed in protocol.seeds:
        for row in protocol.rows:
            done = _run_row(protocol, row, seed, folder)
            if done is None:
                return 1
            runs[row.name].append(done)
    _print_table(protocol, runs)
    first = {name: of_row[0] for name, of_row in runs.items()}
    draw_picture(picture, partial(_draw, protocol, first))
    return 0


def _run_row(protocol: Protocol, row: Row, seed: int, folder: Path) -> Run | None:
    """Run a row with a seed and print a line; if that fails, print the reason and return None."""
    print(f"seed {seed}, {row.name}", file=sys.stderr, flush=True)
    run_folder = folder / f"{re.sub('[^A-Za-z0-9]+', '-', row.name).strip('-')}-{seed}"
    problem, net = protocol.problem(seed), row.network(seed)
    try:
        done = run(
            run_folder,
            net,
            problem,
            row.schedule,
            row.optimizer,
            protocol.error,
            transfer_state=row.transfer_state,
        )
    except KeptRunError as error:
        print(error, file=sys.stderr)
        return None
    result = done.result
    remark = "" if result.status == "completed" else f"  {result.message}"
    print(
        f"  seed {seed}  {row.name:36s}loss {result.history.last['loss']:.2e}  "
        f"relative L2 {done.errors[-1]:.2e}  ({result.history.last['seconds']:.0f} s){remark}",
        flush=True,
    )
    return done


def _print_table(protocol: Protocol, runs: Mapping[str, Sequence[Run]]) -> None:
    seeds = len(protocol.seeds)
    print(f"\nMean (standard deviation) over {seeds} seeds." if seeds > 1 else "\nOne seed.")
    line = "{:36s}{:7d}{:7d}{:6.0f}  {:18s}{:21s}{:21s}"
    names = ("model", "params", "steps", "s", "paper: loss", "kanml: loss", "kanml: relative L2")
    print(heading(line, names))
    for row in protocol.rows:
        results = [done.result for done in runs[row.name]]
        losses = [result.history.last["loss"] for result in results]
        errors = [float(done.errors[-1]) for done in runs[row.name]]
        seconds = statistics.mean(result.history.last["seconds"] for result in results)
        print(
            line.format(
                row.name,
                results[0].network.n_parameters,
                results[0].history.last["step"],
                seconds,
                row.paper,
                with_deviation(losses),
                with_deviation(errors),
            )
        )


def _draw(protocol: Protocol, runs: Mapping[str, Run], picture: Path) -> None:
    """Draw the runs of one seed and, below, the levels of the row `protocol.shown`.

    The columns are those of Figure 8 of the paper: solution, residual, Fourier transform of the
    residual, and a cross-section of the transform.
    """
    equation, levels = protocol.equation, runs[protocol.shown].result.levels
    canvas = figure(16, 5 + 3 * len(levels))
    above, below = canvas.subfigures(2, 1, height_ratios=[5, 3 * len(levels)], squeeze=False)[:, 0]
    left, right = above.subplots(1, 2)
    plot_history({name: done.result.history for name, done in runs.items()}, axes=left)
    errors = {name: (done.result.history, done.steps, done.errors) for name, done in runs.items()}
    plot_errors(errors, "step", axes=right)

    shape = (POINTS, POINTS)
    residuals = equation.pinn({"volume": equation.grid(POINTS)}, reduction="sum")
    box, letters = (*equation.domain[0], *equation.domain[1]), equation.inputs
    rows = below.subplots(len(levels), 4, squeeze=False)
    for level, (net, axes) in enumerate(zip(levels, rows, strict=True), 1):
        # The first input is the horizontal axis.
        solution = net(equation.network_points(equation.grid(POINTS))).reshape(shape).T
        residual = residuals.residuals(net).reshape(shape).T
        spectrum = _spectrum(residual)
        plot_surface(solution, box, f"Solution after level {level}", letters, axes=axes[0])
        plot_surface(log10_size(residual), box, "log10 |residual|", letters, axes=axes[1])
        waves = POINTS // 2
        plot_surface(
            log10_size(spectrum),
            (-waves, waves, -waves, waves),
            "log10 |Fourier transform of the residual|",
            "kl",
            axes=axes[2],
        )
        plot_decay(spectrum[waves, waves:], "k", "Its row l = 0", axes=axes[3])
    canvas.savefig(picture, dpi=100)


def _spectrum(residual: FloatArray) -> Float64Array:
    """Return the moduli of the Fourier coefficients, with the constant one in the middle."""
    coefficients = np.fft.fftshift(np.fft.fft2(residual)) / residual.size
    size: Float64Array = np.abs(coefficients)
    return size
