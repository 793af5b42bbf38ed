"""Training by several processes of MPI, which `mpiexec` starts on this machine."""

from __future__ import annotations

import functools
import pickle
import tempfile
from pathlib import Path

import mpi_cases
import numpy as np
import pytest
from mpi_cases import CASES, FULL, PROGRAM
from mpiexec import ended, needs_mpi, start

import kanml
from helpers import same_bits
from kanml.parallel import in_threads

pytestmark = needs_mpi
SIZES = [1, 2, 3, 4]


@functools.cache
def alone(name):
    """The results of a case without a communicator."""
    with tempfile.TemporaryDirectory() as folder:
        return PROGRAM[name](None, Path(folder))


# What all do together


@pytest.fixture(scope="module", params=SIZES)
def together(request, tmp_path_factory):
    """The results of all cases by rank, the folder of their files, and what they wrote."""
    folder = tmp_path_factory.mktemp(f"{request.param}-processes")
    status, out, err = ended(start(request.param, mpi_cases.__file__, folder))
    assert status == 0, err
    files = [folder / f"{rank}.results" for rank in range(request.param)]
    return [pickle.loads(file.read_bytes()) for file in files], folder, (out, err)


def same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, np.ndarray):
            assert same_bits(value, other[name]), name
        else:
            assert value == other[name], name


@pytest.mark.parametrize("name", CASES)
def test_bits_are_those_of_threads_that_train_together(together, name, tmp_path):
    results, *_ = together
    expected = in_threads(len(results), lambda communicator: CASES[name](communicator, tmp_path))
    for got, wanted in zip(results, expected, strict=True):
        same(got[name], wanted)


def test_all_processes_have_the_same_bits(together):
    results, *_ = together
    for name in [*PROGRAM]:
        for other in results[1:]:
            shared = [{k: v for k, v in r[name].items() if k != "own"} for r in (results[0], other)]
            same(*shared)


@pytest.mark.parametrize("name", [*FULL, "minibatches", "stopped"])
def test_one_process_has_the_bits_of_none(together, name):
    results, *_ = together
    if len(results) == 1:
        same(results[0][name], alone(name))


@pytest.mark.parametrize("name", FULL)
def test_losses_are_those_of_all_samples(together, name):
    (first, *_), *_ = together
    expected = alone(name)
    assert first[name]["tries"] == (2 if name == "tries" else 0)
    steps = min(len(expected["loss"]), len(first[name]["loss"]), 6)  # later, rounding has grown
    np.testing.assert_allclose(first[name]["loss"][:steps], expected["loss"][:steps], rtol=1e-6)


def test_the_first_process_writes_and_shows(together):
    results, folder, (out, err) = together
    calls, header, *rows = results[0]["logged"]["own"]
    assert header[:2] == ["step", "level"]
    assert [row[0] for row in rows] == ["0", "2", "4", "6"]
    assert calls == 4
    for other in results[1:]:
        assert other["logged"]["own"] == [0, header, *rows]
    assert out.count("log of a run step 6") == 1
    assert err.count("100%") == 1
    assert err.count("UserWarning: level 0 of the schedule has 54 parameters") == 1
    written = {path.name for path in folder.iterdir() if path.suffix != ".results"}
    assert written == {"run.csv", "fit.checkpoint", "solve.checkpoint"}


def test_what_fails_in_one_process_ends_the_run_in_all(together):
    results, *_ = together
    for rank, result in enumerate(results if len(results) > 1 else []):
        schedule, checkpoints, failed, argument, missing = result["refusals"]["own"]
        naming_both = "those of process 1 are not those of process 0"
        assert schedule == (
            "ValueError: all processes must call train with the same network, unknowns, schedule, "
            f"options and software: {naming_both}: schedule is (4,) and (3,)"
        )
        others = "[\"Checkpoint('FOLDER/one', every=2)\"]"
        said = f"{naming_both}: the list of Checkpoint callbacks is [] and {others}"
        assert checkpoints.endswith(said)
        if rank == 1:
            assert failed == "MemoryError: the disk is full"
        else:
            assert failed == "ProcessError: process 1 failed: MemoryError: the disk is full"
        assert (
            argument == "TypeError: validation must be a Problem, for instance a Regression, got 5"
        )
        assert missing.startswith("FileNotFoundError: ")


def test_ctrl_c_in_one_process_interrupts_all(together):
    results, *_ = together
    for result in results:
        assert result["interrupted"]["status"] == "interrupted"
        said = "interrupted from the keyboard after step 3; the network is that of step 3"
        assert result["interrupted"]["message"] == said
        assert len(result["interrupted"]["loss"]) == 4


def test_error_bars_can_be_those_of_all_samples(together):
    (first, *_), *_ = together
    expected = alone("error bars")["bars"]
    np.testing.assert_allclose(first["error bars"]["bars"], expected, rtol=1e-6)
    assert 0 < expected[0] < 0.1


# Checkpoints of other numbers of processes


def test_a_run_on_all_samples_continues_with_another_number_of_processes(together, tmp_path):
    results, folder, _ = together
    size, path = len(results), folder / "fit.checkpoint"
    for other in {2, 3} - {size}:
        several = in_threads(other, lambda communicator: mpi_cases.fit(communicator, resume=path))
        for continued in several:
            same(continued, several[0])
            losses = continued["loss"], results[0]["lbfgs"]["loss"]
            np.testing.assert_array_equal(losses[0][:6], losses[1][:6])  # those in the file
            np.testing.assert_allclose(*losses, rtol=1e-5)
    if size > 1:
        continued = mpi_cases.fit(None, resume=path)
        np.testing.assert_allclose(continued["loss"], results[0]["lbfgs"]["loss"], rtol=1e-5)


def test_other_samples_or_random_ones_need_as_many_processes(together, tmp_path):
    results, folder, _ = together
    size = len(results)
    fewer = size - 1 or 2
    path = folder / "solve.checkpoint"
    with pytest.raises(ValueError, match=f"by {size} processes, and {fewer} cannot continue"):
        in_threads(fewer, lambda communicator: mpi_cases.solve(communicator, resume=path))

    def spoilt(communicator):
        x, y = communicator.share(mpi_cases.X, 1.001 * mpi_cases.Y)
        kanml.train(
            mpi_cases.NET, kanml.Regression(x, y), [6, 2], restarts=0, communicator=communicator,
            resume=folder / "fit.checkpoint", progress=False,
        )  # fmt: skip

    with pytest.raises(ValueError, match="another number of processes; together, all must have"):
        in_threads(fewer, spoilt)
    with pytest.raises(ValueError, match="belongs to another run"):
        in_threads(size, spoilt)
