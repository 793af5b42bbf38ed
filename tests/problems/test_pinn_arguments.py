"""What a PINN is made of: it is copied, shown in a line, and refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from pinn_losses import CASES, THERE, X, burgers, network, one

import kanml
from helpers import naming, same_bits
from kanml._core import OutsideDomain


def test_arrays_are_copied():
    x, there, along, data = X.copy(), THERE.copy(), np.ones((20, 2)), np.ones(20)
    problem = one(
        lambda u, u_partner: u.p - u_partner + data, x, partner=there, directions={"p": along}
    )
    before = problem.fingerprint(), problem.value_and_gradient(network())[0]
    for array in (x, there, along, data):
        array[:] = 0.5
        assert (problem.fingerprint(), problem.value_and_gradient(network())[0]) == before


@pytest.mark.parametrize("name", ["inputs", "outputs", "unknowns", "transform", "terms", "penalty"])
def test_arguments_cannot_be_changed(name):
    """The loss was prepared from them, and would not change."""
    problem = one(lambda u: u.x, X)
    before = getattr(problem, name)
    with pytest.raises(AttributeError, match=naming(name, "PINN")):
        setattr(problem, name, None)
    assert getattr(problem, name) is before


def test_fingerprints():
    def fingerprint(residual=lambda u: u.x, points=X, problem=None, **options):
        return one(residual, points, problem=problem, **options).fingerprint()

    many = np.zeros((5000, 2))
    constant = np.zeros(5000)
    other = constant.copy()
    other[2500] = 1.0
    prints = [
        fingerprint(),
        fingerprint(lambda u: u.t),
        fingerprint(points=THERE),
        fingerprint(weight=2.0),
        fingerprint(reduction="sum"),
        fingerprint(attention=kanml.RBA()),
        fingerprint(batch_size=5),
        fingerprint(partner=THERE),
        fingerprint(directions={"p": (1, 1)}),
        fingerprint(problem={"unknowns": {"a": 1.0}}),
        fingerprint(problem={"transform": lambda u, x: x * u}),
        fingerprint(lambda u: u - constant, many),
        fingerprint(lambda u: u - other, many),
    ]
    assert len(set(prints)) == len(prints)
    assert fingerprint() == prints[0]


def test_reprs_are_short():
    sampler = kanml.Sampler([0, -1], [1, 1], 30)
    term = kanml.Term(
        "pde", X, lambda u: u.x, 2.0, "sum", kanml.RBA(0.1), partner=THERE, batch_size=5
    )
    assert repr(term) == (
        "Term('pde', 20 points, weight=2.0, reduction='sum', attention=RBA(mu=0.1), batch_size=5)"
    )
    problem = kanml.PINN(
        "tx", [term, kanml.Term("b", sampler, lambda u, a: a * u)], unknowns={"a": 1.0}
    )
    assert repr(problem) == (
        f"PINN('tx', [{term!r}, Term('b', 30 points)], outputs=('u',), unknowns={{'a': 1.0}})"
    )
    assert repr(kanml.Term("a", [[0.0], [1.0]], abs)) == "Term('a', 2 points)"
    assert repr(kanml.Term("a", 3, abs)) == "Term('a', ? points)"
    many = kanml.Term("many", np.zeros((10_000, 2)), lambda u: u)
    assert repr(many) == "Term('many', 10000 points)"


def test_terms_and_outputs_are_gone_through_once():
    term = kanml.Term("it", X, lambda u, v: u.x - v)
    problem = kanml.PINN("tx", (t for t in [term]), outputs=(name for name in "uv"))
    assert problem.terms == (term,)
    assert problem.outputs == ("u", "v")


# Bad input


REFUSED = {
    "letter": (lambda u: u.q, {}, ("q",)),
    "argument": (lambda u, viscosity: u, {}, ("viscosity",)),
    "no partner": (lambda u, u_partner: u - u_partner, {}, ("u_partner", "partner= of the term")),
    "nothing": (lambda u: None, {}, ("None",)),
    "array": (lambda u: np.ones(20), {}, ("array", "(20,)")),
    "condition": (lambda u: u > 0, {}, ("u > 0", "np.where")),
    "data": (lambda u: u - np.ones(7), {}, ("(20,)", "(7,)")),
    "column": (lambda u: u - np.ones((20, 1)), {}, ("(20,)", "(20, 1)", "a[:, 0]")),
    "letters": (lambda u: u.xq, {}, ("xq", "t, x")),
    "empty": (lambda u: (), {}, ("component", "empty")),
    "shape": (lambda u: u, {"points": X[:, :1]}, ("points", "(20, 1)")),
    "no points": (lambda u: u, {"points": X[:0]}, ("points", "(0, 2)")),
    "NaN": (lambda u: u, {"points": X * np.nan}, ("points must be finite, got points[0, 0]",)),
    "data at drawn points": (
        lambda u: u - np.ones(20),
        {"points": kanml.Sampler([0, -1], [1, 1], n=20)},
        ("array", "Sampler"),
    ),
    "directions at drawn points": (
        lambda u: u.p,
        {"points": kanml.Sampler([0, -1], [1, 1], n=20), "directions": {"p": np.ones((20, 2))}},
        ("array", "Sampler"),
    ),
    "weight": (lambda u: u, {"weight": 0.0}, ("weight", "0")),
    "negative": (lambda u: u, {"weight": -1.0}, ("weight", "1.0")),
    "infinite weight": (lambda u: u, {"weight": np.inf}, ("weight", "inf")),
    "reduction": (lambda u: u, {"reduction": "max"}, ("reduction", "max")),
    "attention": (lambda u: u, {"attention": 0.1}, ("attention", "0.1")),
    "batch": (lambda u: u, {"batch_size": 21}, ("batch_size", "21")),
    "partner": (lambda u: u, {"partner": X[:3]}, ("partner", "(3, 2)")),
    "direction": (lambda u: u.p, {"directions": {"p": (1, 0, 0)}}, ("p",)),
    "NaN direction": (lambda u: u.p, {"directions": {"p": (1, np.nan)}}, ("p",)),
    "transform": (
        lambda u: u,
        {"problem": {"transform": lambda u: (u, u)}},
        ("transform", "1", "2"),
    ),
    "callable": (3, {}, ("residual", "3")),
    "directions": (lambda u: u, {"directions": ["p"]}, ("directions must map", "['p']")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_terms(case):
    residual, options, parts = REFUSED[case]
    with pytest.raises((TypeError, ValueError, AttributeError), match=naming("term 'it'", *parts)):
        one(residual, **options)


RETURNED = {
    "nothing": (lambda u: None, "is None; is a return missing?"),
    "text": (lambda u: "u", "must be an expression of fields or a number, got str"),
    "condition": (lambda u: u > 0, "must be a number at each point, got the condition u > 0"),
    "empty": (lambda u: (), "must have a component, got an empty list"),
    "array": (lambda u: np.ones(20), "got array of shape (20,), which no field entered"),
}


@pytest.mark.parametrize("case", RETURNED)
def test_what_functions_return(case):
    """The message says which of a residual, a transform and a function at points it was."""
    function, message = RETURNED[case]
    with pytest.raises(TypeError) as caught:
        one(function)
    assert str(caught.value).startswith("term 'it': the residual ")
    assert message in str(caught.value)
    with pytest.raises(TypeError) as caught:
        one(lambda u: u, problem={"transform": function})
    assert str(caught.value).startswith("term 'it': the transform ")
    assert message in str(caught.value)
    with pytest.raises(TypeError) as caught:
        burgers().evaluate(network(), X, function)
    assert str(caught.value).startswith("the function ")
    assert message in str(caught.value)


def test_components_are_counted():
    with pytest.raises(TypeError, match="term 'it': component 1 of the residual is None"):
        one(lambda u: (u, None))
    with pytest.raises(TypeError, match="term 'it': component 0 of the transform is None"):
        one(lambda u: u, problem={"transform": lambda u: [None]})


class Peculiar(ValueError):
    """An error that a message alone does not make."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def test_errors_of_a_residual_name_the_term():
    def fails(error):
        def residual(u):
            raise error

        return residual

    for error, kind in (
        (Peculiar(1, 2), ValueError),
        (UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"), ValueError),
        (TypeError("a"), TypeError),
        (AttributeError("a"), AttributeError),
    ):
        with pytest.raises(kind) as caught:
            one(fails(error))
        assert str(caught.value) == f"term 'it': {error}"
        assert caught.value.__cause__ is error
    with pytest.raises(ZeroDivisionError):
        one(fails(ZeroDivisionError("a")))


def test_refused_problems():
    term = kanml.Term("it", X, lambda u: u)
    for inputs, terms, options, parts in (
        ("tx", [], {}, ("terms", "none")),
        ("tx", [term, term], {}, ("terms", "different names", "'it'")),
        ("tx", [3], {}, ("terms[0]", "3")),
        ("tx", term, {}, ("terms must be a sequence", "'it'")),
        ("tx", [term], {"outputs": 3}, ("outputs", "3")),
        ("tx", [term], {"transform": 3}, ("transform must be callable", "3")),
        ("tx", [term], {"outputs": "uu"}, ("u", "twice")),
        ("tx", [term], {"outputs": "temp"}, ("t", "twice", "outputs=['temp']")),
        ("tx", [term], {"unknowns": ["a"]}, ("unknowns must map names to numbers", "['a']")),
        ("tx", [term], {"outputs": "ux"}, ("x", "twice")),
        ("tx", [term], {"unknowns": {"u": 1.0}}, ("u", "twice")),
        ("tx", [term], {"unknowns": {"a": np.nan}}, ("a", "nan")),
        ("", [term], {}, ("inputs",)),
    ):
        with pytest.raises((TypeError, ValueError), match=naming(*parts)):
            kanml.PINN(inputs, terms, **options)


def test_refused_networks():
    problem = burgers()
    for net in (network(3), network(n_out=2)):
        for method in (problem.value_and_gradient, problem.evaluation, problem.residuals):
            with pytest.raises(ValueError, match=naming("inputs", "outputs")):
                method(net)
    with pytest.raises(ValueError, match=naming("term 'pde'", "u.xx", "needs degree 2")):
        problem.value_and_gradient(network(degree=1))
    with pytest.raises(ValueError, match=naming("term 'it'", "u.ttxxx", "at most 4")):
        one(lambda u: u.ttxxx).value_and_gradient(network(degree=5))
    with pytest.raises(ValueError, match=naming("unknowns", "(1,)")):
        problem.value_and_gradient(network(), [1.0])


SECOND = {  # residuals of second order at least
    "u.xx": lambda u: u.t - u.xx,
    "u.tx": lambda u: u.tx,
    "u.pp": lambda u: u.pp,
    "u.xxx": lambda u: u.x + u.xxx,
}


@pytest.mark.parametrize("name", SECOND)
@pytest.mark.parametrize(
    ("net", "layer"),
    [
        (kanml.MLP([2, 5, 1]), 1),
        (kanml.KAN([2, 3, 1], activation="relu"), 1),
        (kanml.MLP([2, 4, 1], front=[kanml.Linear(2, 3)]), 2),
    ],
)
def test_relus_have_one_derivative(name, net, layer):
    problem = one(SECOND[name], directions={"p": (1, 1)})
    parts = ("term 'it'", name, f"order {name.count('p') + name.count('x') + name.count('t')}")
    refusal = naming(*parts, "'relu'", "'tanh'", f"layers[{layer}] is Activation('relu')")
    for method in (problem.value_and_gradient, problem.evaluation, problem.residuals):
        with pytest.raises(ValueError, match=refusal):
            method(net)
    with pytest.raises(ValueError, match=refusal):
        kanml.train(net, problem, [3], progress=False)
    if name != "u.pp":
        with pytest.raises(ValueError, match=naming(name, "'relu'")):
            problem.evaluate(net, X, SECOND[name])


@pytest.mark.parametrize("options", [{}, {"partner": X + np.array([0.0, 9.0])}, {"batch_size": 7}])
def test_points_outside_the_domain(options):
    near = X if "partner" in options else X + np.array([0.0, 9.0])
    residual = (lambda u, u_partner: u.t - u_partner) if near is X else (lambda u: u.t)
    problem = one(residual, near, **options)
    net = kanml.KAN([2, 2, 1], intervals=3, seed=0, extrapolation="error")
    for method in (problem.value_and_gradient, problem.evaluation, problem.residuals):
        with pytest.raises(OutsideDomain, match=naming("term 'it'", "outside the domain")):
            method(net)
    with pytest.raises(OutsideDomain, match="outside the domain"):
        problem.solution(net, X + 9.0)


def test_the_point_outside_the_domain_is_found_among_many():
    x = np.zeros((5000, 2))
    x[4100, 1] = 7.5
    net = kanml.KAN([2, 2, 1], intervals=3, seed=0, extrapolation="error")
    parts = "term 'it'", "layer 0", "7.5", "input 1", "sample 4100:"
    with pytest.raises(OutsideDomain, match=naming(*parts)):
        one(lambda u: u.t, x).value_and_gradient(net)


def test_a_residual_that_is_not_finite_at_first():
    x = np.concatenate([X, [[0.0, 0.25]]])
    problem = one(lambda u, t: u / t, x)
    with pytest.raises(ValueError, match=naming("term 'it'", "[0.0, 0.25]")):
        problem.value_and_gradient(network())
    data = np.where(np.arange(20) == 3, np.nan, 1.0)
    with pytest.raises(ValueError, match=naming("term 'it'", "nan", X[3].tolist())):
        one(lambda u: u - data).value_and_gradient(network())


def test_unknowns_must_be_given():
    problem, net, _ = CASES["unknowns"]
    by_name = {"b": 0.4, "a": 2.0}
    sums = [problem.evaluation(net, at).terms["it"].sum for at in (by_name, [2.0, 0.4])]
    assert sums[0] == sums[1]
    assert same_bits(problem.solution(net, X, by_name), net(X))
    for method in (problem.value_and_gradient, problem.evaluation, problem.residuals):
        for wrong in (None, {"a": 1.0}, {"a": 1.0, "c": 2.0}):
            with pytest.raises(ValueError, match=naming("unknowns must give a, b")):
                method(net, wrong)
    with pytest.raises(ValueError, match=naming("unknowns must give a, b", "got nothing")):
        problem.solution(net, X)
