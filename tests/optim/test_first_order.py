import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from objectives import name, quadratic, rosenbrock, run

from kanml.optim import Adam, CyclicDecay, Geometry, GradientDescent, Ramp, TransferMaps

# --- the first-order methods, against their formulas ---


def test_weight_decay_leaves_unknowns_alone():
    """At a stationary point decay is all that happens; for unknowns that is nothing."""
    optimizer = Adam(0.5, weight_decay=0.25)
    state = optimizer.init([4.0, -8.0, 3.0, 1e300])
    flat = optimizer.step(lambda x: (0.0, 0 * x), state, Geometry(n_unknowns=2))
    np.testing.assert_array_equal(flat.parameters, [3.5, -7.0, 3.0, 1e300])
    alone = optimizer.step(lambda x: (0.0, 0 * x), state)
    np.testing.assert_array_equal(alone.parameters, [3.5, -7.0, 2.625, 8.75e299])


@given(weight_decay=st.sampled_from([0.0, 0.1]), seed=st.integers(0, 2**32))
def test_adam_step_by_step(weight_decay, seed):
    function, _, center = quadratic(6, 10.0, seed)
    lr, (beta1, beta2), eps = 0.05, (0.8, 0.95), 1e-6
    optimizer = Adam(lr, (beta1, beta2), eps, weight_decay)
    state = optimizer.init(2 * center + 1)
    theta, m, v = 2 * center + 1, np.zeros(6), np.zeros(6)
    for t in range(1, 21):
        _, g = function(state.parameters)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        direction = -lr * m_hat / (np.sqrt(v_hat) + eps)
        theta = state.parameters - lr * weight_decay * state.parameters + direction
        state = optimizer.step(function, state)
        scale = 1 + np.abs(theta)
        assert np.max(np.abs(state.parameters - theta) / scale) <= 1e-14
        np.testing.assert_allclose(state.first_moment, m, rtol=1e-14, atol=1e-14)
        np.testing.assert_allclose(state.second_moment, v, rtol=1e-14)
        assert (state.updates, state.step, state.evaluations) == (t, t, t)


@given(seed=st.integers(0, 2**32))
def test_gradient_descent_step_by_step(seed):
    function, _, center = quadratic(6, 10.0, seed)
    optimizer = GradientDescent(0.01)
    state = optimizer.init(center + 1)
    for _ in range(20):
        _, g = function(state.parameters)
        theta = state.parameters - 0.01 * g
        state = optimizer.step(function, state)
        np.testing.assert_allclose(state.parameters, theta, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("optimizer", [GradientDescent(0.1), Adam(0.1)], ids=name)
def test_first_order_steps_leave_the_evaluation_to_the_next_minibatch(optimizer):
    state = optimizer.step(rosenbrock, optimizer.init([-1.2, 1.0]))
    assert state.value is None
    assert state.gradient is None
    with pytest.raises(ValueError, match="has not been evaluated"):
        state.evaluation()
    state = optimizer.evaluate(rosenbrock, state)
    assert state.evaluations == 2
    assert optimizer.evaluate(rosenbrock, state) is state


# --- schedules ---


def test_ramp():
    ramp = Ramp(0.1, 0.5, steps=4)
    assert [ramp(100 + k, k) for k in range(6)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.5])
    assert Ramp(0.1, 0.5, steps=4, restart=False)(100, 0) == 0.5


def test_cyclic_decay():
    cycle = CyclicDecay(0.1, 0.5, period=4, decay=0.9)
    expected = [0.1 + 0.4 * tri * 0.9**k for k, tri in enumerate([0, 0.5, 1, 0.5, 0, 0.5])]
    assert [cycle(k, 0) for k in range(6)] == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("make", [GradientDescent, Adam])
def test_schedules_see_the_steps_already_taken(make):
    seen = []

    def schedule(step, level_step):
        seen.append((step, level_step))
        return 0.1

    optimizer = make(schedule)
    state = run(optimizer, rosenbrock, optimizer.init([0.5, 0.5]), 2)
    state = optimizer.transfer(state, TransferMaps(*[np.copy] * 5), "prolong")
    run(optimizer, rosenbrock, state, 2)
    assert seen == [(0, 0), (1, 1), (2, 0), (3, 1)]


def test_gradient_descent_follows_a_schedule():
    optimizer = GradientDescent(Ramp(0.0, 1.0, steps=2))
    state = optimizer.init([1.0])
    for expected in (1.0, 0.5, -0.5):
        state = optimizer.step(lambda x: (float(x[0]), np.ones(1)), state)
        assert state.parameters[0] == expected


@pytest.mark.parametrize("rate", [-1.0, math.nan, math.inf])
def test_schedule_with_an_impossible_rate(rate):
    optimizer = GradientDescent(lambda step, level_step: rate)
    with pytest.raises(ValueError, match="the learning rate of step 0 must be a number"):
        optimizer.step(rosenbrock, optimizer.init([0.5, 0.5]))
