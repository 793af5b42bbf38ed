"""Files that no run continues from: damaged, of another run, or holding what no run writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from checkpoint_runs import SCHEDULE, X, Y, assert_same_run, start, train
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kanml
from helpers import naming
from kanml.network import files


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
    script = Path(__file__).parents[2] / "tools" / "stress" / "files.py"
    command = [sys.executable, str(script), "500", "--checkpoints", "500"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.splitlines()[-1].startswith("1000 cases")


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
