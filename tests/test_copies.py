"""Copies and pickles of problems: the same bits, the same fingerprint, a state of their own."""

from __future__ import annotations

import copy
import functools
import json
import multiprocessing
import pickle

import numpy as np
import pytest

import kanml
from helpers import same_bits, unix, with_random_parameters
from kanml import equations
from kanml.problems import Sampler
from kanml.problems.points import METHODS

RNG = np.random.default_rng(0)
X = RNG.uniform([0, -1], [1, 1], (30, 2))
THERE = X + np.array([0.0, 0.3])
ALONG = RNG.normal(size=(30, 2))
DATA = RNG.normal(size=30)

COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
    "pickle twice": lambda thing: pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(thing)))),
}
ways = pytest.mark.parametrize("way", COPIES)


def at_top_level(u):
    return u.t + u * u.x - 0.1 * u.xx


class Damped:
    """A residual that is an object."""

    def __init__(self, rate):
        self.rate = rate

    def __call__(self, u):
        return u.t + self.rate * u


def one(residual, points=X, problem=None, **options):
    return kanml.PINN("tx", [kanml.Term("it", points, residual, **options)], **(problem or {}))


def functions_of_numpy(u, x):
    """Conditions, data, numbers of other types, keyword arguments, values that coincide."""
    bounded = np.clip(u.x, -0.5, None) + np.clip(u, a_min=-1, a_max=np.float32(0.25))
    chosen = np.select([u > 0.1, (x < 0) & ~(u < -0.1)], [u.tt, DATA], default=-1)
    branch = np.where(DATA > 0, u * 1, np.full_like(u, 3) + np.zeros_like(x))
    same = (u.t.x - u.tx) + (u.tx * u).x + abs(-u) ** np.array(2.0)
    return bounded + chosen, [branch, same][0] + np.maximum(u, [0.0] * 30), same


def partnered(u, v, u_partner, v_partner, x_partner, a):
    return u.xx * v_partner - u_partner.x * x_partner, v.x - a * v_partner.x


def transformed(u, t, x, a):
    return np.sin(np.pi * x) + a * t * (1 - x**2) * u


def everything_moves():
    options = {"attention": kanml.RBA(0.3), "batch_size": 6}
    return kanml.PINN(
        "tx",
        [
            kanml.Term("a", X, lambda u, a: u.t - a * u.xx, **options),
            kanml.Term("b", Sampler([0, -1], [1, 1], 20, "residual", every=2), lambda u: u.x),
            kanml.Term("c", Sampler([0, -1], [1, 1], 20, every=3, seed=4), lambda u: u, **options),
        ],
        unknowns={"a": 0.1},
        transform=lambda u, a, t: a + t * u,
    )


MADE = {
    "top level": lambda: one(at_top_level),
    "lambda": lambda: one(lambda u, x: u.t + u * u.x - 0.1 * u.xx + np.sin(np.pi * x)),
    "object": lambda: one(Damped(0.3)),
    "partial": lambda: one(functools.partial(lambda u, rate: u.t + rate * u, rate=0.3)),
    "any fields": lambda: one(lambda **fields: fields["u"].x - fields["t"]),
    "default": lambda: one(lambda u, nu=0.2: u.t - nu * u.xx),
    "a number": lambda: one(lambda u: (u, 1.0)),
    "functions": lambda: one(functions_of_numpy),
    "directions": lambda: one(lambda u: u.n * u.p, directions={"n": ALONG, "p": (1, 1)}),
    "partner": lambda: one(
        partnered, partner=THERE, problem={"outputs": "uv", "unknowns": {"a": 0.9}}
    ),
    "transform": lambda: one(
        lambda u: (u.t.x + (u.x * u).t, u.xx, u.tx),
        problem={"transform": transformed, "unknowns": {"a": 0.9}},
    ),
    "names": lambda: kanml.PINN(
        "tx",
        [kanml.Term("it", X, lambda temperature: temperature.x, reduction="sum", weight=3)],
        outputs=["temperature"],
    ),
    "all that moves": everything_moves,
    "penalty": lambda: one(at_top_level, problem={"penalty": kanml.Smoothness(0.1)}),
    "penalty of samples": lambda: kanml.Regression(X, DATA[:, None], penalty=kanml.Smoothness(0.1)),
    "samples": lambda: kanml.Regression(X, DATA[:, None]),
    "minibatches": lambda: kanml.Regression(X, DATA[:, None], batch_size=7, seed=5),
}
for cls in (
    equations.Advection,
    equations.AllenCahn,
    equations.Biharmonic,
    equations.Burgers,
    equations.Heat,
    equations.Helmholtz,
    equations.KortewegDeVries,
    equations.KuramotoSivashinsky,
    equations.Poisson,
    equations.PoissonInterface,
):
    MADE[cls.__name__] = lambda cls=cls: cls().pinn(dict.fromkeys(cls().conditions, 8))


def test_all_reference_problems_are_here():
    names = {
        name
        for name in equations.__all__
        if isinstance(cls := getattr(equations, name), type)
        and issubclass(cls, equations.ReferenceProblem)
        and cls is not equations.ReferenceProblem
    }
    assert names <= MADE.keys()


def fitting(problem):
    n_in = problem.x.shape[1] if isinstance(problem, kanml.Regression) else len(problem.inputs)
    n_out = len(getattr(problem, "outputs", "y"))
    return with_random_parameters(kanml.KAN([n_in, 2, n_out], degree=5, intervals=3), seed=1)


def walked(problem, net, steps=7):
    """Everything that a problem says while it takes steps."""
    at = problem.unknowns
    said = []
    for _ in range(steps):
        value, gradient = problem.value_and_gradient(net, at)
        residuals = problem.residuals(net, at)
        said.append((value, gradient.tobytes(), residuals.tobytes(), json.dumps(problem.state())))
        said.append(problem.advance(net, at))
    return said


@ways
@pytest.mark.parametrize("steps", [0, 1, 5])
@pytest.mark.parametrize("name", MADE)
def test_a_copy_goes_the_same_way(name, steps, way):
    problem = MADE[name]()
    net = fitting(problem)
    walked(problem, net, steps)
    other = COPIES[way](problem)
    assert other is not problem
    assert other.fingerprint() == problem.fingerprint() == MADE[name]().fingerprint()
    before = problem.state()
    there = walked(other, net)
    assert problem.state() == before  # the copy has taken its steps alone
    assert walked(problem, net) == there


@ways
@pytest.mark.parametrize("name", MADE)
def test_residuals_and_solutions_of_a_copy(name, way):
    problem = MADE[name]()
    if isinstance(problem, kanml.Regression):
        other = COPIES[way](problem)
        assert same_bits(other.x, problem.x)
        assert not other.x.flags.writeable
        return
    net, other = fitting(problem), COPIES[way](problem)
    at = problem.unknowns
    points = np.full((30, len(problem.inputs)), 0.3)
    assert same_bits(other.solution(net, points, at), problem.solution(net, points, at))
    for mine, theirs in zip(problem.terms, other.terms, strict=True):
        if mine.partner is None and not mine.directions:
            assert same_bits(
                other.evaluate(net, points, theirs.residual, at),
                problem.evaluate(net, points, mine.residual, at),
            )
        assert (theirs.name, theirs.weight, theirs.reduction) == (
            mine.name,
            mine.weight,
            mine.reduction,
        )


@ways
def test_a_copy_has_unknowns_of_its_own(way):
    problem = everything_moves()
    COPIES[way](problem).unknowns["a"] = 3.0
    assert problem.unknowns == {"a": 0.1}


def test_a_copy_shares_what_does_not_change():
    problem = everything_moves()
    assert copy.copy(problem)._traced is problem._traced
    assert copy.deepcopy(problem)._traced is problem._traced


def test_a_pickle_holds_what_was_traced():
    """Neither arrays nor variables that changed later make another problem of it."""
    rate, data, points = 0.5, np.ones(30), X.copy()
    problem = one(lambda u: u.t + rate * u - data, points, directions={"n": ALONG})
    net = fitting(problem)
    expected = problem.value_and_gradient(net)
    rate, data[:], points[:] = 7.0, 7.0, 0.7
    other = pickle.loads(pickle.dumps(problem))
    got = other.value_and_gradient(net)
    assert got[0] == expected[0]
    assert same_bits(got[1], expected[1])
    assert other.fingerprint() == problem.fingerprint()


@pytest.mark.parametrize("name", ["all that moves", "minibatches", "transform", "Burgers"])
def test_a_checkpoint_of_one_is_resumed_with_the_other(name, tmp_path):
    problem = MADE[name]()
    net, path = fitting(problem), tmp_path / "run"
    copied = pickle.loads(pickle.dumps(problem))

    def train(problem, **options):
        return kanml.train(net, problem, [4, 3], kanml.Adam(1e-3), progress=False, **options)

    whole = train(
        problem, callbacks=[kanml.Checkpoint(path, every=5), lambda s: s.step == 5 and None]
    )
    resumed = train(copied, resume=path)
    assert same_bits(resumed.network.parameters, whole.network.parameters)
    assert same_bits(resumed.history.loss, whole.history.loss)


TERMS = {
    "lambda": lambda: kanml.Term("it", X, lambda u, x: u.t * np.exp(x.x * u) - u.tx**3, weight=2.0),
    "top level": lambda: kanml.Term("it", X, at_top_level, batch_size=5, seed=3),
    "default": lambda: kanml.Term("it", X, lambda u, nu=0.2: u.t - nu * u.xx),
    "condition": lambda: kanml.Term("it", X, lambda u, x: np.where(x > u, u.t, DATA)),
    "object": lambda: kanml.Term("it", X, Damped(0.3), attention=kanml.RBA(0.1)),
    "directions": lambda: kanml.Term("it", X, lambda u: u.n, directions={"n": ALONG}),
    "partner": lambda: kanml.Term(
        "it", X, lambda u, u_partner, x_partner: u_partner.x - x_partner * u, partner=THERE
    ),
    "sampler": lambda: kanml.Term("it", Sampler([0, -1], [1, 1], 9), lambda u: u.x),
}


@ways
@pytest.mark.parametrize("name", TERMS)
def test_terms(name, way):
    term = TERMS[name]()
    problem, other = kanml.PINN("tx", [term]), kanml.PINN("tx", [COPIES[way](term)])
    assert other.fingerprint() == problem.fingerprint()
    net = fitting(problem)
    assert walked(other, net) == walked(problem, net)


@pytest.mark.parametrize("name", [name for name in MADE if hasattr(equations, name)])
def test_the_terms_of_reference_problems(name):
    reference = getattr(equations, name)()
    terms = reference.terms(dict.fromkeys(reference.conditions, 8))
    copied = pickle.loads(pickle.dumps(terms))
    first, second = (kanml.PINN(reference.network_inputs, t) for t in (terms, copied))
    assert first.fingerprint() == second.fingerprint()
    assert pickle.loads(pickle.dumps(reference)) == reference


@ways
@pytest.mark.parametrize("method", METHODS)
def test_samplers_and_attention(method, way):
    sampler = Sampler([0, -1], [1, 1], 20, method, every=3, seed=2)
    other = COPIES[way](sampler)
    assert other.fingerprint() == sampler.fingerprint()
    for count in (0, 1, 5):
        assert same_bits(
            other.draw(count, lambda x: x[:, 0] ** 2), sampler.draw(count, lambda x: x[:, 0] ** 2)
        )
    assert COPIES[way](kanml.RBA(0.25)) == kanml.RBA(0.25)


@ways
def test_what_a_callback_keeps(way):
    kept = []

    def callback(state):
        kept.append((state.network, state.history, state.unknowns, state.snapshot()))

    problem = everything_moves()
    kanml.train(fitting(problem), problem, [3], progress=False, callbacks=[callback])
    for network, history, unknowns, snapshot in kept:
        other = COPIES[way]([network, history, unknowns, snapshot])
        assert same_bits(other[0].parameters, network.parameters)
        assert same_bits(other[1].loss, history.loss)
        assert other[2] == unknowns
        assert other[3].problem_state == snapshot.problem_state


# What cannot be pickled says so; it can be copied nevertheless


def test_a_term_that_takes_any_fields():
    term = kanml.Term("it", X, lambda **fields: fields["u"].x)
    with pytest.raises(pickle.PicklingError, match=r"term 'it': .*lambda.*pickle a PINN"):
        pickle.dumps(term)
    assert copy.copy(term).residual is copy.deepcopy(term).residual is term.residual


def test_a_residual_that_uses_the_field_of_another_function():
    kept = []

    def transform(u, x):
        kept.append(np.exp(x) * u)
        return kept[-1] + 1

    problem = one(lambda u: u.x + kept[-1], problem={"transform": transform})
    problem.value_and_gradient(fitting(problem))
    with pytest.raises(pickle.PicklingError, match=r"term 'it': .*exp\(x\)\*u"):
        pickle.dumps(problem)


# Other processes


@pytest.mark.parametrize("start", ["spawn", pytest.param("fork", marks=unix)])
def test_process_pools(start):
    jobs, expected = [], []
    for name in ("lambda", "transform", "all that moves", "minibatches", "Burgers"):
        problem = MADE[name]()
        net = fitting(problem)
        walked(problem, net, 3)
        at = dict(problem.unknowns)
        jobs.append((type(problem).value_and_gradient, problem, net, at))
        expected.append(problem.value_and_gradient(net, at))
    with multiprocessing.get_context(start).Pool(2) as pool:
        results = [pool.apply_async(function, arguments) for function, *arguments in jobs]
        for result, (value, gradient) in zip(results, expected, strict=True):
            got = result.get(timeout=60)
            assert got[0] == value
            assert same_bits(got[1], gradient)
