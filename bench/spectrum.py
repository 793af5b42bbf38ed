"""Measure what docs/analysis.md says beyond `python -m kanml reproduce spectrum`.

    python bench/spectrum.py                 some minutes
    python bench/spectrum.py --seconds 20    a shorter search

Needs mpmath. The eigenvalues of many digits and the uneven knots are those of the tests.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import mpmath
import numpy as np

import kanml
from kanml import analysis

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import test_analysis as cases
from helpers import random_breakpoints

DEGREES = range(1, 6)


def accuracy() -> None:
    """Largest errors against 80 digits, and how near they come to the estimates."""
    print("accuracy   n  degree  eigenvalue  (/estimate)  condition  eigenvector  (/estimate)")
    for n in (4, 8, 16, 24):
        for degree in DEGREES:
            space = cases.uniform(n, degree)
            spectrum = analysis.transform_spectrum(space)
            with mpmath.workdps(80):
                exact, vectors = mpmath.eigsy(cases.exact(space))
                values = np.array(
                    [float(abs(spectrum.eigenvalues[j] / exact[j] - 1)) for j in range(space.dim)]
                )
                condition = float(abs(spectrum.condition / (exact[space.dim - 1] / exact[0]) - 1))
            columns = np.array(vectors.tolist(), dtype=np.float64)
            columns *= np.sign((columns * spectrum.eigenvectors).sum(axis=0))
            errors = np.linalg.norm(columns - spectrum.eigenvectors, axis=0)
            print(
                f"{n:12d}{degree:8d}{values.max():12.1e}"
                f"{(values / spectrum.eigenvalue_errors).max():13.2f}{condition:11.1e}"
                f"{errors.max():13.1e}{(errors / spectrum.vector_errors).max():13.2f}",
                flush=True,
            )


def naive() -> None:
    """Relative error of the least eigenvalue from numpy.linalg.eigvalsh of A^T A."""
    for degree in DEGREES:
        space = cases.uniform(64, degree)
        a = kanml.relu_transform(space).toarray()
        least = analysis.transform_spectrum(space).eigenvalues[0]
        print(
            f"eigvalsh   n = 64, degree {degree}: {np.linalg.eigvalsh(a.T @ a)[0] / least - 1:.1e}"
        )


def uneven_sign_changes(seeds: int = 5) -> None:
    """How far counts fall short of j, and whether they exceed it, on random knots."""
    print("uneven     n  largest j - count, degrees 1 to 5; any count above j")
    for n in (8, 16, 24, 32, 64):
        short = np.zeros(5, dtype=int)
        above = False
        for degree in DEGREES:
            for seed in range(seeds):
                points = random_breakpoints(np.random.default_rng(seed), n)
                spectrum = analysis.transform_spectrum(kanml.SplineSpace(points, degree))
                missing = np.arange(n + degree) - spectrum.sign_changes
                short[degree - 1] = max(short[degree - 1], missing.max())
                above |= bool((missing < 0).any())
        print(f"{n:12d}  {short}  {above}", flush=True)


def search(seconds: float) -> None:
    """Climb with the ratio of kernels over weights and points of networks of degree 1."""
    print("search     layers  width  intervals  samples  ratio")
    rng = np.random.default_rng(0)
    end = time.monotonic() + seconds
    largest = 0.0
    while time.monotonic() < end:
        layers, width, intervals = (int(rng.integers(*r)) for r in ((2, 10), (1, 4), (1, 5)))
        samples, inputs = int(rng.integers(2, 12)), int(rng.integers(1, 4))
        net = kanml.KAN([inputs, *[width] * (layers - 1), 1], degree=1, intervals=intervals)
        ratio = climb(net, samples, rng, until=min(end, time.monotonic() + 15))
        largest = max(largest, ratio)
        print(f"{layers:17d}{width:7d}{intervals:11d}{samples:9d}{ratio:7.3f}", flush=True)
    print(f"largest ratio {largest:.3f}")


def climb(net: kanml.Network, samples: int, rng: np.random.Generator, until: float) -> float:
    """Keep random changes that raise the ratio, with all layers inside their domain [-1, 1]."""
    bounds = np.concatenate(
        [np.full(b.slice.stop - b.slice.start, 1 / net.layers[b.layer].n_in) for b in net.blocks]
    )
    bounds[net.blocks[-1].slice] = 1.0  # nothing comes behind
    theta = rng.uniform(-bounds, bounds)
    x = rng.uniform(-1, 1, (samples, net.n_in))
    best, step = 0.0, 0.3
    while time.monotonic() < until:
        changed = rng.random(theta.size) < max(2 / theta.size, 0.1)
        other = theta + step * changed * bounds * rng.normal(size=theta.size)
        other = np.clip(other, -bounds, bounds)
        moved = np.where(
            rng.random(x.shape) < 1 / x.size, rng.choice([-1, 1, rng.uniform(-1, 1)]), x
        )
        ratio = cases.ratio(net.with_parameters(other), moved)
        if ratio >= best:
            best, theta, x, step = ratio, other, moved, min(1.05 * step, 1.0)
        else:
            step = max(0.99 * step, 1e-3)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300.0, help="of the search")
    options = parser.parse_args()
    accuracy()
    naive()
    uneven_sign_changes()
    search(options.seconds)


if __name__ == "__main__":
    main()
