"""schedule="auto": it waits for coarse levels, and stops where a finer one would not pay."""

from __future__ import annotations

import hashlib
import re
import shutil

import numpy as np
import pytest
from checkpoint_runs import assert_same_run

import kanml
from helpers import naming, same_bits
from kanml.parallel import in_threads

X = np.linspace(-1, 1, 400)[:, None]


def wave(x):
    return np.exp(np.sin(5 * x))


def kan(**options):
    return kanml.KAN([1, 1], **{"intervals": 2, **options})


def auto(problem, optimizer=None, net=None, **options):
    net = kan() if net is None else net
    return kanml.train(net, problem, "auto", optimizer, **{"progress": False, **options})


def best_fit(intervals, x, y):
    """The spline of least squares, at other points."""
    space = kanml.SplineSpace.uniform(-1, 1, intervals, 3)
    coefficients = np.linalg.lstsq(space.design_matrix(x[:, 0]), y, rcond=None)[0]
    return lambda x: space.design_matrix(x[:, 0]) @ coefficients


def ode(points, frequency=20):
    """u'' = -sin 20 x with zeros at both ends."""
    return kanml.PINN(
        "x",
        [kanml.Term("ode", points, lambda u, x: u.xx + np.sin(frequency * x))],
        transform=lambda u, x: x * (1 - x) * u,
    )


def levels(history):
    return range(history.level[-1] + 1)


def test_it_goes_on_where_least_squares_leave_the_triangle():
    """Levels of 5, 7 and 11 parameters or more, of which a triangle takes the first."""
    optimizer = kanml.LevenbergMarquardt(largest_triangle=6)
    history = auto(kanml.Regression(X, wave(X)), optimizer).history
    inner = history.report["inner iterations"]
    assert history.level[-1] >= 2
    assert (inner[history.level == 0] == 0).all()
    assert (inner[(history.level > 0) & (history.report["rank"] > 0)] > 0).any()


# Waiting


def test_it_waits_for_a_level_that_has_not_converged():
    """Adam is far from the best fit of the coarse grid for many steps; a finer one has to wait."""
    result = auto(kanml.Regression(X, wave(X)), kanml.Adam(1e-2))
    history = result.history
    for level in (0, 1):
        fit = best_fit(2 * 2**level, X, wave(X))
        least = np.mean((fit(X) - wave(X)) ** 2)
        losses = history.loss[history.level == level]
        assert losses[500] > 2 * least
        assert losses[-1] < 1.25 * least


@pytest.mark.parametrize("optimizer", [kanml.LBFGS(), kanml.Adam(1e-2)], ids=["L-BFGS", "Adam"])
def test_each_window_but_the_last_makes_progress(optimizer):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (500, 2))
    problem = kanml.Regression(x, np.sin(3 * x[:, :1]) * x[:, 1:])
    result = auto(problem, optimizer, kanml.KAN([2, 3, 1], intervals=2, seed=0), restarts=0)
    window, history = optimizer.window, result.history
    counted = 0
    for level in levels(history):
        losses = history.loss[history.level == level]
        steps = len(losses) - 1
        for end in range(window, steps + 1, window):
            falls = losses[: end + 1][-window:].min() <= 0.9 * losses[: end + 1 - window].min()
            assert falls == (end < steps)
            counted += falls
    assert counted > 5


# Stopping


def test_enough_accuracy():
    """A cubic is in the coarsest space: what is left is rounding, and no refinement pays."""
    result = auto(kanml.Regression(X, X**3), kanml.LevenbergMarquardt())
    assert result.status == "completed"
    assert "did not pay" in result.message
    assert result.history.loss[-1] < 1e-28
    assert result.history.level[-1] <= 3


def test_rows_are_too_few():
    """At most one parameter for two rows."""
    result = auto(kanml.Regression(X, wave(X)), kanml.LevenbergMarquardt())
    assert result.network.n_parameters == 131
    for part in ("400 rows", "259 parameters", "needs 518", "level 6"):
        assert part in result.message
    assert result.history.loss[-1] < 1e-12


@pytest.mark.parametrize("how", ["given", "drawn"])
def test_points_are_too_few(how):
    """Fourteen points say nothing of what lies between them; two hundred do."""

    def points(n):
        return kanml.Sampler([0], [1], n) if how == "drawn" else np.linspace(0, 1, n)[:, None]

    net = kan(degree=4, domain=(0, 1))
    few, many = (auto(ode(points(n)), kanml.LevenbergMarquardt(), net) for n in (14, 200))
    assert "the points limit the accuracy" in few.message or "rows are too few" in few.message
    x = np.linspace(0, 1, 500)[:, None]
    errors = [
        abs(
            ode(x).solution(run.network, x)[:, 0]
            - (np.sin(20 * x[:, 0]) - x[:, 0] * np.sin(20)) / 400
        ).max()
        for run in (few, many)
    ]
    assert errors[1] < 1e-6
    assert few.history.level[-1] < many.history.level[-1]
    fresh = many.history.fresh[~np.isnan(many.history.fresh)]
    assert len(fresh) == len(levels(many.history))
    assert (np.diff(fresh) < 0).all()


@pytest.mark.parametrize("deviation", [0.03, 0.1, 0.3])
def test_noise(deviation):
    """The error without noise is near that of the best of all grids."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        y = wave(X) + rng.normal(0, deviation, X.shape)
        result = auto(kanml.Regression(X, y), kanml.LevenbergMarquardt())
        assert "did not pay" in result.message
        errors = [
            np.sqrt(np.mean((best_fit(2 * 2**level, X, y)(X) - wave(X)) ** 2)) for level in range(7)
        ]
        found = np.sqrt(np.mean((result.network(X) - wave(X)) ** 2))
        assert found < 1.6 * min(errors)


def noisy_cubic():
    """The coarsest grid has no error; a finer one fits noise."""
    return kanml.Regression(X, X**3 + np.random.default_rng(3).normal(0, 0.1, X.shape))


def test_the_best_level_is_returned():
    result = auto(noisy_cubic())
    assert result.history.level[-1] == 1
    assert len(result.levels) == 1
    assert result.network is result.levels[0]
    assert result.network.layers[0].spaces[0].intervals == 2
    assert "the network is that of level 0" in result.message
    first, second = result.history.fresh[~np.isnan(result.history.fresh)]
    assert second > first
    end = result.history.loss[result.history.level == 0][-1]
    assert noisy_cubic().value_and_gradient(result.network)[0] == end


def test_unknowns_are_those_of_the_best_level():
    y = X[:, 0] ** 3 + 0.5 * np.sin(9 * X[:, 0])
    y += np.random.default_rng(3).normal(0, 0.1, len(X))
    problem = kanml.PINN(
        "x",
        [kanml.Term("data", X, lambda u, x, a: u + a * np.sin(9 * x) - y)],
        unknowns={"a": 0.0},
    )
    result = auto(problem, kanml.LevenbergMarquardt())
    assert result.history.level[-1] == 1
    assert len(result.levels) == 1
    end = result.history.loss[result.history.level == 0][-1]
    assert problem.value_and_gradient(result.network, result.unknowns)[0] == end
    assert result.unknowns["a"] == pytest.approx(0.5, abs=5 * result.standard_errors["a"])


class Hungry(kanml.LBFGS):
    def numbers(self, n, steps):
        return n * 10**7


def test_a_grid_that_cannot_be_built(monkeypatch):
    """Level 3 would need 19 times 8 times 10**7 bytes."""

    def require(n_bytes, what):
        if n_bytes > 10**9:
            raise ValueError(f"{what} {n_bytes / 1e9:.3g} GB")

    monkeypatch.setattr("kanml.training.settings.require_memory", require)
    result = auto(kanml.Regression(X, wave(X)), Hungry())
    assert result.status == "completed"
    assert result.network.n_parameters == 11
    for part in ("level 3 of the schedule is impossible", "1.52 GB", "network is that of level 2"):
        assert part in result.message


# With other parts of training


def test_with_validation():
    rng = np.random.default_rng(1)
    y = wave(X) + rng.normal(0, 0.1, X.shape)
    held_out = kanml.Regression(X[1::2], y[1::2])
    result = auto(kanml.Regression(X[::2], y[::2]), validation=held_out)
    history = result.history
    assert history.fresh.size == 0
    assert "did not pay: the validation loss" in result.message
    best = [history.validation[history.level == level].min() for level in levels(history)]
    assert (np.array(best[1:-1]) <= 0.8 * np.array(best[:-2])).all()
    assert best[-1] > 0.8 * best[-2]
    found = held_out.value_and_gradient(result.network)[0]
    assert found == pytest.approx(min(best), rel=1e-10)


def test_one_optimizer_a_level():
    """The last of a sequence has all further levels."""
    optimizers = [kanml.Adam(1e-2), kanml.LevenbergMarquardt()]
    result = auto(kanml.Regression(X, wave(X)), optimizers)
    history = result.history
    radius = history.report["radius"]
    begins = np.diff(history.level, prepend=-1) > 0
    assert (np.isfinite(radius) == ((history.level > 0) & ~begins)).all()
    assert history.level[-1] >= 3


def test_callbacks_stop_it_within_a_level():
    whole = auto(noisy_cubic())
    result = auto(
        noisy_cubic(), callbacks=[lambda state: state.level == 1 and state.level_step == 2]
    )
    assert result.status == "stopped"
    assert len(result.levels) == 2
    rows = len(result.history)
    assert same_bits(result.history.loss, whole.history.loss[:rows])
    value, _ = noisy_cubic().value_and_gradient(result.network)
    assert value == result.history.loss[-1]


def test_ctrl_c_returns_the_last_network():
    def interrupt(state):
        if state.level == 1 and state.level_step == 2:
            raise KeyboardInterrupt

    result = auto(noisy_cubic(), callbacks=[interrupt])
    assert result.status == "interrupted"
    step = result.history.step[-1]
    assert f"the network is that of step {step}" in result.message
    value, _ = noisy_cubic().value_and_gradient(result.network)
    assert value == result.history.loss[-1]
    assert result.network.layers[0].spaces[0].intervals == 4


@pytest.mark.parametrize("kind", ["fresh", "validation"])
def test_continued_from_any_step(kind, tmp_path):
    """Also between levels, and after the last."""
    path = tmp_path / "run"
    options = {"optimizer": [kanml.LBFGS(), kanml.LevenbergMarquardt()]}
    if kind == "validation":
        options["validation"] = kanml.Regression(X[1::2], X[1::2] ** 3)

    def keep(state):
        shutil.copy(path, path.with_suffix(f".{state.step}"))

    whole = auto(noisy_cubic(), callbacks=[kanml.Checkpoint(path, every=1), keep], **options)
    assert whole.history.level[-1] == 1
    for step in range(1, whole.history.step[-1] + 1):
        again = auto(noisy_cubic(), resume=path.with_suffix(f".{step}"), **options)
        assert_same_run(again, whole)
        np.testing.assert_array_equal(again.history.fresh, whole.history.fresh)
    assert_same_run(auto(noisy_cubic(), resume=path, **options), whole)
    with pytest.raises(ValueError, match="another run"):
        kanml.train(kan(), noisy_cubic(), [50], resume=path, progress=False)


def test_several_processes():
    rng = np.random.default_rng(2)
    y = wave(X) + rng.normal(0, 0.1, X.shape)

    def work(communicator):
        mine = slice(communicator.rank, None, communicator.size)
        problem = kanml.Regression(X[mine], y[mine])
        return auto(problem, communicator=communicator)

    first, second = in_threads(2, work)
    alone = auto(kanml.Regression(X, y))
    assert same_bits(first.network.parameters, second.network.parameters)
    assert first.message == second.message
    assert first.history.level[-1] == alone.history.level[-1]


class Plain(kanml.Problem):
    """A problem that estimates nothing, and is lowered by a constant."""

    def __init__(self, shift=0.0, estimate=None):
        self.task = kanml.Regression(X, wave(X))
        self.shift, self.estimate = shift, estimate

    def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
        value, gradient = self.task.value_and_gradient(net)
        return kanml.Evaluation(value - self.shift, gradient)

    def fresh_loss(self, net, unknowns=None, *, num_threads=None):
        return self.estimate

    def fingerprint(self):
        return hashlib.sha256(repr(self.shift).encode()).hexdigest()


def test_without_an_estimate_the_loss_counts():
    result = auto(Plain(), kanml.LBFGS())
    history = result.history
    ends = [history.loss[history.level == level][-1] for level in levels(history)]
    assert same_bits(history.fresh[~np.isnan(history.fresh)], np.array(ends))
    assert "did not pay" in result.message
    assert (np.array(ends[1:-1]) <= 0.8 * np.array(ends[:-2])).all()


def test_losses_below_zero():
    """Such as likelihoods: parts of their size count, and the run ends."""
    result = auto(Plain(shift=1.0))
    assert result.status == "completed"
    assert result.history.loss[-1] < -0.9
    assert "did not pay" in result.message


def test_what_an_estimate_must_be():
    with pytest.raises(TypeError, match=naming("fresh_loss of Plain", "FreshLoss", "3.0")):
        auto(Plain(estimate=3.0))


@pytest.mark.parametrize("schedule", ["Auto", "automatic", ""])
def test_other_words(schedule):
    expected = f'schedule must be an integer >= 0, a sequence of them or "auto", got {schedule!r}'
    with pytest.raises(TypeError, match=re.escape(expected)):
        kanml.train(kan(), noisy_cubic(), schedule, progress=False)
    with pytest.raises(TypeError, match="schedule"):
        kanml.march(kan(), lambda *_: noisy_cubic(), [0, 1], "auto", progress=False)
