"""The rows of losses of data: 2 J^T c is the gradient of a loss, and 2 J^T J its curvature."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from mpmath import mpf

import kanml
from helpers import naming
from kanml.expressions import Leaf, Program, Trace, partials
from kanml.problems.losses import LOSSES, DataLoss

FLOOR = 2.0**-52  # the least curvature of a row
DTYPES = pytest.mark.parametrize("dtype", ["float64", "float32"])


def rows(loss: DataLoss, u: Any, y: Any, dtype: str = "float64"):
    """The rows (m, N) of samples with outputs u (n, N) and targets y, and derivatives (m, n, N)."""
    trace = Trace("")
    leaves = [Leaf("derivative", f"u{i}") for i in range(len(u))]
    targets = [Leaf("coordinate", f"y{i}") for i in range(len(y))]
    found = loss.rows([trace.leaf(it) for it in leaves], [trace.leaf(it) for it in targets])
    slopes = [slope for row in found for slope in partials(row, leaves)]
    given = dict(zip([*leaves, *targets], np.array([*u, *y], dtype), strict=True))
    values = np.array(Program([*found, *slopes]).evaluate(given, len(u[0]), dtype))
    m = len(found)
    return values[:m], values[m:].reshape(m, len(u), -1)


# One output

LOGITS = [-800.0, -700.0, -100.0, -37.0, -5.0, -0.3, 0.0, 2.0, 36.5, 90.0, 800.0]
SINGLE = {
    "squared": (lambda u, y: (u - y) ** 2, [-3.0, 0.0, 0.25, 1e5], [0.25, -1e3]),
    "logistic": (lambda u, y: mpmath.log(1 + mpmath.exp((1 - 2 * y) * u)), LOGITS, [0.0, 1.0]),
    "poisson": (
        lambda u, y: mpmath.exp(u) - y * u,
        [*LOGITS[:-1], 700.0],
        [0.0, 1.0, 1e6],
    ),
}


def slope_and_curvature(function, u, y):
    with mpmath.workdps(700):  # of exp(-800) beside 1, twice
        at = mpf(u)
        return [float(mpmath.diff(lambda v: function(v, mpf(y)), at, order)) for order in (1, 2)]


@pytest.mark.parametrize("name", SINGLE)
def test_the_rows_of_one_output(name):
    function, outputs, targets = SINGLE[name]
    u, y = (grid.ravel() for grid in np.meshgrid(outputs, targets))
    (c,), ((slope,),) = rows(LOSSES[name], [u], [y])
    expected = np.array(
        [slope_and_curvature(function, *sample) for sample in zip(u, y, strict=True)]
    ).T
    np.testing.assert_allclose(2 * slope * c, expected[0], rtol=1e-14, atol=1e-300)
    np.testing.assert_allclose(2 * slope**2, np.maximum(expected[1], FLOOR), rtol=1e-14)
    assert np.isfinite(c).all()


@pytest.mark.parametrize("name", ["logistic", "poisson"])
def test_rows_in_float32_at_extreme_logits(name):
    u, y = (grid.ravel() for grid in np.meshgrid([-300.0, -95.0, 0.1, 80.0], [0.0, 1.0]))
    (c,), ((slope,),) = rows(LOSSES[name], [u], [y], "float32")
    (expected,), ((expected_slope,),) = rows(LOSSES[name], [np.float32(u)], [y])
    np.testing.assert_allclose(slope, expected_slope, rtol=1e-5)
    np.testing.assert_allclose(2 * slope * c, 2 * expected_slope * expected, rtol=1e-5, atol=1e-37)


def test_rows_of_huber_are_those_of_the_parabola_that_touches_it_twice():
    delta = 0.7
    e = np.array([-1e8, -3.0, -0.7, -0.2, 0.0, 1e-300, 0.69, 0.71, 50.0])
    (c,), ((slope,),) = rows(kanml.Huber(delta), [e + 2.0], [np.full_like(e, 2.0)])
    e = (e + 2.0) - 2.0
    np.testing.assert_allclose(2 * slope * c, np.clip(e, -delta, delta), rtol=1e-15)
    # f(e) = a + b e^2 with f'(e) = clip(e): b is this, and the curvature 2 b
    weight = np.where(abs(e) <= delta, 1.0, delta / np.maximum(abs(e), delta))
    np.testing.assert_allclose(2 * slope**2, weight, rtol=1e-15)
    loss = np.where(abs(e) <= delta, e**2 / 2, delta * (abs(e) - delta / 2))
    far = np.linspace(-4, 4, 81)[:, None]
    parabolas = loss + weight / 2 * (far**2 - e**2)
    losses = np.where(abs(far) <= delta, far**2 / 2, delta * (abs(far) - delta / 2))
    usual = abs(e) < 1e3  # of errors that leave digits to compare
    assert (parabolas - losses >= -1e-14)[:, usual].all()


# Several outputs


@pytest.mark.parametrize("name", ["squared", "logistic", "poisson"])
def test_rows_of_several_outputs_are_those_of_each_for_the_mean(name):
    rng = np.random.default_rng(0)
    u, y = rng.normal(size=(3, 20)), rng.integers(0, 2, (3, 20)).astype(float)
    c, jacobian = rows(LOSSES[name], u, y)
    for i in range(3):
        (one,), ((slope,),) = rows(LOSSES[name], u[i : i + 1], y[i : i + 1])
        np.testing.assert_allclose(c[i], one / np.sqrt(3), rtol=1e-15)
        np.testing.assert_allclose(jacobian[i, i], slope / np.sqrt(3), rtol=1e-15)
        others = [j for j in range(3) if j != i]
        assert not jacobian[i, others].any()


CLASSES = {
    "usual": ([0.3, -1.2, 0.9], 1),
    "two": ([0.3, -1.2], 0),
    "all alike": ([5.0, 5.0, 5.0, 5.0], 3),
    "nearly certain": ([40.0, 1.0, -3.0], 0),
    "nearly excluded": ([-45.0, 1.0, -3.0], 0),
    "certain": ([800.0, -800.0, 0.0], 0),
    "excluded": ([-800.0, 800.0, 0.0], 0),
    "far out": ([1e5, 1e5 + 1.0, 1e5 - 2.0], 1),
}


@pytest.mark.parametrize("case", CLASSES)
def test_the_rows_of_classes(case):
    logits, label = CLASSES[case]
    n = len(logits)
    c, jacobian = (part[..., 0] for part in rows(LOSSES["softmax"], np.c_[logits], [[label]]))
    with mpmath.workdps(800):
        p = [mpmath.exp(mpf(logit)) for logit in logits]
        p = [power / mpmath.fsum(p) for power in p]
        q = [max(share, FLOOR) for share in p]
        gradient = [float(p[k] - (k == label)) for k in range(n)]
        curvature = [
            [
                float(mpmath.fsum(q[i] * ((i == k) - p[k]) * ((i == j) - p[j]) for i in range(n)))
                for j in range(n)
            ]
            for k in range(n)
        ]
        hessian = [[float(p[k] * ((k == j) - p[j])) for j in range(n)] for k in range(n)]
    np.testing.assert_allclose(2 * jacobian.T @ c, gradient, rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(2 * jacobian.T @ jacobian, curvature, rtol=1e-13, atol=FLOOR)
    np.testing.assert_allclose(curvature, hessian, rtol=1e-13, atol=n * FLOOR)
    assert np.isfinite(c).all()


# Losses without rows


@pytest.mark.parametrize(
    "loss", [kanml.Quantile(0.9), lambda u, y: np.log(np.cosh(u - y))], ids=["quantile", "own"]
)
def test_losses_without_rows_say_what_to_use(loss):
    x = np.linspace(-1, 1, 5)[:, None]
    problem = kanml.Regression(x, x, loss=loss)
    net = kanml.KAN([1, 1])
    name = "quantile" if isinstance(loss, kanml.Quantile) else "<lambda>"
    wanted = naming(repr(name)[1:-1], "'squared'", "kanml.Huber", "kanml.LBFGS")
    for method in (problem.n_rows, problem.residuals, problem.jacobian):
        with pytest.raises(TypeError, match=wanted):
            method(net)
    for method in (problem.jvp, problem.vjp):
        with pytest.raises(TypeError, match=wanted):
            method(net, np.zeros(net.n_parameters))
    with pytest.raises(TypeError, match=wanted):
        problem.evaluation(net, want="least_squares")
    assert problem.evaluation(net).value > 0
