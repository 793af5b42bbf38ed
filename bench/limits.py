"""Say what limits the accuracy of `python -m kanml solve`: network, points, or training.

    python bench/limits.py                    some five minutes for each problem
    python bench/limits.py --only burgers     some of the problems
    python bench/limits.py --table            print what is done so far, run nothing

Three trainings of the same network, with the steps of `solve` on each level, and their errors:

- "solution": to the values of the known solution, at 20,000 points;
- "from there": to the residual, on the finest grid, starting from that;
- "trained": to the residual from the start, by `solve`.

Errors within a factor of 3 count as alike. If all three are, the network (with its transform)
limits them. If the last two are alike and larger than the first, the minimum of the loss does: its
points, and how it weighs derivatives. Tell these apart by more points. If the last is the largest,
training does. In any other case the comparison says nothing: one of the first two trainings failed.

Of an evolution in slabs, the first one is examined, whose initial values are exact. Results are
kept in a folder, in a file of this revision of the code, and the runs of `solve` where `solve
--folder` keeps them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

from store import Store

import kanml
from kanml.experiments.settings import OPTIMIZER, Setting, lattice
from kanml.experiments.solve import PROBLEMS, trained
from kanml.experiments.tables import heading

POINTS = 20_000
LINE = "{:26s}{:>5d}{:12.1e}{:12.1e}{:12.1e}{:>14s}"
FACTOR = 3.0  # between errors that differ


class Job(NamedTuple):
    """A problem and a seed."""

    problem: str
    seed: int


def errors(job: Job, folder: Path) -> list[float]:
    """Return the errors of the three trainings."""
    setting, run = PROBLEMS[job.problem], folder / "solve" / f"{job.problem}-{job.seed}"
    if not isinstance(setting, Setting):
        setting, run = setting.slab(0, None), run / "slab-1"
    problem, net, steps = setting.problem(), setting.network(job.seed), setting.schedule
    fitted = kanml.train(
        net, to_values(setting), steps, OPTIMIZER, restarts=setting.restarts, progress=False
    )
    there = kanml.train(fitted.network, problem, [sum(steps)], OPTIMIZER, progress=False)
    part = trained(run, setting, job.seed)
    found = (setting.error(problem, result.network) for result in (fitted, there))
    return [*found, float(part.run.errors[-1])]


def to_values(setting: Setting) -> kanml.PINN:
    """Return the misfit to the values of the known solution."""
    equation, problem = setting.equation, setting.problem()
    first, second = equation.domain
    points = lattice([setting.times or first, second], POINTS)
    values = equation.solution(points)[:, 0]
    inputs = equation.network_points(points)
    if setting.known is not None:
        values = values - setting.known(points)
    term = kanml.Term("values", inputs, lambda u: u - values)
    return kanml.PINN(problem.inputs, [term], transform=problem.transform)


def verdict(solution: float, from_there: float, from_start: float) -> str:
    """Say what limits the last error."""
    if from_start > FACTOR * max(solution, from_there):
        return "training"
    if max(solution, from_there) > FACTOR * from_start:
        return "unclear"
    return "loss" if min(from_there, from_start) > FACTOR * solution else "network"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PROBLEMS, default=[*PROBLEMS], metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="default: 1")
    parser.add_argument("--folder", type=Path, default=Path("kanml-runs"), metavar="DIR")
    parser.add_argument("--table", action="store_true", help="print what is done, run nothing")
    arguments = parser.parse_args()
    store = Store(arguments.folder / "limits", Job, "bench/limits.py")
    wanted = [Job(name, seed) for name in arguments.only for seed in range(arguments.seeds)]
    columns = ("problem", "seed", "solution", "from there", "trained", "what limits")
    print(heading(LINE, columns))
    for job in wanted:
        if job not in store.results and not arguments.table:
            store.add(job, errors(job, arguments.folder))
        if found := store.results.get(job):
            print(LINE.format(*job, *found, verdict(*found)), flush=True)


if __name__ == "__main__":
    main()
