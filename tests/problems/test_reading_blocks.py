"""How blocks are read: little memory, threads, processes that fork, faults."""

from __future__ import annotations

import gc
import multiprocessing
import pickle
import threading
import time
import tracemalloc
import weakref

import numpy as np
import pytest
from data_in_blocks import IN_BLOCKS, SIZES, Table, in_blocks
from data_losses import X, network

import kanml


def test_blocks_are_read_once_an_evaluation_in_their_order():
    x, y = Table(X, SIZES[0]), Table(X, SIZES[0])
    problem = kanml.Regression(x, y)
    assert x.read == y.read == []
    net = network(2)
    for want in ("value", "gradient"):
        x.read.clear()
        problem.evaluation(net, want=want)
        assert x.read == [0, 1, 2, 3]
    assert len(x.threads) >= 1
    assert threading.get_ident() not in x.threads


@pytest.mark.parametrize("options", [{}, {"batch_size": 5}], ids=repr)
def test_a_problem_is_freed_with_its_last_reference(options):
    """With the blocks that it keeps: nothing waits for a collection of garbage."""
    problem = kanml.Regression(Table(X, SIZES[0]), Table(X, SIZES[0]), **options)
    problem.evaluation(network(2))
    gone = weakref.ref(problem), weakref.ref(problem.x), weakref.ref(problem._data)
    del problem
    gc.disable()
    try:
        end = time.monotonic() + 10  # a thread may still be reading ahead
        while time.monotonic() < end and any(of() is not None for of in gone):
            time.sleep(0.01)
    finally:
        gc.enable()
    assert [of() for of in gone] == [None, None, None]


def test_memory_is_that_of_a_few_blocks(tmp_path):
    n = 2**18
    rng = np.random.default_rng(0)
    for name, columns in (("x", 6), ("y", 2)):
        np.save(tmp_path / f"{name}.npy", rng.normal(size=(n, columns)).astype(np.float32))
    x, y = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "xy")
    block = 8 * 4096 * (6 + 2)
    problem = kanml.Regression(kanml.RowBlocks(x, rows=4096), y)
    net = kanml.KAN([6, 1, 2], intervals=2, seed=0)
    tracemalloc.start()
    try:
        problem.evaluation(net)
        problem.fingerprint()
        problem.excerpt(1000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * block  # all samples are 64


def epoch(problem):
    for _ in range(len(X) // 25):
        problem.evaluation(network(2))
        problem.advance(network(2))


@pytest.mark.parametrize("batch_size", [None, 40])
def test_a_class_may_fill_one_array_again(batch_size):
    """It is filled with the next block while the present one is in use."""

    class Buffer(Table):
        def __init__(self, array, sizes):
            super().__init__(array, sizes)
            self.buffer = np.empty((max(sizes), self.shape[1]))

        def block(self, i):
            rows = super().block(i)
            self.buffer[: len(rows)] = rows
            return self.buffer[: len(rows)]

    net = network(2)
    expected, found = (
        kanml.Regression(kind(X, SIZES[0]), kind(X, SIZES[0]), batch_size=batch_size, seed=1)
        for kind in (Table, Buffer)
    )
    for _ in range(6):
        assert found.evaluation(net).value == expected.evaluation(net).value
        found.advance(net)
        expected.advance(net)


def test_an_error_of_a_block_is_raised():
    class Broken(Table):
        def block(self, i):
            if i == 2:
                raise OSError("the disk is gone")
            return super().block(i)

    problem = kanml.Regression(Broken(X, SIZES[0]), Table(X, SIZES[0]))
    for _ in range(2):
        with pytest.raises(OSError, match="the disk is gone"):
            problem.evaluation(network(2))
    batches = kanml.Regression(Broken(X, SIZES[0]), Table(X, SIZES[0]), batch_size=25)
    with pytest.raises(OSError, match="the disk is gone"):
        epoch(batches)


@pytest.mark.parametrize("sizes", SIZES, ids=len)
def test_no_error_of_a_block_ends_the_samples(sizes):
    class Ended(Table):
        def block(self, i):
            return next(iter([]))

    problem = kanml.Regression(Ended(X, sizes), Table(X, sizes))
    with pytest.raises(RuntimeError, match="StopIteration"):
        problem.fingerprint()


def test_a_layer_that_refuses_names_the_block():
    net = kanml.KAN([2, 2], domain=(-1, 1), extrapolation="error")
    x = 0.9 * X / abs(X).max()
    x[70] = 3.0
    problem = kanml.Regression(Table(x, SIZES[0]), Table(x, SIZES[0]))
    with pytest.raises(ValueError, match=r"samples from 61 on: layer 0 refuses .* at sample 9"):
        problem.evaluation(net)


def test_a_batch_reads_one_block_at_a_time():
    class Watched(Table):
        present, most = 0, 0

        def block(self, i):
            self.present += 1
            self.most = max(self.most, self.present)
            time.sleep(0.001)
            self.present -= 1
            return super().block(i)

    table = Watched(X, (3,) * 50)
    problem = kanml.Regression(table, Table(X, (3,) * 50), batch_size=60)
    for _ in range(4):
        problem.evaluation(network(2))
        problem.advance(network(2))
    assert table.most == 1


def test_a_block_that_could_not_be_read_is_tried_again():
    class Offline(Table):
        fails = True

        def block(self, i):
            if self.fails:
                time.sleep(0.01)
                raise OSError("the network is down")
            return super().block(i)

    table = Offline(X, SIZES[0])
    problem = kanml.Regression(table, Table(X, SIZES[0]), batch_size=70)
    with pytest.raises(OSError, match="the network is down"):
        problem.evaluation(network(2))
    table.fails = False
    expected = kanml.Regression(Table(X, SIZES[0]), Table(X, SIZES[0]), batch_size=70)
    assert problem.evaluation(network(2)).value == expected.evaluation(network(2)).value


# Threads and processes


def evaluate_in_child(problem, net, queue):
    queue.put(problem.evaluation(net).value)


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="needs processes that fork"
)
@pytest.mark.parametrize("batch_size", [None, 40])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_evaluates(batch_size):
    case = IN_BLOCKS["squared"]
    net = network(case.n_out)
    problem = in_blocks(case, SIZES[0], batch_size=batch_size)
    expected = problem.evaluation(net).value
    problem.advance(net)
    problem.evaluation(net)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    fresh = in_blocks(case, SIZES[0], batch_size=batch_size)
    fresh._data, fresh._batches = problem._data, fresh._batches
    child = context.Process(target=evaluate_in_child, args=(fresh, net, queue))
    child.start()
    assert queue.get(timeout=60) == expected
    child.join(60)


def test_threads_share_a_problem():
    case = IN_BLOCKS["squared"]
    net = network(case.n_out)
    problem = in_blocks(case, SIZES[0], batch_size=40)
    batches, expected = [], []
    for _ in range(6):
        batches.append(kanml.Problem.__copy__(problem))
        expected.append(problem.evaluation(net).value)
        problem.advance(net)
    found = [None] * 6

    def run(k):
        found[k] = [batches[k].evaluation(net).value for _ in range(5)]

    threads = [threading.Thread(target=run, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[value] * 5 for value in expected]


def test_pickles():
    case = IN_BLOCKS["squared"]
    net = network(case.n_out)
    x, y = kanml.RowBlocks(X, rows=40), kanml.RowBlocks(case.y)
    for batch_size in (None, 30):
        problem = kanml.Regression(x, y, batch_size=batch_size)
        problem.evaluation(net)
        again = pickle.loads(pickle.dumps(problem))
        assert again.fingerprint() == problem.fingerprint()
        assert again.evaluation(net).value == problem.evaluation(net).value
