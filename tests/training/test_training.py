"""Algorithm 1: levels, histories, callbacks, and every way in which a run can end."""

from __future__ import annotations

import copy
import functools
import signal
import subprocess
import sys
import threading
import warnings
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import kanml
from helpers import naming, random_breakpoints, same_bits
from kanml.optim import State, TransferMaps

X = np.linspace(-1.2, 1.2, 61)[:, None]
Y = np.exp(X) * np.sin(4 * X)
SCHEDULE = [5, 4, 3]

OPTIMIZERS = {
    "L-BFGS": kanml.LBFGS(memory=4),
    "Adam": kanml.Adam(0.05, weight_decay=0.01),
    "gradient descent": kanml.GradientDescent(0.05),
}
each_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)


def problem(**options):
    return kanml.Regression(X, Y, **options)


def start():
    """Two spline layers on nonuniform knots; a third of the data lies outside the first domain."""
    rng = np.random.default_rng(5)
    spaces = [kanml.SplineSpace(random_breakpoints(rng, n), 3) for n in (3, 2)]
    layers = [kanml.SplineLayer(1, 2, spaces[0]), kanml.SplineLayer(2, 1, spaces)]
    return kanml.Network(layers, seed=3)


def train(net=None, task=None, schedule=SCHEDULE, optimizer=None, **options):
    return kanml.train(
        start() if net is None else net,
        problem() if task is None else task,
        schedule,
        optimizer,
        **{"progress": False, **options},
    )


def intervals(net):
    return [s.intervals for layer in net.layers for s in layer.spaces]


def same_run(left, right):
    columns = ("level", "step", "loss", "evaluations")
    return same_bits(left.network.parameters, right.network.parameters) and all(
        same_bits(getattr(left.history, name), getattr(right.history, name)) for name in columns
    )


class Wrapped(kanml.Problem):
    """A regression that counts what it is asked, and spoils evaluations from `first` on.

    Its copies, on which training works, count together.
    """

    def __init__(self, task, first=None, spoil=None):
        self.task, self.first, self.spoil = task, first, spoil
        self.calls = []

    def __copy__(self):
        other = super().__copy__()
        other.task = copy.copy(self.task)
        return other

    def value_and_gradient(self, net, unknowns=None, *, num_threads=None):
        self.calls.append("value")
        value, gradient = self.task.value_and_gradient(net, unknowns, num_threads=num_threads)
        if self.first is not None and self.calls.count("value") >= self.first:
            return self.spoil(value, gradient)
        return value, gradient

    def advance(self, net, unknowns=None):
        self.calls.append("advance")
        return self.task.advance(net)

    def state(self):
        return self.task.state()

    def restore(self, state):
        self.task.restore(state)

    def fingerprint(self):
        return self.task.fingerprint()


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


def algorithm_1(net, task, schedule, optimizer, how):
    """Algorithm 1 in its plainest form, with dense operators: the losses, and the network."""
    losses = []

    def function(theta):
        return task.value_and_gradient(net.with_parameters(theta))

    def evaluated(state):
        state = optimizer.evaluate(function, state)
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
                curvature=operator.curvature,
            )
            state = optimizer.transfer(state, maps, how)
            net = fine
            state = evaluated(state)
        for _ in range(steps):
            state = optimizer.step(function, state)
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


def test_the_network_passed_in_stays_as_it_was():
    net, task = start(), problem()
    before = net.parameters.copy()
    layers = net.layers
    train(net, task)
    assert same_bits(net.parameters, before)
    assert net.layers is layers
    assert intervals(net) == [3, 3, 2]
    assert same_bits(task.x, X)
    assert same_bits(task.y, Y)


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


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_prolonging_and_resetting_differ_where_there_is_memory(name):
    runs = [
        train(schedule=[5, 2], optimizer=OPTIMIZERS[name], transfer_state=how)
        for how in ("prolong", "reset")
    ]
    assert same_bits(runs[0].history.loss[:7], runs[1].history.loss[:7])
    assert same_run(*runs) == (name == "gradient descent")
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
    s, y = coarse.optimizer_state.steps, coarse.optimizer_state.gradient_changes
    fine_s, fine_y = fine.optimizer_state.steps, fine.optimizer_state.gradient_changes
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


# Histories


@pytest.mark.parametrize("batch_size", [None, 7])
@each_optimizer
def test_history_is_consistent(optimizer, batch_size):
    task = Wrapped(problem(batch_size=batch_size))
    seen = []
    history = train(task=task, optimizer=optimizer, callbacks=[seen.append]).history
    level, step = np.diff(history.level), np.diff(history.step)
    np.testing.assert_array_equal(level + step, 1)  # a step or a refinement, never both
    assert history.level[0] == history.step[0] == 0
    assert (np.diff(history.evaluations) >= 1).all()
    assert history.evaluations[0] == 1
    assert history.evaluations[-1] == task.calls.count("value")
    assert history.seconds[0] >= 0
    assert (np.diff(history.seconds) >= 0).all()
    assert np.isfinite(history.loss).all()
    columns = history.arrays()
    assert {len(column) for column in columns.values()} == {len(history)}
    assert history.last == {name: column[-1] for name, column in columns.items()}
    rows = np.nonzero(step)[0] + 1  # one for each callback
    np.testing.assert_array_equal(history.loss[rows], [s.loss for s in seen])
    np.testing.assert_array_equal(history.level[rows], [s.level for s in seen])
    np.testing.assert_array_equal(history.step[rows], [s.step for s in seen])


def test_columns_are_copies():
    history = train(schedule=[2]).history
    before = history.loss[0]
    history.loss[0] = -1.0
    assert history.loss[0] == before


# Callbacks


@each_optimizer
def test_a_callback_sees_every_step(optimizer):
    task, seen, losses, lengths = problem(), [], [], []

    def callback(state):
        seen.append(state)
        losses.append(task.value_and_gradient(state.network)[0])
        lengths.append(len(state.history))

    result = train(task=task, optimizer=optimizer, callbacks=[callback])
    assert [s.step for s in seen] == list(range(1, 13))
    assert [s.level for s in seen] == [0] * 5 + [1] * 4 + [2] * 3
    assert [s.level_step for s in seen] == [1, 2, 3, 4, 5, 1, 2, 3, 4, 1, 2, 3]
    assert [s.loss for s in seen] == losses
    assert lengths == [2, 3, 4, 5, 6, 8, 9, 10, 11, 13, 14, 15]
    assert seen[-1].history is result.history
    assert same_bits(seen[-1].network.parameters, result.network.parameters)


@pytest.mark.parametrize("value", [True, 1, "stop", np.bool_(True)], ids=repr)
def test_a_true_value_stops(value):
    counts = [0, 0, 0]

    def counting(i, answer):
        def callback(state):
            counts[i] += 1
            return answer if state.step == 7 else None

        return callback

    callbacks = [counting(0, None), counting(1, value), counting(2, False)]
    result = train(callbacks=iter(callbacks))
    assert result.status == "stopped"
    assert "callback" in result.message
    assert counts == [7, 7, 7]
    assert result.history.step[-1] == 7
    assert same_bits(result.network.parameters, train(schedule=[5, 2]).network.parameters)


@pytest.mark.parametrize("value", [False, None, 0, "", np.bool_(False)], ids=repr)
def test_other_values_do_not(value):
    assert train(callbacks=[lambda state: value]).status == "completed"


def test_stopping_after_the_last_step():
    result = train(callbacks=[lambda state: state.step == 12])
    assert result.status == "stopped"
    assert len(result.history) == 15


def test_other_errors_of_callbacks_come_out():
    def callback(state):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        train(callbacks=[callback])


# Interrupts


def interrupted_at(evaluation, task=None):
    def interrupt(value, gradient):
        raise KeyboardInterrupt

    return Wrapped(problem() if task is None else task, evaluation, interrupt)


RESTLESS = {  # steps long enough that the loss rises now and then
    "L-BFGS": kanml.LBFGS(memory=4),
    "Adam": kanml.Adam(0.6),
    "gradient descent": kanml.GradientDescent(1.2),
}


@pytest.mark.parametrize("name", RESTLESS)
def test_interrupts_at_every_evaluation(name):
    optimizer = RESTLESS[name]
    whole = train(optimizer=optimizer).history
    if name != "L-BFGS":
        assert (whole.loss[1:] > 1.01 * whole.loss[:-1]).any()
    with pytest.raises(KeyboardInterrupt):  # there is no result before the first row
        train(task=interrupted_at(1), optimizer=optimizer)
    for evaluation in range(2, whole.evaluations[-1] + 1):
        result = train(task=interrupted_at(evaluation), optimizer=optimizer)
        assert result.status == "interrupted"
        history = result.history
        assert f"after step {history.step[-1]};" in result.message
        assert same_bits(history.loss, whole.loss[: len(history)])
        assert history.evaluations[-1] < evaluation <= whole.evaluations[len(history)]
        loss = problem().value_and_gradient(result.network)[0]
        assert loss == pytest.approx(history.loss.min(), rel=1e-10)
        assert intervals(result.network) == [n * 2 ** history.level[-1] for n in (3, 3, 2)]


@pytest.mark.parametrize("step", [1, 5, 6, 12])
@pytest.mark.parametrize("name", RESTLESS)
def test_interrupts_in_a_callback(name, step):
    def callback(state):
        if state.step == step:
            raise KeyboardInterrupt

    result = train(optimizer=RESTLESS[name], callbacks=[callback])
    assert result.status == "interrupted"
    assert result.history.step[-1] == step
    loss = problem().value_and_gradient(result.network)[0]
    assert loss == pytest.approx(result.history.loss.min(), rel=1e-10)


def test_ctrl_c():
    """The signal itself, in a process of its own."""
    code = """
import os, signal, numpy as np, kanml
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent may have left it ignored
x = np.linspace(-1, 1, 50)[:, None]
def interrupt(state):
    if state.step == 3:
        os.kill(os.getpid(), signal.SIGINT)
net = kanml.KAN([1, 1])
result = kanml.train(net, kanml.Regression(x, x**2), [9], callbacks=[interrupt], progress=False)
assert result.status == "interrupted" and result.history.step[-1] in (3, 4), result
print("went on")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "")


@pytest.mark.parametrize("name", RESTLESS)
def test_with_minibatches_the_best_is_the_last(name):
    """Losses of different batches do not compare."""
    whole = train(task=problem(batch_size=7), optimizer=RESTLESS[name])
    accepted = []

    def callback(state):
        accepted.append(state.network)
        if state.step == step:
            raise KeyboardInterrupt

    for step in range(1, 13):
        result = train(task=problem(batch_size=7), optimizer=RESTLESS[name], callbacks=[callback])
        assert result.status == "interrupted"
        assert same_bits(result.history.loss, whole.history.loss[: len(result.history)])
        assert same_bits(result.network.parameters, accepted[-1].parameters)
        assert f"the network is that of step {step}" in result.message


class Moving(Wrapped):
    """The loss becomes another function in some steps: all losses before were smaller."""

    def advance(self, net, unknowns=None):
        changed = super().advance(net)
        assert changed is False
        return self.calls.count("advance") == 4

    def value_and_gradient(self, net, unknowns=None, *, num_threads=None):
        value, gradient = super().value_and_gradient(net, num_threads=num_threads)
        return value + 100.0 * (self.calls.count("advance") >= 4), gradient


@pytest.mark.parametrize("step", [3, 4, 7, 10])
def test_the_best_is_the_best_since_the_loss_changed(step):
    networks = [start()]

    def callback(state):
        networks.append(state.network)
        if state.step == step:
            raise KeyboardInterrupt

    optimizer = RESTLESS["Adam"]
    result = train(schedule=[12], task=Moving(problem()), optimizer=optimizer, callbacks=[callback])
    first = 4 if step >= 4 else 0
    losses = [problem().value_and_gradient(net)[0] for net in networks]
    best = first + int(np.argmin(losses[first:]))
    assert same_bits(result.network.parameters, networks[best].parameters)
    assert f"the network is that of step {best}" in result.message


# Losses that are not finite


SPOIL = {
    "loss NaN": lambda value, gradient: (np.nan, gradient),
    "loss inf": lambda value, gradient: (np.inf, gradient),
    "loss -inf": lambda value, gradient: (-np.inf, gradient),
    "gradient NaN": lambda value, gradient: (value, gradient * np.nan),
    "gradient inf": lambda value, gradient: (value, np.where(gradient == gradient[0], np.inf, 0.0)),
}


@pytest.mark.parametrize("spoil", SPOIL.values(), ids=SPOIL)
@pytest.mark.parametrize("name", ["Adam", "gradient descent"])
def test_divergence_at_every_evaluation(name, spoil):
    optimizer = OPTIMIZERS[name]
    accepted = []
    whole = train(optimizer=optimizer, callbacks=[lambda s: accepted.append(s.network)])
    networks = [start(), *accepted]
    for evaluation in range(1, whole.history.evaluations[-1] + 1):
        result = train(task=Wrapped(problem(), evaluation, spoil), optimizer=optimizer)
        assert result.status == "diverged"
        what = "gradient" if np.isfinite(spoil(1.0, np.ones(1))[0]) else "loss"
        assert f"the {what} became" in result.message
        history = result.history
        if evaluation == 1:  # the start has its row, whatever its loss
            assert (len(history), history.step[0]) == (1, 0)
            assert "before the first step" in result.message
        else:
            assert same_bits(history.loss, whole.history.loss[: evaluation - 1])
        last = networks[history.step[-1]]
        while intervals(last)[0] < 3 * 2 ** history.level[-1]:  # right after a refinement
            last = last.refine()
        assert same_bits(result.network.parameters, last.parameters)
        assert intervals(result.network) == intervals(last)


@pytest.mark.parametrize("spoil", SPOIL.values(), ids=SPOIL)
def test_a_line_search_never_accepts_what_is_not_finite(spoil):
    """L-BFGS backs off from such points; where all are, it can only end the level."""
    whole = train().history
    refinements = whole.evaluations[1:][np.diff(whole.level) > 0]
    for evaluation in range(1, whole.evaluations[-1] + 1):
        result = train(task=Wrapped(problem(), evaluation, spoil))
        last_level = evaluation > refinements[-1]
        assert result.status == ("completed" if last_level else "diverged")
        if last_level:
            assert "line search" in result.message
        history = result.history
        before = whole.loss[whole.evaluations < evaluation]
        assert same_bits(history.loss[: len(before)], before)
        if evaluation == 1:  # the start has its row, whatever its loss
            assert len(history) == 1
            assert same_bits(result.network.parameters, start().parameters)
            continue
        # At most one row more: a search that was under way may keep a lower point it had found.
        assert len(before) <= len(history) <= len(before) + 1
        if len(history) > len(before):
            assert history.loss[-1] < before[-1]
        assert np.isfinite(result.network.parameters).all()
        loss = problem().value_and_gradient(result.network)[0]
        assert loss == pytest.approx(history.loss[-1], rel=1e-10)


@pytest.mark.parametrize("spoil", SPOIL.values(), ids=SPOIL)
@each_optimizer
def test_divergence_on_a_new_minibatch(optimizer, spoil):
    accepted = []

    class Task(Wrapped):
        def advance(self, net, unknowns=None):
            changed = super().advance(net)
            if self.calls.count("advance") == 4:
                self.first = 0
            return changed

    task = Task(problem(batch_size=10), None, spoil)
    result = train(task=task, optimizer=optimizer, callbacks=[lambda s: accepted.append(s.network)])
    assert result.status == "diverged"
    assert len(accepted) == 3
    assert same_bits(result.network.parameters, accepted[-1].parameters)


@pytest.mark.parametrize("how", ["prolong", "reset"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_rate_that_is_too_large(dtype, how):
    """Real divergence, up to overflow: no warning, and the parameters stay finite."""
    net = kanml.KAN([1, 2, 1], degree=3, intervals=3, dtype=dtype, extrapolation="polynomial")
    optimizer = kanml.GradientDescent(1e3)
    result = train(net, schedule=[200, 200], optimizer=optimizer, transfer_state=how)
    assert result.status == "diverged"
    assert np.isfinite(result.network.parameters).all()
    assert np.isfinite(result.history.loss).all()


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


# The arguments stay as they are


def randomised():
    """A problem with all that training changes."""
    x = np.linspace(0, 1, 40)[:, None]
    sampler = kanml.Sampler([0.0], [1.0], 16, "residual", every=2, seed=3)
    return kanml.PINN(
        "x",
        [
            kanml.Term("ode", sampler, lambda u, a: u.x + a * u, attention=kanml.RBA(0.1)),
            kanml.Term("data", x, lambda u, x: u - np.exp(-x), batch_size=8, seed=1),
        ],
        unknowns={"a": 0.5},
    )


PROBLEMS = {"minibatches": lambda: problem(batch_size=7, seed=1), "PINN": randomised}
each_problem = pytest.mark.parametrize("make", PROBLEMS.values(), ids=PROBLEMS)


@each_problem
@pytest.mark.parametrize("optimizer", [kanml.LBFGS(), kanml.Adam(0.02)], ids=["L-BFGS", "Adam"])
def test_training_works_on_a_copy_of_the_problem(make, optimizer):
    task = make()
    before = copy.deepcopy(task.state())
    first = train(task=task, optimizer=optimizer)
    assert task.state() == before
    assert same_run(train(task=task, optimizer=optimizer), first)
    assert same_run(train(task=make(), optimizer=optimizer), first)
    left = first.problem
    assert left.state() != before
    assert left.value_and_gradient(first.network, first.unknowns)[0] == first.history.loss[-1]
    assert left.fingerprint() == task.fingerprint()


@each_problem
def test_a_callback_sees_the_problem_of_its_moment(make):
    seen = []
    train(task=make(), callbacks=[seen.append])
    for state in seen:  # when all is over
        value, _ = state.problem.value_and_gradient(state.network, state.unknowns)
        assert value == state.loss


@each_problem
def test_two_threads_train_on_one_problem(make):
    task, nets = make(), [start(), start().with_parameters(0.5 * start().parameters)]
    alone = [train(net, task, [20, 10]) for net in nets]
    together = [None, None]

    def work(i):
        together[i] = train(nets[i], task, [20, 10])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for left, right in zip(alone, together, strict=True):
        assert same_run(left, right)


# Bits, and the state of the process


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


def process_state():
    _, keys, *position = np.random.get_state()  # noqa: NPY002
    return (
        keys.tobytes(),
        position,
        np.geterr(),
        np.geterrcall(),
        list(warnings.filters),
        {number: signal.getsignal(number) for number in signal.valid_signals()},
        np.get_printoptions(),
        kanml.get_num_threads(),
        sys.excepthook,
    )


@each_optimizer
def test_training_leaves_the_process_as_it_was(optimizer, tmp_path):
    before = process_state()
    checkpoint = kanml.Checkpoint(tmp_path / "run", every=2)
    task = problem(batch_size=20)
    train(task=task, optimizer=optimizer, callbacks=[checkpoint], progress=True, num_threads=2)
    train(task=interrupted_at(4))
    train(task=Wrapped(problem(), 3, SPOIL["loss NaN"]), optimizer=optimizer)
    assert process_state() == before


def test_importing_leaves_the_process_as_it_was():
    code = """
import signal, sys, warnings, numpy as np
def state():
    _, keys, *position = np.random.get_state()
    handlers = {s: signal.getsignal(s) for s in signal.valid_signals()}
    return keys.tobytes(), position, np.geterr(), list(warnings.filters), handlers
before = state()
import kanml
assert state() == before
for name in ("matplotlib", "scipy", "torch"):
    assert name not in sys.modules, name
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


# The progress bar


def test_progress_goes_to_the_standard_error(capfd):
    result = train(progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "level 3/3" in err
    assert f"loss {result.history.loss[-1]:.3e}" in err
    assert "12/12" in err


def test_progress_is_shown_unless_refused(capfd):
    kanml.train(start(), problem(), [1])
    assert "loss" in capfd.readouterr().err


@pytest.mark.parametrize("first", [2, 3])
def test_no_progress(capfd, first):
    train()
    train(callbacks=[lambda state: True])
    train(task=interrupted_at(first))
    train(task=Wrapped(problem(), first, SPOIL["loss NaN"]), optimizer=OPTIMIZERS["Adam"])
    assert capfd.readouterr() == ("", "")


def test_progress_of_a_level_that_ends_early_does_not_run_backwards(capfd):
    net = start().with_parameters(np.zeros(start().n_parameters))
    train(net, kanml.Regression(X, np.zeros_like(Y)), [7, 7], progress=True)
    assert "7/14" in capfd.readouterr().err


# Results


def test_a_result_is_shown_in_a_line():
    result = train(schedule=[3, 2])
    loss = result.history.loss[-1]
    assert repr(result) == f"<Result: completed after 5 steps, loss {loss:.3g}, 34 parameters>"
    assert "diverged after 0 steps, loss nan" in repr(
        train(task=Wrapped(problem(), 1, SPOIL["loss NaN"]))
    )


# Callbacks that begin and end


class Diary(kanml.Callback):
    def __init__(self, begin=None):
        self.answer, self.entries = begin, []

    def begin(self, state):
        self.entries.append(("begin", state.step, state.loss))
        return self.answer

    def __call__(self, state):
        self.entries.append(("step", state.step, state.loss))

    def end(self, state):
        self.entries.append(("end", state.step, state.loss))


def test_callbacks_are_told_of_begin_and_end():
    diary = Diary()
    loss = train(callbacks=[diary]).history.loss
    expected = [("begin", 0, loss[0]), ("end", 12, loss[-1])]
    steps = list(zip([*range(6), *range(5, 10), *range(9, 13)], loss, strict=True))
    expected[1:1] = [("step", *steps[i]) for i in (*range(1, 6), *range(7, 11), *range(12, 15))]
    assert diary.entries == expected


@pytest.mark.parametrize(
    ("status", "task"),
    [
        ("interrupted", lambda: interrupted_at(4)),
        ("diverged", lambda: Wrapped(problem(batch_size=7), 4, SPOIL["loss NaN"])),
    ],
)
def test_the_end_is_told_however_it_comes(status, task):
    diary = Diary()
    result = train(task=task(), callbacks=[diary])
    assert result.status == status
    assert [name for name, *_ in diary.entries].count("end") == 1
    assert diary.entries[-1] == ("end", result.history.step[-1], result.history.loss[-1])


def test_a_callback_may_stop_before_the_first_step():
    result = train(callbacks=[Diary(begin=True)])
    assert result.status == "stopped"
    assert result.history.step.tolist() == [0]


def test_a_callback_may_do_nothing():
    class Idle(kanml.Callback):
        pass

    assert same_run(train(callbacks=[Idle(), kanml.Callback()]), train())


def test_functions_of_all_kinds_are_callbacks():
    seen, diary = [], Diary()

    def note(sign, state):
        seen.append(sign * state.step)

    train(schedule=[2], callbacks=[seen.append, functools.partial(note, -1), diary.__call__])
    assert [getattr(entry, "step", entry) for entry in seen] == [1, -1, 2, -2]
    assert [name for name, *_ in diary.entries] == ["step", "step"]


class Duck:
    """All methods of a callback, and not one."""

    begin, __call__, end = Diary.begin, Diary.__call__, Diary.end


def test_no_end_without_a_beginning():
    diary = Diary()
    train(task=Wrapped(problem(), 1, SPOIL["loss NaN"]), callbacks=[diary])
    assert diary.entries == []


# Bad input


BAD = {
    "no levels": ({"schedule": []}, "schedule", "none"),
    "negative steps": ({"schedule": [3, -1]}, "schedule[1]", "-1"),
    "half steps": ({"schedule": [2.5]}, "schedule[0]", "2.5"),
    "steps None": ({"schedule": [3, None]}, "schedule[1]", "None"),
    "steps True": ({"schedule": [True]}, "schedule[0]", "True"),
    "schedule a number": ({"schedule": 40}, "schedule", "40"),
    "schedule None": ({"schedule": None}, "schedule", "None"),
    "schedule a string": ({"schedule": "40"}, "schedule", "'4'"),
    "transfer_state": ({"transfer_state": "keep"}, "transfer_state", "'keep'", "'reset'"),
    "transfer_state None": ({"transfer_state": None}, "transfer_state", "None"),
    "net of layers": ({"net": [kanml.Linear(1, 1)]}, "net", "Linear"),
    "problem a string": ({"task": "data"}, "problem", "'data'"),
    "problem a pair": ({"task": (1.5, 2.5)}, "problem", "(1.5, 2.5)"),
    "optimizer a string": ({"optimizer": "adam"}, "optimizer", "'adam'"),
    "optimizer a class": ({"optimizer": kanml.LBFGS}, "optimizer", "LBFGS"),
    "one callback": ({"callbacks": print}, "callbacks", "print"),
    "callback a string": ({"callbacks": [print, "print"]}, "callbacks[1]", "'print'"),
    "callback a class": ({"callbacks": [kanml.Checkpoint]}, "callbacks[0]", "Checkpoint"),
    "callback not derived": ({"callbacks": [Duck()]}, "callbacks[0] must be a Callback", "Duck"),
    "no threads": ({"num_threads": 0}, "num_threads", "0"),
    "half threads": ({"num_threads": 1.5}, "num_threads", "1.5"),
    "columns of x": ({"task": kanml.Regression(np.tile(X, 2), Y)}, "1 inputs", "(61, 2)"),
    "columns of y": ({"task": kanml.Regression(X, np.tile(Y, 3))}, "1 outputs", "(61, 3)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    options, *parts = BAD[case]
    with pytest.raises((TypeError, ValueError), match=naming(*parts)):
        train(**options)


@pytest.mark.parametrize("rate", [np.nan, -1.0, np.inf, "fast"])
def test_a_schedule_that_gives_no_rate(rate):
    with pytest.raises((TypeError, ValueError), match=naming("learning rate of step 2")):
        train(optimizer=kanml.Adam(lambda step, level_step: 0.1 if step < 2 else rate))


def test_parameters_that_are_not_finite():
    net = start()
    theta = net.parameters.copy()
    theta[3] = np.nan
    with pytest.raises(ValueError, match="parameters"):
        train(net.with_parameters(theta))


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
