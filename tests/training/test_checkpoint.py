"""Checkpoints: killed and continued, a run gives the bits that it gives without interruption."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from checkpoint_runs import CASES, SCHEDULE, X, Y, assert_same_run, start, train

import kanml
from helpers import same_bits


def keeping_all(path):
    """Callbacks that write a checkpoint after each step and keep them all."""

    def keep(state):
        shutil.copy(path, path.with_suffix(f".{state.step}"))

    return [kanml.Checkpoint(path, every=1), keep]


# Continuing


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_continuing_from_any_step(name, dtype, tmp_path):
    """Every step: also the last of a level, and the last of all."""
    path = tmp_path / "run"
    whole = train(name, start(dtype), callbacks=keeping_all(path))
    assert whole.status == "completed"
    assert whole.history.step[-1] == sum(SCHEDULE)
    assert_same_run(train(name, start(dtype)), whole)  # checkpoints change nothing
    for step in range(1, sum(SCHEDULE) + 1):
        seen = []
        again = train(
            name,
            start(dtype),
            resume=path.with_suffix(f".{step}"),
            callbacks=[lambda state, seen=seen: seen.append(state.step)],
            num_threads=1 + step % 2,
        )
        assert_same_run(again, whole)
        assert seen == list(range(step + 1, sum(SCHEDULE) + 1))


def test_continuing_twice(tmp_path):
    path = tmp_path / "run"
    whole = train("Adam, minibatches")
    train("Adam, minibatches", callbacks=[kanml.Checkpoint(path, 1), lambda s: s.step == 2])
    for stop in (3, 6, None):
        result = train(
            "Adam, minibatches",
            callbacks=[kanml.Checkpoint(str(path), 1), lambda s, stop=stop: s.step == stop],
            resume=str(path),
        )
    assert_same_run(result, whole)


def test_continuing_a_completed_run(tmp_path):
    path = tmp_path / "run"
    whole = train("L-BFGS", callbacks=[kanml.Checkpoint(path, 1)])

    def never(state):
        raise AssertionError

    again = train("L-BFGS", resume=path, callbacks=[never])
    assert_same_run(again, whole)
    assert same_bits(again.history.seconds, whole.history.seconds)


def test_continuing_with_a_problem_that_has_moved_on(tmp_path):
    """The place among the minibatches comes from the file."""
    path = tmp_path / "run"
    problem = kanml.Regression(X, Y, batch_size=8, seed=2)
    checkpoint = kanml.Checkpoint(path, every=6)
    optimizer = kanml.Adam(0.02)

    def run(**options):
        return kanml.train(start(), problem, SCHEDULE, optimizer, progress=False, **options)

    whole = run(callbacks=[checkpoint])
    assert_same_run(run(resume=path), whole)


def test_the_best_so_far_is_kept(tmp_path):
    """Interrupted right after continuing: the best network may be one from before the kill."""
    optimizer = kanml.Adam(0.6)

    def run(**options):
        problem = kanml.Regression(X, Y)
        return kanml.train(start(), problem, SCHEDULE, optimizer, progress=False, **options)

    path = tmp_path / "run"
    whole = run(callbacks=keeping_all(path)).history
    least = np.minimum.accumulate(whole.loss)
    assert (whole.loss[1:] > 1.1 * least[:-1]).any()  # there are steps after which it is not best

    def interrupt(state):
        raise KeyboardInterrupt

    for step in range(1, sum(SCHEDULE)):
        result = run(resume=path.with_suffix(f".{step}"), callbacks=[interrupt])
        assert result.status == "interrupted"
        loss = kanml.Regression(X, Y).value_and_gradient(result.network)[0]
        assert loss == pytest.approx(result.history.loss.min(), rel=1e-10)


@pytest.mark.parametrize("every", [1, 2, 4, 9, 10])
def test_when_it_writes(every, tmp_path):
    path = tmp_path / "run"
    written = []

    def look(state):
        if path.exists():
            path.unlink()
            written.append(state.step)

    train("gradient descent", callbacks=[kanml.Checkpoint(path, every), look])
    assert written == list(range(every, sum(SCHEDULE) + 1, every))
    assert_same_run(train("gradient descent", resume=path), train("gradient descent"))


def interrupting(step):
    def callback(state):
        if state.step == step:
            raise KeyboardInterrupt

    return callback


@pytest.mark.parametrize("name", CASES)
def test_the_end_is_written_whatever_it_is(name, tmp_path):
    """Completed, stopped or interrupted: the run continues from its last moment."""
    path = tmp_path / "run"
    whole = train(name)
    for callback in (lambda state: None, lambda state: state.step == 5, interrupting(5)):
        path.unlink(missing_ok=True)
        ended = train(name, callbacks=[callback, kanml.Checkpoint(path, every=1000)])
        seen = []
        again = train(name, resume=path, callbacks=[seen.append])
        assert_same_run(again, whole)
        steps = range(ended.history.step[-1] + 1, sum(SCHEDULE) + 1)
        assert [state.step for state in seen] == list(steps)


def test_the_end_of_a_diverged_run_is_the_last_good_state(tmp_path):
    """Minibatches: the problem is that of the last good state too."""
    path = tmp_path / "run"

    def run(**options):
        # In the fifth step the batch holds a target that overflows.
        y = Y.copy()
        y[kanml.Regression(X, Y, batch_size=8, seed=2).state()["order"][37]] = 1e200
        problem = kanml.Regression(X, y, batch_size=8, seed=2)
        return kanml.train(start(), problem, SCHEDULE, kanml.Adam(0.02), progress=False, **options)

    result = run(callbacks=[kanml.Checkpoint(path, every=1000)])
    assert result.status == "diverged"
    assert result.history.step[-1] == 3
    assert_same_run(run(resume=path), result)


def test_a_run_that_diverges_at_its_start_leaves_no_file(tmp_path):
    problem = kanml.Regression(X, 1e200 * Y)
    callbacks = [kanml.Checkpoint(tmp_path / "run")]
    result = kanml.train(start(), problem, [3], callbacks=callbacks, progress=False)
    assert result.status == "diverged"
    assert not list(tmp_path.iterdir())


# Killed


SCRIPT = """
import csv, sys, time
from pathlib import Path
import numpy as np
import kanml

name, checkpoint, every, pause, result_file = sys.argv[1:]
rng = np.random.default_rng(1)
x = rng.uniform(-1, 1, (300, 2))
y = np.sin(3 * x[:, :1]) * x[:, 1:]
net = kanml.KAN([2, 3, 1], intervals=3, data=x, seed=1)
optimizer = {
    "L-BFGS": kanml.LBFGS(memory=5),
    "SSBroyden": kanml.SSBroyden(),
    "Adam": kanml.Adam(kanml.Ramp(1e-3, 1e-2, steps=10)),
    "one a level": [kanml.LBFGS(memory=5), kanml.LevenbergMarquardt(), *[kanml.LBFGS()] * 2],
}[name]
problem = kanml.Regression(x, y, batch_size=70 if name == "Adam" else None, seed=5)

def slow(state):
    print("step", flush=True)
    time.sleep(float(pause))

log = Path(checkpoint + ".csv")
callbacks = [kanml.Checkpoint(checkpoint, int(every)), kanml.Logger(log), slow]
resume = checkpoint if Path(checkpoint).exists() else None
result = kanml.train(net, problem, [90, 70, 60, 40], optimizer, callbacks=callbacks,
                     resume=resume, progress=False)
assert result.status == "completed"
history = result.history
rows = csv.DictReader(log.read_text().splitlines())
logged = [[value for name, value in row.items() if name != "seconds"] for row in rows]
np.savez(result_file, logged=logged, parameters=result.network.parameters, loss=history.loss,
         level=history.level, step=history.step, evaluations=history.evaluations)
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    path = folder / "run.py"
    path.write_text(SCRIPT)
    wholes = {}

    def command(name, checkpoint, every, pause, result):
        return [
            sys.executable,
            str(path),
            name,
            str(checkpoint),
            str(every),
            str(pause),
            str(result),
        ]

    def whole(name):
        """The uninterrupted run."""
        if name not in wholes:
            result = folder / f"{name}.npz"
            subprocess.run(command(name, folder / name, 1000, 0, result), check=True, timeout=60)
            wholes[name] = np.load(result)
        return wholes[name]

    return command, whole


@pytest.mark.parametrize("every", [1, 7])
@pytest.mark.parametrize("name", ["L-BFGS", "SSBroyden", "Adam", "one a level"])
def test_killed_at_random_moments(name, every, script, tmp_path):
    command, whole = script
    expected = whole(name)
    checkpoint, result = tmp_path / "run", tmp_path / "result.npz"
    rng = np.random.default_rng([ord(name[0]), every])
    killed_in_training = 0
    for _ in range(6):
        arguments = command(name, checkpoint, every, 0.004, result)
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
            for _ in range(rng.integers(1, 30)):
                assert process.stdout.readline() in (b"step\n", b"")  # b"": it is done
            time.sleep(rng.uniform(0.0, 0.01))
            process.kill()
        if process.returncode == 0:
            break
        killed_in_training += 1
        assert not result.exists()
    assert killed_in_training >= 3
    assert checkpoint.exists()
    if not result.exists():
        subprocess.run(command(name, checkpoint, every, 0, result), check=True, timeout=60)
    got = np.load(result)
    for column in expected:
        assert same_bits(got[column], expected[column]), column
