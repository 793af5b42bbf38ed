"""Physics-informed losses and their gradients against the formula in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from pinn_losses import (
    CASES,
    MU,
    X,
    burgers,
    burgers_rows,
    expected_gradient,
    expected_terms,
    expected_value,
    fields,
    network,
    one,
    smooth_layers,
)

import kanml
from helpers import naming, reference_layers, relative_error, same_bits, with_random_parameters
from kanml.layers.activation import ACTIVATIONS


def losses(problem, net, unknowns=None):
    """The parts of the terms in the loss."""
    terms = problem.evaluation(net, unknowns, "value").terms
    return {name: term.loss for name, term in terms.items()}


cases = pytest.mark.parametrize("case", CASES)


@cases
def test_loss_and_gradient(case):
    problem, net, loss = CASES[case]
    start = np.array(list(problem.unknowns.values()))
    value, gradient = problem.value_and_gradient(net, problem.unknowns)
    assert isinstance(value, float)
    assert value == pytest.approx(expected_value(loss, net, start), rel=1e-12)
    assert gradient.shape == (net.n_parameters + start.size,)
    expected = expected_gradient(loss, net, start)
    assert relative_error(gradient, expected) <= 1e-11
    if start.size:
        assert relative_error(gradient[-start.size :], expected[-start.size :]) <= 1e-11


@cases
def test_residuals_and_losses_make_the_loss(case):
    problem, net, _ = CASES[case]
    value, _ = problem.value_and_gradient(net, problem.unknowns)
    r = problem.residuals(net, problem.unknowns)
    assert r @ r == pytest.approx(value, rel=1e-13)
    terms = problem.evaluation(net, problem.unknowns).terms.values()
    assert sum(term.loss for term in terms) == pytest.approx(value, rel=1e-13)


@cases
def test_float32(case):
    problem, net, _ = CASES[case]
    single = with_random_parameters(
        kanml.Network(list(net.layers), dtype="float32"), seed=1
    ).with_parameters(net.parameters.astype(np.float32))
    value, gradient = problem.value_and_gradient(
        net.with_parameters(single.parameters), problem.unknowns
    )
    got, by_parameters = problem.value_and_gradient(single, problem.unknowns)
    assert by_parameters.dtype == np.float32
    assert problem.residuals(single, problem.unknowns).dtype == np.float32
    assert got == pytest.approx(value, rel=2e-3)
    assert relative_error(by_parameters, gradient) <= 2e-3


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_losses_are_the_same_whether_they_were_just_found_or_not(dtype):
    net = network(dtype=dtype)
    for options in ({}, {"attention": kanml.RBA(MU)}, {"batch_size": 7}):
        used, fresh = burgers(**options), burgers(**options)
        for problem in (used, fresh):
            problem.advance(with_random_parameters(net, 5), problem.unknowns)
        value, _ = used.value_and_gradient(net, used.unknowns)
        assert losses(used, net, used.unknowns) == losses(fresh, net, fresh.unknowns)
        assert sum(losses(used, net, used.unknowns).values()) == pytest.approx(value, rel=1e-15)


def test_the_parts_of_burgers():
    net = network()
    expected = dict(zip(["pde", "start"], expected_terms(burgers_rows, net), strict=True))
    assert losses(burgers(), net) == pytest.approx(expected, rel=1e-12)


def test_unknowns_are_taken_where_they_are_given():
    problem, net, loss = CASES["unknowns"]
    at = np.array([2.0, 0.4])
    value, gradient = problem.value_and_gradient(net, at)
    assert value == pytest.approx(expected_value(loss, net, at), rel=1e-12)
    assert losses(problem, net, at)["it"] == pytest.approx(value, rel=1e-13)
    assert relative_error(gradient, expected_gradient(loss, net, at)) <= 1e-11


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_same_bits_for_any_number_of_threads(dtype):
    x = np.random.default_rng(1).uniform(-1, 1, (6000, 2))
    problem = kanml.PINN(
        "tx",
        [
            kanml.Term("pde", x, lambda u, v, a: (u.t + u * v.xx, a * u.tx), batch_size=5000),
            kanml.Term("both", x, lambda u, v: u - v**2, attention=kanml.RBA(MU)),
        ],
        outputs="uv",
        unknowns={"a": 0.5},
    )
    net = smooth_layers(3, dtype=dtype)
    problem.advance(net, problem.unknowns)
    value, gradient = problem.value_and_gradient(net, problem.unknowns, num_threads=1)
    residuals = problem.residuals(net, problem.unknowns, num_threads=1)
    for threads in (2, 3, 8):
        got = problem.value_and_gradient(net, problem.unknowns, num_threads=threads)
        assert got[0] == value
        assert same_bits(got[1], gradient)
        assert same_bits(problem.residuals(net, problem.unknowns, num_threads=threads), residuals)


def test_more_points_than_are_held_at_once():
    x = np.random.default_rng(1).uniform(-1, 1, (9001, 2))
    net, weights = network(), np.arange(9001.0)
    problem = one(lambda u: weights * u.x, x)
    value, gradient = problem.value_and_gradient(net)
    u_x = net.derivatives(x, ["x"], "tx")["x"][:, 0]
    assert value == pytest.approx(np.mean((weights * u_x) ** 2), rel=1e-12)
    d = np.random.default_rng(2).normal(size=net.n_parameters)
    pieces = [  # the same sum, cut elsewhere
        one(lambda u, w=weights[i : i + 3001]: w * u.x, x[i : i + 3001], reduction="sum")
        for i in (0, 3001, 6002)
    ]
    expected = sum(p.value_and_gradient(net)[1] for p in pieces) @ d / 9001
    assert gradient @ d == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "activation", [kind for kind, form in ACTIVATIONS.items() if form.smooth_order is None]
)
def test_other_activations_have_all_derivatives(activation):
    net = with_random_parameters(kanml.MLP([2, 5, 1], activation=activation), seed=1)
    (u,) = fields(reference_layers(net), X, ["xx", "tx"])
    found = one(lambda u: u.xx + u.tx).residuals(net) * np.sqrt(len(X))
    np.testing.assert_allclose(found, u["xx"] + u["tx"], rtol=0, atol=1e-11)


def test_first_derivatives_of_relus():
    net = with_random_parameters(kanml.MLP([2, 5, 1]), seed=1)
    (u,) = fields(reference_layers(net), X, ["x"])
    found = one(lambda u: u.x).residuals(net) * np.sqrt(len(X))
    np.testing.assert_allclose(found, u["x"], rtol=0, atol=1e-12)


# Solutions


def test_the_solution():
    problem, net, _ = CASES["transform"]
    t, x = X.T
    expected = np.sin(np.pi * x) + t * (1 - x**2) * net(X)[:, 0]
    np.testing.assert_allclose(problem.solution(net, X)[:, 0], expected, rtol=0, atol=1e-14)
    assert same_bits(CASES["Burgers"][0].solution(net, X), net(X))


def test_expressions_of_the_solution():
    problem, net, _ = CASES["transform"]
    t, x = X.T
    d = net.derivatives(X, ["", "x"], "tx")
    slope = np.pi * np.cos(np.pi * x) + t * ((1 - x**2) * d["x"][:, 0] - 2 * x * d[""][:, 0])
    along = np.stack([0 * x, 2 * x], axis=1)
    found = problem.evaluate(net, X, lambda w, x: (w.x, w.s, x), directions={"s": along})
    expected = np.stack([slope, 2 * x * slope, x], axis=1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)
    residual = problem.terms[0].residual  # of one term, a mean over the points
    np.testing.assert_allclose(
        problem.evaluate(net, X, residual)[:, 0],
        problem.residuals(net) * np.sqrt(len(X)),
        rtol=1e-12,
    )
    with pytest.raises(ValueError, match=naming("order", "degree")):
        problem.evaluate(network(degree=1), X, lambda u: u.xx)
