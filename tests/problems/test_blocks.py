"""Regressions over samples in blocks: the losses of those in memory, and little memory."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import threading
import tracemalloc

import numpy as np
import pytest
from data_losses import CASES, WEIGHTS, N, X, network

import kanml
from helpers import relative_error, same_bits
from kanml.parallel import in_threads

SIZES = [(60, 1, 64, 25), (150,), (32,) * 4 + (22,)]
IN_BLOCKS = {name: case for name, case in CASES.items() if name != "own with an array"}


class Table:
    """Rows in blocks of any sizes, and what was read."""

    def __init__(self, array, sizes):
        self.array = np.asarray(array, dtype=np.float64).reshape(len(array), -1)
        self.shape, self.sizes = self.array.shape, sizes
        self.read, self.threads = [], set()

    def block(self, i):
        self.read.append(i)
        self.threads.add(threading.get_ident())
        start = sum(self.sizes[:i])
        return self.array[start : start + self.sizes[i]]


def in_blocks(case, sizes, weighted=False, **options):
    weight = Table(WEIGHTS, sizes) if weighted else None
    x, y = Table(X, sizes), Table(case.y, sizes)
    return kanml.Regression(x, y, loss=case.loss, sample_weight=weight, **options)


def in_memory(case, weighted=False, **options):
    return case.problem(sample_weight=WEIGHTS if weighted else None, **options)


def close(found, expected, tolerance=1e-13):
    return relative_error(found, expected) <= tolerance


# The values of samples in memory


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sizes", SIZES, ids=len)
@pytest.mark.parametrize("name", IN_BLOCKS)
def test_loss_and_gradient(name, sizes, weighted, dtype):
    case = IN_BLOCKS[name]
    net, tolerance = network(case.n_out, dtype), 1e-13 if dtype == "float64" else 1e-6
    loss, gradient = in_memory(case, weighted).value_and_gradient(net)
    value, slope = in_blocks(case, sizes, weighted).value_and_gradient(net)
    assert slope.dtype == net.dtype
    assert value == pytest.approx(loss, rel=tolerance)
    assert close(slope, gradient, tolerance)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["squared", "huber", "softmax", "poisson"])
def test_rows(name, weighted):
    case = IN_BLOCKS[name]
    net = network(case.n_out)
    expected = in_memory(case, weighted, penalty=kanml.Smoothness(1e-3))
    found = in_blocks(case, SIZES[0], weighted, penalty=kanml.Smoothness(1e-3))
    assert found.n_rows(net) == expected.n_rows(net)
    assert close(found.residuals(net), expected.residuals(net))
    assert close(found.jacobian(net), expected.jacobian(net))
    v = np.random.default_rng(0).normal(size=net.n_parameters)
    assert close(found.jvp(net, v), expected.jvp(net, v))
    u = np.random.default_rng(1).normal(size=expected.n_rows(net))
    assert close(found.vjp(net, u), expected.vjp(net, u))
    triangle = found.evaluation(net, want="least_squares").triangle
    jacobian = expected.jacobian(net)
    assert triangle.rows == expected.n_rows(net)
    assert close(triangle.R.T @ triangle.R, jacobian.T @ jacobian)
    assert close(triangle.gradient, 2 * jacobian.T @ expected.residuals(net))


@pytest.mark.parametrize("want", ["value", "gradient", "least_squares"])
def test_one_block_has_the_bits_of_arrays(want):
    case = IN_BLOCKS["huber"]
    net = network(case.n_out)
    expected = in_memory(case, True).evaluation(net, want=want)
    found = in_blocks(case, (N,), True).evaluation(net, want=want)
    assert found.value == expected.value
    for name in ("gradient",) if want == "gradient" else ():
        assert same_bits(getattr(found, name), getattr(expected, name))
    if want == "least_squares":
        assert same_bits(found.triangle.matrix, expected.triangle.matrix)


def test_the_bits_do_not_depend_on_threads_and_repetition():
    case = IN_BLOCKS["poisson"]
    net = network(case.n_out)
    problem = in_blocks(case, SIZES[0])
    first = problem.evaluation(net, num_threads=1)
    for threads in (1, 2, 3):
        found = problem.evaluation(net, num_threads=threads)
        assert found.value == first.value
        assert same_bits(found.gradient, first.gradient)


def test_fresh_loss_and_excerpts():
    case = IN_BLOCKS["squared"]
    net = network(case.n_out)
    expected, found = in_memory(case, True), in_blocks(case, SIZES[0], True)
    for whole, streamed in zip(
        vars(expected.fresh_loss(net)).values(), vars(found.fresh_loss(net)).values(), strict=True
    ):
        assert streamed == pytest.approx(whole, rel=1e-12)
    for samples in (1, 40, N, 1000):
        (part, cost), (other, same_cost) = expected.excerpt(samples), found.excerpt(samples)
        assert cost == same_cost
        assert other.evaluation(net).value == pytest.approx(part.evaluation(net).value, rel=1e-12)


# Training


@pytest.mark.parametrize(
    "optimizer",
    [
        kanml.Adam(1e-2),
        kanml.LBFGS(),
        kanml.SSBroyden(),
        kanml.LevenbergMarquardt(),
        kanml.LevenbergMarquardt(largest_triangle=0),
        kanml.VariableProjection(),
    ],
    ids=repr,
)
def test_training(optimizer):
    """The first steps are those of samples in memory; rounding grows later."""
    case = IN_BLOCKS["squared"]
    net = kanml.KAN([2, 3, 2], intervals=2, seed=0)
    runs = [
        kanml.train(net, problem, [4, 4], optimizer, progress=False)
        for problem in (in_memory(case, True), in_blocks(case, SIZES[0], True))
    ]
    losses = [run.history.loss for run in runs]
    np.testing.assert_allclose(losses[1][:4], losses[0][:4], rtol=1e-7)
    assert losses[1][-1] < losses[1][0]


def test_processes_with_blocks_of_different_sizes():
    case = IN_BLOCKS["squared"]
    net = network(case.n_out)
    expected = in_memory(case, True).evaluation(net, want="least_squares")
    cuts = {0: slice(0, 61), 1: slice(61, N)}

    def evaluate(communicator):
        part = cuts[communicator.rank]
        sizes = [(60, 1), (64, 25)][communicator.rank]
        tables = [Table(array[part], sizes) for array in (X, case.y, WEIGHTS)]
        problem = kanml.Regression(*tables[:2], sample_weight=tables[2])
        return problem.distributed(communicator).evaluation(net, want="least_squares")

    for found in in_threads(2, evaluate):
        assert found.value == pytest.approx(expected.value, rel=1e-12)
        assert close(found.gradient, expected.gradient, 1e-12)
        assert close(found.triangle.gradient, expected.triangle.gradient, 1e-12)


def test_processes_with_and_without_weights():
    """A process without weights has the weight 1 for each sample."""
    case = IN_BLOCKS["squared"]
    net = network(case.n_out)
    weights = np.concatenate([np.ones(61), WEIGHTS[61:]])
    expected = case.problem(sample_weight=weights).evaluation(net)
    parts = [slice(0, 61), slice(61, N)]

    def evaluate(communicator):
        part = parts[communicator.rank]
        tables = [
            Table(a[part], [(61,), (64, 25)][communicator.rank]) for a in (X, case.y, weights)
        ]
        weight = tables[2] if communicator.rank else None
        problem = kanml.Regression(*tables[:2], sample_weight=weight)
        return problem.distributed(communicator).evaluation(net)

    for found in in_threads(2, evaluate):
        assert found.value == pytest.approx(expected.value, rel=1e-12)
        assert close(found.gradient, expected.gradient, 1e-12)


# Reading


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


def test_a_layer_that_refuses_names_the_block():
    net = kanml.KAN([2, 2], domain=(-1, 1), extrapolation="error")
    x = 0.9 * X / abs(X).max()
    x[70] = 3.0
    problem = kanml.Regression(Table(x, SIZES[0]), Table(x, SIZES[0]))
    with pytest.raises(ValueError, match=r"samples from 61 on: layer 0 refuses .* at sample 9"):
        problem.evaluation(net)


# Minibatches


@pytest.mark.parametrize("size", [1, 25, 40, 70, 149])
@pytest.mark.parametrize("sizes", SIZES, ids=len)
def test_an_epoch_visits_each_sample_once(sizes, size):
    numbers = np.arange(float(N))[:, None]
    problem = kanml.Regression(
        Table(numbers, sizes), Table(numbers, sizes), batch_size=size, seed=3
    )
    net = kanml.Network([kanml.Linear(1, 1)]).with_parameters([0.0, 0.0])
    epochs = []
    for _ in range(2):
        seen = []
        for _ in range(N // size):
            assert problem.n_rows(net) == size
            residuals = problem.residuals(net) * np.sqrt(size)  # net - number
            seen += np.rint(-residuals).astype(int).tolist()
            assert problem.advance(net)
        assert len(set(seen)) == len(seen) == N // size * size
        epochs.append(seen)
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize("size", [7, 70])
def test_a_state_continues_the_sequence(size):
    case = IN_BLOCKS["softmax"]
    net = network(case.n_out)
    problem = in_blocks(case, SIZES[0], True, batch_size=size, seed=1)
    for step in range(N // size + 3):
        other = in_blocks(case, SIZES[0], True, batch_size=size, seed=9)
        other.restore(json.loads(json.dumps(problem.state())))
        found, expected = other.evaluation(net), problem.evaluation(net)
        assert found.value == expected.value, step
        assert same_bits(found.gradient, expected.gradient)
        problem.advance(net)


@pytest.mark.parametrize(
    ("name", "value"),
    [("order", [0, 1, 2, 2]), ("key", -1), ("position", 3), ("position", 147), ("generator", {})],
)
def test_a_state_that_does_not_fit_changes_nothing(name, value):
    case = IN_BLOCKS["squared"]
    problem = in_blocks(case, SIZES[0], batch_size=7)
    before = problem.state()
    with pytest.raises(ValueError, match="the state of a Regression does not fit"):
        problem.restore({**before, name: value})
    assert problem.state() == before


@pytest.mark.parametrize(
    ("optimizer", "batch_size", "schedule"),
    [
        (kanml.Adam(1e-2), 40, [6, 6]),
        (kanml.Adam(1e-2), N, [6, 6]),
        (kanml.LBFGS(), None, [6, 6]),
        (kanml.LevenbergMarquardt(), None, "auto"),
    ],
    ids=repr,
)
def test_a_checkpoint_continues_bit_for_bit(optimizer, batch_size, schedule, tmp_path):
    case = IN_BLOCKS["squared"]
    net = network(case.n_out)
    file = tmp_path / "run.checkpoint"

    def train(x=X, stop=None, **options):
        problem = kanml.Regression(
            Table(x, SIZES[0]), Table(case.y, SIZES[0]), batch_size=batch_size, seed=2
        )
        callbacks = [kanml.Checkpoint(file, every=1), lambda state: state.step == stop]
        return kanml.train(
            net, problem, schedule, optimizer, callbacks=callbacks, progress=False, **options
        )

    whole = train()
    train(stop=8)
    continued = train(resume=file)
    assert same_bits(continued.network.parameters, whole.network.parameters)
    with pytest.raises(ValueError, match="belongs to another"):
        train(X + 1e-9, resume=file)


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
