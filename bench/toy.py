"""Fit exp(sin(pi x) + y^2) by a KAN [2,1,1], from 3 to 192 intervals, and print the errors.

    python bench/toy.py                    ten starts: some three minutes of one processor
    python bench/toy.py --points 1000      as many as in pykan's example
    python bench/toy.py --degree 5

This is the first example of pykan's documentation. Least squares fit each level, in at most 30
steps (`LevenbergMarquardt`, with the other starts that `train` tries by default). Errors are root
mean squares at 10,000 other points: of all of them, of those that the data enclose, and the median
of their sizes. The data enclose a point if sin(pi x) + y^2 has larger and smaller values in them:
beyond that the outer spline extrapolates. One thread suffices for few points.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import kanml
from kanml._validation import Float64Array
from kanml.experiments.tables import heading

INTERVALS = (3, 6, 12, 24, 48, 96, 192)
STEPS = 30
TEST_POINTS = 10_000
LINE = "{:5d}{:7.0f}" + "{:10.1e}" * len(INTERVALS) + "{:12.1e}{:10.1e}"
GOAL = 1e-8


def inner(x: Float64Array) -> Float64Array:
    """Return the sum that enters the outer function, shape (N, 1)."""
    return np.sin(np.pi * x[:, :1]) + x[:, 1:] ** 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="default: 10")
    parser.add_argument("--points", type=int, default=10_000, metavar="N", help="default: 10,000")
    parser.add_argument("--degree", type=int, default=4, metavar="K", help="default: 4")
    given = parser.parse_args()
    for name, least in (("seeds", 1), ("points", 100), ("degree", 1)):
        if getattr(given, name) < least:
            parser.error(f"--{name} must be at least {least}, got {getattr(given, name)}")
    x, x_test = (
        np.random.default_rng(seed).uniform(-1, 1, (n, 2))
        for seed, n in enumerate((given.points, TEST_POINTS))
    )
    problem, exact = kanml.Regression(x, np.exp(inner(x))), np.exp(inner(x_test))
    s, s_test = inner(x), inner(x_test)
    enclosed = (s.min() <= s_test) & (s_test <= s.max())
    print(f"{given.points} points, degree {given.degree}; {(~enclosed).sum()} points not enclosed")
    names = [f"n = {n}" for n in INTERVALS]
    print(heading(LINE, ["seed", "s", *names, "enclosed", "median"]))
    met, schedule, method = 0, [STEPS] * len(INTERVALS), kanml.LevenbergMarquardt()
    for seed in range(given.seeds):
        net = kanml.KAN([2, 1, 1], degree=given.degree, intervals=INTERVALS[0], seed=seed)
        start = time.process_time()
        result = kanml.train(net, problem, schedule, method, progress=False, num_threads=1)
        seconds = time.process_time() - start
        errors = [np.abs(level(x_test) - exact) for level in result.levels]
        sizes = [rms(error) for error in errors]
        last = errors[-1]
        print(LINE.format(seed, seconds, *sizes, rms(last[enclosed]), np.median(last)), flush=True)
        met += bool(np.all(np.diff(sizes) < 0) and sizes[-1] <= GOAL)
    print(f"\nEach level better than the one before, the finest at most {GOAL:.0e}: {met} starts")


def rms(error: Float64Array) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(error))))


if __name__ == "__main__":
    main()
