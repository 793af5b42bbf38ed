"""What a run tells of itself: histories, callbacks, the progress bar, results."""

from __future__ import annotations

import functools
import io
import sys
import types

import numpy as np
import pandas as pd
import pytest
import tqdm
from training_runs import (
    OPTIMIZERS,
    SPOIL,
    Diary,
    Wrapped,
    X,
    Y,
    each_optimizer,
    interrupted_at,
    problem,
    same_run,
    start,
    train,
)

import kanml
from helpers import naming, same_bits
from kanml.training import History

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
    shown = {name: c[-1] for name, c in columns.items() if not name.startswith("report.")}
    assert history.last == shown
    rows = np.nonzero(step)[0] + 1  # one for each callback
    np.testing.assert_array_equal(history.loss[rows], [s.loss for s in seen])
    np.testing.assert_array_equal(history.level[rows], [s.level for s in seen])
    np.testing.assert_array_equal(history.step[rows], [s.step for s in seen])


def test_a_data_frame_has_all_columns():
    terms = [kanml.Term("ode", X, lambda u: u.x - u), kanml.Term("end", X[:1], lambda u: u)]
    task, optimizers = kanml.PINN("x", terms), ["lbfgs", "levenberg-marquardt"]
    history = train(None, task, [200, 3], optimizers, validation=task).history
    assert history.tries
    frame = history.to_pandas()
    assert isinstance(frame, pd.DataFrame)
    reports = [f"report.{name}" for name in history.report]
    assert [*frame.columns] == [
        *("step", "level", "loss", "terms.ode", "terms.end", "validation"),
        *reports,
        *("evaluations", "ascents", "seconds"),
    ]
    for name in frame.columns:
        group, _, part = name.partition(".")
        column = getattr(history, group)
        assert same_bits(frame[name].to_numpy(), column[part] if part else column)
    assert len(reports) == 4
    assert frame.groupby("level")["report.rank"].count().tolist() == [0, sum(history.level)]


def test_a_data_frame_of_nothing():
    frame = History().to_pandas()
    assert [*frame.columns] == ["step", "level", "loss", "evaluations", "ascents", "seconds"]
    assert len(frame) == 0


def test_without_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'kanml\[pandas\]'") as caught:
        train(schedule=[1]).history.to_pandas()
    assert caught.value.name == "pandas"


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


@pytest.mark.parametrize("value", [np.zeros(3), pd.DataFrame({"a": [1, 2]}), pd.NA], ids=type)
def test_values_that_are_neither_are_refused(value):
    callbacks = [lambda state: None, lambda state: value if state.step == 2 else None]
    with pytest.raises(TypeError, match=naming("callbacks[1] must return", type(value).__name__)):
        train(callbacks=callbacks)
    with pytest.raises(TypeError, match=naming("callbacks[0] must return", type(value).__name__)):
        train(callbacks=[Diary(begin=value)])


def test_stopping_after_the_last_step():
    result = train(callbacks=[lambda state: state.step == 12])
    assert result.status == "stopped"
    assert len(result.history) == 15


def test_other_errors_of_callbacks_come_out():
    def callback(state):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        train(callbacks=[callback])


# Callbacks that begin and end


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


def test_no_end_without_a_beginning():
    diary = Diary()
    train(task=Wrapped(problem(), 1, SPOIL["loss NaN"]), callbacks=[diary])
    assert diary.entries == []


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


class Text(list):
    """What some programs use as the standard error: it can be written to, no more."""

    def write(self, text):
        self.append(text)


@pytest.mark.parametrize("progress", [False, True])
@pytest.mark.parametrize("kind", ["none", "closed", "only write"])
def test_a_standard_error_of_another_kind(kind, progress, monkeypatch):
    closed = io.StringIO()
    closed.close()
    stream = {"none": None, "closed": closed, "only write": Text()}[kind]
    expected = train()
    monkeypatch.setattr(sys, "stderr", stream)
    result = train(progress=progress)
    monkeypatch.undo()
    assert same_run(result, expected)
    if kind == "only write":
        assert ("12/12" in "".join(stream)) == progress


class Shell:
    """That of a notebook, as IPython has it."""

    config = {"IPKernelApp": {}}  # noqa: RUF012


class Widget(tqdm.tqdm):
    made = 0

    def __init__(self, *args, **options):
        Widget.made += 1
        super().__init__(*args, **options)


@pytest.mark.parametrize(
    ("shell", "installed", "made"),
    [(Shell(), True, 1), (Shell(), False, 0), (None, True, 0)],
    ids=["notebook", "notebook without ipywidgets", "terminal"],
)
def test_the_progress_bar_of_notebooks(shell, installed, made, monkeypatch, tmp_path, capfd):
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setattr("tqdm.auto.tqdm", Widget)
    monkeypatch.setattr(Widget, "made", 0)
    if installed:
        (tmp_path / "ipywidgets.py").touch()
        monkeypatch.syspath_prepend(tmp_path)
    train(progress=True)
    assert Widget.made == made
    assert "12/12" in capfd.readouterr().err
    train(progress=False)
    assert Widget.made == made


# Results


def test_a_result_is_shown_in_a_line():
    result = train(schedule=[3, 2])
    loss = result.history.loss[-1]
    assert repr(result) == f"<Result: completed after 5 steps, loss {loss:.3g}, 34 parameters>"
    assert "diverged after 0 steps, loss nan" in repr(
        train(task=Wrapped(problem(), 1, SPOIL["loss NaN"]))
    )


def test_what_callbacks_are_and_see_is_shown_in_a_line(tmp_path):
    states, path = [], tmp_path / "run"
    task = kanml.PINN("x", [kanml.Term("ode", X, lambda u: u.x - u)])
    result = train(None, task, [3, 2], restarts=0, callbacks=[states.append])
    state, loss = states[-1], result.history.loss[-1]
    assert repr(state) == f"<TrainingState: step 5, level 1, loss {loss:.3g}>"
    shape = state.evaluation.gradient.shape
    expected = f"<Evaluation: {float(loss)!r}, gradient of shape {shape}, terms ['ode']>"
    assert repr(state.evaluation) == expected
    assert repr(kanml.Evaluation(0.5)) == "<Evaluation: 0.5>"
    assert repr(kanml.Checkpoint(path, 7)) == f"Checkpoint({str(path)!r}, every=7)"
    metrics = {"error": lambda net: 0.0}
    expected = f"Logger({str(path)!r}, every=2, metrics=['error'])"
    assert repr(kanml.Logger(path, 2, metrics)) == expected
