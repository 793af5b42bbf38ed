"""Communicators: shares, streams of random numbers, agreement; and MPI where it is missing."""

from __future__ import annotations

import pickle
import sys

import mpi_cases
import numpy as np
import pytest

import kanml
from kanml.parallel import ALONE, Communicator, ProcessError, in_threads
from kanml.training.agreement import require_same
from kanml.training.run import Run


def test_an_error_without_mpi4py_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ModuleNotFoundError, match=r"python -m pip install 'kanml\[mpi\]'"):
        kanml.MPI()


class Drifting(Communicator):
    """One whose sums are another number in the last process, after some exchanges."""

    def __init__(self, inner):
        self.inner, self.rank, self.size = inner, inner.rank, inner.size
        self.left = 40

    def gathered(self, array):
        return self.inner.gathered(array)

    def total(self, array):
        self.left -= 1
        result = self.inner.total(array)
        last = self.rank == self.size - 1
        return np.nextafter(result, np.inf) if last and self.left < 0 else result


def test_processes_whose_parameters_drift_apart_are_told_so():
    def train(communicator):
        with pytest.raises(ProcessError) as caught:
            mpi_cases.fit(Drifting(communicator), schedule=[100])
        return str(caught.value)

    first, second, third = in_threads(3, train)
    assert first == second == third
    step = int(first.split()[2])
    assert first.startswith(f"after step {step} processes have different parameters: those of ")
    assert "process 2 are not those of process 0" in first
    assert 10 < step < 40


def test_shares_of_memory_maps_are_read_in_blocks(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(14.0).reshape(7, 2))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    parts = in_threads(3, lambda communicator: communicator.share(x))
    assert all(isinstance(part, np.memmap) for part in parts)
    assert [part[:, 0].tolist() for part in parts] == [[0, 6, 12], [2, 8], [4, 10]]
    assert isinstance(kanml.Regression(parts[1], parts[1]).x, kanml.Blocks)


def test_shares_are_all_rows():
    x, y = np.arange(14).reshape(7, 2), np.arange(7)
    parts = in_threads(3, lambda communicator: communicator.share(x, y))
    assert [len(part) for part, _ in parts] == [3, 2, 2]
    for part, values in parts:
        np.testing.assert_array_equal(part[:, 0], 2 * values)
    assert sorted(np.concatenate([values for _, values in parts])) == list(y)
    assert ALONE.share(y).tolist() == y.tolist()
    two = in_threads(2, lambda communicator: communicator)[0]
    for arrays, said in [
        ((), "same number of rows, got shapes"),
        ((x, y[1:]), r"same number of rows, got shapes \[\(7, 2\), \(6,\)\]"),
        ((x[:1],), "1 rows are too few for 2 processes"),
        ((3.0,), "same number of rows"),
    ]:
        with pytest.raises(ValueError, match=said):
            two.share(*arrays)


def test_each_process_draws_points_and_batches_of_its_own():
    def drawn(communicator):
        sampler = kanml.Sampler([0, -1], [1, 1], 6, "uniform", every=1)
        points = mpi_cases.POINTS
        terms = [
            kanml.Term("drawn", sampler, lambda u: u.t),
            kanml.Term("some", points, lambda u: u.x, batch_size=5),
        ]
        problem = kanml.PINN("tx", terms)
        table = kanml.Regression(mpi_cases.X, mpi_cases.Y, batch_size=20)
        if communicator is not None:
            problem, table = (one.distributed(communicator) for one in (problem, table))
        seen = []
        for _ in range(3):
            state = problem.state()
            stage = problem._at_points.stages[0]
            seen += [stage.samples.points, state["some"]["points"]["order"], table.state()["order"]]
            problem.advance(mpi_cases.NET)
            table.advance(mpi_cases.NET)
        again = pickle.loads(pickle.dumps(problem))
        np.testing.assert_array_equal(
            again._at_points.stages[0].samples.points, problem._at_points.stages[0].samples.points
        )
        seen.append(problem.distributed(communicator or ALONE)._at_points.stages[0].samples.points)
        return seen

    by_rank = in_threads(3, drawn)
    for one, other in zip(by_rank[0], drawn(None), strict=True):
        np.testing.assert_array_equal(one, other)
    for i in range(len(by_rank[0])):
        for one, other in ((0, 1), (0, 2), (1, 2)):
            assert not np.array_equal(by_rank[one][i], by_rank[other][i])
    draws = [points.tobytes() for seen in by_rank for points in seen[:9:3]]
    fresh = [kanml.Sampler([0, -1], [1, 1], 6).fresh(rank).tobytes() for rank in range(3)]
    assert len({*draws, *fresh}) == 12


def test_a_message_shows_where_processes_differ():
    """Descriptions of networks are long, and may differ at their ends."""
    long = "a" * 1000
    cases = [
        (("short", "other"), "it is other and short"),
        ((f"{long}b{long}", f"{long}c{long}"), "aac"),
        ((long, f"{long}d"), "aad"),
    ]
    for texts, expected in cases:

        def compare(communicator, texts=texts):
            require_same(communicator, {"it": texts[communicator.rank]})

        with pytest.raises(ValueError, match="must call train with the same") as raised:
            in_threads(2, compare)
        assert expected in str(raised.value)
        theirs, first = str(raised.value).split(": it is ")[1].split(" and ")
        assert theirs != first


def test_other_parameters_are_named():
    x = np.linspace(-1, 1, 20)[:, None]

    def train(communicator):
        net = kanml.KAN([1, 1], seed=communicator.rank)
        return kanml.train(
            net, kanml.Regression(x, x), [1], communicator=communicator, progress=False
        )

    with pytest.raises(ValueError, match="the digest of the parameters is"):
        in_threads(2, train)


def test_ctrl_c_after_the_others_were_asked(monkeypatch):
    """All hear of it before the next evaluation: none ends alone."""
    x = np.linspace(-1, 1, 20)[:, None]
    original = Run.of_all_processes

    def asked(run, *wanted):
        answers = original(run, *wanted)
        if run.settings.communicator.rank == 0 and run.moment.state.step == 3:
            run.ctrl_c.noted = True
        return answers

    monkeypatch.setattr(Run, "of_all_processes", asked)

    def train(communicator):
        problem = kanml.Regression(*communicator.share(x, x**2))
        net = kanml.KAN([1, 1], seed=0)
        return kanml.train(net, problem, [9], communicator=communicator, progress=False)

    for result in in_threads(2, train):
        assert result.status == "interrupted"
        assert result.history.step[-1] == 3
