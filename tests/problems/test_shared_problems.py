"""One problem in several Python threads at once: each gets what it would get alone, to the bit."""

from __future__ import annotations

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import kanml
from helpers import same_bits, with_random_parameters
from kanml.problems import Sampler

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (3000, 2))
THERE = RNG.uniform(-1, 1, (3000, 2))
EVALUATIONS = 150


def network(width, dtype="float64"):
    net = kanml.KAN([2, width, 1], degree=4, activation="tanh", dtype=dtype)
    return with_random_parameters(net, seed=width)


def equations(u, u_partner, x_partner, a):
    return u.x + a * u * u.xx - u_partner, u.xy - x_partner * u_partner.y


PROBLEMS = {
    "one term": kanml.PINN("xy", [kanml.Term("it", X, lambda u: u.x + u * u.y - u.xx)]),
    "several": kanml.PINN(
        "xy",
        [
            kanml.Term("pair", X, equations, partner=THERE, batch_size=2000),
            kanml.Term("seen", X[:700], lambda u: u - 1.0, attention=kanml.RBA(0.1)),
            kanml.Term(
                "drawn",
                Sampler([-1, -1], [1, 1], 300, "residual", every=2),
                lambda u, a: a * u.xx + u.yy,
            ),
        ],
        unknowns={"a": 0.7},
    ),
    "regression": kanml.Regression(X, np.sin(X[:, :1]), batch_size=2500),
}


def together(*works):
    """Run functions in threads that start at once; return what they return."""
    barrier = threading.Barrier(len(works))

    def run(work):
        barrier.wait(timeout=30)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(run, work) for work in works]]


def found(problem, net):
    """All that can be asked of a problem without changing it, as arrays."""
    at = problem.unknowns
    value, gradient = problem.value_and_gradient(net, at)
    residuals = problem.residuals(net, at)
    arrays = [np.array(value), gradient, residuals, problem.vjp(net, residuals, at)]
    if isinstance(problem, kanml.PINN):
        both = [problem.evaluation(net, at, want).terms for want in ("gradient", "value")]
        terms = [term for parts in both for term in parts.values()]
        arrays += [
            np.array([(term.loss, term.sum, term.count, term.largest) for term in terms]),
            *(term.residuals for term in terms if term.residuals is not None),
            problem.solution(net, X[:50], at),
            problem.evaluate(net, X[:50], lambda u, x: (u.xy, x * u), at),
        ]
    return arrays


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("dtypes", [("float64", "float64"), ("float64", "float32")])
def test_evaluations(name, dtypes):
    problem = PROBLEMS[name]
    nets = [network(width, dtype) for width, dtype in zip((6, 3), dtypes, strict=True)]
    alone = [found(copy.deepcopy(problem), net) for net in nets]

    def work(i):
        wrong = 0
        for _ in range(EVALUATIONS):
            pairs = zip(found(problem, nets[i]), alone[i], strict=True)
            wrong += not all(same_bits(got, expected) for got, expected in pairs)
        return wrong

    assert together(lambda: work(0), lambda: work(1)) == [0, 0]


@pytest.mark.parametrize("name", PROBLEMS)
def test_rows_that_several_threads_ask_for_first(name):
    """They are traced when they are first needed, in the graph that threads share."""
    net = network(3)
    at = PROBLEMS[name].unknowns
    expected = PROBLEMS[name].residuals(net, at)
    for _ in range(5):
        fresh = pickle.loads(pickle.dumps(PROBLEMS[name]))
        for residuals in together(*[lambda fresh=fresh: fresh.residuals(net, at)] * 4):
            assert same_bits(residuals, expected)


@pytest.mark.parametrize("name", PROBLEMS)
def test_an_evaluation_is_of_one_stage_while_another_thread_goes_on(name):
    """What an evaluation finds belongs to a moment before or after a step, never to a mixture."""
    problem, net, steps = copy.deepcopy(PROBLEMS[name]), network(4), 30
    at, alone = problem.unknowns, copy.deepcopy(problem)
    moments = []
    for _ in range(steps + 1):
        value, gradient = alone.value_and_gradient(net, at)
        moments.append((value, gradient.tobytes()))
        alone.advance(net, at)
    done = threading.Event()

    def evaluate():
        seen = set()
        while not done.is_set():
            value, gradient = problem.value_and_gradient(net, at)
            seen.add((value, gradient.tobytes()))
        return seen

    def step():
        try:
            for _ in range(steps):
                problem.advance(net, at)
        finally:
            done.set()

    seen, _ = together(evaluate, step)
    assert seen <= set(moments)
    # What was found before the last step is not taken for what holds after it.
    value, gradient = problem.value_and_gradient(net, at)
    assert (value, gradient.tobytes()) == moments[-1]
    if isinstance(problem, kanml.PINN):
        terms = problem.evaluation(net, at).terms.values()
        assert sum(term.loss for term in terms) == pytest.approx(value, rel=1e-14)


def test_trainings():
    problem = PROBLEMS["one term"]

    def train(width):
        return kanml.train(network(width), problem, [10, 5], progress=False)

    alone = [train(width) for width in (5, 3)]
    results = together(lambda: train(5), lambda: train(3))
    for got, expected in zip(results, alone, strict=True):
        assert same_bits(got.network.parameters, expected.network.parameters)
        assert same_bits(got.history.loss, expected.history.loss)
        assert same_bits(got.history.terms["it"], expected.history.terms["it"])
