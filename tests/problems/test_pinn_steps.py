"""Physics-informed losses in steps: attention, minibatches, drawn points, training."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pinn_losses import (
    MU,
    START,
    X,
    burgers,
    expected_gradient,
    expected_jacobian,
    expected_rows,
    expected_value,
    fields,
    network,
    one,
)

import kanml
from helpers import reference_layers, relative_error, same_bits, with_random_parameters


def two_equations(layers):
    (u,) = fields(layers, X, ["", "t", "x"])
    return np.stack([u["t"] + u[""], u["x"] * u[""] - 0.3], axis=1)


def test_attention():
    problem = one(lambda u: (u.t + u, u.x * u - 0.3), attention=kanml.RBA(MU))
    weight = np.ones((len(X), 2))
    for seed in range(4):
        net = with_random_parameters(network(), seed)

        def formula(layers, _, weight=weight):
            return [weight * two_equations(layers) / np.sqrt(len(X))]

        value, gradient = problem.value_and_gradient(net)
        assert value == pytest.approx(expected_value(formula, net), rel=1e-12)
        assert relative_error(gradient, expected_gradient(formula, net)) <= 1e-11
        r, jacobian = problem.residuals(net), problem.jacobian(net)
        assert relative_error(r, expected_rows(formula, net)) <= 1e-11
        assert relative_error(jacobian, expected_jacobian(formula, net)) <= 1e-11
        assert problem.advance(net) is True
        e = abs(two_equations(reference_layers(net)))
        weight = (1 - MU) * weight + MU * e / e.max()
        np.testing.assert_allclose(problem.state()["it"]["attention"], weight, rtol=1e-11)


def test_attention_does_not_depend_on_what_was_evaluated_before():
    fresh, used = (one(lambda u: u.t + u, attention=kanml.RBA(MU)) for _ in range(2))
    net, other = network(), with_random_parameters(network(), 5)
    used.value_and_gradient(other)
    used.evaluation(other, want="value")
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
    problem.evaluation(net, problem.unknowns, "value")
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
