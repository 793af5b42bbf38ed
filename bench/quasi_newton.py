"""Time what SSBroyden does with its inverse Hessian: a product and an update of rank two.

    python bench/quasi_newton.py                   about a minute
    python bench/quasi_newton.py --rounds 11       fewer repetitions

The core works on a packed triangle, NumPy on the full matrix: ``H @ x``, and the formula of the
update as one would write it, ``(H - v0 v0' / k + f k v v') / tau + r s s'``. All calls of a size
are timed in turn in one process; "spread" is the distance of the quartiles, relative to the median,
and ratios are those of the medians, NumPy's over the core's. NumPy uses the threads that its
library chooses. Results are verified against NumPy before they are timed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
from timing import in_turn, spread

from kanml import _core
from kanml.experiments.tables import heading

SIZES = (500, 1000, 2000, 4000)
THREADS = (1, 2)
TAU, PHI = 0.8, 0.6


def numpy_update(h: np.ndarray, s: np.ndarray, y: np.ndarray, v0: np.ndarray) -> np.ndarray:
    rho, k = 1 / (s @ y), y @ v0
    v = rho * s - v0 / k
    inside = h - np.outer(v0, v0) / k + PHI * k * np.outer(v, v)
    return inside / TAU + rho * np.outer(s, s)


def core_update(
    packed: np.ndarray, s: np.ndarray, y: np.ndarray, v0: np.ndarray, threads: int
) -> np.ndarray:
    rho, k = 1 / (s @ y), y @ v0
    ss, sv, vv = rho + PHI * k * rho**2 / TAU, -PHI * rho / TAU, (PHI - 1) / (k * TAU)
    out = np.empty_like(packed)
    _core.symmetric_update(1 / TAU, packed, s, v0, ss, sv, vv, out, threads)
    return out


def core_product(packed: np.ndarray, x: np.ndarray, threads: int) -> np.ndarray:
    out = np.empty_like(x)
    _core.symmetric_product(packed, x, out, threads)
    return out


def compare(n: int, dtype: str, rounds: int) -> None:
    rng = np.random.default_rng(0)
    root = rng.standard_normal((n, 20))
    h = (np.eye(n) + root @ root.T / n).astype(dtype)
    s = rng.standard_normal(n).astype(dtype)
    y = (s + 0.1 * rng.standard_normal(n)).astype(dtype)
    v0, triangle = h @ y, np.tril_indices(n)
    packed = h[triangle]
    calls: dict[tuple[str, str], Callable[[], object]] = {
        ("product", "NumPy"): partial(np.matmul, h, y),
        ("update", "NumPy"): partial(numpy_update, h, s, y, v0),
    }
    tolerance = 100 * np.finfo(dtype).eps
    for threads in THREADS:
        who = f"core, {threads}"
        calls["product", who] = partial(core_product, packed, y, threads)
        calls["update", who] = partial(core_update, packed, s, y, v0, threads)
        assert abs(calls["product", who]() - v0).max() <= tolerance * abs(v0).max()
        expected = numpy_update(h, s, y, v0)[triangle]
        assert abs(calls["update", who]() - expected).max() <= tolerance * abs(expected).max()
    del triangle
    times = in_turn(calls, rounds)
    print(f"\nn = {n}, {dtype}, milliseconds, {rounds} rounds")
    line = "{:10s}{:12s}{:10.3f}{:8.0%}{:8.1f}"
    print(heading(line, ("what", "who", "median", "spread", "ratio")))
    for (what, who), seconds in times.items():
        median = np.median(seconds)
        ratio = np.median(times[what, "NumPy"]) / median
        print(line.format(what, who, 1e3 * median, spread(seconds), ratio), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=51)
    arguments = parser.parse_args()
    for n in SIZES:
        for dtype in ("float64", "float32"):
            compare(n, dtype, arguments.rounds)


if __name__ == "__main__":
    main()
