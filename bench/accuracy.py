"""Print the errors that the tests bound: splines, gradients, refinement, bits.

    python bench/accuracy.py

Needs SciPy. The networks and oracles are those of the tests, which assert the bounds; this prints
the largest error that was found, beside the bound.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.interpolate import BSpline

import kanml

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import test_network as cases
from helpers import random_breakpoints, reference_output, same_bits
from reference import networks


def relative(actual: np.ndarray, expected: np.ndarray) -> float:
    return float(np.max(np.abs(actual - expected)) / np.max(np.abs(expected)))


def splines() -> float:
    """All degrees and derivatives against SciPy, relative to each function's largest value."""
    rng = np.random.default_rng(0)
    worst = 0.0
    for degree in range(1, 6):
        grids = [np.linspace(-1, 1, n + 1) for n in (1, 5, 40)]
        grids += [random_breakpoints(rng, n, -1, 3, ratio=1e3) for n in (1, 5, 40)]
        for points in grids:
            space = kanml.SplineSpace(points, degree)
            beside = np.concatenate([np.nextafter(points, np.inf), np.nextafter(points, -np.inf)])
            x = np.concatenate([points, beside, rng.uniform(points[0], points[-1], 1000)])
            x = x[(x >= points[0]) & (x <= points[-1])]
            reference = BSpline(space.knots, np.eye(space.dim), degree)
            for derivative in range(degree + 1):
                expected = reference(x, nu=derivative)
                error = np.abs(space.design_matrix(x, derivative) - expected).max(axis=0)
                worst = max(worst, float((error / np.abs(expected).max(axis=0)).max()))
    return worst


def gradients() -> tuple[float, float]:
    """Every parameter and input against complex step, and <c, J v> against <J^T c, v>."""
    worst_gradient = worst_adjoint = 0.0
    for name in cases.CASES:
        net = cases.network(name)
        x = cases.smooth_inputs(name, net, 20)
        rng = np.random.default_rng(2)
        cotangent = rng.normal(size=(20, net.n_out))
        by_theta, by_x = net.vjp(x, cotangent)

        def loss(theta, net=net, x=x, cotangent=cotangent):
            return np.sum(cotangent * reference_output(net, x, theta))

        def losses(points, net=net, cotangent=cotangent):
            return np.sum(cotangent * reference_output(net, points), axis=1)

        steps = [networks.complex_step(loss, net.parameters, e) for e in np.eye(net.n_parameters)]
        worst_gradient = max(worst_gradient, relative(by_theta, np.array(steps)))
        steps = [networks.complex_step(losses, x, e) for e in np.eye(net.n_in)]
        worst_gradient = max(worst_gradient, relative(by_x, np.array(steps).T))

        dtheta = rng.normal(size=net.n_parameters)
        forward, backward = cotangent * net.jvp(x, dtheta), by_theta * dtheta
        scale = max(np.abs(forward).sum(), np.abs(backward).sum())
        worst_adjoint = max(worst_adjoint, abs(forward.sum() - backward.sum()) / scale)
    return worst_gradient, worst_adjoint


def refinement() -> float:
    """Three refinements of three layers with nonuniform knots, inputs beyond the domain."""
    worst = 0.0
    for degree in range(1, 6):
        layers = cases.spline_layers([2, 4, 3, 2], degree, "linear")
        net = cases.with_random_parameters(kanml.Network(layers, seed=0))
        x = np.random.default_rng(0).uniform(-1.6, 1.6, (20_000, 2))
        worst = max(worst, relative(cases.refined_thrice(net)(x), net(x)))
    return worst


def threads_agree() -> bool:
    """Outputs, loss and gradient with 1, 2, 3 and 8 threads: the same bits."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, (20_000, 2)), rng.normal(size=(20_000, 1))
    agree = True
    for dtype in ("float64", "float32"):
        net = kanml.KAN([2, 8, 1], intervals=16, dtype=dtype)
        problem = kanml.Regression(x, y)
        runs = [
            (net(x, num_threads=n), *problem.value_and_gradient(net, num_threads=n))
            for n in (1, 2, 3, 8)
        ]
        agree &= all(same_bits(a, b) for run in runs[1:] for a, b in zip(runs[0], run, strict=True))
    return agree


def main() -> None:
    gradient, adjoint = gradients()
    rows = [
        ("splines and derivatives against SciPy", splines(), 1e-12),
        ("gradients against complex step", gradient, 1e-9),
        ("adjoint identity", adjoint, 1e-12),
        ("output after three refinements", refinement(), 1e-13),
    ]
    print(f"{'largest relative error':40s}{'found':>10s}{'bound':>10s}")
    for name, found, bound in rows:
        print(f"{name:40s}{found:10.1e}{bound:10.0e}")
    print(f"same bits with 1, 2, 3 and 8 threads: {'yes' if threads_agree() else 'NO'}")


if __name__ == "__main__":
    main()
