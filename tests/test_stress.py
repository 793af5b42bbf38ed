"""The searches for faults in tools/stress, in a short form, and that they find faults."""

from __future__ import annotations

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


def test_growing_memory_is_found(monkeypatch):
    """A hundredth is allowed: steps at first, but not one in each round."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import soak

    steps = [100] * 10 + [150] * 30
    assert soak.growth(steps) == 0.0 <= soak.GROWTH
    assert soak.growth([1000 + i for i in range(40)]) > soak.GROWTH
