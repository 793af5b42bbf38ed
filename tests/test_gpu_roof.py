"""bench/gpu_roof.py counts what block programs do when they run."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A line of tests/cpp/block_counts.cpp, which runs the programs: a name and four numbers.
COUNTED = re.compile(r'require\("(\w+)".*\{(\d+), (\d+), (\d+), (\d+)\}\);')


@pytest.fixture(scope="module")
def roof():
    path = ROOT / "bench" / "gpu_roof.py"
    spec = importlib.util.spec_from_file_location("gpu_roof", path)
    module = sys.modules["gpu_roof"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["gpu_roof"]


@pytest.fixture(scope="module")
def counted():
    text = (ROOT / "tests" / "cpp" / "block_counts.cpp").read_text()
    return {name: tuple(map(int, numbers)) for name, *numbers in COUNTED.findall(text)}


@pytest.mark.parametrize("name", ["values", "derivatives", "loss", "rows"])
def test_counts_are_those_of_programs_that_ran(name, roof, counted):
    job = roof.Job(
        (2, 5, 3),
        degree=3,
        intervals=3,
        orders=() if name == "values" else (1, 2),
        samples=30,
        formula=roof.Formula(3, 1, (2, 2), 1, 3, 6) if name in ("loss", "rows") else None,
        rows=name == "rows",
        given_team=(15, 2),
        given_room=36,  # of an input of the first layer, and of two of the second
    )
    operations, *of_memory = counted[name]
    found = roof.counts(job, roof.CARDS["H100"])
    assert [found.read, found.written, roof.shared_bytes(job)] == of_memory
    if operations > 0:  # those of terms are not counted
        assert found.flops == pytest.approx(operations, rel=1e-12)


@pytest.mark.parametrize(
    "arguments",
    [["--samples", "9"], ["--widths", "2"], ["--widths", "0", "3"],
     ["--widths", "2", "3", "--intervals", "0"]],
)  # fmt: skip
def test_refused_arguments(arguments, roof, monkeypatch):
    monkeypatch.setattr("sys.argv", ["gpu_roof.py", *arguments])
    with pytest.raises(SystemExit, match="2"):
        roof.main()


def test_bytes_of_coefficients_of_a_layer_by_hand(roof):
    """A sample reads 4 coefficients of each of 6 splines, forwards and back."""
    job = roof.Job((2, 3), degree=3, intervals=5, samples=64, size=8, given_team=(64, 1))
    found = roof.counts(dataclasses.replace(job, given_room=0), roof.CARDS["H100"])
    assert found.gathered == 2 * 64 * 6 * 4 * 8
    in_shared_memory = roof.counts(job, roof.CARDS["H100"])
    assert job.room == 2 * 8 * 3
    assert in_shared_memory.gathered == 2 * 2 * 8 * 3 * 8  # all of them, twice
    assert in_shared_memory.read == found.read + found.gathered
    assert in_shared_memory.written == found.written + in_shared_memory.gathered
    assert found.sums == 2 * 6 * (5 + 3) * 8  # the gradient of one tile, read and written


def test_memory_of_a_jacobian_by_hand(roof):
    """Inputs, parameters, and rows of 42 numbers with their value."""
    formula = roof.Formula(1, 0, (), 1, 1, 1)
    job = roof.Job((2, 3), intervals=4, samples=100, size=8, formula=formula, rows=True)
    assert job.parameters == 42
    expected = 100 * 2 * 8 + 42 * 8 + 100 * 43 * 8
    assert roof.device_memory(job, roof.CARDS["H100"]) == expected


def test_the_slowest_resource_is_the_roof(roof):
    """With 2 tiles, 2 multiprocessors are busy; the memory of the device is that of all."""
    job = roof.Job((4, 4), samples=64)
    card = roof.Card("slow", float32=1e9, float64=1e9, memory=1e6, multiprocessors=4, clock=1e6)
    of = roof.counts(job, card)
    assert roof.roofs(job, card) == {
        "arithmetic": of.flops / 0.5e9,
        "device memory": of.memory / 1e6,
        "shared memory": (of.read + of.written) / (128 * 2e6),
        "lines of L1": of.lines / 2e6,
    }


def test_the_team_is_that_of_the_executor(roof):
    """Four outputs for each group, at most eight groups; fewer samples if a tile does not fit."""
    assert roof.Job((2, 8, 8, 1)).team == (32, 2)
    assert roof.Job((64, 64)).team == (32, 8)
    wide = roof.Job((1024, 1024), size=8)
    samples, groups = wide.team
    twice = dataclasses.replace(wide, given_team=(2 * samples, groups))
    assert roof.shared_bytes(wide) <= roof.SHARED < roof.tile_bytes(twice)
    assert wide.room == 0  # a row of 8 + 3 functions and 1025 numbers is more than a quarter


@pytest.mark.parametrize(
    ("room", "inputs"), [(0, 0), (32, 0), (33, 1), (65, 1), (131, 2), (132, 4), (296, 8), (297, 9)]
)
def test_inputs_whose_coefficients_fit(room, inputs, roof):
    """11 functions of 3 numbers each; more than two inputs are whole groups."""
    job = roof.Job((9, 2), given_team=(8, 2))
    assert roof.inputs_at_once(job, 9, 2, room) == inputs
