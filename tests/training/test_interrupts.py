"""Ctrl-C, at every moment: a whole result comes back, and the process is as it was."""

from __future__ import annotations

import copy
import signal
import sys
import threading
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest

import kanml
from kanml.training.interrupts import CtrlC

MODULES = (
    "training.train",
    "training.settings",
    "training.objective",
    "training.loss",
    "training.run",
    "training.auto",
    "training.moment",
    "training.refinement",
    "training.divergence",
    "training.result",
    "training.progress",
    "training.history",
    "training.interrupts",
    "training.callbacks",
    "training.snapshot",
    "training.resume",
    "network.files",
    "multilevel.geometry",
)
FILES = {sys.modules[f"kanml.{name}"].__file__ for name in MODULES}


@pytest.fixture(autouse=True)
def pythons_own_handler():
    """Whatever started the tests may have left SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


X = np.linspace(-1, 1, 12)[:, None]
Y = np.sin(4 * X)


# Made once: only what `train` does is of interest, and it changes a copy of the problem.
NET = kanml.KAN([1, 1], degree=2, intervals=2)
ODE = kanml.Term("ode", X, lambda u, a: u.x + a * u, attention=kanml.RBA(0.1))
PROBLEM = kanml.PINN("x", [ODE], unknowns={"a": 1.0})


def full_batch(**options):
    return kanml.train(NET, kanml.Regression(X, Y), [2, 1], progress=False, **options)


def minibatches(**options):
    """With all that a run can have."""
    held_out = kanml.Regression(X[1::2], Y[1::2])
    problem = kanml.Regression(X[::2], Y[::2], batch_size=2)
    return kanml.train(
        NET, problem, [2, 1], kanml.Adam(0.1), validation=held_out, progress=False, **options
    )


def pinn(**options):
    return kanml.train(NET, copy.copy(PROBLEM), [1, 1], progress=False, **options)


def squares(**options):
    method = kanml.LevenbergMarquardt()
    return kanml.train(NET, kanml.Regression(X, Y), [2, 1], method, progress=False, **options)


RUNS = {"full batch": full_batch, "squares": squares, "minibatches": minibatches, "pinn": pinn}


class Tracer:
    """Calls a function at the n-th line of kanml's modules that a run goes through."""

    def __init__(self, n, function):
        self.n, self.function, self.lines = n, function, 0

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self.enter)

    def __exit__(self, *_):
        sys.settrace(self.before)

    def enter(self, frame, event, argument):
        return self.trace if frame.f_code.co_filename in FILES else None

    def trace(self, frame, event, argument):
        if event == "line":
            self.lines += 1
            if self.lines == self.n:
                sys.settrace(None)  # the rest is the run's own affair
                self.function()
        return self.trace


def require_whole(result, whole):
    """The result is a moment of the uninterrupted run."""
    rows = len(result.history)
    assert rows >= 1
    columns, expected = result.history.arrays(), whole.history.arrays()
    assert columns.keys() == expected.keys()
    for name in columns.keys() - {"seconds"}:
        np.testing.assert_array_equal(columns[name], expected[name][:rows])
    assert len(columns["seconds"]) == rows
    last = result.history.last
    assert result.levels[-1] is result.network
    level = len(result.levels) - 1
    assert level == last["level"] or (level < last["level"] and "validation" in columns)
    assert result.network.layers[0].spaces[0].intervals == 2 * 2**level
    assert np.isfinite(result.network.parameters).all()
    assert f"{last['step']} steps" in repr(result)


def best_loss(name, result):
    """The loss that the network has, and the one that the history says is the best."""
    history, network = result.history, result.network
    if name == "minibatches":
        return kanml.Regression(X[1::2], Y[1::2]).value_and_gradient(network)[0], min(
            history.validation
        )
    if name in ("full batch", "squares"):
        return kanml.Regression(X, Y).value_and_gradient(network)[0], min(history.loss)
    # Attention grows in each step: the best is the last.
    values = list(result.unknowns.values())
    return result.problem.value_and_gradient(network, values)[0], history.loss[-1]


def press():
    signal.raise_signal(signal.SIGINT)


def lines(run):
    """The numbers of the lines at which Ctrl-C is kanml's affair, and not Python's own."""
    found = []

    class Recording(Tracer):
        def trace(self, frame, event, argument):
            super().trace(frame, event, argument)
            inside = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
            if event == "line" and inside:
                found.append(self.lines)
            return self.trace

    with Recording(None, None):
        run()
    assert found == list(range(found[0], found[-1] + 1))
    assert len(found) > 300
    return found


@pytest.mark.parametrize("name", RUNS)
def test_ctrl_c_at_every_line(name):
    run = RUNS[name]
    whole = run()
    statuses = []
    for n in lines(run):
        with Tracer(n, press):
            result = run()
        require_whole(result, whole)
        statuses.append(result.status)
        loss, best = best_loss(name, result)
        if result.status == "interrupted" or name == "minibatches":
            assert loss == pytest.approx(best, rel=1e-10)
    # Only in the last lines, when the result is being made, does it come too late.
    first_late = statuses.index("completed")
    assert set(statuses[:first_late]) == {"interrupted"}
    assert set(statuses[first_late:]) == {"completed"}
    assert len(statuses) - first_late <= 40


@pytest.mark.parametrize("name", RUNS)
def test_the_checkpoint_of_an_interrupted_run_continues_it(name, tmp_path):
    """Wherever Ctrl-C came, also while a file was written: every 41st line."""
    run, path = RUNS[name], tmp_path / "run"
    whole = run()
    for n in lines(lambda: run(callbacks=[kanml.Checkpoint(path, every=1)]))[::41]:
        path.unlink(missing_ok=True)
        with Tracer(n, press):
            result = run(callbacks=[kanml.Checkpoint(path, every=1)])
        require_whole(result, whole)
        again = run(resume=path)
        np.testing.assert_array_equal(again.history.loss, whole.history.loss)
        np.testing.assert_array_equal(again.network.parameters, whole.network.parameters)
        assert [p.name for p in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("name", RUNS)
def test_a_second_ctrl_c_at_every_line(name):
    """It breaks off whatever is in progress, and still there is a result once there is a row."""
    run = RUNS[name]
    whole = run()
    outcomes = []
    for n in lines(run):

        def twice():
            press()
            press()

        try:
            with Tracer(n, twice):
                result = run()
        except KeyboardInterrupt:
            outcomes.append("raised")
        else:
            require_whole(result, whole)
            outcomes.append(result.status)
    # Set-up is not broken off; in the first evaluation there is no row yet; the end is too late.
    phases = [outcome for outcome, _ in groupby(outcomes)]
    assert phases == ["interrupted", "raised", "interrupted", "completed"]
    assert outcomes.count("completed") <= 40


def test_during_set_up():
    """It takes effect after the first evaluation."""
    arguments = {"callbacks": [], "progress": False}

    class Net(kanml.Network):
        """Presses Ctrl-C when `train` looks at it."""

        @property
        def parameters(self):
            press()
            type(self).parameters = kanml.Network.parameters
            return super().parameters

    net = object.__new__(Net)
    net._architecture = kanml.KAN([1, 1])._architecture
    net._parameters = kanml.KAN([1, 1]).parameters
    net._start = None
    result = kanml.train(net, kanml.Regression(X, Y), [5], **arguments)
    assert result.status == "interrupted"
    assert result.history.step.tolist() == [0]


def test_an_error_after_ctrl_c_does_not_swallow_it():
    class Schedule(list):
        def __iter__(self):
            press()
            return iter([-1])

    with pytest.raises(KeyboardInterrupt) as caught:
        kanml.train(kanml.KAN([1, 1]), kanml.Regression(X, Y), Schedule(), progress=False)
    assert isinstance(caught.value.__context__, ValueError)


def test_within_a_line_search():
    """The step is given up; the network is that of the last step."""
    seen = []

    class Pressing(kanml.Regression):
        def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
            found = super().evaluation(net, unknowns, want, num_threads=num_threads)
            seen.append(found.value)
            if len(seen) == 4:
                press()
            # Every trial is too far.
            return replace(found, value=np.inf) if len(seen) > 2 else found

    net = kanml.KAN([1, 1], degree=2, intervals=2)
    result = kanml.train(net, Pressing(X, Y), [9], progress=False)
    assert result.status == "interrupted"
    assert len(seen) == 4
    assert result.history.loss.tolist() == seen[: len(result.history)]


def test_in_the_last_callback():
    """Who presses Ctrl-C is told, also when all is done."""
    step = [0]

    def callback(state):
        step[0] = state.step
        if state.step == 3:
            press()

    result = full_batch(callbacks=[callback])
    assert (result.status, step) == ("interrupted", [3])


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda number, frame: None])
def test_other_handlers_stay(handler):
    signal.signal(signal.SIGINT, handler)
    try:
        seen = []
        result = full_batch(
            callbacks=[lambda state: (press(), seen.append(signal.getsignal(signal.SIGINT)))[1]]
        )
        assert result.status == "completed"
        assert set(seen) == {handler}
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_handler_that_a_callback_installs_stays():
    def own(number, frame):
        raise AssertionError

    full_batch(callbacks=[lambda state: signal.signal(signal.SIGINT, own) and None])
    assert signal.getsignal(signal.SIGINT) is own
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_other_threads_leave_signals_alone():
    results = []
    thread = threading.Thread(target=lambda: results.append(full_batch()))
    thread.start()
    thread.join()
    assert results[0].status == "completed"


def test_the_note():
    with CtrlC() as ctrl_c:
        assert not ctrl_c.noted
        ctrl_c.armed = True
        press()
        assert ctrl_c.noted
        with pytest.raises(KeyboardInterrupt):
            press()
        press()  # what deals with it is left alone
        ctrl_c.armed = True
        with pytest.raises(KeyboardInterrupt):
            press()
