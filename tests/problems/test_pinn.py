"""Physics-informed losses against the formula in NumPy; attention, batches, training, bad input.

The derivatives in a formula are those of power series through the oracle of networks, and its
gradient is a complex step through all of that.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

import kanml
from helpers import (
    every_layer,
    naming,
    reference_layers,
    relative_error,
    same_bits,
    with_random_parameters,
)
from kanml._core import OutsideDomain
from reference import networks, series

RNG = np.random.default_rng(0)
X = RNG.uniform([0, -1], [1, 1], (20, 2))
START = np.stack([np.zeros(7), np.linspace(-0.9, 0.9, 7)], axis=1)
MU = 0.3


def network(n_in=2, n_out=1, degree=3, **options):
    net = kanml.KAN([n_in, 2, n_out], degree=degree, intervals=3, seed=0, **options)
    return with_random_parameters(net, seed=1)


def smooth_layers(degree, **options):
    """All kinds of layers but ReLUs, whose second derivatives vanish."""
    net = every_layer(degree, **options)
    layers = [
        kanml.Activation("tanh") if repr(layer) == "Activation('relu')" else layer
        for layer in net.layers
    ]
    return kanml.Network(layers, **options).with_parameters(net.parameters)


def burgers(**options):
    return kanml.PINN(
        "tx",
        [
            kanml.Term("pde", X, lambda u: u.t + u * u.x - 0.1 * u.xx, weight=0.7, **options),
            kanml.Term("start", START, lambda u, x: u + np.sin(np.pi * x), 3.0, "sum"),
        ],
    )


# The loss and its gradient: formulas of the oracle's layers and the unknowns a


def fields(layers, x, names, inputs="tx"):
    """Derivatives of each output, one dictionary an output."""
    d = series.derivatives(layers, x, names, inputs)
    return [{name: d[name][:, j] for name in names} for j in range(d[names[0]].shape[1])]


def absolute(z):
    return np.where(np.real(z) < 0, -z, z)


def burgers_parts(layers, a):
    (u,) = fields(layers, X, ["", "t", "x", "xx"])
    (v,) = fields(layers, START, [""])
    pde = u["t"] + u[""] * u["x"] - 0.1 * u["xx"]
    start = v[""] + np.sin(np.pi * START[:, 1])
    return {"pde": 0.7 * np.mean(pde**2), "start": 3.0 * np.sum(start**2)}


def one(residual, points=X, inputs="tx", problem=None, **options):
    return kanml.PINN(inputs, [kanml.Term("it", points, residual, **options)], **(problem or {}))


def system(layers, a):
    u, v = fields(layers, X, ["", "t", "x", "xx"])
    first = u["t"] - v["xx"] * u[""]
    second = np.exp(-(v[""] ** 2)) + u["x"] * v["t"]
    return np.mean(first**2) + np.mean(second**2)


def mixed(layers, a):
    (u,) = fields(layers, X, ["", "ttxx", "txx"])
    return np.mean((u["ttxx"] + u[""] * u["txx"]) ** 2)


def branches(layers, a):
    (u,) = fields(layers, X, ["", "x"])
    chosen = np.where(np.real(u[""]) > X[:, 0], u["x"], u[""] ** 2)
    return np.mean((chosen + absolute(u["x"])) ** 2)


# z = |x|: with the sign s of the direction, d/dx = d_x + s d_z.
CUSP = np.stack([X[:, 0], X[:, 1], abs(X[:, 1])], axis=1)
SIGN = np.sign(X[:, 1])
JUMP = {"p": (0, 1, 1), "m": (0, 1, -1), "s": np.stack([0 * SIGN, 1 + 0 * SIGN, SIGN], axis=1)}


def directed(layers, a):
    (u,) = fields(layers, CUSP, ["", "x", "z", "xx", "xz", "zz"], "txz")
    plus, minus = u["x"] + u["z"], u["x"] - u["z"]
    second = u["xx"] + 2 * SIGN * u["xz"] + u["zz"]
    return np.mean((plus - minus * u[""]) ** 2) + np.mean(second**2)


def transformed(layers, a):
    (u,) = fields(layers, X, ["", "t", "x", "xx"])
    t, x = X.T
    s, c = np.sin(np.pi * x), np.cos(np.pi * x)
    w = s + t * (1 - x**2) * u[""]
    w_t = (1 - x**2) * (u[""] + t * u["t"])
    w_xx = -(np.pi**2) * s + t * (-2 * u[""] - 4 * x * u["x"] + (1 - x**2) * u["xx"])
    w_x = np.pi * c + t * (-2 * x * u[""] + (1 - x**2) * u["x"])
    return np.mean((w_t + w * w_x - 0.1 * w_xx) ** 2)


THERE = X + np.array([0.0, 0.37])


def periodic(layers, a):
    (u,), (v,) = (fields(layers, x, ["", "x"]) for x in (X, THERE))
    return np.mean((u[""] - v[""]) ** 2) + np.mean((u["x"] - v["x"] * u[""]) ** 2)


def inverse(layers, a):
    (u,) = fields(layers, X, ["", "t", "xx"])
    return np.mean((u["t"] + a[0] * u[""] - a[0] * a[1] ** 2 * u["xx"]) ** 2)


def periodic_system(layers, a):
    (u, v), (u_there, v_there) = (fields(layers, x, ["", "x", "xx"]) for x in (X, THERE))
    first = u["xx"] * v_there[""] - u_there["x"]
    return np.mean(first**2) + np.mean((v["x"] - a[0] * v_there["x"]) ** 2)


ALONG = np.random.default_rng(3).normal(size=(20, 2))


def everything(layers, a):
    u, v = fields(layers, X, ["", "t", "x", "xx", "tx"])
    (a,), (t, x) = a, X.T
    w, w_t = np.sin(np.pi * x) + a * t * u[""], a * (u[""] + t * u["t"])
    w_x = np.pi * np.cos(np.pi * x) + a * t * u["x"]
    w_tx = a * (u["x"] + t * u["tx"])
    z, z_xx = x * v[""] + a, 2 * v["x"] + x * v["xx"]
    first = w_t + a * z_xx * w - np.tanh(z)
    second = w_tx * z - a * (ALONG[:, 0] * w_t + ALONG[:, 1] * w_x)
    return np.mean(first**2) + np.mean(second**2)


CASES = {
    "Burgers": (burgers(), network(), lambda layers, a: sum(burgers_parts(layers, a).values())),
    "system": (
        one(
            lambda u, v: (u.t - v.xx * u, np.exp(-(v**2)) + u.x * v.t),
            problem={"outputs": "uv"},
        ),
        network(n_out=2),
        system,
    ),
    "mixed": (one(lambda u: u.ttxx + u * u.txx), network(degree=5), mixed),
    "branches": (
        one(lambda u, t: np.where(u > t, u.x, u**2) + np.abs(u.x)),
        network(),
        branches,
    ),
    "directions": (
        one(lambda u: (u.p - u.m * u, u.ss), CUSP, "txz", directions=JUMP),
        network(3),
        directed,
    ),
    "transform": (
        one(
            lambda w: w.t + w * w.x - 0.1 * w.xx,
            problem={
                "outputs": "w",
                "transform": lambda w, t, x: np.sin(np.pi * x) + t * (1 - x**2) * w,
            },
        ),
        network(),
        transformed,
    ),
    "partner": (
        one(lambda u, u_partner: (u - u_partner, u.x - u_partner.x * u), partner=THERE),
        network(),
        periodic,
    ),
    "unknowns": (
        one(
            lambda u, a, b: u.t + a * u - a * b**2 * u.xx,
            problem={"unknowns": {"a": 0.8, "b": -1.3}},
        ),
        network(),
        inverse,
    ),
    "partners of a system": (
        one(
            lambda u, v, u_partner, v_partner, a: (
                u.xx * v_partner - u_partner.x,
                v.x - a * v_partner.x,
            ),
            partner=THERE,
            problem={"outputs": "uv", "unknowns": {"a": 0.9}},
        ),
        smooth_layers(4),
        periodic_system,
    ),
    "everything": (
        one(
            lambda w, z, a: (w.t + a * z.xx * w - np.tanh(z), w.tx * z - a * w.s),
            directions={"s": ALONG},
            problem={
                "outputs": "wz",
                "unknowns": {"a": 0.6},
                "transform": lambda w, z, t, x, a: (np.sin(np.pi * x) + a * t * w, x * z + a),
            },
        ),
        smooth_layers(3),
        everything,
    ),
}
cases = pytest.mark.parametrize("case", CASES)


def expected_value(loss, net, unknowns=()):
    return loss(reference_layers(net), np.array(unknowns))


def expected_gradient(loss, net, unknowns=()):
    """The gradient by parameters and unknowns."""
    theta, n = np.concatenate([net.parameters, unknowns]), net.n_parameters

    def f(vector):
        return loss(reference_layers(net, vector[:n]), vector[n:])

    return np.array([networks.complex_step(f, theta, e) for e in np.eye(theta.size)])


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
    assert sum(problem.losses(net, problem.unknowns).values()) == pytest.approx(value, rel=1e-13)


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
        assert used.losses(net, used.unknowns) == fresh.losses(net, fresh.unknowns)
        assert sum(used.losses(net, used.unknowns).values()) == pytest.approx(value, rel=1e-15)


def test_the_parts_of_burgers():
    net = network()
    assert burgers().losses(net) == pytest.approx(expected_value(burgers_parts, net), rel=1e-12)


def test_unknowns_are_taken_where_they_are_given():
    problem, net, loss = CASES["unknowns"]
    at = np.array([2.0, 0.4])
    value, gradient = problem.value_and_gradient(net, at)
    assert value == pytest.approx(expected_value(loss, net, at), rel=1e-12)
    assert problem.losses(net, at)["it"] == pytest.approx(value, rel=1e-13)
    assert relative_error(gradient, expected_gradient(loss, net, at)) <= 1e-11


def test_sums_of_distributed_points_make_the_loss_of_all():
    """A subclass adds up what other processes have; here the other half is in this one."""

    def half(rows, cls=kanml.PINN):
        return cls("tx", [kanml.Term("it", X[rows], lambda u: u.t + u * u.x, weight=3)])

    class Distributed(kanml.PINN):
        def sums(self, net, unknowns=None, *, num_threads=None):
            here, there = super().sums(net)["it"], half(slice(9, len(X))).sums(net)["it"]
            return {"it": {name: here[name] + there[name] for name in here}}

    net = network()
    value, gradient = half(slice(len(X))).value_and_gradient(net)
    got = half(slice(9), Distributed).value_and_gradient(net)
    assert got[0] == pytest.approx(value, rel=1e-14)
    np.testing.assert_allclose(got[1], gradient, rtol=0, atol=1e-13 * abs(gradient).max())


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


def test_more_points_than_fit_in_a_chunk():
    x = np.random.default_rng(1).uniform(-1, 1, (9001, 2))
    net, weights = network(), np.arange(9001.0)
    problem = one(lambda u: weights * u.x, x)
    value, gradient = problem.value_and_gradient(net)
    u_x = net.derivatives(x, ["x"], "tx")["x"][:, 0]
    assert value == pytest.approx(np.mean((weights * u_x) ** 2), rel=1e-12)
    d = np.random.default_rng(2).normal(size=net.n_parameters)
    pieces = [  # the same sum, in chunks cut elsewhere
        one(lambda u, w=weights[i : i + 3001]: w * u.x, x[i : i + 3001], reduction="sum")
        for i in (0, 3001, 6002)
    ]
    expected = sum(p.value_and_gradient(net)[1] for p in pieces) @ d / 9001
    assert gradient @ d == pytest.approx(expected, rel=1e-12)


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


def test_unknowns_must_be_given():
    problem, net, _ = CASES["unknowns"]
    by_name = {"b": 0.4, "a": 2.0}
    assert problem.losses(net, by_name) == problem.losses(net, [2.0, 0.4])
    assert same_bits(problem.solution(net, X, by_name), net(X))
    for method in (problem.value_and_gradient, problem.losses, problem.residuals):
        for wrong in (None, {"a": 1.0}, {"a": 1.0, "c": 2.0}):
            with pytest.raises(ValueError, match=naming("unknowns must give a, b")):
                method(net, wrong)
    with pytest.raises(ValueError, match=naming("unknowns must give a, b", "got nothing")):
        problem.solution(net, X)


# Steps: attention and minibatches


def two_equations(layers):
    (u,) = fields(layers, X, ["", "t", "x"])
    return np.stack([u["t"] + u[""], u["x"] * u[""] - 0.3], axis=1)


def test_attention():
    problem = one(lambda u: (u.t + u, u.x * u - 0.3), attention=kanml.RBA(MU))
    weight = np.ones((len(X), 2))
    for seed in range(4):
        net = with_random_parameters(network(), seed)

        def loss(layers, _, weight=weight):
            return np.sum((weight * two_equations(layers)) ** 2) / len(X)

        value, gradient = problem.value_and_gradient(net)
        assert value == pytest.approx(expected_value(loss, net), rel=1e-12)
        assert relative_error(gradient, expected_gradient(loss, net)) <= 1e-11
        r = problem.residuals(net)
        assert r @ r == pytest.approx(value, rel=1e-13)
        assert problem.advance(net) is True
        e = abs(two_equations(reference_layers(net)))
        weight = (1 - MU) * weight + MU * e / e.max()
        np.testing.assert_allclose(problem.state()["it"]["attention"], weight, rtol=1e-11)


def test_attention_does_not_depend_on_what_was_evaluated_before():
    fresh, used = (one(lambda u: u.t + u, attention=kanml.RBA(MU)) for _ in range(2))
    net, other = network(), with_random_parameters(network(), 5)
    used.value_and_gradient(other)
    used.losses(other)
    fresh.advance(net)
    used.advance(net)
    assert fresh.state() == used.state()


def test_an_epoch_of_minibatches_is_all_points():
    net = network()
    problem = one(lambda u: u.t + u, batch_size=5, reduction="sum", seed=3)
    whole = one(lambda u: u.t + u, reduction="sum")
    value, gradient = 0.0, 0.0
    for _ in range(4):
        r = problem.residuals(net)
        assert r.shape == (5,)
        part, by_parameters = problem.value_and_gradient(net)
        assert r @ r == pytest.approx(part, rel=1e-13)
        value, gradient = value + part, gradient + by_parameters
        assert problem.advance(net) is True
    expected = whole.value_and_gradient(net)
    assert value == pytest.approx(expected[0], rel=1e-13)
    assert relative_error(gradient, expected[1]) <= 1e-13


def test_without_batches_or_attention_the_loss_stays():
    net, problem = network(), burgers()
    before = problem.value_and_gradient(net)
    assert problem.advance(net) is False
    after = problem.value_and_gradient(net)
    assert before[0] == after[0]
    assert same_bits(before[1], after[1])


def moving():
    """All that changes in steps, at once."""
    sampler = kanml.Sampler([0, -1], [1, 1], 30, "residual", every=3)
    options = {"attention": kanml.RBA(MU), "batch_size": 6}
    return kanml.PINN(
        "tx",
        [
            kanml.Term("a", X, lambda u, nu: u.t - nu * u.xx, **options),
            kanml.Term("b", sampler, lambda u: u.x + u, **options),
            kanml.Term("c", START, lambda u: u),
        ],
        unknowns={"nu": 0.1},
    )


def test_evaluating_changes_nothing():
    net, problem = network(), moving()
    problem.advance(net, problem.unknowns)
    state = problem.state()
    first = problem.value_and_gradient(net, problem.unknowns)
    problem.residuals(net, problem.unknowns)
    problem.losses(net, problem.unknowns)
    second = problem.value_and_gradient(net, problem.unknowns)
    assert problem.state() == state
    assert first[0] == second[0]
    assert same_bits(first[1], second[1])


@pytest.mark.parametrize("steps", [0, 2, 7])
def test_state_and_restore(steps):
    net, problem = network(), moving()
    for _ in range(steps):
        problem.advance(net, problem.unknowns)
    text = json.dumps(problem.state())
    onward = []
    for _ in range(8):
        onward.append(problem.residuals(net, problem.unknowns))
        problem.advance(net, problem.unknowns)
    other = moving()
    other.advance(net, other.unknowns)
    for target in (problem, other):
        target.restore(json.loads(text))
        for expected in onward:
            assert same_bits(target.residuals(net, target.unknowns), expected)
            target.advance(net, target.unknowns)


def test_a_sampler_draws_every_so_many_steps():
    net = network()
    sampler = kanml.Sampler([0, -1], [1, 1], 10, every=3)
    problem = one(lambda u: u, sampler, attention=kanml.RBA(MU))
    for step in range(1, 10):
        assert problem.advance(net) is True
        points = sampler.draw(step // 3)
        drawn = step % 3 == 0
        if drawn:  # and all weights are 1 again
            expected = net(points)[:, 0] / np.sqrt(10)
            np.testing.assert_allclose(problem.residuals(net), expected, rtol=1e-12)
        assert (problem.state()["it"]["attention"] == [[1.0]] * 10) == drawn


# Training


def decay(**options):
    """u' = -a u with a = 1.7, from exact data."""
    x = np.linspace(0, 1, 40)[:, None]
    data = np.exp(-1.7 * x[:, 0])
    return kanml.PINN(
        "x",
        [
            kanml.Term("ode", x, lambda u, a: u.x + a * u, **options),
            kanml.Term("data", x, lambda u: u - data, weight=10.0),
        ],
        unknowns={"a": 0.5},
    )


def test_an_inverse_problem():
    net = kanml.KAN([1, 1], degree=3, intervals=3, domain=(0, 1), seed=0)
    seen = []

    def see(state):
        seen.append(state.unknowns)

    result = kanml.train(net, decay(), [60, 60], callbacks=[see], progress=False)
    assert result.network.layers[0].spaces[0].intervals == 6
    assert result.unknowns == pytest.approx({"a": 1.7}, abs=1e-3)
    assert seen[0]["a"] != seen[-1]["a"]
    assert seen[-1] == result.unknowns
    history = result.history
    assert list(history.terms) == ["ode", "data"]
    for row in history.terms.values():
        assert row.shape == history.loss.shape
    np.testing.assert_allclose(sum(history.terms.values()), history.loss, rtol=1e-12)


@pytest.mark.parametrize("stop", [3, 14])
def test_a_resumed_run_is_the_same_bit_for_bit(tmp_path, stop):
    net = kanml.KAN([1, 2, 1], degree=3, intervals=2, domain=(0, 1), seed=0)
    path = tmp_path / "checkpoint"

    def run(**options):
        problem = decay(attention=kanml.RBA(0.1), batch_size=9)
        adam = kanml.Adam(1e-2)
        return kanml.train(net, problem, [10, 10], adam, progress=False, **options)

    whole = run()
    run(callbacks=[kanml.Checkpoint(path, every=1), lambda state: state.step == stop])
    resumed = run(resume=path)
    assert same_bits(resumed.network.parameters, whole.network.parameters)
    assert resumed.unknowns == whole.unknowns
    assert same_bits(resumed.history.loss, whole.history.loss)
    for name, row in whole.history.terms.items():
        assert same_bits(resumed.history.terms[name], row)


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


def test_arrays_are_copied():
    x, there, along, data = X.copy(), THERE.copy(), np.ones((20, 2)), np.ones(20)
    problem = one(
        lambda u, u_partner: u.p - u_partner + data, x, partner=there, directions={"p": along}
    )
    before = problem.fingerprint(), problem.value_and_gradient(network())[0]
    for array in (x, there, along, data):
        array[:] = 0.5
        assert (problem.fingerprint(), problem.value_and_gradient(network())[0]) == before


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
        for method in (problem.value_and_gradient, problem.losses, problem.residuals):
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
    for method in (problem.value_and_gradient, problem.losses, problem.residuals):
        with pytest.raises(ValueError, match=refusal):
            method(net)
    with pytest.raises(ValueError, match=refusal):
        kanml.train(net, problem, [3], progress=False)
    if name != "u.pp":
        with pytest.raises(ValueError, match=naming(name, "'relu'")):
            problem.evaluate(net, X, SECOND[name])


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "silu", "sin"])
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


@pytest.mark.parametrize("options", [{}, {"partner": X + np.array([0.0, 9.0])}, {"batch_size": 7}])
def test_points_outside_the_domain(options):
    near = X if "partner" in options else X + np.array([0.0, 9.0])
    residual = (lambda u, u_partner: u.t - u_partner) if near is X else (lambda u: u.t)
    problem = one(residual, near, **options)
    net = kanml.KAN([2, 2, 1], intervals=3, seed=0, extrapolation="error")
    for method in (problem.value_and_gradient, problem.losses, problem.residuals):
        with pytest.raises(OutsideDomain, match=naming("term 'it'", "outside the domain")):
            method(net)
    with pytest.raises(OutsideDomain, match="outside the domain"):
        problem.solution(net, X + 9.0)


def test_the_point_outside_the_domain_is_found_among_many():
    x = np.zeros((5000, 2))
    x[4100, 1] = 7.5
    net = kanml.KAN([2, 2, 1], intervals=3, seed=0, extrapolation="error")
    with pytest.raises(ValueError, match=naming("7.5", "sample 4:", "sample 0 is point 4096")):
        one(lambda u: u.t, x).value_and_gradient(net)


def test_a_residual_that_is_not_finite_at_first():
    x = np.concatenate([X, [[0.0, 0.25]]])
    problem = one(lambda u, t: u / t, x)
    with pytest.raises(ValueError, match=naming("term 'it'", "[0.0, 0.25]")):
        problem.value_and_gradient(network())
    data = np.where(np.arange(20) == 3, np.nan, 1.0)
    with pytest.raises(ValueError, match=naming("term 'it'", "nan", X[3].tolist())):
        one(lambda u: u - data).value_and_gradient(network())
