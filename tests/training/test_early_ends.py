"""Runs that end early, interrupted or diverged: which network they give back."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from training_runs import (
    OPTIMIZERS,
    SPOIL,
    Wrapped,
    each_optimizer,
    interrupted_at,
    intervals,
    problem,
    start,
    train,
)

import kanml
from helpers import same_bits, unix

# Interrupts


RESTLESS = {  # steps long enough that the loss rises now and then
    "L-BFGS": kanml.LBFGS(memory=4),
    "SSBroyden": kanml.SSBroyden(),
    "Levenberg-Marquardt": kanml.LevenbergMarquardt(),
    "variable projection": kanml.VariableProjection(),
    "Adam": kanml.Adam(0.6),
    "gradient descent": kanml.GradientDescent(1.2),
}


@pytest.mark.parametrize("name", RESTLESS)
def test_interrupts_at_every_evaluation(name):
    optimizer = RESTLESS[name]
    whole = train(optimizer=optimizer).history
    if name in ("Adam", "gradient descent"):
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


@unix
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

    def advance(self, net, unknowns=None, evaluation=None):
        changed = super().advance(net, unknowns, evaluation)
        assert changed is False
        return self.calls.count("advance") == 4

    def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
        found = super().evaluation(net, unknowns, want, num_threads=num_threads)
        return replace(found, value=found.value + 100.0 * (self.calls.count("advance") >= 4))


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
        def advance(self, net, unknowns=None, evaluation=None):
            changed = super().advance(net, unknowns, evaluation)
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
