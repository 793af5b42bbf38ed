"""Time the triangles and the damped steps of least squares problems.

    python bench/least_squares.py                    some minutes
    python bench/least_squares.py --threads 1        also of NumPy's BLAS
    python bench/least_squares.py --rounds 3         fewer repetitions

Triangles are compared with `numpy.linalg.qr(mode="r")` of the same rows on as many threads, damped
steps with SciPy's singular value decomposition of the same triangle. A trust region takes 24 radii
at once: "reduce" is the bidiagonalisation, "dampings" finds the damping of each radius, and "solve"
computes the steps. Calls alternate in one process; medians in milliseconds. "spread" is the
distance of the quartiles, relative to the median. All results are verified before they are timed.
Needs threadpoolctl.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from scipy import linalg
from threadpoolctl import threadpool_limits
from timing import in_turn, spread

from kanml import _core
from kanml.experiments.tables import heading

ROWS = ((4096, 1000), (4096, 751), (6000, 2001), (20000, 101))
COLUMNS = (100, 324, 750, 2000)
N_RADII = 24
EPS = np.finfo(np.float64).eps
LINE = "{:24s}{:12.2f}{:8.0%}{:8.2f}"


def table(title: str, calls: Mapping[str, Callable[[], object]], rounds: int) -> None:
    """Ratios are those to the first call."""
    times = in_turn(calls, rounds)
    print(f"\n{title}")
    print(heading(LINE, ("call", "median", "spread", "ratio")))
    first = np.median(next(iter(times.values())))
    for name, seconds in times.items():
        median = np.median(seconds)
        print(LINE.format(name, 1e3 * median, spread(seconds), median / first), flush=True)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=_core.get_num_threads())
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    print(f"NumPy {np.__version__}, {arguments.threads} threads, {_core.instruction_set()}")
    with threadpool_limits(arguments.threads):
        for shape in ROWS:
            triangles(shape, arguments.threads, arguments.rounds)
        for n in COLUMNS:
            damped_steps(n, arguments.threads, arguments.rounds)


if __name__ == "__main__":
    main()
