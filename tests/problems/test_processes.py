"""Losses and trainings whose samples are distributed over processes, here threads."""

import numpy as np
import pytest
from pinn_losses import START, X, network

import kanml
from kanml.parallel import ALONE, Communicator, in_threads

MU = 0.3
T = np.random.default_rng(3).uniform(-1, 1, (70, 2))
Y = np.sin(3 * T[:, :1]) * T[:, 1:]


def parts(array, size):
    return np.array_split(array, size)


def pinn(points, start, **options):
    return kanml.PINN(
        "tx",
        [
            kanml.Term("pde", points, lambda u, nu: u.t + u * u.x - nu * u.xx, 0.7, **options),
            kanml.Term("start", start, lambda u, x: u + np.sin(np.pi * x), 3.0, "sum"),
        ],
        unknowns={"nu": 0.1},
    )


def everywhere(size, function):
    """The results of all ranks of two runs, after a check that these agree to the last bit."""
    first, second = (in_threads(size, function) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    return first


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_losses_are_those_of_all_samples(size, dtype):
    net = network().astype(dtype)
    whole = pinn(X, START).evaluation(net, [0.2])

    def evaluate(communicator):
        rank = communicator.rank
        mine = pinn(parts(X, size)[rank], parts(START, size)[rank]).distributed(communicator)
        found = mine.evaluation(net, [0.2])
        assert {name: term.count for name, term in found.terms.items()} == {"pde": 20, "start": 7}
        return (
            found.value,
            found.gradient,
            [term.loss for term in found.terms.values()],
            [term.largest for term in found.terms.values()],
        )

    results = everywhere(size, evaluate)
    bound = 1e-13 if dtype == "float64" else 1e-5
    for value, gradient, losses, largest in results:
        assert value == pytest.approx(whole.value, rel=bound)
        np.testing.assert_allclose(gradient, whole.gradient, rtol=bound, atol=bound)
        np.testing.assert_allclose(losses, [t.loss for t in whole.terms.values()], rtol=bound)
        assert largest == [t.largest for t in whole.terms.values()]
        np.testing.assert_array_equal(gradient, results[0][1])


@pytest.mark.parametrize("size", [2, 3])
def test_attention_grows_by_the_largest_residual_of_all(size):
    net = network()
    whole = pinn(X, START, attention=kanml.RBA(MU))
    for _ in range(2):
        whole.advance(net, [0.2])
    expected = np.array(whole.state()["pde"]["attention"])

    def advance(communicator):
        mine = parts(X, size)[communicator.rank]
        problem = pinn(mine, START, attention=kanml.RBA(MU)).distributed(communicator)
        for _ in range(2):
            problem.advance(net, [0.2])
        return (np.array(problem.state()["pde"]["attention"]),)

    found = np.concatenate([weights for (weights,) in everywhere(size, advance)])
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    assert found.max() == 1.0
    assert found.min() < 0.6


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_regression_trains_on_the_samples_of_all(size):
    net = kanml.KAN([2, 3, 1], degree=3, intervals=3, seed=0)
    options = {"schedule": [8, 8], "restarts": 2, "progress": False}
    held_out = kanml.Regression(T[:9], Y[:9])
    alone = kanml.train(net, kanml.Regression(T, Y), validation=held_out, **options)

    def train(communicator):
        x, y = (parts(array, size)[communicator.rank] for array in (T, Y))
        validation = kanml.Regression(x[:3], y[:3])
        result = kanml.train(
            net,
            kanml.Regression(x, y),
            validation=validation if size > 1 else held_out,
            communicator=communicator,
            **options,
        )
        return result.network.parameters, result.history.loss, result.history.validation

    results = everywhere(size, train)
    for found in results:
        for a, b in zip(found, results[0], strict=True):
            np.testing.assert_array_equal(a, b)
    if size == 1:
        np.testing.assert_array_equal(results[0][0], alone.network.parameters)
        np.testing.assert_array_equal(results[0][1], alone.history.loss)


@pytest.mark.parametrize("method", ["uniform", "residual"])
def test_samplers_batches_and_attention_keep_processes_together(method):
    size, net = 2, network()

    def train(communicator):
        rank = communicator.rank
        sampler = kanml.Sampler([0, -1], [1, 1], 30, method, every=3, seed=rank)
        problem = kanml.PINN(
            "tx",
            [
                kanml.Term("pde", sampler, lambda u: u.t - u.xx, attention=kanml.RBA(MU)),
                kanml.Term("start", parts(START, size)[rank], lambda u, x: u - x, batch_size=2),
            ],
        )
        optimizer = kanml.Adam(1e-3)
        result = kanml.train(
            net, problem, [10], optimizer, communicator=communicator, progress=False
        )
        # The loss at the end is the mean over the points of both.
        net_at_end, at_end = result.network, result.problem
        mine = at_end.evaluation(net_at_end).terms  # of this process alone
        sums = communicator.total([term.sum for term in mine.values()])
        counts = communicator.total([term.count for term in mine.values()])
        assert result.history.loss[-1] == pytest.approx(np.sum(sums / counts), rel=1e-13)
        assert counts.tolist() == [60, 4]
        return net_at_end.parameters, result.history.loss

    (first, loss), (second, other) = everywhere(size, train)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(loss, other)


@pytest.mark.parametrize("unit", [1.0, 5e306])
@pytest.mark.parametrize("weighted", [(0, 1), (0,)])
def test_weights_count_between_processes_too(weighted, unit):
    net, size = kanml.KAN([2, 1], seed=0), 2
    weights = [unit * np.linspace(1, 3, 35), unit * np.linspace(10, 20, 35)]
    weights = [w if rank in weighted else np.ones(35) for rank, w in enumerate(weights)]
    whole = kanml.Regression(T, Y, sample_weight=np.concatenate(weights)).evaluation(net)

    def evaluate(communicator):
        rank = communicator.rank
        x, y = (parts(array, size)[rank] for array in (T, Y))
        given = weights[rank] if rank in weighted else None
        problem = kanml.Regression(x, y, sample_weight=given).distributed(communicator)
        alone = problem.distributed(ALONE).evaluation(net).value  # as users get it back
        own = kanml.Regression(x, y, sample_weight=given).evaluation(net).value
        assert alone == pytest.approx(own, rel=1e-13)
        found = problem.evaluation(net)
        return found.value, found.gradient

    for value, gradient in everywhere(size, evaluate):
        assert value == pytest.approx(whole.value, rel=1e-13)
        np.testing.assert_allclose(gradient, whole.gradient, rtol=1e-12, atol=1e-14)


def test_a_refusal_in_one_process_ends_all_alike():
    space = kanml.SplineSpace.uniform(0, 1, 4, 3)
    net = kanml.Network([kanml.SplineLayer(1, 1, space, extrapolation="error")], seed=0)

    def evaluate(communicator):
        x = np.full((3, 1), 0.5 + communicator.rank)  # 1.5 is outside
        problem = kanml.Regression(x, x).distributed(communicator)
        with pytest.raises(ValueError, match="domain") as caught:
            problem.evaluation(net)
        return (str(caught.value),)

    (first,), (second,) = everywhere(2, evaluate)
    assert "process 1" in first
    assert "refuses the value 1.5" in second


def test_an_error_in_one_thread_stops_the_others():
    def fail(communicator):
        if communicator.rank == 1:
            raise KeyError("mine")
        communicator.total([1.0])

    with pytest.raises(KeyError, match="mine"):
        in_threads(3, fail)


def test_a_thread_that_ends_early_stops_those_that_wait_for_it():
    with pytest.raises(RuntimeError, match="ended while others waited"):
        in_threads(3, lambda c: c.total([1.0]) if c.rank else None)


def test_any_process_may_stop_all():
    net = kanml.KAN([2, 1], seed=0)

    def train(communicator):
        rank, steps = communicator.rank, []

        def stop(state):
            steps.append(state.step)
            return rank == 1 and state.step == 3

        x, y = (parts(array, 2)[rank] for array in (T, Y))
        problem, options = kanml.Regression(x, y), {"callbacks": [stop], "progress": False}
        result = kanml.train(net, problem, [9], communicator=communicator, **options)
        assert result.status == "stopped"
        return steps, result.network.parameters

    (first, one), (second, other) = everywhere(2, train)
    assert first == second == [1, 2, 3]
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("what", ["start", "unknowns", "schedule"])
def test_processes_that_begin_different_runs_are_refused(what):
    def train(communicator):
        rank = communicator.rank if communicator.rank == 2 else 0
        net = kanml.KAN([2, 1], seed=rank if what == "start" else 0)
        unknowns = {"a": 1.0 + (rank if what == "unknowns" else 0)}
        term = kanml.Term("it", T[:9], lambda u, a: u.x - a)
        problem = kanml.PINN("tx", [term], unknowns=unknowns)
        schedule = [3 + (rank if what == "schedule" else 0)]
        with pytest.raises(ValueError, match="those of process 2 are not those of process 0"):
            kanml.train(net, problem, schedule, communicator=communicator, progress=False)

    in_threads(3, train)


def test_residuals_that_are_not_finite_end_all_processes():
    net = network()

    def evaluate(communicator):
        points = X.copy()
        points[3, 1] = 0.0 if communicator.rank == 1 else 0.5
        term = kanml.Term("it", points, lambda u, x: u / x)
        problem = kanml.PINN("tx", [term]).distributed(communicator)
        with pytest.raises(ValueError, match="finite") as caught:
            problem.evaluation(net)
        return (str(caught.value),)

    (first,), (second,) = everywhere(2, evaluate)
    assert "another process" in first
    assert f"{X[3, 0]}, 0.0" in second


def test_sums_go_in_the_order_of_the_ranks():
    terms = [1e16, 1.0, -1e16]
    results = in_threads(3, lambda c: float(c.total([terms[c.rank]])[0]))
    assert results == [0.0] * 3  # 1e16 + 1 is rounded to 1e16
    largest = in_threads(2, lambda c: c.largest([float(c.rank), np.nan if c.rank else 0.0]))
    np.testing.assert_array_equal(largest, [[1.0, np.nan]] * 2)


def test_refused_communicators():
    net, problem = kanml.KAN([2, 1]), kanml.Regression(T, Y)
    with pytest.raises(TypeError, match="communicator must be a Communicator, got 3"):
        kanml.train(net, problem, [1], communicator=3, progress=False)

    class Own(kanml.Problem):
        def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
            return problem.evaluation(net)

        def fingerprint(self):
            return ""

    class Two(Communicator):
        rank, size = 0, 2

        def gathered(self, array):
            return [array, array]

    with pytest.raises(TypeError, match="a Own cannot be distributed"):
        kanml.train(net, Own(), [1], communicator=Two(), progress=False)
