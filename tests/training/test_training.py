"""Algorithm 1: levels, what an optimizer remembers and asks, minibatches, bits."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from training_runs import (
    OPTIMIZERS,
    SCHEDULE,
    Wrapped,
    X,
    Y,
    each_optimizer,
    intervals,
    problem,
    same_run,
    start,
    train,
)

import kanml
from helpers import same_bits
from kanml.optim import State, SumOfSquares, TransferMaps

# Algorithm 1


@each_optimizer
def test_levels(optimizer):
    seen = []
    result = train(
        optimizer=optimizer, callbacks=[lambda s: seen.append((s.level, intervals(s.network)))]
    )
    assert result.status == "completed"
    assert intervals(result.network) == [12, 12, 8]
    assert seen == [(0, [3, 3, 2])] * 5 + [(1, [6, 6, 4])] * 4 + [(2, [12, 12, 8])] * 3
    np.testing.assert_array_equal(result.history.level, [0] * 6 + [1] * 5 + [2] * 4)
    steps = [*range(6), *range(5, 10), *range(9, 13)]
    np.testing.assert_array_equal(result.history.step, steps)
    assert result.history.loss[-1] == problem().value_and_gradient(result.network)[0]
    assert [intervals(net) for net in result.levels] == [[3, 3, 2], [6, 6, 4], [12, 12, 8]]
    for level, net in enumerate(result.levels):
        last = result.history.loss[result.history.level == level][-1]
        assert last == problem().value_and_gradient(net)[0]
    assert result.levels[-1] is result.network


class Plain(SumOfSquares):
    """The loss of a task on the grid of a network, without anything kept."""

    def __init__(self, task, net):
        self.task, self.net = task, net

    def __call__(self, theta):
        return self.task.value_and_gradient(self.net.with_parameters(theta))

    def value(self, theta):
        return self.task.evaluation(self.net.with_parameters(theta), want="value").value

    def triangle(self, theta):
        return self.task.evaluation(self.net.with_parameters(theta), want="least_squares").triangle

    def linear_triangle(self, theta):
        return self.task.linear_triangle(self.net.with_parameters(theta))

    def jvp(self, theta, v):
        return self.task.jvp(self.net.with_parameters(theta), v)

    def vjp(self, theta, u):
        return self.task.vjp(self.net.with_parameters(theta), u)

    @property
    def linear(self):
        return self.task.linear_parameters(self.net)


def algorithm_1(net, task, schedule, optimizer, how):
    """Algorithm 1 in its plainest form, with dense operators: the losses, and the network."""
    losses = []

    def evaluated(state):
        state = optimizer.evaluate(Plain(task, net), state)
        losses.append(state.value)
        return state

    state = evaluated(optimizer.init(net.parameters))
    for level, steps in enumerate(schedule):
        if level > 0:
            fine = net.refine()
            operator = net.prolongation(fine)
            p = operator.toarray()
            inverse = np.linalg.pinv(p.T @ p)
            maps = TransferMaps(
                parameters=operator.__matmul__,
                primal=lambda s, p=p: s @ p.T,
                dual=lambda g, p=p, inverse=inverse: g @ (p @ inverse).T,
                second_moment=operator.second_moment,
                inverse_curvature=lambda d, operator=operator: 1 / operator.curvature(1 / d),
            )
            state = optimizer.transfer(state, maps, how)
            net = fine
            state = evaluated(state)
        for _ in range(steps):
            state = optimizer.step(Plain(task, net), state)
            if task.advance(net.with_parameters(state.parameters)):
                state = state.stale()
            state = evaluated(state)
    return np.array(losses), net.with_parameters(state.parameters)


@pytest.mark.parametrize("how", ["prolong", "reset"])
@pytest.mark.parametrize("batch_size", [None, 7])
@each_optimizer
def test_against_algorithm_1_in_its_plainest_form(optimizer, batch_size, how):
    losses, net = algorithm_1(start(), problem(batch_size=batch_size), SCHEDULE, optimizer, how)
    result = train(task=problem(batch_size=batch_size), optimizer=optimizer, transfer_state=how)
    # Rounding in the transfer is all that differs, which the steps after it magnify.
    np.testing.assert_allclose(result.history.loss, losses, rtol=1e-6)
    np.testing.assert_allclose(result.network(X), net(X), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("how", ["prolong", "reset"])
@pytest.mark.parametrize("batch_size", [None, 7])
@each_optimizer
def test_refinement_keeps_the_loss(optimizer, batch_size, how):
    task = problem(batch_size=batch_size)
    history = train(task=task, optimizer=optimizer, transfer_state=how).history
    (after,) = np.nonzero(np.diff(history.level))
    assert after.size == 2
    np.testing.assert_allclose(history.loss[after + 1], history.loss[after], rtol=1e-10, atol=0)


@pytest.mark.parametrize(
    ("schedule", "level", "step"),
    [
        ([0], [0], [0]),
        ([3], [0] * 4, [0, 1, 2, 3]),
        ([0, 0, 2], [0, 1, 2, 2, 2], [0, 0, 0, 1, 2]),
        ([2, 0, 0, 1], [0, 0, 0, 1, 2, 3, 3], [0, 1, 2, 2, 2, 2, 3]),
        ([1, 0], [0, 0, 1], [0, 1, 1]),
        (np.array([1, 1]), [0, 0, 1, 1], [0, 1, 1, 2]),
        ((1,), [0, 0], [0, 1]),
    ],
    ids=str,
)
@each_optimizer
def test_schedules(optimizer, schedule, level, step):
    result = train(schedule=schedule, optimizer=optimizer)
    assert result.status == "completed"
    np.testing.assert_array_equal(result.history.level, level)
    np.testing.assert_array_equal(result.history.step, step)
    assert intervals(result.network) == [n * 2 ** (len(schedule) - 1) for n in (3, 3, 2)]


def test_lbfgs_is_the_default():
    assert same_run(train(), train(optimizer=kanml.LBFGS()))


def test_a_level_without_gradient_ends_at_once():
    net = start().with_parameters(np.zeros(start().n_parameters))
    task = kanml.Regression(X, np.zeros_like(Y))
    result = train(net, task, [7, 7])
    assert result.status == "completed"
    assert "gradient is zero" in result.message
    np.testing.assert_array_equal(result.history.step, [0, 0])
    np.testing.assert_array_equal(result.history.level, [0, 1])
    assert intervals(result.network) == [6, 6, 4]


class UntilSmall(kanml.LBFGS):
    """Finished where the gradient is small."""

    def step(self, function, state, geometry=None):
        state = self.evaluate(function, state)
        if abs(state.gradient).max() < 1e-10:
            return replace(state, finished="the gradient is small")
        return super().step(function, state, geometry)


def test_callbacks_see_accepted_steps_alone():
    steps = []
    result = train(
        kanml.KAN([1, 1], degree=1, intervals=2, data=X),
        schedule=[100],
        optimizer=UntilSmall(),
        callbacks=[lambda state: steps.append(state.step)],
    )
    assert result.message == "the gradient is small"
    assert steps == list(range(1, result.history.step[-1] + 1))


def test_a_solved_level_ends_early_and_the_next_goes_on():
    # One layer: the loss is quadratic, and its minimum on each level is a least squares problem.
    result = train(
        kanml.KAN([1, 1], degree=1, intervals=2, data=X),
        schedule=[100, 100, 100],
        optimizer=UntilSmall(),
        restarts=0,
    )
    history = result.history
    assert result.status == "completed"
    assert result.message == "the gradient is small"
    for level in range(3):
        rows = history.level == level
        assert 1 <= np.ptp(history.step[rows]) < 100
        matrix = linear_outside(kanml.SplineSpace.uniform(-1, 1, 2 * 2**level, 1))
        best = np.linalg.lstsq(matrix, Y, rcond=None)[1][0] / len(Y)
        assert history.loss[rows][-1] == pytest.approx(best, rel=1e-12)


def linear_outside(space):
    """The design matrix at X of degree 1 splines, continued beyond [-1, 1] by their end pieces."""
    inside = np.clip(X[:, 0], -1, 1)
    matrix = space.design_matrix(inside)
    return matrix + (X - inside[:, None]) * space.design_matrix(inside, derivative=1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_type_of_the_parameters_is_kept(dtype):
    for optimizer in OPTIMIZERS.values():
        net = kanml.KAN([1, 2, 1], intervals=2, dtype=dtype, data=X)
        result = train(net, schedule=[3, 3], optimizer=optimizer)
        assert result.network.dtype == dtype
        assert result.history.loss.dtype == np.float64
        assert result.history.loss[-1] < result.history.loss[0]


# The memory of the optimizer


def test_a_reset_is_a_fresh_start():
    for optimizer in OPTIMIZERS.values():
        first = train(schedule=[6, 0], optimizer=optimizer, transfer_state="reset")
        second = train(first.network, schedule=[5], optimizer=optimizer)
        both = train(schedule=[6, 5], optimizer=optimizer, transfer_state="reset")
        assert same_bits(both.network.parameters, second.network.parameters)


# Radii of least squares that are short begin anew in either case.
WITHOUT_MEMORY = ("gradient descent", "Levenberg-Marquardt", "variable projection")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_prolonging_and_resetting_differ_where_there_is_memory(name):
    runs = [
        train(schedule=[5, 2], optimizer=OPTIMIZERS[name], transfer_state=how)
        for how in ("prolong", "reset")
    ]
    assert same_bits(runs[0].history.loss[:7], runs[1].history.loss[:7])
    assert same_run(*runs) == (name in WITHOUT_MEMORY)
    assert same_run(runs[0], train(schedule=[5, 2], optimizer=OPTIMIZERS[name]))  # the default


def states(optimizer, schedule, **options):
    seen = []
    train(
        schedule=schedule,
        optimizer=optimizer,
        callbacks=[lambda s: seen.append(s.snapshot())],
        **options,
    )
    return seen


def test_curvature_pairs_are_prolonged():
    *_, coarse, fine = states(kanml.LBFGS(memory=4), [6, 1])
    operator = coarse.network.prolongation(fine.network)
    s, y, fine_s, fine_y = (
        np.array(vectors)
        for state in (coarse.optimizer_state, fine.optimizer_state)
        for vectors in (state.steps, state.gradient_changes)
    )
    assert len(s) == len(fine_s) == 4  # the oldest made room for the new one
    np.testing.assert_allclose(fine_s[:3], (operator @ s[1:].T).T, rtol=1e-12)
    np.testing.assert_allclose((operator.T @ fine_y[:3].T).T, y[1:], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        np.sum(fine_s[:3] * fine_y[:3], axis=1), np.sum(s[1:] * y[1:], axis=1), rtol=1e-9
    )


def test_adam_keeps_counting_unless_reset():
    for how, updates in (("prolong", [1, 2, 3, 4]), ("reset", [1, 2, 1, 2])):
        seen = states(kanml.Adam(0.01), [2, 2], transfer_state=how)
        assert [s.optimizer_state.updates for s in seen] == updates
        assert [s.optimizer_state.step for s in seen] == [1, 2, 3, 4]
        assert [s.optimizer_state.level_step for s in seen] == [1, 2, 1, 2]


# Weight decay


@pytest.mark.parametrize("geometry", [None, "relu"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_unknowns_of_a_problem_do_not_decay(dtype, geometry):
    """The first step with decay differs from that without by the decay of the weights alone."""
    x = np.linspace(0, 1, 20)[:, None]
    terms = [kanml.Term("ode", x, lambda u, a, b: u.x + a * u - b)]
    task = kanml.PINN("x", terms, unknowns={"a": 3.0, "b": -2.0})
    net = kanml.KAN([1, 1], intervals=3, domain=(0, 1), dtype=dtype, seed=1)
    with_decay, without = (
        train(net, task, [1], kanml.Adam(0.125, weight_decay=decay, geometry=geometry))
        for decay in (4.0, 0.0)
    )
    assert with_decay.unknowns == without.unknowns
    assert without.unknowns != {"a": 3.0, "b": -2.0}
    np.testing.assert_allclose(
        with_decay.network.parameters,
        without.network.parameters - 0.5 * net.parameters,
        rtol=2e-6 if dtype == "float32" else 1e-14,
        atol=1e-7 if dtype == "float32" else 1e-15,
    )


# Learning rates


@pytest.mark.parametrize("make", [kanml.GradientDescent, kanml.Adam])
@pytest.mark.parametrize("restart", [True, False])
def test_a_ramp_starts_again_after_a_refinement(make, restart):
    # At a rate of exactly 0 a step changes nothing: this marks where the ramp starts.
    optimizer = make(kanml.Ramp(0.0, 0.05, steps=3, restart=restart))
    history = train(schedule=[4, 4], optimizer=optimizer).history
    unchanged = np.nonzero(np.diff(history.loss) == 0.0)[0]
    same_level = unchanged[np.diff(history.level)[unchanged] == 0]
    np.testing.assert_array_equal(same_level, [0, 5] if restart else [0])


def test_a_schedule_is_asked_for_each_step():
    asked = []

    def rate(step, level_step):
        asked.append((step, level_step))
        return 0.01

    train(schedule=[2, 0, 3], optimizer=kanml.GradientDescent(rate))
    assert asked == [(0, 0), (1, 1), (2, 0), (3, 1), (4, 2)]


# Minibatches


@each_optimizer
def test_advance_is_called_once_a_step(optimizer):
    task = Wrapped(problem(batch_size=10, seed=4))
    result = train(task=task, optimizer=optimizer)
    assert task.calls.count("advance") == result.history.step[-1] == 12
    assert "advance" not in task.calls[: task.calls.index("value") + 1]
    for left, right in pairwise(task.calls):
        assert (left, right) != ("advance", "advance")
    assert task.calls[-1] == "value"


@each_optimizer
def test_the_loss_is_that_of_the_present_batch(optimizer):
    task = problem(batch_size=10, seed=4)
    fresh = []

    def callback(state):
        fresh.append(state.problem.value_and_gradient(state.network)[0])

    result = train(task=task, optimizer=optimizer, callbacks=[callback])
    steps = np.nonzero(np.diff(result.history.step))[0] + 1
    assert same_bits(result.history.loss[steps], np.array(fresh))


def test_an_unfit_gradient_is_named():
    task = Wrapped(problem(), 1, lambda value, gradient: (value, gradient[1:]))
    with pytest.raises(ValueError, match="gradient"):
        train(task=task)


# Bits


@pytest.mark.parametrize("batch_size", [None, 1500])
@each_optimizer
def test_the_same_bits_with_any_number_of_threads(optimizer, batch_size):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1.1, 1.1, (2500, 2))
    y = np.sin(3 * x[:, :1]) * x[:, 1:]

    def run(threads):
        return train(
            kanml.KAN([2, 5, 1], intervals=3, data=x, seed=1),
            kanml.Regression(x, y, batch_size=batch_size, seed=1),
            [4, 4],
            optimizer,
            num_threads=threads,
        )

    first = run(1)
    assert same_run(first, run(1))
    for threads in (2, 3, 8, None):
        assert same_run(first, run(threads))


# An optimizer of one's own


def test_an_optimizer_of_ones_own():
    """The protocol is all that training uses: signs of the gradient make a step."""

    class Signs(kanml.GradientDescent):
        def step(self, function, state, geometry=None):
            state = self.evaluate(function, state)
            return State(
                parameters=state.parameters - self.lr * np.sign(state.gradient),
                step=state.step + 1,
                level_step=state.level_step + 1,
                evaluations=state.evaluations,
                ascents=state.ascents,
            )

    history = train(optimizer=Signs(1e-3)).history
    assert history.loss[-1] < history.loss[0]
    np.testing.assert_array_equal(history.evaluations, np.arange(15) + 1)
