"""Print the errors that the tests bound: splines, gradients, Taylor, refinement, bits, ReLU powers.

    python bench/accuracy.py

Needs SciPy. The networks and oracles are those of the tests, which assert the bounds; this prints
the largest error that was found, beside the bound.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
from scipy.interpolate import BSpline

import kanml
from kanml.experiments.tables import heading

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "problems"))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "network"))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import network_cases as cases
import pinn_losses as losses
import test_taylor as taylor

from helpers import random_breakpoints, reference_output, relative_error, same_bits
from reference import networks, relu


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
        worst_gradient = max(worst_gradient, relative_error(by_theta, np.array(steps)))
        steps = [networks.complex_step(losses, x, e) for e in np.eye(net.n_in)]
        worst_gradient = max(worst_gradient, relative_error(by_x, np.array(steps).T))

        dtheta = rng.normal(size=net.n_parameters)
        forward, backward = cotangent * net.jvp(x, dtheta), by_theta * dtheta
        scale = max(np.abs(forward).sum(), np.abs(backward).sum())
        worst_adjoint = max(worst_adjoint, abs(forward.sum() - backward.sum()) / scale)
    return worst_gradient, worst_adjoint


def taylor_coefficients() -> float:
    """Every order against power series, all layers, shared and separate directions."""
    return max(float(taylor.worst_coefficient(case, seed=1)) for case in taylor.CASES)


def taylor_adjoint() -> float:
    """<c, J v> of power series against <J^T c, v>, by parameters and by inputs."""
    return max(
        float(taylor.worst_adjoint(case, order, seed=order))
        for case in taylor.CASES
        for order in range(taylor.network_of(case)[1] + 1)
    )


def loss_gradients() -> float:
    """Physics-informed losses, by parameters and unknowns, against complex step."""
    worst = 0.0
    for problem, net, loss in losses.CASES.values():
        unknowns = list(problem.unknowns.values())
        _, gradient = problem.value_and_gradient(net, problem.unknowns)
        worst = max(worst, relative_error(gradient, losses.expected_gradient(loss, net, unknowns)))
    return worst


def refinement() -> float:
    """Three refinements of three layers with nonuniform knots, inputs beyond the domain."""
    worst = 0.0
    for degree in range(1, 6):
        layers = cases.spline_layers([2, 4, 3, 2], degree, "linear")
        net = cases.with_random_parameters(kanml.Network(layers, seed=0))
        x = np.random.default_rng(0).uniform(-1.6, 1.6, (20_000, 2))
        worst = max(worst, relative_error(cases.refined_thrice(net)(x), net(x)))
    return worst


def threads_agree() -> bool:
    """Outputs, losses, Taylor coefficients and gradients with 1, 2, 3 and 8 threads: same bits."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, (20_000, 2)), rng.normal(size=(20_000, 1))
    regression = kanml.Regression(x, y)
    pinn = kanml.PINN("tx", [kanml.Term("pde", x, lambda u: u.t + u * u.x - 0.01 * u.xx)])
    directions, cotangents = rng.normal(size=(2, 2)), rng.normal(size=(2, 4, 20_000, 1))

    def run(net: kanml.Network, n: int) -> list[object]:
        return [
            net(x, num_threads=n),
            *regression.value_and_gradient(net, num_threads=n),
            net.taylor(x, directions, 3, num_threads=n),
            *net.taylor_vjp(x, directions, cotangents, num_threads=n),
            *pinn.value_and_gradient(net, num_threads=n),
        ]

    agree = True
    for dtype in ("float64", "float32"):
        net = kanml.KAN([2, 8, 1], intervals=16, dtype=dtype)
        one = run(net, 1)
        for n in (2, 3, 8):
            agree &= all(same_bits(a, b) for a, b in zip(one, run(net, n), strict=True))
    return agree


DEGREES = range(1, 6)
INTERVALS = (8, 64, 512)


def relu_transform() -> float:
    """b = A psi, relative to the sums of the absolute values of its terms."""
    worst = 0.0
    for degree in DEGREES:
        for n in (1, 5, 40, 512):
            nonuniform = random_breakpoints(np.random.default_rng(n), n, -1, 3, ratio=1e3)
            for points in (np.linspace(-1, 1, n + 1), nonuniform):
                space = kanml.SplineSpace(points, degree)
                beside = np.nextafter(points, points[::-1])
                x = np.concatenate([points, beside, np.linspace(points[0], points[-1], 200)])
                A, psi = kanml.relu_transform(space), kanml.relu_basis(space, x)
                size = psi @ np.abs(A.toarray()).T
                error = np.abs((A @ psi.T).T - space.design_matrix(x))
                worst = max(worst, float((error[size > 0] / size[size > 0]).max()))
    return worst


def relu_growth(degree: int, n: int) -> float:
    """The largest sum_j |A_ij psi_j(x)| that a B-spline, of at most 1, is made of."""
    space = kanml.SplineSpace.uniform(-1, 1, n, degree)
    psi = kanml.relu_basis(space, np.linspace(-1, 1, 2 * n + 1))
    return float((psi @ np.abs(kanml.relu_transform(space).toarray()).T).max())


def relu_round_trip(degree: int, n: int, dtype: str) -> tuple[float, float] | None:
    """Random coefficients to ReLU weights in a dtype and back: relative error, and its bound."""
    A = kanml.relu_transform(kanml.SplineSpace.uniform(-1, 1, n, degree))
    u = np.random.default_rng(0).normal(size=A.shape[0]).astype(dtype)
    if A.lost(dtype) >= 1:
        return None
    return relative_error(A.T.solve(A.T @ u), u), A.condition * float(np.finfo(dtype).eps)


def relu_values(degree: int, n: int, dtype: str) -> tuple[float, float] | None:
    """Errors of the sum of powers, term by term, and of the network with the same weights.

    Relative to the largest value; against whole numbers, so that only the weights are rounded.
    """
    space = kanml.SplineSpace.uniform(-1, 1, n, degree)
    A = kanml.relu_transform(space)
    if A.lost(dtype) >= 1:
        return None
    layer = kanml.SplineLayer(1, 1, space, basis="relu")
    u = np.random.default_rng(0).normal(size=space.dim)
    net = kanml.Network([layer], dtype=dtype).with_parameters(A.T @ u)
    x = np.random.default_rng(1).uniform(-1, 1, 100).astype(dtype)
    exact, _ = relu.exact_sum(space.knots, degree, net.parameters, x)
    direct = relu.evaluate(space.knots.astype(dtype), degree, net.parameters, x)
    return relative_error(np.float64(direct), exact), relative_error(
        np.float64(net(x[:, None])[:, 0]), exact
    )


def print_relu_tables() -> None:
    """Tables by degree (down) and intervals (across)."""
    print("\nlargest sum of |A_ij psi_j|, for B-splines of at most 1")
    line = "{:<6d}" + "{:12.1e}" * len(INTERVALS) + "{:13.2f}"
    sizes = [f"n = {n}" for n in INTERVALS]
    print(heading(line, ["degree", *sizes, "power of n"]))
    for degree in DEGREES:
        sums = [relu_growth(degree, n) for n in INTERVALS]
        power = np.polyfit(np.log(INTERVALS), np.log(sums), 1)[0]
        print(line.format(degree, *sums, power))
    for title, measure in (
        (
            "coefficients to ReLU weights and back: relative error (condition * eps)",
            relu_round_trip,
        ),
        ("values of a ReLU layer, error / max |f|: term by term (kanml)", relu_values),
    ):
        for dtype in ("float64", "float32"):
            print(f"\n{title}, {dtype}")
            line = "{:<6d}" + "{:>20s}" * len(INTERVALS)
            print(heading(line, ["degree", *sizes]))
            for degree in DEGREES:
                with warnings.catch_warnings():  # where one percent is lost, and that is meant
                    warnings.simplefilter("ignore", RuntimeWarning)
                    pairs = [measure(degree, n, dtype) for n in INTERVALS]
                cells = ["refused" if p is None else f"{p[0]:.0e} ({p[1]:.0e})" for p in pairs]
                print(line.format(degree, *cells))


def main() -> None:
    gradient, adjoint = gradients()
    rows = [
        ("splines and derivatives against SciPy", splines(), 1e-12),
        ("gradients against complex step", gradient, 1e-9),
        ("adjoint identity", adjoint, 1e-12),
        ("Taylor coefficients, power series", taylor_coefficients(), 1e-10),
        ("Taylor adjoint identity", taylor_adjoint(), 1e-11),
        ("gradients of PDE losses, complex step", loss_gradients(), 1e-11),
        ("output after three refinements", refinement(), 1e-13),
        ("b = A psi, by sum |A psi|", relu_transform(), 16 * float(np.finfo(float).eps)),
    ]
    line = "{:40s}{:10.1e}{:10.0e}"
    print(heading(line, ("largest relative error", "found", "bound")))
    for row in rows:
        print(line.format(*row))
    print(f"same bits with 1, 2, 3 and 8 threads: {'yes' if threads_agree() else 'NO'}")
    print_relu_tables()


if __name__ == "__main__":
    main()
