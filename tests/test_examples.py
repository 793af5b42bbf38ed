"""The examples, with few steps."""

import importlib.util
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kanml

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
every_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


def imported(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@every_example
def test_example_prints_errors_draws_and_leaves_no_file(path, tmp_path, monkeypatch, capsys):
    example = imported(path)
    example.SCHEDULE = [2] * len(example.SCHEDULE)
    monkeypatch.chdir(tmp_path)
    figure = example.main()
    errors = re.findall(r"error (\S+)", capsys.readouterr().out)
    assert errors
    assert all(math.isfinite(float(error)) for error in errors)
    assert all(axes.lines or axes.images or axes.collections for axes in figure.axes)
    assert os.listdir(tmp_path) == []


@every_example
def test_example_says_what_it_shows_and_writes_the_schedule_at_the_top(path):
    example = imported(path)
    title, line, empty, *text = example.__doc__.splitlines()  # as the gallery of the site reads it
    assert line == "=" * len(title)
    assert empty == ""
    assert text[0].endswith(".") or text[1].endswith(".")
    assert len(example.SCHEDULE) > 1  # coarse to fine


@every_example
def test_example_prints_what_it_has_when_it_is_interrupted(path, tmp_path, monkeypatch, capsys):
    train = kanml.train

    def interrupted(*arguments, callbacks=(), **options):
        def interrupt(state):
            if state.step == 3:  # on the second level
                raise KeyboardInterrupt

        result = train(*arguments, callbacks=[*callbacks, interrupt], **options)
        assert result.status == "interrupted"
        return result

    example = imported(path)
    example.SCHEDULE = [2] * len(example.SCHEDULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kanml, "train", interrupted)
    example.main()
    assert re.search(r"error \d", capsys.readouterr().out)


def test_example_without_matplotlib_prints_and_says_what_the_picture_needs(
    tmp_path, monkeypatch, capsys
):
    example = imported(EXAMPLES[0].parent / "fit_function.py")
    example.SCHEDULE = [2, 2]
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ModuleNotFoundError, match="pictures need matplotlib"):
        example.main()
    assert "error" in capsys.readouterr().out


def test_example_runs_as_a_script(tmp_path):
    script = tmp_path / "checkpointed_training.py"
    source = (EXAMPLES[0].parent / script.name).read_text()
    shortened, count = re.subn(r"^SCHEDULE = .*$", "SCHEDULE = [2, 2]", source, flags=re.M)
    assert count == 1
    script.write_text(shortened)
    command = [sys.executable, script.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "completed" in done.stdout
    assert sorted(os.listdir(tmp_path)) == [script.name, "kanml-checkpointed-training.png"]
