"""What losses of data refuse, and what a problem remembers of one: copies, pickles, digests."""

from __future__ import annotations

import copy
import functools
import pickle

import numpy as np
import pytest
from data_losses import CASES, CLASSES, LABELS, NUMBERS, WEIGHTS, N, X, network

import kanml
from helpers import naming, run_python, same_bits

ONE = NUMBERS[:, :1]


def with_loss(loss, y=ONE):
    return lambda: kanml.Regression(X, y, loss=loss)


def evaluated(loss, y, n_out):
    return lambda: kanml.Regression(X, y, loss=loss).evaluation(network(n_out))


def weighted(weights):
    return lambda: kanml.Regression(X, ONE, sample_weight=weights)


def of_three(u, y):
    a, b, c = u
    return a * b * c


def changed(values, row, value):
    values = np.array(values, dtype=float)
    values[row] = value
    return values


BAD = {
    # The loss itself
    "name": (with_loss("hinge"), "loss", "'logistic'", "'hinge'"),
    "number": (with_loss(3), "loss", "kanml.Huber", "3"),
    "nothing": (with_loss(None), "loss", "None"),
    "class": (with_loss(kanml.Huber), "loss", "Huber"),
    "delta 0": (lambda: kanml.Huber(0), "delta", "0"),
    "delta infinite": (lambda: kanml.Huber(np.inf), "delta", "inf"),
    "delta text": (lambda: kanml.Huber("1"), "delta", "'1'"),
    "level 0": (lambda: kanml.Quantile(0.0), "level", "0.0"),
    "level 1": (lambda: kanml.Quantile(1), "level", "1"),
    "level NaN": (lambda: kanml.Quantile(np.nan), "level", "nan"),
    # Functions
    "tuple": (with_loss(lambda u, y: (u - y, u + y)), "loss", "one expression", "2"),
    "empty": (with_loss(lambda u, y: ()), "loss", "empty"),
    "no return": (with_loss(lambda u, y: None), "loss", "None", "return"),
    "text": (with_loss(lambda u, y: "u"), "loss", "str"),
    "condition": (with_loss(lambda u, y: u > y), "loss", "condition", "u0 > y0"),
    "no such field": (
        with_loss(lambda u, y: u[2] - y[0], NUMBERS), "loss", "tuples u and y of 2 fields", "index",
    ),
    "too few fields": (
        with_loss(lambda u, y: sum(u[:3], start=u[2]), NUMBERS), "loss", "2 fields",
    ),
    "unpacked": (with_loss(of_three, NUMBERS), "loss", "2 fields", "expected 3"),
    "index of one": (with_loss(lambda u, y: u[0] - y[0]), "loss", "fields u and y", "indexing"),
    "one of several": (with_loss(lambda u, y: (u - y) ** 2, NUMBERS), "loss", "tuples", "2"),
    "derivative": (with_loss(lambda u, y: u.x), "loss", "'x'", "derivatives"),
    "arguments": (with_loss(lambda u: u), "loss", "2 were given"),
    "more arguments": (with_loss(lambda u, y, w: u), "loss", "'w'"),
    "if": (with_loss(lambda u, y: u if u > y else y), "loss", "np.where"),
    "mean": (with_loss(lambda u, y: np.mean((u - y) ** 2)), "loss", "np.mean"),
    "array": (with_loss(lambda u, y: np.ones(3) * u), "loss", f"({N},)", "(3,)"),
    "without outputs": (with_loss(lambda u, y: y**2), "loss", "outputs", "y0**2"),
    "NaN": (with_loss(lambda u, y: np.nan * u), "loss", "NaN"),
    "NaN at all outputs": (with_loss(lambda u, y: np.sqrt(-1 - (u - y) ** 2)), "loss", "NaN"),
    # Targets
    "logistic 2": (with_loss("logistic", changed(LABELS[:, 0], 5, 2)), "y[5]", "0 and 1", "2.0"),
    "logistic column": (with_loss("logistic", changed(LABELS, (5, 1), -1)), "y[5, 1]", "-1.0"),
    "logistic NaN": (with_loss("logistic", changed(LABELS, (5, 1), np.nan)), "y[5, 1]", "nan"),
    "softmax -1": (with_loss("softmax", changed(CLASSES, 7, -1)), "y[7]", "'softmax'", "-1.0"),
    "softmax 0.5": (with_loss("softmax", changed(CLASSES, 7, 0.5)), "y[7]", "0.5"),
    "softmax text": (with_loss("softmax", ["a"] * N), "y", "<U1"),
    "one-hot": (with_loss("softmax", np.eye(4)[CLASSES]), "y", f"({N}, 4)", "argmax"),
    "class 3 of 3": (evaluated("softmax", CLASSES, 3), f"y[{CLASSES.argmax()}]", "3", "0 to 2"),
    "one class": (evaluated("softmax", 0 * CLASSES, 1), "softmax", "1 output", "logistic"),
    "poisson": (with_loss("poisson", changed(ONE**2, 3, -0.5)), "y[3]", "-0.5", ">= 0"),
    "vector": (with_loss("poisson", CLASSES), "y", f"({N},)", "y[:, None]"),
    "outputs": (evaluated("logistic", LABELS, 3), "3 outputs", f"({N}, 2)"),
    "outputs of a function": (evaluated(lambda u, y: u - y, ONE, 2), "2 outputs", f"({N}, 1)"),
    # Weights
    "negative": (weighted(changed(WEIGHTS, 2, -1e-9)), "sample_weight[2]", "-1e-09"),
    "zeros": (weighted(0 * WEIGHTS), "sample_weight", "zeros"),
    "NaN weight": (weighted(changed(WEIGHTS, 2, np.nan)), "sample_weight[2]", "nan"),
    "short": (weighted(WEIGHTS[1:]), "sample_weight", f"({N},)", f"({N - 1},)"),
    "columns": (weighted(WEIGHTS[:, None]), "sample_weight", f"({N},)", f"({N}, 1)"),
    "one weight": (weighted(1.0), "sample_weight", f"({N},)", "()"),
    "words": (weighted(["a"] * N), "sample_weight", "<U1"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    call, *parts = BAD[name]
    with pytest.raises((ValueError, TypeError), match=naming(*parts)):
        call()


def test_errors_of_a_function_keep_their_cause():
    with pytest.raises(TypeError) as caught:
        kanml.Regression(X, ONE, loss=lambda u, y: u.x)
    assert isinstance(caught.value.__cause__, AttributeError)

    def broken(u, y):
        raise RuntimeError("of the user")

    with pytest.raises(RuntimeError, match="of the user"):
        kanml.Regression(X, ONE, loss=broken)


# Functions


class Scaled:
    def __init__(self, scale):
        self.scale = scale

    def __call__(self, u, y):
        return ((u - y) / self.scale) ** 2


@pytest.mark.parametrize(
    "loss",
    [
        lambda output, target: (output - target) ** 2 / 4,
        lambda u, y, scale=2.0: ((u - y) / scale) ** 2,
        lambda *fields: (fields[0] - fields[1]) ** 2 / 4,
        functools.partial(lambda scale, u, y: ((u - y) / scale) ** 2, 2.0),
        Scaled(2.0),
        lambda u, y: ((u - y) ** 2 / 4,),
        lambda u, y: np.maximum((u - y) ** 2 / 4, y * 0 - 1.0),
    ],
)
def test_functions_of_all_kinds(loss):
    net = network(1)
    expected = kanml.Regression(X, ONE).evaluation(net).value / 4
    problem = kanml.Regression(X, ONE, loss=loss)
    assert problem.evaluation(net).value == pytest.approx(expected, rel=1e-14)
    assert pickle.loads(pickle.dumps(problem)).fingerprint() == problem.fingerprint()


def test_a_function_is_called_once():
    calls = []

    def loss(u, y):
        calls.append(1)
        return (u - y) ** 2

    problem = kanml.Regression(X, ONE, loss=loss)
    for dtype in ("float64", "float32"):
        problem.evaluation(network(1, dtype))
    pickle.loads(pickle.dumps(problem)).evaluation(network(1))
    assert len(calls) == 1


def test_a_function_that_is_a_number_somewhere():
    """The logarithm of outputs is NaN for negative ones, which does not make it a bad loss."""
    kanml.Regression(X, ONE, loss=lambda u, y: np.log(u) ** 2)
    kanml.Regression(X, LABELS[:, :1], loss=lambda u, y: -(y * np.log(u) + (1 - y) * np.log1p(-u)))


# Copies, pickles, digests


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("changed_before", [False, True])
def test_copies_and_pickles(name, changed_before):
    case, net = CASES[name], network(CASES[name].n_out)
    problem = case.problem(sample_weight=WEIGHTS, batch_size=40, seed=3)
    if changed_before:
        problem.evaluation(net)
        problem.advance(net)
    for again in (
        copy.copy(problem),
        copy.deepcopy(problem),
        pickle.loads(pickle.dumps(problem)),
        pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(problem)))),
    ):
        assert again.fingerprint() == problem.fingerprint()
        assert repr(again) == repr(problem)
        assert same_bits(again.sample_weight, problem.sample_weight)
        assert not any(array.flags.writeable for array in (again.x, again.y, again.sample_weight))
        follower = copy.copy(problem)
        for _ in range(4):  # beyond the end of an epoch
            value, gradient = follower.value_and_gradient(net)
            assert again.value_and_gradient(net)[0] == value
            assert same_bits(again.value_and_gradient(net)[1], gradient)
            again.advance(net)
            follower.advance(net)


def test_pickles_of_excerpts():
    net = network(1)
    part, _ = kanml.Regression(X, ONE, loss=lambda u, y: abs(u - y)).excerpt(20)
    again = pickle.loads(pickle.dumps(part))
    assert again.evaluation(net).value == part.evaluation(net).value


def test_pickles_in_another_process(tmp_path):
    net = network(1)
    problem = kanml.Regression(
        X, ONE, loss=lambda u, y: np.log(np.cosh(u - y)), sample_weight=WEIGHTS
    )
    path = tmp_path / "problem"
    path.write_bytes(pickle.dumps((problem, net)))
    found = run_python(
        "import pickle, pathlib\n"
        f"problem, net = pickle.loads(pathlib.Path({str(path)!r}).read_bytes())\n"
        "print(problem.evaluation(net).value.hex(), problem.fingerprint())"
    )
    assert found.split() == [problem.evaluation(net).value.hex(), problem.fingerprint()]


def test_fingerprints():
    def fingerprint(loss="squared", **options):
        return kanml.Regression(X, LABELS[:, :1], loss=loss, **options).fingerprint()

    def squares(u, y):
        return (u - y) ** 2

    same = [
        fingerprint(lambda u, y: (u - y) ** 2),
        fingerprint(squares),
        fingerprint(lambda a, b: (a - b) ** 2),
    ]
    assert len(set(same)) == 1
    assert fingerprint(kanml.Huber(1)) == fingerprint(kanml.Huber(np.float64(1.0)))
    different = [
        *(fingerprint(loss) for loss in ("squared", "logistic", "softmax", "poisson")),
        *(fingerprint(kanml.Huber(delta)) for delta in (0.5, 1.0)),
        *(fingerprint(kanml.Quantile(level)) for level in (0.5, 0.9)),
        fingerprint(lambda u, y: abs(u - y)),
        fingerprint(lambda u, y: 2 * abs(u - y)),
        fingerprint(lambda u, y: WEIGHTS * abs(u - y)),
        fingerprint(lambda u, y: (1 + WEIGHTS) * abs(u - y)),
        fingerprint(sample_weight=WEIGHTS),
        fingerprint(sample_weight=1 + WEIGHTS),
        same[0],
    ]
    assert len(set(different)) == len(different)


@pytest.mark.parametrize(
    ("loss", "shown"),
    [
        ("squared", ""),
        ("poisson", ", loss='poisson'"),
        (kanml.Huber(2), ", loss=Huber(delta=2.0)"),
        (kanml.Quantile(0.3), ", loss=Quantile(level=0.3)"),
        (Scaled(1), ", loss=Scaled"),
    ],
)
def test_text(loss, shown):
    data = f"x of shape ({N}, 2), y of shape ({N}, 1)"
    problem = kanml.Regression(X, abs(ONE), loss=loss)
    assert repr(problem) == f"Regression({data}{shown})"
    weighted = kanml.Regression(X, abs(ONE), loss=loss, sample_weight=WEIGHTS)
    assert repr(weighted) == f"Regression({data}, sample_weight of shape ({N},){shown})"
