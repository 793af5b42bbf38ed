"""Compare Levenberg-Marquardt in subspaces with L-BFGS, on 20,000 parameters.

    python bench/large.py                  about twelve minutes on an idle core
    python bench/large.py --seconds 40     each line longer; the default is 15
    python bench/large.py --case waves     cases whose name has this word
    python bench/large.py --seeds 5        more starts; the default is 3

Every line trains on one thread for the same CPU seconds, from the same networks, one for each seed.
"levels" starts from the coarsest of five grids, where L-BFGS has trained for two thirds of that
time (not counted), and trains on the finest. "one grid" trains an untrained network on a grid
without coarser ones. Printed are the final losses of all seeds, their median, that of the relative
L2 errors, and that of the numbers of steps. The error of the regression is that at other points.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import kanml
from kanml.equations import Burgers, Helmholtz, RotatedWaves
from kanml.equations.base import ReferenceProblem
from kanml.experiments.tables import heading
from kanml.optim import Optimizer
from kanml.problems import Problem

OPTIMIZERS: dict[str, Optimizer[Any]] = {
    "L-BFGS, 20": kanml.LBFGS(memory=20),
    "L-BFGS, 300": kanml.LBFGS(memory=300),
    "Levenberg-Marquardt": kanml.LevenbergMarquardt(),
}
LINE = "{:22s}{:>10.1e}{:>10.1e}{:>8.0f}   {:1s}"
WITHOUT_END = 10**6  # steps
REFINEMENTS = 4


class Setting(NamedTuple):
    """What is trained on, and the relative L2 error of a network."""

    problem: Problem
    error: Callable[[kanml.Network], float]


def of_equation(equation: ReferenceProblem, points: dict[str, int]) -> Setting:
    return Setting(equation.pinn(points), equation.relative_l2)


def waves() -> Setting:
    data = RotatedWaves(seed=1234)

    def error(net: kanml.Network) -> float:
        difference = np.linalg.norm(net(data.x_test) - data.y_test)
        return float(difference / np.linalg.norm(data.y_test))

    return Setting(kanml.Regression(data.x, data.y), error)


def kan(width: int, domain: tuple[float, float], seed: int) -> kanml.Network:
    return kanml.KAN(
        [2, width, width, 1], degree=3, intervals=8, domain=domain, activation="tanh", seed=seed
    )


def helmholtz() -> Setting:
    return of_equation(Helmholtz(1, 4), {"volume": 20_000, "boundary": 2_000})


def burgers() -> Setting:
    points = {"volume": 20_000, "initial": 1_000, "boundary": 1_000}
    return of_equation(Burgers(0.01), points)


CASES: dict[str, tuple[Callable[[], Setting], int, tuple[float, float], int]] = {
    "helmholtz, levels": (helmholtz, 11, (-1, 1), REFINEMENTS),
    "burgers, levels": (burgers, 11, (-1, 1), REFINEMENTS),
    "waves, levels": (waves, 11, (0, 1), REFINEMENTS),
    "waves, one grid": (waves, 42, (0, 1), 0),
}


def trained(
    net: kanml.Network,
    problem: Problem,
    refinements: int,
    optimizer: Optimizer[Any],
    seconds: float,
) -> kanml.TrainingState:
    """Return the state after the last step on the finest grid that ended within these seconds."""
    began, within = time.process_time(), []

    def clock(state: kanml.TrainingState) -> bool:
        late = time.process_time() - began > seconds
        if not (late and within):
            within[:] = [state]
        return late

    schedule = [*[0] * refinements, WITHOUT_END]
    kanml.train(net, problem, schedule, optimizer, restarts=0, callbacks=[clock], progress=False)
    return within[0]


def compare(name: str, seconds: float, seeds: int) -> None:
    make, width, domain, refinements = CASES[name]
    problem, error = make()
    starts = [kan(width, domain, seed) for seed in range(1, seeds + 1)]
    if refinements:
        before = seconds * 2 / 3
        starts = [trained(n, problem, 0, OPTIMIZERS["L-BFGS, 300"], before).network for n in starts]
    fine = starts[0]
    for _ in range(refinements):
        fine = fine.refine()
    print(f"\n{name}: {fine.n_parameters} parameters, {problem.n_rows(fine)} rows, {seconds:g} s")
    print(heading(LINE, ("optimizer", "loss", "error", "steps", "losses")))
    for optimizer_name, optimizer in OPTIMIZERS.items():
        states = [trained(net, problem, refinements, optimizer, seconds) for net in starts]
        medians = (
            statistics.median(state.loss for state in states),
            statistics.median(error(state.network) for state in states),
            statistics.median(state.step for state in states),
        )
        each = " ".join(f"{state.loss:.1e}" for state in states)
        print(LINE.format(optimizer_name, *medians, each), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--case", default="")
    arguments = parser.parse_args()
    kanml.set_num_threads(1)
    for name in CASES:
        if arguments.case in name:
            compare(name, arguments.seconds, arguments.seeds)


if __name__ == "__main__":
    main()
