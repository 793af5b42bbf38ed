"""Say what limits the accuracy of `python -m kanml solve`: network, points, or training.

    python bench/limits.py                    about a quarter of an hour for each problem
    python bench/limits.py --only burgers     some of the problems
    python bench/limits.py --table            print what is done so far, run nothing

Three trainings of the same network, with the steps of `solve` on each level, and their errors:

- "solution": to the values of the known solution, at 20,000 points. It cannot be less by far for
  any loss, so a large error means that the network (or the transform) is too poor.
- "from there": to the residual, on the finest grid, starting from that. If the error rises, the
  minimum of the loss is farther from the solution than the network must be: there are too few
  points, or they are in the wrong places.
- "trained": to the residual from the start, as `solve` does. If it is much larger than both, the
  training is what limits.

Finished runs are kept in a folder, in a file of this revision of the code.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

from store import Store

import kanml
from kanml.experiments.settings import OPTIMIZER, SETTINGS, Setting, lattice
from kanml.experiments.tables import heading

POINTS = 20_000
LINE = "{:26s}{:>5d}{:12.1e}{:12.1e}{:12.1e}  {}"
FACTOR = 3.0  # between errors that differ


class Job(NamedTuple):
    """A problem and a seed."""

    problem: str
    seed: int


def errors(job: Job) -> list[float]:
    """Return the errors of the three trainings."""
    setting = SETTINGS[job.problem]
    problem, net = setting.problem(), setting.network(job.seed)
    steps = setting.schedule
    fitted = kanml.train(
        net, to_values(setting), steps, OPTIMIZER, restarts=setting.restarts, progress=False
    )
    there = kanml.train(fitted.network, problem, [sum(steps)], OPTIMIZER, progress=False)
    trained = kanml.train(net, problem, steps, OPTIMIZER, restarts=setting.restarts, progress=False)
    return [setting.error(problem, result.network) for result in (fitted, there, trained)]


def to_values(setting: Setting) -> kanml.PINN:
    """Return the misfit to the values of the known solution."""
    equation, problem = setting.equation, setting.problem()
    points = lattice(equation.domain, POINTS)
    values = equation.solution(points)[:, 0]
    inputs = equation.network_points(points)
    if setting.known is not None:
        values = values - setting.known(points)
    term = kanml.Term("values", inputs, lambda u: u - values)
    return kanml.PINN(problem.inputs, [term], transform=problem.transform)


def verdict(solution: float, from_there: float, trained: float) -> str:
    """Say what limits the last error."""
    if trained > FACTOR * max(solution, from_there):
        return "training"
    if from_there > FACTOR * solution:
        return "points"
    return "network"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=SETTINGS, default=[*SETTINGS], metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="default: 1")
    parser.add_argument("--folder", type=Path, default=Path("limits-study"), metavar="DIR")
    parser.add_argument("--table", action="store_true", help="print what is done, run nothing")
    arguments = parser.parse_args()
    store = Store(arguments.folder, Job, "bench/limits.py")
    wanted = [Job(name, seed) for name in arguments.only for seed in range(arguments.seeds)]
    columns = ("problem", "seed", "solution", "from there", "trained", "what limits")
    print(heading(LINE, columns))
    for job in wanted:
        if job not in store.results and not arguments.table:
            store.add(job, errors(job))
        if found := store.results.get(job):
            print(LINE.format(*job, *found, verdict(*found)), flush=True)


if __name__ == "__main__":
    main()
