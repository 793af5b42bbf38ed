"""Runs of variable projection: what they reach, which losses they take, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize

import kanml
from helpers import naming, same_bits

X = np.linspace(-1, 1, 150)[:, None]
Y = np.sin(5 * X) / (1 + X**2)
METHOD = kanml.VariableProjection()


def kan(**options):
    return kanml.KAN([1, 2, 1], **{"intervals": 3, "seed": 0, **options})


def run(problem, schedule=(12, 6), net=None, **options):
    net = kan() if net is None else net
    options = {"progress": False, "restarts": 0, **options}
    return kanml.train(net, problem, schedule, METHOD, **options)


# What enters linearly


def heat(**options):
    """A linear equation with a transform, data, and an unknown coefficient."""
    rng = np.random.default_rng(0)
    inside, at = rng.uniform(0, 1, (120, 2)), rng.uniform(0, 1, (40, 2))
    seen = np.exp(-0.3 * at[:, 0]) * np.sin(np.pi * at[:, 1])
    terms = [
        kanml.Term("heat", inside, lambda u, a: u.t - a * u.xx),
        kanml.Term("seen", at, lambda u: u - seen, weight=3.0),
    ]
    return kanml.PINN(
        "tx",
        terms,
        transform=lambda u, t, x: np.sin(np.pi * x) + t * x * (1 - x) * u,
        unknowns={"a": 0.5},
        **options,
    )


PROBLEMS = {
    "regression": lambda: (kanml.Regression(X, Y), kan()),
    "several outputs": lambda: (kanml.Regression(X, np.hstack([Y, X**3])), kan_of(2)),
    "weights": lambda: (kanml.Regression(X, Y, sample_weight=np.exp(X[:, 0])), kan()),
    "penalty": lambda: (kanml.Regression(X, Y, penalty=kanml.Smoothness(1e-5)), kan()),
    "ReLU": lambda: (kanml.Regression(X, Y), kan(basis="relu", intervals=2)),
    "float32": lambda: (kanml.Regression(X, Y), kan(dtype="float32")),
    "three layers": lambda: (kanml.Regression(X, Y), kanml.KAN([1, 2, 2, 1], intervals=2, seed=1)),
    "fixed layer at the end": lambda: (kanml.Regression(X, Y), scaled()),
    "equation": lambda: (heat(), kan_of_two()),
    "equation, penalty": lambda: (heat(penalty=kanml.Smoothness(1e-6)), kan_of_two()),
}
each_problem = pytest.mark.parametrize("make", PROBLEMS.values(), ids=PROBLEMS)


def kan_of(n_out):
    return kanml.KAN([1, 2, n_out], intervals=3, seed=0)


def kan_of_two():
    return kanml.KAN([2, 2, 1], intervals=2, domain=(0, 1), seed=0)


def scaled():
    layers = kan().layers
    return kanml.Network([*layers, kanml.Affine([2.0], [-1.0])], seed=0)


def values(problem):
    return list(problem.unknowns.values())


@each_problem
def test_residuals_are_affine_in_the_linear_parameters(make):
    problem, net = make()
    linear = problem.linear_parameters(net)
    last = max(block.layer for block in net.blocks)
    own = [block.slice for block in net.blocks if block.layer == last]
    assert (linear.start, linear.stop) == (own[0].start, net.n_parameters)
    rng, theta = np.random.default_rng(0), net.parameters.copy()
    step = rng.standard_normal(linear.stop - linear.start).astype(net.dtype)
    theta[linear] += step
    unknowns = values(problem)
    change = problem.residuals(net.with_parameters(theta), unknowns)
    change -= problem.residuals(net, unknowns)
    along = problem.jacobian(net, unknowns)[:, linear] @ step
    eps = np.finfo(net.dtype).eps
    np.testing.assert_allclose(change, along, rtol=0, atol=100 * eps * np.abs(along).max())


@pytest.mark.parametrize("num_threads", [1, 2, 3, 8])
@each_problem
def test_their_triangle(make, num_threads):
    """Against a factorisation of their columns; unknowns are not among these."""
    problem, net = make()
    unknowns = [1.5 * value for value in values(problem)]
    linear = problem.linear_parameters(net)
    triangle = problem.linear_triangle(net, unknowns, num_threads=num_threads)
    columns = problem.jacobian(net, unknowns)[:, linear].astype(np.float64)
    residuals = problem.residuals(net, unknowns).astype(np.float64)
    exact = np.column_stack([columns, residuals])
    found = triangle.matrix.T @ triangle.matrix
    eps = np.finfo(net.dtype).eps
    scale = np.linalg.norm(exact, axis=0)
    np.testing.assert_allclose(found, exact.T @ exact, rtol=0, atol=10 * eps * scale.max() ** 2)
    assert (triangle.rows, triangle.epsilon) == (problem.n_rows(net), eps)
    one = problem.linear_triangle(net, unknowns, num_threads=1)
    assert same_bits(triangle.matrix, one.matrix)


@each_problem
def test_they_are_the_best_after_every_step(make):
    """No other linear parameters lower the loss, as far as columns differ in the dtype."""
    problem, net = make()
    found = run(problem, [4, 3], net)
    loss, eps = found.history.loss, np.finfo(net.dtype).eps
    rounding = 2 * eps * np.sqrt(loss[:-1])  # of outputs of order one
    assert (np.diff(loss) <= 1e-6 * loss[:-1] + rounding).all()
    assert found.history.step[-1] == 7
    for on_level in found.levels:
        unknowns = list(found.unknowns.values()) if on_level is found.levels[-1] else None
        if unknowns is None and problem.unknowns:
            continue
        rows = problem.residuals(on_level, unknowns).astype(np.float64)
        columns = problem.jacobian(on_level, unknowns)[:, problem.linear_parameters(on_level)]
        best = np.linalg.lstsq(columns.astype(np.float64), rows, max(columns.shape) * eps)[0]
        least = np.sum((rows - columns @ best) ** 2)
        rel = 1e-8 if net.dtype == np.float64 else 1e-6
        assert rows @ rows <= least * (1 + rel)


# What it reaches


def test_a_problem_without_other_parameters_takes_one_step():
    net = kanml.KAN([1, 1], intervals=4)
    result = run(kanml.Regression(X, Y), [5, 5], net)
    assert result.history.level.tolist() == [0, 0, 1, 1]
    assert result.history.step.tolist() == [0, 1, 1, 2]
    for trained in result.levels:
        design = trained.layers[0].spaces[0].design_matrix(X[:, 0])
        expected = np.linalg.lstsq(design, Y[:, 0])[0]
        np.testing.assert_allclose(trained.parameters, expected, rtol=0, atol=1e-11)
    assert result.message == "all parameters are linear, and the best"


def test_it_reaches_the_minimum_that_scipy_finds():
    problem, net = kanml.Regression(X, Y), kan()
    result = run(problem, [100], net)
    theirs = scipy.optimize.least_squares(
        lambda theta: problem.residuals(net.with_parameters(theta)),
        result.network.parameters,
        lambda theta: problem.jacobian(net.with_parameters(theta)),
        method="trf",
        xtol=1e-15,
        ftol=1e-12,
        gtol=1e-15,
    )
    assert result.history.loss[-1] == pytest.approx(2 * theirs.cost, rel=1e-4)


def test_an_unknown_coefficient_is_found():
    """u = exp(-0.3 t) sin(pi x) solves the equation for a = 0.3 / pi^2."""
    result = run(heat(), [25], kan_of_two())
    assert result.history.loss[-1] < 1e-6
    assert result.unknowns["a"] == pytest.approx(0.3 / np.pi**2, rel=0.01)


def test_a_trial_that_a_layer_refuses_is_shortened():
    """Steps to where the inner functions leave the domain of the outer ones count as infinite."""
    outer = kanml.SplineSpace.uniform(-1, 1, 4, 3)
    layers = [
        kanml.Linear(1, 2),
        kanml.SplineLayer(2, 1, outer, extrapolation="error"),
    ]
    net = kanml.Network(layers, seed=3)
    net = net.with_parameters(np.where(np.arange(net.n_parameters) < 4, 0.3, 1) * net.parameters)
    problem, refused = kanml.Regression(X, np.sin(20 * X)), []
    original = kanml.Regression.linear_triangle

    class Watched(kanml.Regression):
        def linear_triangle(self, *arguments, **options):
            try:
                return original(self, *arguments, **options)
            except ValueError:
                refused.append(True)
                raise

    result = run(Watched(X, np.sin(20 * X)), [8], net)
    assert result.status == "completed"
    assert refused
    assert (np.diff(result.history.loss) < 0).all()
    loss, _ = problem.value_and_gradient(result.network)
    assert loss == result.history.loss[-1]


@pytest.mark.parametrize("num_threads", [2, 3, 8])
def test_any_number_of_threads_gives_the_same_bits(num_threads):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (3000, 2))
    problem = kanml.Regression(x, np.sin(4 * x[:, :1] * x[:, 1:]))
    net = kanml.KAN([2, 4, 1], intervals=3, seed=2)
    one, several = (run(problem, [4, 3], net, num_threads=n) for n in (1, num_threads))
    assert same_bits(one.network.parameters, several.network.parameters)
    assert same_bits(one.history.evaluations, several.history.evaluations)


# What is refused

EQUATION = kanml.Term("pde", X, lambda u: u.x + u * u)


@pytest.mark.parametrize(
    ("problem", "parts"),
    [
        (kanml.Regression(X, Y, loss=kanml.Huber(0.1)), ["not affine in the outputs"]),
        (kanml.Regression(X, (Y > 0) * 1.0, loss="logistic"), ["not affine in the outputs"]),
        (kanml.PINN("x", [EQUATION]), ["not affine in the outputs"]),
    ],
    ids=["Huber", "logistic", "equation"],
)
def test_a_loss_that_is_not_linear_is_refused(problem, parts):
    what = "VariableProjection needs a loss that is linear least squares in the parameters of the"
    with pytest.raises(TypeError, match=naming(what, "LevenbergMarquardt", *parts)):
        run(problem)


def test_an_activation_at_the_end_is_refused():
    net = kanml.Network([*kan().layers, kanml.Activation("tanh")], seed=0)
    with pytest.raises(
        TypeError, match=naming("affine in the parameters", "layers[2] follows", "tanh")
    ):
        run(kanml.Regression(X, Y), net=net)


def test_a_loss_without_rows_is_refused():
    with pytest.raises(TypeError, match="VariableProjection needs a loss that is a sum of squares"):
        run(kanml.Regression(X, Y, loss=kanml.Quantile(0.5)))


def test_too_many_parameters_on_a_level_are_refused_at_the_start():
    x = np.linspace(-1, 1, 400)[:, None]
    problem = kanml.Regression(x, np.sin(6 * x))
    net = kanml.KAN([1, 2, 1], intervals=4)
    optimizer = kanml.VariableProjection(largest_triangle=net.refine().n_parameters)
    parts = "level 2 of the schedule", "cannot train 76 parameters", "largest_triangle"
    with pytest.raises(ValueError, match=naming(*parts)):
        kanml.train(net, problem, [1, 1, 1], optimizer, progress=False)


@pytest.mark.parametrize("size", [2.0**-30, 2.0**40])
def test_unknowns_may_have_any_size(size):
    """A rate of decay, from noisy data; the network is linear in its last layer alone."""
    t = np.linspace(0, 1, 60)[:, None]
    data = np.exp(-2 * t[:, 0]) + np.random.default_rng(0).normal(0, 0.01, 60)
    net = kanml.KAN([1, 3, 1], degree=4, intervals=4, domain=(0, 1), activation="tanh", seed=0)

    def rate(size):
        terms = [
            kanml.Term("ode", t, lambda u, a: u.t + a / size * u),
            kanml.Term("data", t, lambda u: u - data),
        ]
        problem = kanml.PINN("t", terms, unknowns={"a": size})
        result = kanml.train(
            net, problem, [40], kanml.VariableProjection(), restarts=0, progress=False
        )
        return result.unknowns["a"] / size

    assert rate(size) == rate(1.0)  # a power of two rounds nothing
    assert rate(1.0) == pytest.approx(2.0, abs=0.05)
