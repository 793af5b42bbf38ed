"""Regressions over samples in blocks: the losses of those in memory."""

from __future__ import annotations

import json

import numpy as np
import pytest
from data_in_blocks import IN_BLOCKS, SIZES, Table, close, in_blocks, in_memory
from data_losses import WEIGHTS, N, X, network

import kanml
from helpers import same_bits
from kanml.parallel import in_threads

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
