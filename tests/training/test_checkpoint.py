"""Checkpoints: killed and continued, a run gives the bits that it gives without interruption."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kanml
from helpers import naming, random_breakpoints, same_bits
from kanml.network import files

X = np.linspace(-1.3, 1.3, 45)[:, None]
Y = np.cos(3 * X) + X**2
SCHEDULE = [4, 3, 0, 2]

CASES = {
    "L-BFGS": (kanml.LBFGS(memory=3), {}),
    "L-BFGS, minibatches": (kanml.LBFGS(memory=3), {"batch_size": 20, "seed": 1}),
    "Adam, minibatches": (kanml.Adam(0.02, weight_decay=0.1), {"batch_size": 8, "seed": 2}),
    "Adam, ramp": (kanml.Adam(kanml.Ramp(1e-3, 0.03, steps=3)), {}),
    "Adam, cycles": (kanml.Adam(kanml.CyclicDecay(1e-3, 0.03, 5, 0.9)), {"batch_size": 44}),
    "gradient descent": (kanml.GradientDescent(0.01), {}),
}
COLUMNS = ("level", "step", "loss", "evaluations")


def start(dtype="float64"):
    rng = np.random.default_rng(7)
    spaces = [kanml.SplineSpace(random_breakpoints(rng, n), 3) for n in (3, 2)]
    layers = [kanml.SplineLayer(1, 2, spaces[0]), kanml.SplineLayer(2, 1, spaces)]
    return kanml.Network(layers, seed=3, dtype=dtype)


def train(name, net=None, **options):
    optimizer, data = CASES[name]
    return kanml.train(
        start() if net is None else net,
        kanml.Regression(X, Y, **data),
        SCHEDULE,
        optimizer,
        **{"progress": False, **options},
    )


def assert_same_run(left, right):
    assert left.status == right.status
    assert left.message == right.message
    for name in COLUMNS:
        assert same_bits(getattr(left.history, name), getattr(right.history, name)), name
    assert same_bits(left.network.parameters, right.network.parameters)
    assert repr(left.network) == repr(right.network)
    for a, b in zip(left.levels, right.levels, strict=True):
        assert repr(a) == repr(b)
        assert same_bits(a.parameters, b.parameters)
    assert (np.diff(right.history.seconds) >= 0).all()


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
import sys, time
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
    "Adam": kanml.Adam(kanml.Ramp(1e-3, 1e-2, steps=10)),
}[name]
problem = kanml.Regression(x, y, batch_size=70 if name == "Adam" else None, seed=5)

def slow(state):
    time.sleep(float(pause))
    if state.step % 10 == 1:
        print("training", flush=True)

callbacks = [kanml.Checkpoint(checkpoint, int(every)), slow]
resume = checkpoint if Path(checkpoint).exists() else None
result = kanml.train(net, problem, [90, 70, 60, 40], optimizer, callbacks=callbacks,
                     resume=resume, progress=False)
assert result.status == "completed"
history = result.history
np.savez(result_file, parameters=result.network.parameters, loss=history.loss,
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
@pytest.mark.parametrize("name", ["L-BFGS", "Adam"])
def test_killed_at_random_moments(name, every, script, tmp_path):
    command, whole = script
    expected = whole(name)
    checkpoint, result = tmp_path / "run", tmp_path / "result.npz"
    rng = np.random.default_rng([ord(name[0]), every])
    killed_in_training = 0
    for _ in range(6):
        arguments = command(name, checkpoint, every, 0.004, result)
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() in (b"training\n", b"")  # b"": it is done
            time.sleep(rng.uniform(0.0, 0.12))
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


# Files that are refused


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "run"
    small(callbacks=[kanml.Checkpoint(path, 2)])
    return path.read_bytes()


def small(**options):
    x = X[:6]
    net = kanml.KAN([1, 1], degree=1, intervals=1)
    problem = kanml.Regression(x, Y[:6], batch_size=4)
    return kanml.train(net, problem, [2, 1], kanml.Adam(0.1), progress=False, **options)


def test_the_small_file_is_good(content, tmp_path):
    (tmp_path / "run").write_bytes(content)
    assert_same_run(small(resume=tmp_path / "run"), small())


@given(data=st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_altered_or_truncated(data, content, tmp_path):
    altered = bytearray(content)
    position = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        altered[position] ^= data.draw(st.integers(1, 255))
    else:
        del altered[position:]
    path = tmp_path / "run"
    path.write_bytes(altered)
    with pytest.raises(ValueError, match=naming("damaged", repr(str(path))[1:])):
        small(resume=path)


def test_truncated_at_any_of_its_parts(content, tmp_path):
    path = tmp_path / "run"
    for length in [
        *range(64),
        *range(64, len(content), 29),
        *range(len(content) - 64, len(content)),
    ]:
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="damaged"):
            small(resume=path)


def test_no_checkpoint(tmp_path, content):
    path = tmp_path / "file"
    for other in (b"", b"step 3\n", bytes(500)):
        path.write_bytes(other)
        with pytest.raises(ValueError, match="not a kanml file"):
            small(resume=path)
    kanml.KAN([1, 1]).save(path)
    with pytest.raises(ValueError, match=naming("a network", "a checkpoint")):
        small(resume=path)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=naming("a network", "a checkpoint")):
        kanml.load(path)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        train("L-BFGS", resume=tmp_path / "none")


def alter(array):
    array = array.copy()
    array[3, 0] = np.nextafter(array[3, 0], np.inf)
    return array


RUN = {
    "net": start(),
    "problem": kanml.Regression(X, Y),
    "schedule": SCHEDULE,
    "optimizer": kanml.Adam(0.02),
    "transfer_state": "prolong",
}
FIRST, LAST = start().layers
OTHERS = {
    "steps": {"schedule": [4, 3, 0, 3]},
    "levels": {"schedule": [*SCHEDULE, 1]},
    "learning rate": {"optimizer": kanml.Adam(0.03)},
    "ramp": {"optimizer": kanml.Adam(kanml.Ramp(0.02, 0.02, 1))},
    "weight decay": {"optimizer": kanml.Adam(0.02, weight_decay=0.1)},
    "method": {"optimizer": kanml.GradientDescent(0.02)},
    "default method": {"optimizer": None},
    "transfer": {"transfer_state": "reset"},
    "parameters": {"net": start().with_parameters(start().parameters * 1.5)},
    "one parameter": {
        "net": start().with_parameters(np.nextafter(start().parameters, np.inf))
    },
    "type": {"net": start("float32")},
    "spaces": {"net": kanml.KAN([1, 2, 1], intervals=3)},
    "finer spaces": {"net": start().refine()},
    "rule": {
        "net": kanml.Network(
            [kanml.SplineLayer(1, 2, FIRST.spaces, extrapolation="clamp"), LAST]
        ).with_parameters(start().parameters)
    },
    "inputs": {"problem": kanml.Regression(alter(X), Y)},
    "targets": {"problem": kanml.Regression(X, alter(Y))},
    "fewer samples": {"problem": kanml.Regression(X[:-1], Y[:-1])},
    "other order": {"problem": kanml.Regression(X[::-1], Y[::-1])},
    "batches": {"problem": kanml.Regression(X, Y, batch_size=10)},
}  # fmt: skip


def test_the_same_run_again(tmp_path):
    path = tmp_path / "run"
    whole = kanml.train(**RUN, callbacks=[kanml.Checkpoint(path, 5)], progress=False)
    same = {"net": start(), "problem": kanml.Regression(X.tolist(), Y), "schedule": tuple(SCHEDULE)}
    assert_same_run(kanml.train(**{**RUN, **same}, resume=path, progress=False), whole)


@pytest.mark.parametrize("name", OTHERS)
def test_another_run(name, tmp_path):
    path = tmp_path / "run"
    kanml.train(**RUN, callbacks=[kanml.Checkpoint(path, 5)], progress=False)
    with pytest.raises(ValueError, match=naming("another run", repr(str(path))[1:])):
        kanml.train(**{**RUN, **OTHERS[name]}, resume=path, progress=False)


def test_a_part_is_missing(content, tmp_path):
    """A digest and a fingerprint that are right, over less than all."""
    path = tmp_path / "run"
    path.write_bytes(content)
    description, arrays = files.read(path, "checkpoint")
    for name in description:
        files.write(path, {k: v for k, v in description.items() if k != name}, arrays)
        with pytest.raises(ValueError, match=naming(repr(str(path))[1:])):
            small(resume=path)
    for part in ("state", "best"):
        for name in description[part]:
            fewer = {k: v for k, v in description[part].items() if k != name}
            files.write(path, {**description, part: fewer}, arrays)
            with pytest.raises(ValueError, match=naming(repr(str(path))[1:])):
                small(resume=path)
    for name in arrays:
        files.write(path, description, {k: v for k, v in arrays.items() if k != name})
        with pytest.raises(ValueError, match=naming(repr(str(path))[1:])):
            small(resume=path)


def test_alterations_with_a_digest_that_is_right():
    """Bits, shapes, types, names and values: refused by name, or as good as any file."""
    script = Path(__file__).parents[2] / "bench" / "fuzz_files.py"
    command = [sys.executable, str(script), "500"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert len(done.stdout.splitlines()) == 5


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "level": (-1, 2, 10**9, 1.0, True, None),
        "best_value": (-1e9, float("nan"), float("inf"), 0, None),
        "state": ({"level_step": 0}, {"step": 2}, {"evaluations": 10**30}, {"finished": 0}),
        "best": ({"step": -1}, {"step": 10**9}, {"step": 1}),
        "problem": ({"position": 10**9}, {"order": [0, 1, 2, 3, 4, 99]}, {"generator": None}),
    }.items(),
)
def test_values_that_no_run_writes(name, values, content, tmp_path):
    path = tmp_path / "run"
    path.write_bytes(content)
    description, arrays = files.read(path, "checkpoint")
    for value in values:
        old = description[name]
        changed = {**old, **value} if isinstance(old, dict) and value else value
        files.write(path, {**description, name: changed}, arrays)
        with pytest.raises(ValueError, match=naming(repr(str(path))[1:])):
            small(resume=path)


@pytest.mark.parametrize(
    ("name", "alter"),
    {
        "state.parameters": lambda a: a * 1.5,
        "state.gradient": lambda a: a.astype(np.float32),
        "state.second_moment": lambda a: -a,
        "state.first_moment": lambda a: a[:-1],
        "best.parameters": lambda a: np.full_like(a, np.nan),
        "history.loss": lambda a: a[::-1],
        "history.step": lambda a: a + 1,
        "history.evaluations": lambda a: a[:-1],
        "history.seconds": lambda a: -a,
    }.items(),
)
def test_arrays_that_no_run_writes(name, alter, content, tmp_path):
    path = tmp_path / "run"
    path.write_bytes(content)
    description, arrays = files.read(path, "checkpoint")
    files.write(path, description, {**arrays, name: alter(arrays[name])})
    with pytest.raises(ValueError, match=naming(repr(str(path))[1:])):
        small(resume=path)


# Writing that fails


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_failing_write_is_a_warning_and_leaves_the_old_file(function, tmp_path, monkeypatch):
    path = tmp_path / "run"
    kept = []

    def fail(*arguments):
        raise OSError(errno.ENOSPC, "no space left on device")

    def callback(state):
        kept.append(path.read_bytes())
        if state.step == 3:
            monkeypatch.setattr(f"os.{function}", fail)

    with pytest.warns(RuntimeWarning, match="no space left on device") as warned:
        result = train("L-BFGS", callbacks=[kanml.Checkpoint(path, 1), callback])
    monkeypatch.undo()
    assert_same_run(result, train("L-BFGS"))
    assert len(warned) == 7  # of the steps 4 to 9, and the end
    assert all(repr(str(path)) in str(warning.message) for warning in warned)
    assert len(set(kept)) == 3
    assert path.read_bytes() == kept[2]
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert_same_run(train("L-BFGS", resume=path), train("L-BFGS"))


def refused(path, error, **options):
    """A run is refused before its first step, and the message names the file."""
    steps = []
    checkpoint = kanml.Checkpoint(path, **options)
    with pytest.raises(error, match=naming("no checkpoint can be written", repr(str(path))[1:])):
        train("L-BFGS", callbacks=[lambda state: steps.append(state.step), checkpoint])
    assert steps == []


def test_a_folder_for_a_path_is_refused(tmp_path):
    refused(tmp_path, IsADirectoryError)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_has_gone_is_refused(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    checkpoint = kanml.Checkpoint(folder / "run")
    folder.rmdir()
    with pytest.raises(FileNotFoundError, match=naming(repr(str(folder / "run"))[1:])):
        train("L-BFGS", callbacks=[checkpoint])


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_without_permission_is_refused(number, tmp_path, monkeypatch):
    """As any other user than root finds it."""

    def fail(*arguments, **options):
        raise OSError(number, "refused")

    monkeypatch.setattr("pathlib.Path.open", fail)
    refused(tmp_path / "run", OSError)


def test_a_full_disk_is_refused(tmp_path):
    """A limit on the size of files stands for the disk: ENOSPC is EFBIG then."""
    code = f"""
import resource, signal
import numpy as np
import kanml
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
x = np.linspace(-1, 1, 50)[:, None]
problem, net = kanml.Regression(x, x), kanml.KAN([1, 9, 1])
steps = []
callbacks = [lambda state: steps.append(state.step), kanml.Checkpoint({str(tmp_path / "run")!r})]
try:
    kanml.train(net, problem, [2], callbacks=callbacks, progress=False)
except OSError as error:
    print(str(error).partition(": ")[0], len(steps))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    message = f"no checkpoint can be written to {str(tmp_path / 'run')!r}"
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{message} 0\n", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_an_interrupted_write_leaves_the_old_file(function, tmp_path, monkeypatch):
    path = tmp_path / "run"

    def interrupt(*arguments):
        raise KeyboardInterrupt

    def callback(state):
        if state.step == 5:
            monkeypatch.setattr(f"os.{function}", interrupt)

    result = train("L-BFGS", callbacks=[kanml.Checkpoint(path, 1), callback])
    monkeypatch.undo()
    assert result.status == "interrupted"
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert_same_run(train("L-BFGS", resume=path), train("L-BFGS"))


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match=naming("path", "none")):
        kanml.Checkpoint(tmp_path / "none" / "run")
    for every in (0, -1, 1.5, None, True):
        with pytest.raises((TypeError, ValueError), match=naming("every", every)):
            kanml.Checkpoint(tmp_path / "run", every)


def test_a_path_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = train("L-BFGS", callbacks=[kanml.Checkpoint("run", 3)])
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert_same_run(train("L-BFGS", resume="run"), whole)
