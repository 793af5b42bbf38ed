"""What an evaluation holds: the same value and terms with and without a gradient."""

from __future__ import annotations

import copy
import operator
import pickle
from dataclasses import replace

import numpy as np
import pytest
from pinn_losses import CASES, MU, X, fields, network, one

import kanml
from helpers import naming, reference_layers, same_bits, with_random_parameters
from kanml.problems import TermValue

RNG = np.random.default_rng(0)
MANY = RNG.uniform(-1, 1, (5000, 2))
NUMBERS = operator.attrgetter("loss", "sum", "count", "largest")  # of a term


def attentive():
    return kanml.PINN(
        "tx",
        [
            kanml.Term("a", MANY, lambda u, nu: u.t - nu * u.xx, attention=kanml.RBA(MU)),
            kanml.Term("b", MANY[:900], lambda u: (u, u.x), batch_size=400, weight=2.0),
            kanml.Term("c", X, lambda u: u.x, attention=kanml.RBA(MU), reduction="sum"),
        ],
        unknowns={"nu": 0.3},
    )


def wide(width):
    return with_random_parameters(kanml.KAN([2, width, 1], intervals=4), seed=1)


MADE = {name: (lambda name=name: CASES[name][:2]) for name in CASES} | {
    "attention": lambda: (attentive(), network()),
    "wide layers": lambda: (one(lambda u: u.t + u * u.x, MANY), wide(30)),
    "wide layers and values alone": lambda: (one(lambda u, x: u - x, MANY), wide(30)),
    "regression": lambda: (kanml.Regression(MANY, np.sin(MANY[:, :1])), network()),
    "minibatch": lambda: (kanml.Regression(MANY, MANY[:, :1], batch_size=700), network()),
    "wide regression": lambda: (kanml.Regression(MANY, np.sin(MANY[:, :1])), wide(30)),
    "wide minibatch": lambda: (kanml.Regression(MANY, MANY[:, :1], batch_size=700), wide(30)),
}


def same_evaluation(got, expected):
    """Say whether two evaluations agree to the last bit, but for the gradient of one alone."""
    if got.value != expected.value or got.terms.keys() != expected.terms.keys():
        return False
    gradients = [found.gradient for found in (got, expected) if found.gradient is not None]
    if len(gradients) == 2 and not same_bits(*gradients):
        return False
    for name, term in got.terms.items():
        other = expected.terms[name]
        if NUMBERS(term) != NUMBERS(other) or (term.residuals is None) != (other.residuals is None):
            return False
        if term.residuals is not None and not same_bits(term.residuals, other.residuals):
            return False
    return True


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", MADE)
def test_a_value_alone_is_that_of_the_gradient(case, dtype):
    problem, net = MADE[case]()
    net = net.astype(dtype)
    whole = problem.evaluation(net, problem.unknowns, num_threads=1)
    assert whole.gradient.shape == (net.n_parameters + len(problem.unknowns),)
    assert whole.gradient.dtype == net.dtype
    for threads in (1, 2, 3):
        alone = problem.evaluation(net, problem.unknowns, "value", num_threads=threads)
        assert alone.gradient is None
        assert same_evaluation(alone, whole)
        assert same_evaluation(
            problem.evaluation(net, problem.unknowns, num_threads=threads), whole
        )
    value, gradient = problem.value_and_gradient(net, problem.unknowns)
    assert value == whole.value
    assert same_bits(gradient, whole.gradient)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_what_a_term_says(reduction):
    net = network()
    problem = one(
        lambda u: (u.t + u, u.x * u), weight=0.3, reduction=reduction, attention=kanml.RBA(MU)
    )
    (u,) = fields(reference_layers(net), X, ["", "t", "x"])
    residuals = np.stack([u["t"] + u[""], u["x"] * u[""]], axis=1)
    found = problem.evaluation(net)
    [term] = found.terms.values()
    assert isinstance(term, TermValue)
    squares = np.sum(residuals**2)
    assert term.sum == pytest.approx(squares, rel=1e-12)
    assert term.count == len(X)
    assert term.largest == pytest.approx(abs(residuals).max(), rel=1e-12)
    np.testing.assert_allclose(term.residuals, residuals, rtol=0, atol=1e-11)
    scale = 0.3 / len(X) if reduction == "mean" else 0.3
    assert term.loss == pytest.approx(scale * squares, rel=1e-12)
    assert term.loss == found.value


def test_residuals_are_those_of_the_batch():
    """In the order of its points, before attention."""
    net = network()
    problem = one(lambda u: u.t + u, batch_size=6, attention=kanml.RBA(MU), seed=2)
    for _ in range(3):
        problem.advance(net)
    state = problem.state()["it"]
    begin = state["points"]["position"]
    rows = state["points"]["order"][begin : begin + 6]
    (u,) = fields(reference_layers(net), X[rows], ["", "t"])
    term = problem.evaluation(net, want="value").terms["it"]
    expected = (u["t"] + u[""])[:, None]
    np.testing.assert_allclose(term.residuals, expected, rtol=0, atol=1e-12)
    assert term.count == 6
    weights = np.array(state["attention"])[rows]
    assert (weights < 1).any()
    assert term.sum == pytest.approx(np.sum((weights * expected) ** 2), rel=1e-12)


def test_without_attention_no_residuals_are_kept():
    assert CASES["Burgers"][0].evaluation(network()).terms["pde"].residuals is None


def test_advancing_by_an_evaluation_or_without():
    """Attention is the same, whether training knows the evaluation or not."""
    net = network()
    known, unknown = attentive(), attentive()
    for want in ("gradient", "value"):
        evaluation = known.evaluation(net, known.unknowns, want)
        assert known.advance(net, known.unknowns, evaluation) is True
        assert unknown.advance(net, unknown.unknowns) is True
        assert known.state() == unknown.state()


def test_advancing_by_a_known_evaluation_asks_for_no_other():
    class Once(kanml.PINN):
        def evaluation(self, *arguments, **options):
            raise AssertionError

    problem, net = attentive(), network()
    evaluation = problem.evaluation(net, problem.unknowns)
    again = Once("tx", problem.terms, unknowns=problem.unknowns)
    assert again.advance(net, again.unknowns, evaluation) is True
    problem.advance(net, problem.unknowns, evaluation)
    assert again.state() == problem.state()


@pytest.mark.parametrize(
    "way",
    [copy.copy, copy.deepcopy, lambda problem: pickle.loads(pickle.dumps(problem))],
    ids=["copy", "deep copy", "pickle"],
)
@pytest.mark.parametrize("case", MADE)
def test_copies_give_the_same_bits(case, way):
    problem, net = MADE[case]()
    problem = copy.copy(problem)
    problem.advance(net, problem.unknowns)
    expected = problem.evaluation(net, problem.unknowns)
    other = way(problem)
    assert same_evaluation(other.evaluation(net, problem.unknowns), expected)
    other.advance(net, problem.unknowns)  # the original stays
    assert same_evaluation(problem.evaluation(net, problem.unknowns), expected)
    assert not same_evaluation(replace(expected, value=expected.value + 1), expected)


@pytest.mark.parametrize("batch_size", [None, 4400])
def test_a_refused_point_has_its_number(batch_size):
    """Of all points of the term, also where it is in a minibatch."""
    x = np.zeros((5000, 2))
    x[4100, 1] = 7.5
    net = kanml.KAN([2, 2, 1], intervals=3, seed=0, extrapolation="error")
    problem = kanml.PINN(
        "tx",
        [
            kanml.Term("fine", X, lambda u: u),
            kanml.Term("wrong", x, lambda u: u.t, batch_size=batch_size, seed=1),
        ],
    )
    if batch_size is not None:
        assert 4100 in problem.state()["wrong"]["points"]["order"][:batch_size]
    for want in ("gradient", "value"):
        with pytest.raises(
            ValueError, match=r"^term 'wrong': layer 0 refuses the value 7\.50* .* sample 4100:"
        ):
            problem.evaluation(net, want=want)


def test_other_wants_are_refused():
    net = network()
    for problem in (one(lambda u: u.t), kanml.Regression(X, X[:, :1])):
        with pytest.raises(ValueError, match=naming("want", "'least_squares'", "'values'")):
            problem.evaluation(net, want="values")
