"""Arguments of training and the process stay as they were; bad arguments are named."""

from __future__ import annotations

import copy
import signal
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from training_runs import (
    SPOIL,
    Diary,
    Wrapped,
    X,
    Y,
    each_optimizer,
    interrupted_at,
    intervals,
    problem,
    same_run,
    start,
    train,
)

import kanml
from helpers import naming, same_bits

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


# The state of the process


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
        threading.enumerate(),
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


def test_other_calls_leave_the_process_as_it_was(tmp_path):
    before = process_state()
    net, task = kanml.KAN([1, 3, 1], seed=1), randomised()
    net(X, num_threads=2), net.vjp(X, Y), net.jvp(X, net.parameters), net.taylor(X, [1.0], 2)
    net.jacobian(X), net.restart(2), kanml.MLP([1, 3, 1]), net.summary()
    net.refine().to_basis("relu").astype("float32").save(tmp_path / "net")
    kanml.export_mlp(kanml.load(tmp_path / "net"))
    task.value_and_gradient(net, task.unknowns, num_threads=2)
    task.advance(net, task.unknowns)
    net.prolongation(net.refine()).dual(net.parameters)
    with pytest.raises(ValueError, match="x"):
        net([[np.inf, 1.0]])
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
for name in ("matplotlib", "pandas", "scipy", "sklearn", "torch", "jax", "IPython", "mpi4py"):
    assert name not in sys.modules, name
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


# Bad input


class Duck:
    """All methods of a callback, and not one."""

    begin, __call__, end = Diary.begin, Diary.__call__, Diary.end


BAD = {
    "no levels": ({"schedule": []}, "schedule", "none"),
    "negative steps": ({"schedule": [3, -1]}, "schedule[1]", "-1"),
    "half steps": ({"schedule": [2.5]}, "schedule[0]", "2.5"),
    "steps None": ({"schedule": [3, None]}, "schedule[1]", "None"),
    "steps True": ({"schedule": [True]}, "schedule[0]", "True"),
    "schedule a fraction": ({"schedule": 2.5}, "schedule must be an integer", "2.5"),
    "schedule negative": ({"schedule": -4}, "schedule", "-4"),
    "schedule True": ({"schedule": True}, "schedule", "True"),
    "schedule None": ({"schedule": None}, "schedule", "None"),
    "schedule a set": ({"schedule": {2, 3}}, "schedule must be an integer", "{2, 3}"),
    "schedule a dict": ({"schedule": {0: 3}}, "schedule must be an integer", "{0: 3}"),
    "schedule bytes": ({"schedule": b"auto"}, "schedule must be an integer", "b'auto'"),
    "schedule an array of text": ({"schedule": np.array("2")}, "schedule", "array('2'"),
    "schedule a matrix": ({"schedule": [np.ones(2, int)]}, "schedule[0]", "array([1, 1])"),
    "schedule a string": ({"schedule": "40"}, "schedule", "'40'"),
    "transfer_state": ({"transfer_state": "keep"}, "transfer_state", "'keep'", "'reset'"),
    "transfer_state None": ({"transfer_state": None}, "transfer_state", "None"),
    "net of layers": ({"net": [kanml.Linear(1, 1)]}, "net", "Linear"),
    "problem a string": ({"task": "data"}, "problem", "'data'"),
    "problem a pair": ({"task": (1.5, 2.5)}, "problem", "(1.5, 2.5)"),
    "optimizer with a rate": (
        {"optimizer": "adam"},
        "optimizer must be one of 'lbfgs', 'ssbroyden', 'levenberg-marquardt', "
        "'variable-projection', or an Optimizer such as Adam(learning rate)",
        "'adam'",
    ),
    "optimizer in capitals": ({"optimizer": "LBFGS"}, "optimizer", "'lbfgs'", "'LBFGS'"),
    "optimizer of a level": ({"optimizer": ["lbfgs", "sgd", "lbfgs"]}, "optimizer[1]", "'sgd'"),
    "optimizers of two levels": ({"optimizer": ["lbfgs", "lbfgs"]}, "optimizer", "3", "2"),
    "optimizer a number": ({"optimizer": 3}, "optimizer must be an Optimizer", "3"),
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


def test_schedules_of_numpy():
    for schedule in (np.array(3), np.int32(3), np.array([3])):
        assert same_run(train(schedule=schedule), train(schedule=3))


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
