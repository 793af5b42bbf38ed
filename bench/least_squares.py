"""Time what least squares need: Jacobians, triangles, damped steps, and whole iterations.

    python bench/least_squares.py                    about five minutes
    python bench/least_squares.py --threads 1        also of NumPy's BLAS
    python bench/least_squares.py --rounds 3         fewer repetitions
    python bench/least_squares.py --only triangles   one of the four

- jacobians: of Burgers' residual, beside its gradient, and beside NumPy filling as much memory.
- triangles: beside `numpy.linalg.qr(mode="r")` of the same rows on as many threads.
- steps: beside SciPy's singular value decomposition of the same triangle. A trust region takes 24
  radii at once: "reduce" is the bidiagonalisation, "dampings" finds the damping of each radius, and
  "solve" computes the steps.
- iterations: those of `LevenbergMarquardt` from the start of a training, trials of radii included.

Calls alternate in one process; medians in milliseconds. "spread" is the distance of the quartiles,
relative to the median. All results are verified before they are timed. Needs threadpoolctl.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from scipy import linalg
from threadpoolctl import threadpool_limits
from timing import in_turn, spread

import kanml
from kanml import _core
from kanml.equations import Burgers, Helmholtz
from kanml.experiments.tables import heading

POINTS = 4096
INTERVALS = (4, 8, 64)
ROWS = ((4096, 1000), (4096, 751), (6000, 2001), (20000, 101))
COLUMNS = (100, 324, 750, 2000)
N_RADII = 24
ITERATIONS = ((12, 16, 4096), (26, 20, 6000))  # width, intervals, points
EPS = np.finfo(np.float64).eps
LINE = "{:24s}{:12.2f}{:8.0%}{:8.2f}"
Calls = Mapping[str, Callable[[], object]]


def table(title: str, calls: Calls, rounds: int) -> None:
    """Ratios are those to the first call."""
    print(f"\n{title}")
    print_times(in_turn(calls, rounds))


def print_times(times: Mapping[str, np.ndarray]) -> None:
    print(heading(LINE, ("call", "median", "spread", "ratio")))
    first = np.median(next(iter(times.values())))
    for name, seconds in times.items():
        median = np.median(seconds)
        print(LINE.format(name, 1e3 * median, spread(seconds), median / first), flush=True)


def jacobians(intervals: int, threads: int, rounds: int) -> None:
    points = kanml.Sampler([0, -1], [1, 1], n=POINTS, method="sobol").points
    problem = Burgers(nu=1e-2).pinn({"volume": points})
    net = kanml.KAN([2, 8, 8, 1], degree=3, intervals=intervals, seed=0)
    net = net.with_parameters(0.99 * net.parameters)  # no point at the end of a domain
    shape = (problem.n_rows(net), net.n_parameters)
    gradient = partial(problem.evaluation, net, num_threads=threads)
    jacobian = partial(problem.jacobian, net, num_threads=threads)
    expected = 2 * problem.residuals(net) @ jacobian()
    found = gradient().gradient
    assert np.linalg.norm(found - expected) <= 1e-12 * np.linalg.norm(expected)
    calls = {"gradient": gradient, "numpy.full": partial(np.full, shape, 1.0), "kanml": jacobian}
    table(f"Jacobian of {shape}, {intervals} intervals", calls, rounds)


def triangles(shape: tuple[int, int], threads: int, rounds: int) -> None:
    rows = np.random.default_rng(0).standard_normal(shape)
    empty = np.zeros((shape[1], shape[1]))
    fold = partial(_core.fold_triangle, empty, rows, threads)
    numpy = partial(np.linalg.qr, rows, mode="r")
    assert np.allclose(abs(fold()), abs(numpy()), rtol=0, atol=1e-10)
    table(f"triangle of {shape}", {"numpy": numpy, "kanml": fold}, rounds)


def damped_steps(n: int, threads: int, rounds: int) -> None:
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.standard_normal((2 * n, n)), rng.standard_normal(2 * n)])
    triangle = _core.fold_triangle(np.zeros((n + 1, n + 1)), rows, threads)
    r, c = np.ascontiguousarray(triangle[:n, :n]), triangle[:n, n]
    reduce = partial(_core.DampedSteps, triangle, 2 * n, EPS, threads)
    steps = reduce()
    longest = float(steps.solve([0.0])[1][0])
    radii = list(np.geomspace(1e-3, 0.9, N_RADII) * longest)
    dampings = steps.dampings(radii)
    p, lengths, _ = steps.solve(dampings)
    u, s, vt = linalg.svd(r)
    for damping, step in zip(dampings, p, strict=True):
        expected = -vt.T @ (s * (u.T @ c) / (s**2 + damping))
        assert np.linalg.norm(step - expected) <= 1e-9 * np.linalg.norm(expected)
    assert np.allclose(lengths, radii, rtol=1e-12, atol=0)
    calls = {
        "scipy.linalg.svd": partial(linalg.svd, r),
        "reduce": reduce,
        f"dampings, {N_RADII} radii": partial(steps.dampings, radii),
        f"solve, {N_RADII} dampings": partial(steps.solve, dampings),
    }
    table(f"damped steps of {n} columns", calls, rounds)


def iterations(case: tuple[int, int, int], threads: int, rounds: int) -> None:
    width, intervals, n_points = case
    points = kanml.Sampler([-1, -1], [1, 1], n=n_points, method="sobol").points
    problem = Helmholtz(a1=1, a2=4).pinn({"volume": points})
    net = kanml.KAN([2, width, 1], degree=5, intervals=intervals, activation="tanh", seed=0)
    ends = []

    def note(state: kanml.TrainingState) -> None:
        ends.append(time.perf_counter())

    result = kanml.train(
        net,
        problem,
        [rounds + 1],
        kanml.LevenbergMarquardt(),
        restarts=0,
        callbacks=[note],
        num_threads=threads,
        progress=False,
    )
    assert result.history.loss[-1] < result.history.loss[0]
    shape = (problem.n_rows(net), net.n_parameters)
    print(f"\niteration of {shape}")
    print_times({"LevenbergMarquardt": np.diff(ends)})


TABLES = {
    "jacobians": (jacobians, INTERVALS),
    "triangles": (triangles, ROWS),
    "steps": (damped_steps, COLUMNS),
    "iterations": (iterations, ITERATIONS),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=_core.get_num_threads())
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", choices=TABLES)
    arguments = parser.parse_args()
    print(f"NumPy {np.__version__}, {arguments.threads} threads, {_core.instruction_set()}")
    with threadpool_limits(arguments.threads):
        for name, (measure, cases) in TABLES.items():
            for case in cases if arguments.only in (None, name) else ():
                measure(case, arguments.threads, arguments.rounds)


if __name__ == "__main__":
    main()
