"""Time losses of data: what does a formula of one's own cost, and what does each loss add?

    python bench/losses.py                   about a minute
    python bench/losses.py --rounds 11       fewer repetitions

All losses of a network are evaluated in turn in one process, with one thread: the loss alone, and
with its gradient. Ratios are those of the medians to the built-in squared error. "spread" is the
distance of the quartiles, relative to the median. "own" is the squared error as a function,
``(u - y)**2``, and "core" is `Network.mean_squared_error`, which is compiled and not traced.
Values are verified against NumPy before they are timed. Targets are labels 0, ..., n_out - 1 for
softmax, 0 and 1 for all other losses.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from timing import in_turn, spread

import kanml
from kanml.experiments.tables import heading

NETWORKS = {"[2, 8, 8, 1]": ([2, 8, 8, 1], 4096), "[64, 64, 10]": ([64, 64, 10], 1024)}
Array = np.ndarray


def own(u: Any, y: Any) -> Any:
    if not isinstance(u, tuple):
        return (u - y) ** 2
    return sum((a - b) ** 2 for a, b in zip(u, y, strict=True)) / len(u)


def huber(u: Array, y: Array) -> Array:
    e = abs(u - y)
    return np.where(e <= 1, e**2 / 2, e - 0.5)


def softmax(u: Array, y: Array) -> Array:
    return np.log(np.exp(u).sum(axis=1)) - u[np.arange(len(u)), y[:, 0].astype(int)]


LOSSES: dict[str, tuple[Any, Callable[[Array, Array], Array]]] = {
    "squared": ("squared", lambda u, y: (u - y) ** 2),
    "own": (own, lambda u, y: (u - y) ** 2),
    "huber": (kanml.Huber(1.0), huber),
    "quantile": (
        kanml.Quantile(0.9),
        lambda u, y: np.maximum(0.9 * (y - u), 0.1 * (u - y)),
    ),
    "logistic": ("logistic", lambda u, y: np.log1p(np.exp((1 - 2 * y) * u))),
    "poisson": ("poisson", lambda u, y: np.exp(u) - y * u - y),
    "softmax": ("softmax", softmax),
}


def compare(name: str, rounds: int) -> None:
    widths, n = NETWORKS[name]
    n_out = widths[-1]
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (n, widths[0]))
    labels = rng.integers(0, 2, (n, n_out)).astype(float)
    net = kanml.KAN(widths, degree=3, intervals=8, data=x)
    u = net(x)
    calls: dict[tuple[str, str], Callable[[], object]] = {}
    for loss, (given, formula) in LOSSES.items():
        if loss == "softmax" and n_out == 1:
            continue
        y = rng.integers(0, n_out, (n, 1)) if loss == "softmax" else labels
        problem = kanml.Regression(x, y, loss=given)
        value, expected = problem.evaluation(net).value, formula(u, y).mean()
        assert abs(value - expected) <= 1e-12 * abs(expected), (loss, value, expected)
        for want in ("value", "gradient"):
            calls[loss, want] = partial(problem.evaluation, net, None, want, num_threads=1)
    calls["core", "gradient"] = partial(net.mean_squared_error, x, labels, num_threads=1)
    times = in_turn(calls, rounds)
    print(f"\n{name} at {n} samples, milliseconds, {rounds} rounds")
    line = "{:10s}{:10s}{:10.3f}{:8.0%}{:8.2f}"
    print(heading(line, ("loss", "wanted", "median", "spread", "ratio")))
    for (loss, want), seconds in times.items():
        median = np.median(seconds)
        ratio = median / np.median(times["squared", want])
        print(line.format(loss, want, 1e3 * median, spread(seconds), ratio), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=51)
    arguments = parser.parse_args()
    for name in NETWORKS:
        compare(name, arguments.rounds)


if __name__ == "__main__":
    main()
