"""Compare optimizers: loss and error after some seconds, from few parameters to many.

    python bench/methods.py                       about half an hour of processor time
    python bench/methods.py --seconds 10 30 100   longer runs
    python bench/methods.py --only burgers        some of the problems
    python bench/methods.py --smallest            the networks that are trained on both grids
    python bench/methods.py --table               print what is done so far, run nothing
    python bench/methods.py --picture FILE        draw error against seconds, coarse to fine or not
    python bench/methods.py --costs               print what the parts of a step cost

Seconds are those of the processor, with one thread. Measuring errors does not count. No other
starts are tried. "multilevel" refines from the coarsest grid to the finest. A fifth of the longest
time is for the coarser grids: the finest begins then, the one before it at a quarter of that, and
so on, unless their optimizer ends them earlier. "single" trains on the finest grid alone. Loss and
error are those of the best network so far: the one with the lowest loss, or for the table with the
lowest loss on rows held out. A run whose optimizer can make no further progress keeps its last
values.

A second table says where coarse to fine wins: in time, only in steps, or in neither. A gain is the
error on the finest grid alone over that of coarse to fine, after the same seconds, and after the
steps that both have taken by then. Medians are compared, and "?" marks a gain or loss that starts
may reverse: not every one on one side is better than every one on the other. Those win nothing.

- regression: that of the paper, 20,000 points. The error is relative, on other points.
- helmholtz, poisson, burgers: as in `python -m kanml solve`, with other widths.
- table: Friedman's first function of 10 columns, 4000 rows with noise, by the recipe of the user
  guide. The error is that from the function without noise, relative to its standard deviation.

Finished runs are kept in a folder, in a file of this revision of the code: an interrupted study
continues.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from initial import functions
from outcomes import GRIDS, Job, Measurement, draw, outcomes, print_errors, print_verdicts
from store import Store

import kanml
from kanml import _core
from kanml.equations import RotatedWaves
from kanml.experiments.outputs import draw_picture, require_picture
from kanml.experiments.regression import kan
from kanml.experiments.settings import SETTINGS
from kanml.experiments.tables import heading
from kanml.optim.matrices import DampedSteps
from kanml.training.callbacks import Wish

OPTIMIZERS: dict[str, Any] = {
    "Adam": kanml.Adam(kanml.Ramp(1e-4, 1e-2, steps=10)),
    "LBFGS(300)": kanml.LBFGS(memory=300),
    "SSBroyden": kanml.SSBroyden(),
    "LevenbergMarquardt": kanml.LevenbergMarquardt(),
    "VariableProjection": kanml.VariableProjection(),
}
SECONDS = (3.0, 10.0, 30.0)
SHARE = 0.2  # of the longest time, at which the finest level begins
RATIO = 4  # of the times at which a level and the one before begin
UNLIMITED = 10**7  # steps
BETWEEN = 20  # measurements from a tenth of the first of the times on, evenly in logarithms
ROUNDS = 5


# The problems


@dataclass(frozen=True)
class Case:
    """A problem, and the networks of its grids.

    Attributes
    ----------
    problem : Problem
    network : callable
        Returns a network with a number of intervals.
    coarsest, finest : int
        Numbers of intervals.
    error : callable
        Returns the error of a network.
    validation : Problem, optional
    """

    problem: kanml.Problem
    network: Callable[[int], kanml.Network]
    coarsest: int
    finest: int
    error: Callable[[kanml.Network], float]
    validation: kanml.Problem | None = None

    @property
    def refinements(self) -> int:
        return (self.finest // self.coarsest).bit_length() - 1


def relative(values: npt.NDArray[np.float64], exact: npt.NDArray[np.float64]) -> float:
    return float(np.linalg.norm(values - exact) / np.linalg.norm(exact - exact.mean()))


def regression(intervals: int, seed: int) -> Case:
    data = RotatedWaves(seed)
    return Case(
        kanml.Regression(data.x, data.y),
        lambda n: kan(data, n, seed),
        coarsest=5,
        finest=intervals,
        error=lambda net: relative(net(data.x_test), data.y_test),
    )


def helmholtz(width: int, seed: int) -> Case:
    options = {"degree": 5, "extrapolation": "polynomial", "start": "linear", "seed": seed}
    return equation("helmholtz", lambda n: kanml.KAN([2, width, 1], intervals=n, **options))


def poisson(width: int, seed: int) -> Case:
    options = {"degree": 5, "activation": "tanh", "seed": seed}
    return equation("poisson-interface", lambda n: kanml.KAN([3, width, 1], intervals=n, **options))


def burgers(width: int, seed: int) -> Case:
    front = [kanml.Affine.normalising([0, -1], [1, 1])]
    options = {"degree": 5, "activation": "tanh", "front": front, "seed": seed}
    return equation("burgers", lambda n: kanml.KAN([2, width, width, 1], intervals=n, **options))


def equation(name: str, network: Callable[[int], kanml.Network]) -> Case:
    setting = SETTINGS[name]
    problem = setting.problem()
    return Case(problem, network, 4, 16, partial(setting.error, problem))


def table(width: int, seed: int) -> Case:
    rng = np.random.default_rng(seed)
    x, x_test = rng.uniform(0, 1, (2, 5000, 10))
    exact = functions.friedman(*x_test.T)[:, None]
    y = functions.friedman(*x.T)[:, None] + rng.normal(0, 1, (5000, 1))
    mean, scale = y.mean(), y.std()
    y = (y - mean) / scale
    held_out = np.arange(len(x)) % 5 == 0
    options = {"degree": 3, "domain": (-3, 3), "front": [kanml.Affine.standardising(x)]}
    return Case(
        kanml.Regression(x[~held_out], y[~held_out]),
        lambda n: kanml.KAN([10, width, 1], intervals=n, data=x, seed=seed, **options),
        coarsest=2,
        finest=8,
        error=lambda net: relative(mean + scale * net(x_test), exact),
        validation=kanml.Regression(x[held_out], y[held_out]),
    )


PROBLEMS: dict[str, tuple[Callable[[int, int], Case], tuple[int, ...]]] = {
    "regression": (regression, (40, 160)),
    "helmholtz": (helmholtz, (5, 13, 31)),
    "poisson": (poisson, (6,)),
    "burgers": (burgers, (3, 5, 8)),
    "table": (table, (3, 7, 16)),
}
NONLINEAR = ("burgers",)  # in the last layer: there is no variable projection


# The runs


def jobs(
    names: list[str], optimizers: list[str], seeds: int, seconds: list[float], smallest: bool
) -> Iterator[Job]:
    """Return all runs: multilevel ones of all sizes, then the smallest networks on one grid.

    Adam, which is here for comparison, trains the smallest alone.
    """
    between = np.geomspace(seconds[0] / 10, seconds[-1], BETWEEN).round(2)
    times = " ".join(f"{s:g}" for s in sorted({*seconds, *between.tolist()}))
    for seed in range(seeds):
        for grid in GRIDS:
            for name in names:
                _, sizes = PROBLEMS[name]
                for size in sizes if grid == "multilevel" and not smallest else sizes[:1]:
                    for optimizer in optimizers:
                        if optimizer == "VariableProjection" and name in NONLINEAR:
                            continue
                        if optimizer == "Adam" and size > sizes[0]:
                            continue
                        yield Job(name, size, grid, optimizer, seed, times)


@dataclass
class Stopwatch(kanml.Callback):
    """A callback that ends levels and takes measurements at given times of the processor."""

    error: Callable[[kanml.Network], float]
    seconds: list[float]
    ends: list[float]
    found: list[Measurement] = field(default_factory=list)

    def begin(self, state: Any) -> None:
        self.began = time.process_time()
        self.best = self.last = state

    def __call__(self, state: Any) -> Wish | bool | None:
        now = time.process_time() - self.began
        while self.pending and now >= self.pending[0]:
            self.measure()
        self.last = state
        if state.steps_since_best == 0:
            self.best = state
        if not self.pending:
            return True
        if state.level < len(self.ends) and now >= self.ends[state.level]:
            return Wish.NEXT_LEVEL
        return None

    def end(self, state: Any) -> None:
        while self.pending:
            self.measure()

    @property
    def pending(self) -> list[float]:
        return self.seconds[len(self.found) :]

    def measure(self) -> None:
        """Measure the state before the present step, which ended too late."""
        began = time.process_time()
        best, error = self.best, self.error(self.best.network)
        n = best.network.n_parameters
        self.found.append(Measurement(n, self.last.step, best.loss, error))
        self.began += time.process_time() - began


def measurements(job: Job) -> tuple[Job, list[Measurement]]:
    """Train, and return what was found at each time."""
    kanml.set_num_threads(1)
    make, _ = PROBLEMS[job.problem]
    case, optimizer = make(job.size, job.seed), OPTIMIZERS[job.optimizer]
    refinements = case.refinements if job.grid == "multilevel" else 0
    seconds = job.times
    ends = [seconds[-1] * SHARE / RATIO**i for i in reversed(range(refinements))]
    watch = Stopwatch(case.error, seconds, ends)
    stop = [] if case.validation is None else [kanml.EarlyStopping(optimizer.window)]
    kanml.train(
        case.network(case.finest if job.grid == "single" else case.coarsest),
        case.problem,
        [UNLIMITED] * (refinements + 1),
        optimizer,
        validation=case.validation,
        restarts=0,
        callbacks=[watch, *stop],
        progress=False,
    )
    return job, watch.found


# What the parts of a step cost


def milliseconds(call: Callable[[], object]) -> float:
    """Return the median time of a call, of the processor."""
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return 1e3 * float(np.median(times))


def costs(case: Case) -> Mapping[str, float]:
    """Return the milliseconds of each part of a step on the finest grid."""
    net, problem = case.network(case.finest), case.problem
    n = net.n_parameters
    (triangle,) = problem.triangles(net)
    packed, s, v = np.eye(n)[np.tril_indices(n)], np.ones(n), np.ones(n)
    out = np.empty_like(packed)
    calls: dict[str, Callable[[], object]] = {
        "value": lambda: problem.evaluation(net, want="value"),
        "gradient": lambda: problem.evaluation(net),
        "Jacobian": lambda: problem.jacobian(net),
        "triangle": lambda: problem.triangles(net),
        "reduction": lambda: DampedSteps(triangle),
        "update": lambda: _core.symmetric_update(1.0, packed, s, v, 1.0, 0.0, 0.0, out, 1),
    }
    return {"rows": problem.n_rows(net), "n": n} | {k: milliseconds(c) for k, c in calls.items()}


def print_costs(names: list[str]) -> None:
    """Print milliseconds; a triangle includes its Jacobian."""
    line = "{:12s}{:8d}{:8d}" + "{:12.2f}" * 6
    kanml.set_num_threads(1)
    first = True
    for name in names:
        make, sizes = PROBLEMS[name]
        for size in sizes:
            found = costs(make(size, 0))
            if first:
                print(heading(line, ("problem", *found)))
                first = False
            print(line.format(name, *found.values()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PROBLEMS, default=[*PROBLEMS], metavar="NAME")
    parser.add_argument(
        "--optimizers", nargs="+", choices=OPTIMIZERS, default=[*OPTIMIZERS], metavar="NAME"
    )
    parser.add_argument("--seconds", nargs="+", type=float, default=[*SECONDS], metavar="S")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="default: 1")
    parser.add_argument("--smallest", action="store_true", help="one network for each problem")
    parser.add_argument("--folder", type=Path, default=Path("methods-study"), metavar="DIR")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="default: 1")
    parser.add_argument("--table", action="store_true", help="print what is done, run nothing")
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="draw what is done on both grids"
    )
    parser.add_argument("--costs", action="store_true", help="print what steps cost, train nothing")
    arguments = parser.parse_args()
    if arguments.costs:
        print_costs(arguments.only)
        return
    if arguments.picture is not None:
        try:
            require_picture(arguments.picture)
        except (ModuleNotFoundError, ValueError) as error:
            parser.error(str(error))
    store = Store(arguments.folder, Job, "bench/methods.py")
    seconds = sorted(arguments.seconds)
    wanted = list(
        jobs(arguments.only, arguments.optimizers, arguments.seeds, seconds, arguments.smallest)
    )
    if not arguments.table:
        store.complete(wanted, measurements, arguments.processes)
    print(f"{store.revision}: {len(store.results)} runs\n")
    found = outcomes(store.results, wanted)
    print_errors(found, seconds)
    print()
    print_verdicts(found, seconds)
    draw_picture(arguments.picture, partial(draw, found))


if __name__ == "__main__":
    main()
