"""The searches for faults in tools/stress, in a short form, and that they find faults."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "tools" / "stress"


def run(name, *arguments):
    command = [sys.executable, str(FOLDER / f"{name}.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(("name", "number"), {"tracer": 200, "disk_full": 8}.items())
def test_nothing_is_found(name, number):
    """What the other searches look for has tests elsewhere, which docs/guarantees.md names."""
    done = run(name, str(number))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.splitlines()[-1].endswith(" 0 failed")


CASES = """
import sys, time
import search

def case(rng):
    if rng.integers(10) == 0:
        raise ValueError("a fault")
    return "fine"

found = search.Search(search.parser("").parse_args(), limit=0.5)
found.run("any", case, 40)
found.run("slow", lambda rng: str(time.sleep({})), 1)
sys.exit(found.end())
"""


def searched(tmp_path, seconds, *arguments):
    script = tmp_path / "script.py"
    script.write_text(CASES.format(seconds))
    command = [sys.executable, str(script), *arguments]
    environment = {"PYTHONPATH": str(FOLDER)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_a_fault_fails_and_can_be_repeated(tmp_path):
    done = searched(tmp_path, 0, "--seed", "1")
    assert done.returncode == 1
    again = [line for line in done.stderr.splitlines() if line.startswith("to repeat it: ")]
    assert 1 <= len(again) < 10
    assert done.stdout.splitlines()[-1].endswith(f" {len(again)} failed")
    for line in again:
        name = line.rpartition("--case ")[2].strip("'")
        alone = searched(tmp_path, 0, "--seed", "1", "--case", name)
        assert alone.returncode == 1
        assert alone.stdout.splitlines()[-1].startswith("1 cases")


def test_a_case_that_hangs_ends_the_search(tmp_path):
    done = searched(tmp_path, 60, "--seed", "1")
    assert done.returncode == 3
    assert "'slow 0' hangs" in done.stderr


def test_ctrl_c_ends_with_the_figures_so_far(tmp_path):
    """Also in a training, which returns a result of its own after a Ctrl-C of Python's."""
    script = tmp_path / "script.py"
    script.write_text("""
import signal, sys
import numpy as np
import kanml, search

found = search.Search(search.parser("").parse_args())
x = np.zeros((4, 1))
def train(step):
    stop = lambda state: signal.raise_signal(signal.SIGINT) if state.step == step else None
    kanml.train(kanml.KAN([1, 1]), kanml.Regression(x, x), [3], callbacks=[stop], progress=False)
    return "fine"
steps = iter([9, 9, 2])
found.run("any", lambda rng: train(next(steps)), 40)
sys.exit(found.end())
""")
    environment = {**os.environ, "PYTHONPATH": str(FOLDER)}
    command = [sys.executable, str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "")
    first, last = done.stdout.splitlines()
    assert first.startswith("any: 2 fine, ")
    assert last.startswith("2 cases in ")
    assert last.endswith(" 0 failed")


@pytest.mark.parametrize("name", ["nonsense", "any", "any x", "any -1", "other 3"])
def test_a_case_that_is_not_there(name, tmp_path):
    done = searched(tmp_path, 0, "--case", name)
    assert done.returncode == 1
    assert done.stderr == f"no case {name!r}, expected one such as 'any 0'\n"


@pytest.mark.parametrize("number", ["-1", "1.5", "x", ""])
def test_bad_numbers(number, tmp_path):
    done = searched(tmp_path, 0, "--seed", number)
    assert done.returncode == 2
    assert f"expected a whole number, 0 or more, got {number!r}" in done.stderr


def test_growing_memory_is_found(monkeypatch):
    """A hundredth is allowed: steps at first, but not one in each round."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import soak

    steps = [100] * 10 + [150] * 30
    assert soak.growth(steps) == 0.0 <= soak.GROWTH
    assert soak.growth([1000 + i for i in range(40)]) > soak.GROWTH
