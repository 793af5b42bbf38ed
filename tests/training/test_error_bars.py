"""Error bars of unknowns: against repetitions with other noise, formulas and SciPy."""

from __future__ import annotations

import numpy as np
import pytest

import kanml
from helpers import naming
from kanml.optim.matrices import Triangle
from kanml.training.uncertainty import covariance_of_last

X = np.linspace(0, 2, 60)[:, None]
FINE = np.linspace(0, 2, 150)[:, None]


def linear(noise, weight):
    """The source a sin 3x of u' is unknown; both residuals are linear in it and in the network."""
    y = -2 / 3 * np.cos(3 * X[:, 0]) + 0.1 * noise
    return kanml.PINN(
        "x",
        [
            kanml.Term("equation", FINE, lambda u, x, a: u.x - a * np.sin(3 * x), weight=weight),
            kanml.Term("data", X, lambda u: u - y),
        ],
        unknowns={"a": 2.0},
    )


def decay(noise, weight):
    """The rate of u' = -a u is unknown: a multiplies u."""
    y = np.exp(-1.5 * X[:, 0]) + 0.03 * noise
    return kanml.PINN(
        "x",
        [
            kanml.Term("equation", FINE, lambda u, a: u.x + a * u, weight=weight),
            kanml.Term("data", X, lambda u: u - y),
        ],
        unknowns={"a": 1.5},
    )


def solved(problem, net, unknowns, steps):
    """Parameters and unknowns after steps of Gauss-Newton."""
    for _ in range(steps):
        r, jacobian = problem.residuals(net, unknowns), problem.jacobian(net, unknowns)
        step = np.linalg.lstsq(jacobian, -r, rcond=None)[0]
        net = net.with_parameters(net.parameters + step[: net.n_parameters])
        unknowns = unknowns + step[net.n_parameters :]
    return net, unknowns


REPETITIONS = 400
FIVE_SIGMA = 5 / np.sqrt(2 * REPETITIONS)  # of a standard deviation from that number of samples


@pytest.mark.parametrize("weight", [1.0, 100.0])
@pytest.mark.parametrize(("make", "steps"), [(linear, 1), (decay, 6)])
def test_against_repetitions(make, steps, weight):
    """The spread of estimates over draws of the noise, in the data alone.

    More rows belong to the equation, which has no errors. A single variance for all rows would be
    several times too small.
    """
    rng = np.random.default_rng(0)
    net = kanml.KAN([1, 1], degree=5, intervals=6, domain=(0, 2))
    found, variances = [], []
    for _ in range(REPETITIONS):
        problem = make(rng.normal(size=len(X)), weight)
        net, unknowns = solved(problem, net, np.array([problem.unknowns["a"]]), steps)
        triangles = problem.triangles(net, unknowns)
        found.append(unknowns[0])
        variances.append(covariance_of_last(triangles, 1)[0, 0])
    spread, predicted = np.std(found), np.sqrt(np.mean(variances))
    assert predicted == pytest.approx(spread, rel=FIVE_SIGMA)
    assert abs(np.mean(found) - problem.unknowns["a"]) < 5 * spread / np.sqrt(REPETITIONS) + 1e-3


def trained(problem, schedule=(40,), net=None):
    net = kanml.KAN([1, 1], degree=4, intervals=4, domain=(0, 2)) if net is None else net
    return kanml.train(net, problem, schedule, kanml.LevenbergMarquardt(), progress=False)


def test_against_scipy():
    """All rows are data: splines and two waves are fitted together."""
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(1)
    x = X[:, 0]
    waves = np.stack([np.sin(9 * x), np.cos(11 * x)], axis=1)
    y = x**2 + waves @ [1.0, -0.5] + rng.normal(0, 0.1, len(x))
    sigma = rng.uniform(0.5, 2.0, len(x))
    problem = kanml.PINN(
        "x",
        [
            kanml.Term(
                "data",
                X,
                lambda u, x, a, b: (u + a * np.sin(9 * x) + b * np.cos(11 * x) - y) / sigma,
                weight=7.0,
            )
        ],
        unknowns={"a": 0.0, "b": 0.0},
    )
    result = trained(problem)
    space = result.network.layers[0].spaces[0]
    design = np.concatenate([space.design_matrix(x), waves], axis=1)
    found, covariance = optimize.curve_fit(
        lambda _, *p: design @ p,
        x,
        y,
        np.zeros(design.shape[1]),
        sigma,
        jac=lambda _, *p: design,
    )
    np.testing.assert_allclose(list(result.unknowns.values()), found[-2:], rtol=1e-5)
    np.testing.assert_allclose(result.covariance, covariance[-2:, -2:], rtol=1e-6)
    expected = np.sqrt(np.diag(covariance))[-2:]
    assert result.standard_errors == pytest.approx(dict(zip("ab", expected, strict=True)), rel=1e-6)


def test_two_variances_are_told_apart():
    """Rows with known errors of two sizes: both are found, without bias, whatever the weights."""
    rng = np.random.default_rng(2)
    jacobians = [rng.normal(size=(30, 4)), 5 * rng.normal(size=(40, 4))]
    deviations = [1.0, 0.2]
    inverse = np.linalg.pinv(np.concatenate(jacobians))
    errors = np.repeat(np.square(deviations), [30, 40])
    expected = (inverse * errors) @ inverse.T
    found = []
    for _ in range(REPETITIONS):
        rows = [
            Triangle.of(jacobian, deviation * rng.normal(size=len(jacobian)))
            for jacobian, deviation in zip(jacobians, deviations, strict=True)
        ]
        # At the minimum: what a step would still change is none of the residual.
        whole = rows[0].merged(rows[1:])
        step = np.linalg.lstsq(whole.R, -whole.c, rcond=None)[0]
        at = [
            Triangle(
                np.block([[row.R, (row.R @ step + row.c)[:, None]], [np.zeros((1, 4)), row.rest]]),
                row.rows,
                row.epsilon,
            )
            for row in rows
        ]
        found.append(covariance_of_last(at, 2))
    mean, deviation = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(REPETITIONS)
    assert (abs(mean - expected[-2:, -2:]) < 5 * deviation).all()


def test_unknowns_that_rows_do_not_determine():
    """Only a sum of two is seen; a third is not concerned."""
    y = np.sin(3 * X[:, 0]) + np.random.default_rng(0).normal(0, 0.1, len(X))
    problem = kanml.PINN(
        "x",
        [kanml.Term("d", X, lambda u, x, a, b, c: u + (a + b + c * x**5) * np.sin(9 * x) - y)],
        unknowns={"a": 0.0, "b": 0.0, "c": 0.0},
    )
    result = trained(problem)
    errors = result.standard_errors
    assert errors["a"] == errors["b"] == np.inf
    assert 0 < errors["c"] < np.inf
    assert np.isnan(result.covariance[0, 1:]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("unit", [2.0**-27, 2.0**27, 2.0**50])
def test_an_unknown_of_any_size_is_found_with_its_error(unit, dtype):
    """Powers of two round nothing, so the run is the same one, and errors scale exactly."""
    y = np.exp(-1.5 * X[:, 0]) + 0.03 * np.random.default_rng(0).normal(size=len(X))

    def in_units(unit):
        return kanml.PINN(
            "x",
            [
                kanml.Term("equation", FINE, lambda u, a: u.x + (a / unit) * u),
                kanml.Term("data", X, lambda u: u - y),
            ],
            unknowns={"a": unit},
        )

    net = kanml.KAN([1, 1], degree=4, intervals=4, domain=(0, 2), dtype=dtype)
    found, expected = trained(in_units(unit), (4, 20), net), trained(in_units(1.0), (4, 20), net)
    assert expected.unknowns["a"] == pytest.approx(1.487, abs=0.001)
    assert found.unknowns["a"] == unit * expected.unknowns["a"]
    assert found.standard_errors["a"] == unit * expected.standard_errors["a"]
    np.testing.assert_array_equal(found.network.parameters, expected.network.parameters)


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_units_of_an_unknown_change_nothing(unit):
    """In float32, where a column that is 1e9 times shorter than others is below their rounding."""
    rng = np.random.default_rng(3)
    jacobian, residuals = rng.normal(size=(50, 4)).astype(np.float32), rng.normal(size=50)
    expected = covariance_of_last([Triangle.of(jacobian, residuals)], 2)
    jacobian[:, 3] /= np.float32(unit)
    found = covariance_of_last([Triangle.of(jacobian, residuals)], 2)
    np.testing.assert_allclose(found, expected * np.outer([1, unit], [1, unit]), rtol=1e-5)


def test_the_number_of_rows_does_not_decide_what_counts():
    """A singular value of 0.1 beside 1, of 3 million rows in float32."""
    rows, epsilon = 3_000_000, float(np.finfo(np.float32).eps)
    jacobian = np.array([[0.55, 0.45], [0.45, 0.55]])
    matrix = np.zeros((3, 3))
    matrix[:2, :2] = np.linalg.qr(jacobian)[1]
    matrix[2, 2] = 7.0
    expected = 49.0 / (rows - 2) * np.linalg.inv(jacobian.T @ jacobian)
    found = covariance_of_last([Triangle(matrix, rows, epsilon)], 2)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_rows_that_are_not_finite():
    for column in (0, 1):
        matrix = np.eye(2)
        matrix[0, column] = np.inf
        with pytest.raises(ValueError, match="finite"):
            covariance_of_last([Triangle(matrix, 5, 1e-16)], 1)


def test_float32():
    net = kanml.KAN([1, 1], degree=4, intervals=4, domain=(0, 2), dtype="float32")
    problem = decay(np.random.default_rng(0).normal(size=len(X)), 1.0)
    single, double = trained(problem, net=net), trained(problem)
    assert single.standard_errors == pytest.approx(double.standard_errors, rel=0.02)


def test_where_there_are_none():
    few = kanml.PINN(
        "x", [kanml.Term("ode", X[::10], lambda u, a: u.x + a * u)], unknowns={"a": 1.0}
    )
    result = kanml.train(kanml.KAN([1, 1], domain=(0, 2)), few, [5], progress=False)
    with pytest.raises(ValueError, match=naming("6 rows", "6 parameters", "more points")):
        result.standard_errors  # noqa: B018
    plain = kanml.train(kanml.KAN([1, 1]), kanml.Regression(X, X), [5], progress=False)
    assert plain.standard_errors == {}
    assert plain.covariance.shape == (0, 0)


class Own(kanml.Problem):
    unknowns = {"a": 1.0}  # noqa: RUF012

    def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
        if want == "least_squares":
            self.n_rows(net)
        return kanml.Evaluation(unknowns[0] ** 2, np.append(0 * net.parameters, 2 * unknowns[0]))

    def fingerprint(self):
        return "own"


def test_a_loss_without_rows():
    result = kanml.train(kanml.KAN([1, 1]), Own(), [2], progress=False)
    with pytest.raises(TypeError, match=naming("Own", "rows")):
        result.covariance  # noqa: B018
