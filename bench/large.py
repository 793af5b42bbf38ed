"""Compare Levenberg-Marquardt without a triangle with L-BFGS, on 17,000 to 19,000 parameters.

    python bench/large.py                  about eight minutes
    python bench/large.py --seconds 60     twice as long on each line
    python bench/large.py --case waves     cases whose name has this word

Every line trains on one thread for the same CPU seconds, from one start. "levels" starts from the
coarsest of five grids, where L-BFGS has trained as long (not counted), and trains on the finest.
"one grid" has no coarser grids: it starts from the network after L-BFGS for as long ("later"), or
from the untrained network ("first"). Losses are printed after a third, two thirds and all of the
time, with the number of steps.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import kanml
from kanml.equations import Helmholtz, RotatedWaves
from kanml.experiments.tables import heading
from kanml.optim import Optimizer
from kanml.problems import Problem

OPTIMIZERS: dict[str, Optimizer[Any]] = {
    "L-BFGS, 20": kanml.LBFGS(memory=20),
    "L-BFGS, 300": kanml.LBFGS(memory=300),
    "Levenberg-Marquardt": kanml.LevenbergMarquardt(),
}
LINE = "{:22s}{:>10.1e}{:>10.1e}{:>10.1e}{:>8d}"
WITHOUT_END = 10**6  # steps
REFINEMENTS = 4


def helmholtz(volume: int, boundary: int) -> Problem:
    equation = Helmholtz(1, 4)
    terms = equation.terms({"volume": volume, "boundary": boundary})
    return kanml.PINN(terms=terms, inputs="xy", outputs="u")


def waves() -> Problem:
    data = RotatedWaves(seed=1234)
    return kanml.Regression(data.x, data.y)


def kan(width: int, domain: tuple[float, float] = (-1, 1)) -> kanml.Network:
    return kanml.KAN(
        [2, width, width, 1], degree=3, intervals=8, domain=domain, activation="tanh", seed=1
    )


CASES: dict[str, tuple[Callable[[], Problem], kanml.Network, str]] = {
    "helmholtz, levels": (lambda: helmholtz(16_000, 1_600), kan(10), "levels"),
    "waves, levels": (waves, kan(10, (0, 1)), "levels"),
    "helmholtz, one grid, first": (lambda: helmholtz(8_000, 800), kan(40), "first"),
    "helmholtz, one grid, later": (lambda: helmholtz(8_000, 800), kan(40), "later"),
    "waves, one grid, first": (waves, kan(40, (0, 1)), "first"),
    "waves, one grid, later": (waves, kan(40, (0, 1)), "later"),
}


def trained(
    net: kanml.Network, problem: Problem, refinements: int, optimizer: Optimizer[Any], until: float
) -> tuple[kanml.Network, list[tuple[float, float]]]:
    """Return the network after these CPU seconds, and (seconds, loss) after each step."""
    began, seen = time.process_time(), []

    def clock(state: kanml.TrainingState) -> bool:
        seen.append((time.process_time() - began, state.loss))
        return seen[-1][0] > until

    schedule = [*[0] * refinements, WITHOUT_END]
    result = kanml.train(
        net, problem, schedule, optimizer, restarts=0, callbacks=[clock], progress=False
    )
    return result.network, seen


def compare(name: str, seconds: float) -> None:
    make, net, start = CASES[name]
    problem, refinements = make(), REFINEMENTS if start == "levels" else 0
    if start != "first":
        net, _ = trained(net, problem, 0, OPTIMIZERS["L-BFGS, 300"], seconds)
    fine = net
    for _ in range(refinements):
        fine = fine.refine()
    print(f"\n{name}: {fine.n_parameters} parameters, {problem.n_rows(fine)} rows")
    times = [seconds * k / 3 for k in (1, 2, 3)]
    print(heading(LINE, ("optimizer", *(f"{t:.0f} s" for t in times), "steps")))
    for optimizer_name, optimizer in OPTIMIZERS.items():
        _, seen = trained(net, problem, refinements, optimizer, seconds)
        losses = [min(loss for t, loss in seen if t <= max(end, seen[0][0])) for end in times]
        print(LINE.format(optimizer_name, *losses, len(seen)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--case", default="")
    arguments = parser.parse_args()
    kanml.set_num_threads(1)
    for name in CASES:
        if arguments.case in name:
            compare(name, arguments.seconds)


if __name__ == "__main__":
    main()
