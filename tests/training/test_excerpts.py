"""The part of a problem that starts are tried on, and problems that have none."""

from __future__ import annotations

import numpy as np
import pytest
from contest_runs import PROBLEM, Plain, X, Y, kan, train

import kanml
from helpers import same_bits

RNG = np.random.default_rng(5)


def test_the_excerpt_of_a_regression():
    problem = kanml.Regression(X, Y, batch_size=30)
    part, cost = problem.excerpt(100)
    assert cost == pytest.approx(100 / 30)
    net = kan(start="random")
    value, gradient = part.value_and_gradient(net)
    residuals = (net(X) - Y)[:, 0] ** 2
    taken = part.residuals(net) ** 2 * 100
    assert len(taken) == 100
    assert np.isclose(taken[:, None], residuals).any(axis=1).all()
    assert value == pytest.approx(taken.mean(), rel=1e-12)
    assert gradient.shape == (net.n_parameters,)
    whole, cost = problem.excerpt(10**6)
    assert cost == pytest.approx(10)
    assert whole.value_and_gradient(net)[0] == pytest.approx(residuals.mean(), rel=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_excerpt_of_a_pinn(reduction):
    """Each term on a part of its points: its mean, and its sum scaled up."""
    edge = np.linspace(-1, 1, 20)[:, None] * [1.0, 0.0]
    terms = [
        kanml.Term("pde", X, lambda u: u.xx + u.yy + u, reduction=reduction, weight=0.5),
        kanml.Term("edge", edge, lambda u: u, batch_size=10),
    ]
    problem = kanml.PINN("xy", terms)
    net = kan(start="random", extrapolation="polynomial")  # smooth at the ends of domains
    part, cost = problem.excerpt(60)
    # In Taylor coefficients: the value, and two orders along x and y.
    assert cost == pytest.approx((60 * 5 + 20) / (300 * 5 + 10))
    squares = problem.evaluate(net, X, lambda u: u.xx + u.yy + u)[:, 0] ** 2
    factor = 300 / 60 if reduction == "sum" else 1
    taken = part.residuals(net)[:60] ** 2 / factor
    scale = 0.5 * (1 if reduction == "sum" else 1 / 60)
    assert np.isclose(taken[:, None] / scale, squares).any(axis=1).all()
    boundary = np.mean(net(edge) ** 2)
    assert part.value_and_gradient(net)[0] == pytest.approx(factor * taken.sum() + boundary)
    found = part.evaluation(net)
    assert sum(term.loss for term in found.terms.values()) == pytest.approx(found.value)
    assert part.residuals(net) @ part.residuals(net) == pytest.approx(
        part.value_and_gradient(net)[0]
    )
    part.advance(net)
    assert part.value_and_gradient(net)[0] == pytest.approx(factor * taken.sum() + boundary)
    # The gradient is that of the value.
    theta, h = net.parameters, 1e-6
    direction = RNG.standard_normal(theta.size)
    slope = (
        part.value_and_gradient(net.with_parameters(theta + h * direction))[0]
        - part.value_and_gradient(net.with_parameters(theta - h * direction))[0]
    ) / (2 * h)
    assert part.value_and_gradient(net)[1] @ direction == pytest.approx(slope, rel=1e-5)


class Weighted(kanml.Regression):
    def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
        found = super().evaluation(net, unknowns, num_threads=num_threads)
        return kanml.Evaluation(2 * found.value, 2 * found.gradient)


def test_the_excerpt_of_a_subclass_has_its_loss():
    x = RNG.uniform(-1, 1, (3000, 2))
    y = x[:, :1] * x[:, 1:]
    plain, weighted = (cls(x, y).excerpt(1000) for cls in (kanml.Regression, Weighted))
    assert plain[1] == weighted[1] == pytest.approx(1 / 3)
    loss, gradient = weighted[0].value_and_gradient(kan())
    assert loss == 2 * plain[0].value_and_gradient(kan())[0]
    assert same_bits(gradient, 2 * plain[0].value_and_gradient(kan())[1])


@pytest.mark.parametrize("excerpt", [None, PROBLEM, (PROBLEM, 0.0), (PROBLEM, -1), (3, 0.5)])
def test_a_bad_excerpt(excerpt):
    class Bad(Plain):
        def excerpt(self, samples):
            return excerpt

    with pytest.raises(TypeError, match="excerpt of Bad must return a problem and what it costs"):
        train(problem=Bad())
    assert train(problem=Bad(), restarts=0).status == "completed"


def test_a_problem_without_an_excerpt_is_tried_as_a_whole():
    ours, plain = train(), train(problem=Plain())
    assert ours.history.tries == plain.history.tries
    assert same_bits(ours.history.loss, plain.history.loss)


def test_errors_are_those_of_the_problem_as_it_was_given():
    x = RNG.uniform(-1, 1, (5000, 3))
    with pytest.raises(ValueError, match=r"x of shape \(5000, 3\)"):
        train(problem=kanml.Regression(x, x[:, :1]), schedule=[300])
