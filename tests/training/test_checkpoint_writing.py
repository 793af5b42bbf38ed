"""Checkpoints that cannot be written: a run is refused, or warned and keeps the old file."""

from __future__ import annotations

import errno
import subprocess
import sys

import checkpoint_runs
import numpy as np
import pytest
from checkpoint_runs import assert_same_run, train

import kanml
from helpers import naming, unix


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
    assert {warning.filename for warning in warned} == {checkpoint_runs.__file__}
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


@unix
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


@pytest.mark.parametrize("kind", ["Checkpoint", "Logger", "march"])
def test_a_relative_path_means_the_same_file_throughout_a_run(kind, tmp_path, monkeypatch):
    """Where the process was when the path was given, whatever a callback does."""
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    away.mkdir()
    monkeypatch.chdir(home)

    def leave(state):
        monkeypatch.chdir(away)

    if kind == "march":

        def decay(start, end, before):
            points = np.linspace(start, end, 9)[:, None]
            return kanml.PINN("t", [kanml.Term("ode", points, lambda u: u.t + u)])

        net = kanml.KAN([1, 1], domain=(0, 1))
        options = {"callbacks": [leave], "folder": "run", "progress": False}
        kanml.march(net, decay, [0, 1, 2], 5, **options)
        assert sorted(p.name for p in home.glob("run/*")) == ["slab-1.finished", "slab-2.finished"]
    else:
        train("L-BFGS", callbacks=[leave, getattr(kanml, kind)("run", 2)])
        assert (home / "run").is_file()
    assert not list(away.iterdir())


def test_paths_of_other_kinds():
    with pytest.raises(TypeError, match=naming("path must be a path", "5")):
        kanml.Checkpoint(5)
    with pytest.raises(TypeError, match=naming("resume must be a path", "5")):
        train("L-BFGS", resume=5)
