"""Problems of one's own: what a class has to say, and what is done for it."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest

import kanml
from helpers import naming, same_bits
from kanml.optim import Triangle
from kanml.problems import TermValue

X = np.linspace(0, 1, 40)[:, None]
Y = np.exp(-2 * X) + 0.3


def kan():
    return kanml.KAN([1, 1], degree=3, intervals=3, domain=(0, 1))


def term(residual):
    """The mean of the squares of a residual."""
    squares = float((residual**2).sum())
    count, largest = residual.size, float(abs(residual).max())
    return TermValue(squares / count, squares, count, largest)


class Squares(kanml.Problem):
    """The least that can be written; the loss is that of a `Regression`."""

    def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
        return kanml.Evaluation(*net.mean_squared_error(X, Y, num_threads=num_threads))

    def fingerprint(self):
        return "squares"


class Offset(kanml.Problem):
    """The network and a constant b fit the data, and the network is 1 at x = 0: so b is 0.3."""

    def __init__(self, b):
        self.unknowns = {"b": b}

    def parts(self, net, unknowns):
        (b,) = unknowns.values() if isinstance(unknowns, dict) else unknowns
        return net(X) + b - Y, net(X[:1]) - 1.0

    def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
        data, start = self.parts(net, unknowns)
        gradient = net.vjp(X, 2 * data / len(X))[0] + net.vjp(X[:1], 2 * start)[0]
        by_b = 2 * data.mean()
        terms = {"data": term(data), "start": term(start)}
        value = sum(term.loss for term in terms.values())
        return kanml.Evaluation(value, np.append(gradient, by_b), terms)

    def fingerprint(self):
        return "offset"


class Growing(Squares):
    """The loss is multiplied by the number of steps."""

    steps = 1

    def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
        found = super().evaluation(net, unknowns, want, num_threads=num_threads)
        return kanml.Evaluation(self.steps * found.value, self.steps * found.gradient)

    def advance(self, net, unknowns=None, evaluation=None):
        self.steps += 1
        return True

    def state(self):
        return {"steps": self.steps}

    def restore(self, state):
        self.steps = state["steps"]


def train(problem, schedule=(8, 8), **options):
    return kanml.train(kan(), problem, schedule, **{"progress": False, **options})


def test_the_least_problem_is_trained_like_the_regression():
    own, ours = train(Squares()), train(kanml.Regression(X, Y))
    assert same_bits(own.network.parameters, ours.network.parameters)
    assert same_bits(own.history.loss, ours.history.loss)
    assert own.history.terms == {}
    assert own.unknowns == {}


def test_unknowns_and_terms():
    result = train(Offset(2.0), [40, 40])
    assert result.unknowns["b"] == pytest.approx(0.3, abs=1e-3)
    terms = result.history.terms
    assert list(terms) == ["data", "start"]
    np.testing.assert_allclose(terms["data"] + terms["start"], result.history.loss, rtol=1e-14)
    assert result.problem.unknowns == {"b": 2.0}


def test_training_passes_the_unknowns_in_their_order_and_dtype():
    seen = []

    class Watched(Offset):
        def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
            seen.append(unknowns)
            return super().evaluation(net, unknowns, want, num_threads=num_threads)

    net = kan().astype("float32")
    kanml.train(net, Watched(0.5), [2], progress=False, restarts=0)
    assert seen[0] == np.float32(0.5)
    assert {(values.shape, values.dtype.name) for values in seen} == {((1,), "float32")}


def test_a_problem_without_unknowns_is_passed_none():
    seen = []

    class Watched(Squares):
        def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
            seen.append(np.shape(unknowns))
            return super().evaluation(net, unknowns, want, num_threads=num_threads)

    train(Watched(), [1])
    train(Offset(0.1), [1], validation=Watched())
    assert set(seen) == {(0,)}


@pytest.mark.parametrize("problem", [Squares(), Offset(0.5), Growing()], ids=repr)
def test_a_resumed_run_is_the_same_bit_for_bit(problem, tmp_path):
    path, optimizer = tmp_path / "run", kanml.Adam(1e-2)
    whole = train(problem, optimizer=optimizer)
    stop = [kanml.Checkpoint(path), lambda state: state.step == 5]
    assert train(problem, optimizer=optimizer, callbacks=stop).status == "stopped"
    again = train(problem, optimizer=optimizer, resume=path)
    assert same_bits(again.history.loss, whole.history.loss)
    assert same_bits(again.network.parameters, whole.network.parameters)
    assert again.unknowns == whole.unknowns


def test_a_problem_that_advances_is_the_same_after_training():
    problem = Growing()
    result = train(problem, optimizer=kanml.Adam(1e-2))
    assert (problem.steps, result.problem.steps) == (1, 17)
    losses = [train(problem, [n], optimizer=kanml.Adam(1e-2)).history.loss[-1] for n in (0, 1)]
    np.testing.assert_array_equal(losses, result.history.loss[:2])


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy])
def test_copies_have_dictionaries_of_their_own_and_share_the_rest(way):
    problem = Offset(0.5)
    problem.data = X
    other = way(problem)
    other.unknowns["b"] = 3.0
    assert problem.unknowns == {"b": 0.5}
    assert other.data is X
    assert type(other) is Offset


def test_pickles_hold_the_attributes():
    problem = pickle.loads(pickle.dumps(Offset(0.25)))
    assert problem.unknowns == {"b": 0.25}


def test_what_is_missing_is_named():
    class Half(kanml.Problem):
        def fingerprint(self):
            return ""

    with pytest.raises(TypeError, match="evaluation"):
        Half()


def test_by_default_nothing_changes():
    problem = Squares()
    assert problem.advance(kan()) is False
    assert problem.state() == {}
    problem.restore({})
    with pytest.raises(ValueError, match=naming("a Squares has no state", "{'steps': 3}")):
        problem.restore({"steps": 3})


class Duck:
    """All methods, and not a Problem."""

    evaluation = Squares.evaluation
    value_and_gradient = Squares.value_and_gradient
    fingerprint = Squares.fingerprint


@pytest.mark.parametrize("wrong", [Duck(), Squares, "squares", (X, Y)], ids=repr)
@pytest.mark.parametrize("name", ["problem", "validation"])
def test_what_is_no_problem(wrong, name):
    arguments = {"problem": Squares(), name: wrong}
    with pytest.raises(TypeError, match=f"{name} must be a Problem, for instance a Regression"):
        kanml.train(kan(), schedule=[1], progress=False, **arguments)


@pytest.mark.parametrize(
    ("unknowns", "kind"),
    [
        (["b"], TypeError),
        ({"b": np.nan}, ValueError),
        ({"b": "1"}, TypeError),
        ({1: 1.0}, TypeError),
    ],
)
def test_unknowns_that_are_none(unknowns, kind):
    problem = Offset(0.5)
    problem.unknowns = unknowns
    with pytest.raises(kind, match=naming("problem.unknowns")):
        train(problem, [1])


@pytest.mark.parametrize("method", ["evaluation", "value_and_gradient", "residuals"])
def test_a_regression_has_no_unknowns(method):
    ask = getattr(kanml.Regression(X, Y), method)
    for empty in (None, {}, [], np.zeros(0)):
        ask(kan(), empty)
    with pytest.raises(ValueError, match=naming("unknowns must give nothing", "got a")):
        ask(kan(), {"a": 1.0})
    with pytest.raises(ValueError, match=naming("unknowns must have shape (0,)", "(2,)")):
        ask(kan(), [1.0, 2.0])


# What a method returns is checked where it arrives


def returning(**methods):
    """A problem whose methods return these values."""
    said = {name: lambda self, *args, _value=value, **kw: _value for name, value in methods.items()}
    return type("Odd", (Squares,), said)()


ZERO = np.zeros(6)


@pytest.mark.parametrize(
    ("found", "error", "symptom"),
    [
        (1.0, TypeError, "a kanml.Evaluation, got 1.0"),
        (None, TypeError, "a kanml.Evaluation, got None"),
        ((1.0, ZERO), TypeError, "a kanml.Evaluation, got (1.0, array"),
        (kanml.Evaluation("1.0", ZERO), TypeError, "a number as the loss, got '1.0'"),
        (kanml.Evaluation(True, ZERO), TypeError, "a number as the loss, got True"),
        (kanml.Evaluation(1j, ZERO), TypeError, "a number as the loss, got 1j"),
        (kanml.Evaluation(np.ones(1), ZERO), TypeError, "a number as the loss"),
        (kanml.Evaluation(1.0, ZERO[:5]), ValueError, "(6,)"),
        (kanml.Evaluation(1.0, ZERO[None]), ValueError, "(6,)"),
        (kanml.Evaluation(1.0, ZERO * 1j), ValueError, "complex128"),
        (kanml.Evaluation(1.0), ValueError, "(6,)"),
    ],
    ids=repr,
)
def test_an_evaluation_that_is_none(found, error, symptom):
    with pytest.raises(error, match=naming("evaluation of Odd", symptom)):
        kanml.train(kan(), returning(evaluation=found), [2], restarts=0, progress=False)


@pytest.mark.parametrize(
    "terms", [3.0, [1], None, {"a": "x"}, {"a": 1.0}, {1: term(X)}, {"a": np.ones(2)}], ids=repr
)
def test_terms_that_are_none(terms):
    wrong = repr(terms["a"] if isinstance(terms, dict) and "a" in terms else terms)
    problem = returning(evaluation=kanml.Evaluation(1.0, ZERO, terms))
    with pytest.raises(TypeError, match=naming("evaluation of Odd", wrong)):
        kanml.train(kan(), problem, [2], restarts=0, progress=False)


@pytest.mark.parametrize("found", [1.0, kanml.Evaluation("x"), kanml.Evaluation(1.0, None, [1])])
def test_a_validation_that_is_none(found):
    with pytest.raises(TypeError, match="evaluation of Odd"):
        train(Squares(), [2], validation=returning(evaluation=found), restarts=0)


def test_a_value_alone_needs_no_gradient():
    """Where training asks for no gradient, it reads none, whatever its shape."""
    for gradient in (None, ZERO[:2]):
        held_out = returning(evaluation=kanml.Evaluation(0.25, gradient))
        result = train(Squares(), [2], validation=held_out)
        assert result.history.validation.tolist() == [0.25] * 3


@pytest.mark.parametrize(
    ("triangle", "error", "symptom"),
    [
        (None, TypeError, "a kanml.optim.Triangle for least squares, got None"),
        (np.eye(7), TypeError, "a kanml.optim.Triangle for least squares, got array"),
        (Triangle(np.eye(6), 9, 1e-16), ValueError, "6 columns beside the residual"),
    ],
    ids=["none", "array", "size"],
)
def test_a_triangle_that_is_none(triangle, error, symptom):
    found = kanml.Evaluation(1.0, ZERO + 1, triangle=triangle)
    problem = returning(evaluation=found, n_rows=12)
    with pytest.raises(error, match=naming("evaluation of Odd", symptom)):
        kanml.train(kan(), problem, [2], kanml.LevenbergMarquardt(), progress=False)
    if triangle is None:
        with pytest.raises(TypeError, match=naming("evaluation of Odd", "triangle")):
            problem.triangles(kan())


@pytest.mark.parametrize("digest", [None, 7, b"abc"])
def test_a_fingerprint_that_is_no_text(digest, tmp_path):
    checkpoint = kanml.Checkpoint(tmp_path / "file")
    with pytest.raises(TypeError, match=naming("fingerprint of Odd", repr(digest))):
        kanml.train(
            kan(), returning(fingerprint=digest), [2], progress=False, callbacks=[checkpoint]
        )


def test_a_state_that_json_cannot_hold(tmp_path):
    checkpoint = kanml.Checkpoint(tmp_path / "file")
    problem = returning(state={"a": np.float32(1)})
    with pytest.raises(TypeError, match=naming("state of Odd", "float32")):
        kanml.train(kan(), problem, [2], progress=False, callbacks=[checkpoint])


def test_a_problem_that_advances_has_a_state(tmp_path):
    checkpoint = kanml.Checkpoint(tmp_path / "file")
    problem = returning(advance=False)
    kanml.train(kan(), problem, [2], progress=False)  # without checkpoints it needs none
    with pytest.raises(TypeError, match=naming("Odd", "state and restore")):
        kanml.train(kan(), problem, [2], progress=False, callbacks=[checkpoint])


def test_attributes_in_slots_are_copied():
    @dataclasses.dataclass(frozen=True, slots=True)
    class Slotted(kanml.Problem):
        x: np.ndarray
        y: np.ndarray

        def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
            return kanml.Evaluation(
                *net.mean_squared_error(self.x, self.y, num_threads=num_threads)
            )

        def fingerprint(self):
            return "slotted"

    assert copy.copy(Slotted(X, Y)).x is X
    runs = [kanml.train(kan(), p, [5], progress=False) for p in (Slotted(X, Y), Squares())]
    assert same_bits(*(run.network.parameters for run in runs))
