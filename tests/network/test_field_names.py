"""Names that Python normalises: a keyboard's micro sign is not the Greek letter of a program."""

from __future__ import annotations

import numpy as np
import pytest

import kanml
from helpers import naming, same_bits
from kanml.expressions import Trace

MICRO, MU = "\u00b5", "\u03bc"  # what is typed, and what the parser makes of it
X = np.random.default_rng(0).uniform(-1, 1, (9, 2))
NET = kanml.KAN([2, 2, 1], intervals=3, seed=0)


def function(source):
    """A lambda as the parser reads it."""
    return eval(source)


def loss(inputs, source, unknowns=(), net=NET, **options):
    problem = kanml.PINN(inputs, [kanml.Term("it", X, function(source), **options)])
    return problem.value_and_gradient(net)


@pytest.mark.parametrize("given", [MICRO, MU])
@pytest.mark.parametrize("written", [MICRO, MU])
def test_inputs(given, written):
    source = f"lambda u, {written}: u.{written} + {written} * u.x{written}"
    value, gradient = loss(f"{given}x", source)
    expected = loss("tx", "lambda u, t: u.t + t * u.xt")
    assert value == expected[0]
    assert same_bits(gradient, expected[1])


@pytest.mark.parametrize("given", [MICRO, MU])
def test_directions(given):
    value, _ = loss("tx", f"lambda u: u.{MICRO}", directions={given: (1, 2)})
    assert value == loss("tx", "lambda u: u.p", directions={"p": (1, 2)})[0]


@pytest.mark.parametrize("given", [MICRO, MU])
def test_outputs_and_transforms(given):
    problem = kanml.PINN(
        "tx",
        [kanml.Term("it", X, function(f"lambda {MICRO}: {MICRO}.x"))],
        outputs=given,
        transform=function(f"lambda {MICRO}, x: x * {MICRO}"),
    )
    np.testing.assert_allclose(problem.solution(NET, X), X[:, 1:] * NET(X), rtol=1e-14)


@pytest.mark.parametrize("given", [MICRO, MU])
def test_unknowns(given):
    """They keep the name that they were given, in results too."""
    problem = kanml.PINN(
        "tx",
        [kanml.Term("it", X, function(f"lambda u, {MICRO}: u.x - {MICRO}"))],
        unknowns={given: 0.5},
    )
    for at in ({MICRO: 0.5}, {MU: 0.5}, [0.5]):
        u_x = NET.derivatives(X, ["x"], "tx")["x"]
        loss = problem.evaluation(NET, at).terms["it"].loss
        assert loss == pytest.approx(np.mean((u_x - 0.5) ** 2), rel=1e-13)
    assert set(kanml.train(NET, problem, [1], progress=False).unknowns) == {given}


def test_attributes_that_no_parser_has_read():
    trace = Trace(f"{MICRO}x")
    assert getattr(trace.output("u"), MICRO) is getattr(trace.output("u"), MU)


def test_names_that_become_the_same():
    term = kanml.Term("it", X, lambda u: u)
    for options in (
        {"inputs": MICRO + MU},
        {"inputs": MICRO + "x", "outputs": [MU]},
        {"inputs": "tx", "unknowns": {MICRO: 1.0, MU: 1.0}},
    ):
        with pytest.raises(ValueError, match=naming("twice")):
            kanml.PINN(**{"terms": [term], **options})
    with pytest.raises(ValueError, match="differ"):
        kanml.PINN("tx", [kanml.Term("it", X, lambda u: u, directions={MICRO: (1, 1), MU: (1, 1)})])


def test_letters_that_become_two():
    with pytest.raises(ValueError, match=naming("letters", "'\ufb01'")):  # the ligature fi
        kanml.PINN("\ufb01", [kanml.Term("it", X, lambda u: u)])
    with pytest.raises(ValueError, match=naming("letters", "'\ufb01'")):
        Trace("x", directions={"\ufb01": (1,)})
