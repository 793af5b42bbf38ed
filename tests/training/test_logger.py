"""What a Logger writes, in runs from beginning to end and in runs that are continued."""

from __future__ import annotations

import csv
import io
import logging
import math
import re
import threading

import numpy as np
import pytest
from test_march import march, same_march
from training_runs import SPOIL, Wrapped, X, Y, problem, same_run, start, train

import kanml
from helpers import naming

SIZE = {"size": lambda net: abs(net.parameters).max()}


def read(path):
    """The names of the columns, and the rows as numbers."""
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        rows = [{name: float(value) for name, value in row.items()} for row in reader]
    return reader.fieldnames, rows


def column(path, name):
    return [row[name] for row in read(path)[1]]


def same_text(path, other):
    """Whether two logs are the same but for the time that the runs took."""
    texts = []
    for one in (path, other):
        rows = list(csv.reader(io.StringIO(one.read_text())))
        where = rows[0].index("seconds")
        texts.append([row[:where] + row[where + 1 :] for row in rows])
    return texts[0] == texts[1]


class Crash(Exception):
    pass


def crashing(step):
    def callback(state):
        if state.step == step:
            raise Crash

    return callback


# Whole runs

PINN = kanml.PINN(
    "x",
    [
        kanml.Term("ode, inside", X, lambda u: u.x - u),
        kanml.Term('"start"', X[:1], lambda u: u - 1.0),
    ],
)
RUNS = {
    "regression": {},
    "validation": {"validation": kanml.Regression(X[::2], Y[::2])},
    "terms": {"task": PINN},
    "reports": {"optimizer": "levenberg-marquardt"},
    "reports later": {"optimizer": ["lbfgs", "lbfgs", "levenberg-marquardt"]},
    "auto": {"schedule": "auto", "optimizer": "levenberg-marquardt"},
    "no steps on the last level": {"schedule": [3, 0]},
    "no steps at all": {"schedule": 0},
}


@pytest.mark.parametrize("case", RUNS)
def test_a_file_has_the_rows_of_the_history(case, tmp_path):
    """In full: every number is read as it was."""
    path = tmp_path / "run.csv"
    result = train(**RUNS[case], callbacks=[kanml.Logger(path)])
    assert same_run(result, train(**RUNS[case]))
    expected = {name: c for name, c in result.history.arrays().items() if "tries." not in name}
    names, rows = read(path)
    assert len(rows) == len(result.history)
    assert set(names) == set(expected)
    assert names[:3] == ["step", "level", "loss"]
    for name in names:
        np.testing.assert_array_equal([row[name] for row in rows], expected[name], name)


@pytest.mark.parametrize(
    ("every", "steps"), [(4, [0, 4, 8, 12]), (5, [0, 5, 5, 10, 12]), (100, [0, 12])]
)
def test_rows_of_every_so_many_steps(every, steps, tmp_path):
    path = tmp_path / "run.csv"
    train(callbacks=[kanml.Logger(path, every)])  # 5 + 4 + 3 steps
    assert column(path, "step") == steps


def test_metrics(tmp_path):
    path, seen = tmp_path / "run.csv", {}

    def note(state):
        seen[state.step] = float(abs(state.network.parameters).max())

    metrics = {**SIZE, "middle, 1": lambda net: net([[0.0]])[0, 0]}
    result = train(callbacks=[note, kanml.Logger(path, every=2, metrics=metrics)])
    names, rows = read(path)
    assert names[-2:] == ["size", "middle, 1"]
    steps = [int(row["step"]) for row in rows]
    assert steps == [0, 2, 4, 6, 8, 10, 12]
    assert [row["size"] for row in rows[1:]] == [seen[step] for step in steps[1:]]
    assert rows[-1]["middle, 1"] == result.network([[0.0]])[0, 0]


def test_the_row_of_a_refinement_has_no_metrics(tmp_path):
    path = tmp_path / "run.csv"
    train(schedule=[2, 2], callbacks=[kanml.Logger(path, metrics=SIZE)])
    assert column(path, "step") == [0, 1, 2, 2, 3, 4]
    assert [math.isnan(size) for size in column(path, "size")] == [False] * 3 + [True] + [False] * 2


def test_lines_are_there_at_once(tmp_path):
    path, lengths = tmp_path / "run.csv", []

    def look(state):
        text = path.read_text()
        assert text.endswith("\n")
        lengths.append((state.step, text.count("\n")))

    with pytest.raises(Crash):
        train(schedule=[9], callbacks=[kanml.Logger(path), look, crashing(6)])
    assert lengths == [(step, step + 2) for step in range(1, 7)]
    assert column(path, "step") == [*range(7)]


def test_a_file_of_another_run_is_replaced(tmp_path):
    path, fresh = tmp_path / "run.csv", tmp_path / "fresh.csv"
    logger = kanml.Logger(path, metrics={**SIZE, "other": lambda net: 1.0})
    train(schedule=[9, 9], callbacks=[logger])
    train(schedule=[3], callbacks=[kanml.Logger(path, metrics=SIZE)])
    train(schedule=[3], callbacks=[kanml.Logger(fresh, metrics=SIZE)])
    assert same_text(path, fresh)
    train(schedule=[3], callbacks=[logger])  # it serves for several runs
    assert column(path, "step") == [0, 1, 2, 3]
    assert set(column(path, "other")) == {1.0}


# Continued runs


@pytest.mark.parametrize("every", [1, 2, 5])
@pytest.mark.parametrize("crash", [3, 4, 6, 9, 11])
def test_a_continued_run_has_the_log_of_a_whole_one(every, crash, tmp_path):
    whole, path, checkpoint = tmp_path / "whole.csv", tmp_path / "run.csv", tmp_path / "run"
    train(callbacks=[kanml.Logger(whole, every, SIZE)])
    first = [kanml.Checkpoint(checkpoint, 3), kanml.Logger(path, every, SIZE), crashing(crash)]
    with pytest.raises(Crash):
        train(callbacks=first)
    train(resume=checkpoint, callbacks=[kanml.Logger(path, every, SIZE)])
    assert same_text(path, whole)


def test_the_last_row_of_an_interrupted_run_makes_way(tmp_path):
    """It is not one of every five steps."""
    whole, path, checkpoint = tmp_path / "whole.csv", tmp_path / "run.csv", tmp_path / "run"
    train(callbacks=[kanml.Logger(whole, 5)])
    stop = lambda state: state.step == 7  # noqa: E731
    train(callbacks=[kanml.Checkpoint(checkpoint), kanml.Logger(path, 5), stop])
    assert column(path, "step") == [0, 5, 5, 7]
    train(resume=checkpoint, callbacks=[kanml.Logger(path, 5)])
    assert same_text(path, whole)


def stopped(path, checkpoint, **options):
    """A run that has stopped after 6 of 12 steps; its log has a metric."""
    callbacks = [kanml.Checkpoint(checkpoint), kanml.Logger(path, metrics=SIZE)]
    train(callbacks=[*callbacks, lambda state: state.step == 6], **options)
    return column(path, "size")


def test_metrics_are_not_measured_again(tmp_path):
    path, checkpoint = tmp_path / "run.csv", tmp_path / "run"
    before, steps = stopped(path, checkpoint), []

    def another(net):
        steps.append(len(steps))
        return 2.0

    train(resume=checkpoint, callbacks=[kanml.Logger(path, metrics={"size": another})])
    assert len(steps) == 6  # those from 7 to 12
    after = column(path, "size")
    np.testing.assert_array_equal(after[: len(before)], before)
    assert [size for size in after[len(before) :] if not math.isnan(size)] == [2.0] * 6


def test_metrics_that_are_no_longer_measured_stay(tmp_path):
    path, checkpoint = tmp_path / "run.csv", tmp_path / "run"
    before = stopped(path, checkpoint)
    train(resume=checkpoint, callbacks=[kanml.Logger(path, metrics={"one": lambda net: 1.0})])
    assert read(path)[0][-2:] == ["size", "one"]
    after, one = column(path, "size"), column(path, "one")
    np.testing.assert_array_equal(after[: len(before)], before)
    assert np.isnan(after[len(before) :]).all()
    assert np.isnan(one[: len(before)]).all()
    assert one[-1] == 1.0


def test_a_log_that_is_gone_or_of_another_run(tmp_path):
    """The history is in the checkpoint; the metrics of old steps are lost."""
    path, checkpoint = tmp_path / "run.csv", tmp_path / "run"
    before = stopped(path, checkpoint)
    path.unlink()
    result = train(resume=checkpoint, callbacks=[kanml.Logger(path, metrics=SIZE)])
    assert column(path, "loss") == result.history.loss.tolist()
    assert np.isnan(column(path, "size")[: len(before) - 1]).all()
    train(start().with_parameters(start().parameters / 2), callbacks=[kanml.Logger(path)])
    train(resume=checkpoint, callbacks=[kanml.Logger(path, metrics=SIZE)])
    assert column(path, "loss") == result.history.loss.tolist()
    assert np.isnan(column(path, "size")[: len(before) - 1]).all()


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    path, checkpoint = tmp_path / "run.csv", tmp_path / "run"
    before = stopped(path, checkpoint)
    path.write_text(path.read_text()[:-4])  # the last metric is another number now
    train(resume=checkpoint, callbacks=[kanml.Logger(path, metrics={"one": lambda net: 1.0})])
    after = column(path, "size")[: len(before)]
    np.testing.assert_array_equal(after[:-1], before[:-1])
    assert math.isnan(after[-1])


def test_each_slab_of_a_march_has_a_file(tmp_path):
    path, folder = tmp_path / "run.csv", tmp_path / "folder"
    options = {"schedule": 6, "folder": folder, "every": 2}
    callbacks = [kanml.Logger(path, metrics=SIZE)]

    def interrupt(state):
        if state.step == 5 and (tmp_path / "run-slab-2.csv").exists():
            raise KeyboardInterrupt

    assert march(**options, callbacks=[*callbacks, interrupt]).status == "interrupted"
    result = march(**options, callbacks=callbacks)
    assert same_march(result, march(schedule=6))
    assert sorted(tmp_path.glob("*.csv")) == [tmp_path / f"run-slab-{i}.csv" for i in (1, 2, 3)]
    for i, slab in enumerate(result.slabs, 1):
        log = tmp_path / f"run-slab-{i}.csv"
        assert column(log, "loss") == slab.history.loss.tolist()
        assert np.isfinite(column(log, "size")).all()


# A logger of Python


@pytest.fixture
def lines(caplog):
    """The messages of a logger, each as the numbers in it by name."""
    caplog.set_level(logging.INFO)

    def parsed():
        assert {(r.name, r.levelno) for r in caplog.records} == {("fit", logging.INFO)}
        messages = [r.getMessage() for r in caplog.records]
        caplog.clear()
        pairs = [re.findall(r"(?:^|[:,] )([^:,]+) (\S+?)(?=[:,]|$)", text) for text in messages]
        return [{name: float(value) for name, value in found} for found in pairs]

    return parsed


def test_lines(lines):
    logger = kanml.Logger(logging.getLogger("fit"), every=5, metrics=SIZE)
    result = train(task=PINN, callbacks=[logger])
    history, rows = result.history, lines()
    assert [(row["step"], row["level"]) for row in rows] == [
        (0, 0),
        (5, 0),
        (5, 1),
        (10, 2),
        (12, 2),
    ]
    assert rows[-1]["loss"] == pytest.approx(history.loss[-1], rel=1e-4)
    assert rows[-1]['terms."start"'] == pytest.approx(history.terms['"start"'][-1], rel=1e-4)
    assert rows[-1]["evaluations"] == history.evaluations[-1]
    assert rows[-1]["size"] == pytest.approx(SIZE["size"](result.network), rel=1e-4)
    assert ["size" in row for row in rows] == [True, True, False, True, True]


def test_lines_of_a_continued_run(lines, tmp_path):
    callbacks = [kanml.Logger(logging.getLogger("fit"), every=3)]
    stop = lambda state: state.step == 6  # noqa: E731
    train(callbacks=[*callbacks, kanml.Checkpoint(tmp_path / "run"), stop])
    train(callbacks=callbacks, resume=tmp_path / "run")
    assert [row["step"] for row in lines()] == [0, 3, 6, 9, 9, 12]  # a refinement after 9


# What goes wrong


class Stumbling(kanml.Callback):
    """Puts a folder where a file is, for some steps."""

    def __init__(self, path, first, last):
        self.path, self.first, self.last = path, first, last

    def __call__(self, state):
        if state.step == self.first:
            self.path.unlink()
            self.path.mkdir()
        if state.step == self.last:
            self.path.rmdir()


@pytest.mark.parametrize(("first", "last"), [(2, 4), (4, 7), (8, 11)])
def test_a_failure_to_write_is_a_warning_and_is_made_good(first, last, tmp_path):
    path = tmp_path / "run.csv"
    callbacks = [kanml.Logger(path, metrics=SIZE), Stumbling(path, first, last)]
    with pytest.warns(RuntimeWarning, match=naming("no log of step", str(path))) as caught:
        result = kanml.train(start(), problem(), [5, 4, 3], callbacks=callbacks, progress=False)
    steps = [int(re.search(r"step (\d+)", str(one.message))[1]) for one in caught]
    assert steps == [*range(first + 1, last + 1)]
    assert {one.filename for one in caught} == {__file__}  # of the call of train
    assert result.status == "completed"
    assert column(path, "loss") == result.history.loss.tolist()
    assert np.isfinite(column(path, "size")).sum() == 13


def test_a_log_that_is_moved_away_is_begun_again(tmp_path):
    """With its header, as programs do that rotate logs."""
    path, old = tmp_path / "run.csv", tmp_path / "old.csv"

    def rotate(state):
        if state.step == 3:
            path.rename(old)
        if state.step == 5:
            assert column(path, "step") == [0, 1, 2, 3, 4]

    train(schedule=[6], callbacks=[rotate, kanml.Logger(path)])
    assert column(old, "step") == [0, 1, 2]
    assert column(path, "step") == [0, 1, 2, 3, 4, 5, 6]


IN_USE = naming("is still writing the log of another run", "a Logger of its own")


@pytest.mark.parametrize("kind", ["file", "logger"])
def test_a_run_within_a_run_needs_a_logger_of_its_own(kind, tmp_path):
    """The outer one is not disturbed; afterwards the Logger is free."""
    path, refusals = tmp_path / "run.csv", []
    logger = kanml.Logger(path if kind == "file" else logging.getLogger("fit"), metrics=SIZE)

    def nested(state):
        if state.step == 2:
            with pytest.raises(RuntimeError, match=IN_USE) as caught:
                train(schedule=[3], callbacks=[logger])
            refusals.append(caught)

    result = train(callbacks=[nested, logger])
    assert len(refusals) == 1
    if kind == "file":
        assert column(path, "loss") == result.history.loss.tolist()
    again = train(schedule=[2], callbacks=[logger])
    if kind == "file":
        assert column(path, "loss") == again.history.loss.tolist()


def test_a_run_in_another_thread_needs_a_logger_of_its_own(tmp_path):
    path, caught = tmp_path / "run.csv", []
    logger = kanml.Logger(path)

    def other():
        try:
            train(schedule=[3], callbacks=[logger])
        except RuntimeError as error:
            caught.append(str(error))

    def aside(state):
        if state.step == 2:
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()

    result = train(callbacks=[aside, logger])
    (message,) = caught
    assert re.search(IN_USE, message)
    assert column(path, "loss") == result.history.loss.tolist()


def test_a_logger_is_free_after_an_exception(tmp_path):
    path, errors = tmp_path / "run.csv", []
    logger = kanml.Logger(path)
    with pytest.raises(Crash) as caught:
        train(callbacks=[logger, crashing(4)])
    errors.append(caught)  # a notebook keeps the last one, with all that it refers to
    result = train(schedule=[3], callbacks=[logger])
    assert column(path, "loss") == result.history.loss.tolist()


def test_a_file_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "run.csv").mkdir()
    with pytest.raises(IsADirectoryError, match=naming("no log can be written", "run.csv")):
        train(callbacks=[kanml.Logger(tmp_path / "run.csv")])


@pytest.mark.parametrize("content", [b"x,y\n1,2\n", b"\xff\xfe\x00", b"text", b'a"\r\x00,"'])
def test_a_file_that_is_no_log_is_refused(content, tmp_path):
    path = tmp_path / "run.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=naming(str(path), "is not a log")):
        train(callbacks=[kanml.Logger(path)])
    assert path.read_bytes() == content
    path.write_bytes(b"")  # but an empty one is
    train(callbacks=[kanml.Logger(path)])


def test_interrupted_while_it_measures(tmp_path):
    """By a second Ctrl-C. The file has all rows, and the metrics that were measured."""
    path, times = tmp_path / "run.csv", []

    def slow(net):
        times.append(len(times))
        if len(times) == 5:  # after step 4
            raise KeyboardInterrupt
        return 1.0

    result = train(callbacks=[kanml.Logger(path, metrics={"slow": slow})])
    assert result.status == "interrupted"
    assert column(path, "loss") == result.history.loss.tolist()
    assert column(path, "step") == [0, 1, 2, 3, 4]
    assert column(path, "slow") == [1.0] * 5


def test_a_run_that_diverges(tmp_path):
    path = tmp_path / "run.csv"
    task = Wrapped(problem(), 4, SPOIL["loss NaN"])
    result = train(task=task, optimizer=kanml.Adam(0.01), callbacks=[kanml.Logger(path, 5)])
    assert result.status == "diverged"
    assert column(path, "step") == [0, result.history.step[-1]] == [0, 2]


def test_interrupted_before_it_began(tmp_path):
    def begin(state):
        raise KeyboardInterrupt

    first = kanml.Callback()
    first.begin = begin
    result = train(callbacks=[first, kanml.Logger(tmp_path / "run.csv")])
    assert result.status == "interrupted"
    assert not (tmp_path / "run.csv").exists()


@pytest.mark.parametrize("value", [None, "0.5", np.zeros(1), 1j])
def test_what_a_metric_returns(value, tmp_path):
    logger = kanml.Logger(tmp_path / "run.csv", metrics={"error": lambda net: value})
    with pytest.raises(TypeError, match=naming("metrics['error'] must return", repr(value))):
        train(callbacks=[logger])


def test_a_metric_beyond_all_floats(tmp_path):
    logger = kanml.Logger(tmp_path / "run.csv", metrics={"error": lambda net: -(10**400)})
    with pytest.raises(ValueError, match=naming("metrics['error'] must return", "-100000")):
        train(callbacks=[logger])


BAD = {
    "no path": ({"target": 3}, "target must be a path or a logging.Logger", "3"),
    "no folder": ({"target": "nowhere/run.csv"}, "target", "existing folder", "'nowhere/run.csv'"),
    "every": ({"every": 0}, "every", "0"),
    "every a fraction": ({"every": 0.5}, "every", "0.5"),
    "metrics a list": ({"metrics": [abs]}, "metrics must be a dict", "abs"),
    "metrics a function": ({"metrics": abs}, "metrics must be a dict", "abs"),
    "no name": ({"metrics": {3: abs}}, "names of metrics", "3"),
    "empty name": ({"metrics": {"": abs}}, "names of metrics", "''"),
    "a column": ({"metrics": {"loss": abs}}, "metrics", "'loss'"),
    "a term": ({"metrics": {"terms.ode": abs}}, "metrics", "'terms.ode'"),
    "no function": ({"metrics": {"error": 0.5}}, "metrics['error']", "0.5"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments(case, tmp_path):
    options, *parts = BAD[case]
    with pytest.raises((TypeError, ValueError), match=naming(*parts)):
        kanml.Logger(**{"target": tmp_path / "run.csv", **options})
