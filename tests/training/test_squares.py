"""What a run offers optimizers of least squares: values, triangles and products of rows."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from test_counted_evaluations import EDGE, INSIDE, OPTIONS
from training_runs import X, Y

import kanml
from helpers import naming, same_bits
from kanml import _core
from kanml.optim import Triangle


@dataclass(frozen=True)
class Observed(kanml.LevenbergMarquardt):
    """It shows the function of each step, and the parameters where it begins."""

    observe: Callable = print

    def step(self, function, state, geometry=None):
        self.observe(function, state.parameters)
        return super().step(function, state, geometry)


def run(task, optimizer=None, schedule=(6, 3), net=None, **options):
    net = kanml.KAN([2, 1], intervals=3, seed=0) if net is None else net
    optimizer = kanml.LevenbergMarquardt() if optimizer is None else optimizer
    return kanml.train(net, task, schedule, optimizer, progress=False, restarts=0, **options)


def kan():
    return kanml.KAN([1, 1], intervals=4, domain=(-1.2, 1.2))


def test_a_linear_problem_is_solved():
    result = run(kanml.Regression(X, Y), schedule=[12, 12], net=kan())
    for level, net in enumerate(result.levels):
        design = net.layers[0].spaces[0].design_matrix(X[:, 0])
        expected = np.linalg.lstsq(design, Y[:, 0], rcond=None)[0]
        np.testing.assert_allclose(net.parameters, expected, rtol=1e-7, atol=1e-9)
        loss = np.mean((design @ expected - Y[:, 0]) ** 2)
        on_level = result.history.level == level
        assert result.history.loss[on_level][-1] == pytest.approx(loss, rel=1e-9)


class Asked(kanml.PINN):
    """A problem that notes what it is asked for, and what `advance` knows."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.asked, self.known = [], []

    def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
        self.asked.append(want)
        return super().evaluation(net, unknowns, want, num_threads=num_threads)

    def advance(self, net, unknowns=None, evaluation=None):
        if evaluation is not None:
            expected = kanml.PINN.evaluation(self, net, unknowns, "value")
            assert evaluation.value == expected.value
            for name, term in expected.terms.items():
                found = evaluation.terms[name]
                assert (found.loss, found.largest) == (term.loss, term.largest)
                if term.residuals is not None:
                    assert same_bits(found.residuals, term.residuals)
        self.known.append(evaluation is not None)
        return super().advance(net, unknowns, evaluation)


def asked(**options):
    terms = [
        kanml.Term("pde", INSIDE, lambda u: u.t + u * u.x - 0.1 * u.xx, **options),
        kanml.Term("start", EDGE, lambda u, x: u + np.sin(np.pi * x), weight=2.0),
    ]
    return Asked("tx", terms)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_it_evaluates_what_it_counts(options):
    """A gradient and a triangle at each point, which count as one, and values of trials.

    Attention and the history take no pass beside these.
    """
    task = asked(**options)
    history = run(task).history
    assert history.step[-1] == 9
    assert task.asked.count("least_squares") == 9
    assert task.asked.count("gradient") == 9 + 2
    assert task.asked.count("value") == history.evaluations[-1] - (9 + 2)
    assert all(task.known)
    starts = np.searchsorted(history.level, [0, 1])
    assert (np.delete(history.report["radius"], starts) > 0).all()
    assert np.isnan(history.report["radius"][starts]).all()
    assert (history.report["rank"][1:] <= 18).all()


def test_a_resumed_run_counts_the_same(tmp_path):
    path = tmp_path / "run"
    task = kanml.Regression(X, Y, batch_size=30)
    whole = run(task, net=kan())
    run(task, net=kan(), callbacks=[kanml.Checkpoint(path), lambda state: state.step == 4])
    again = run(task, net=kan(), resume=path)
    assert same_bits(again.network.parameters, whole.network.parameters)
    assert same_bits(again.history.evaluations, whole.history.evaluations)
    assert same_bits(again.history.report["radius"], whole.history.report["radius"])


def test_products_are_those_of_the_jacobian():
    """At any parameters, with unknowns, for the problem of the moment."""
    task = asked(batch_size=30)
    seen = []

    def observe(function, theta):
        rng = np.random.default_rng(len(seen))
        other = theta + 0.1 * rng.normal(size=theta.size)
        v, u = rng.normal(size=theta.size), rng.normal(size=50)
        seen.append((other, v, u, function.jvp(other, v), function.vjp(other, u), function))

    problems = []
    run(
        task,
        Observed(observe=observe),
        [3],
        callbacks=[lambda state: problems.append(state.problem)],
    )
    net = kanml.KAN([2, 1], intervals=3, seed=0)
    for (theta, v, u, along, back, function), problem in zip(seen[1:], problems, strict=False):
        at = net.with_parameters(theta)
        jacobian = problem.jacobian(at)
        np.testing.assert_allclose(along, jacobian @ v, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(back, u @ jacobian, rtol=1e-9, atol=1e-12)
        value, gradient = problem.value_and_gradient(at)
        assert function.value(theta) == value
        assert same_bits(function(theta)[1], gradient)
    assert len(seen) == 3


def test_a_step_that_a_layer_refuses_is_a_trial():
    """Steps beyond the domain have an infinite value, and are shortened."""
    spaces = [kanml.SplineSpace.uniform(-1.2, 1.2, 3, 3), kanml.SplineSpace.uniform(-1, 1, 3, 3)]
    layers = [
        kanml.SplineLayer(1, 1, spaces[0]),
        kanml.SplineLayer(1, 1, spaces[1], extrapolation="error"),
    ]
    net = kanml.Network(layers, seed=1)
    net = net.with_parameters(0.5 * net.parameters)
    task = kanml.Regression(X, 100 * Y)
    refused = []

    def observe(function, theta):
        values = [function.value(theta * scale) for scale in (1.0, 100.0)]
        refused.append(values[1] == np.inf and np.isinf(function(100.0 * theta)[0]))

    result = run(task, Observed(observe=observe), [8], net)
    assert (np.diff(result.history.loss) < 0).all()
    assert len(refused) == len(result.history) - 1
    assert all(refused)


@pytest.mark.parametrize("evaluation", [1, 2, 5, 9])
def test_ctrl_c_within_a_step(evaluation):
    """It waits for the evaluation in progress, whatever that is."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    rng = np.random.default_rng(0)
    task = kanml.Regression(rng.uniform(-1, 1, (200, 2)), rng.normal(size=(200, 1)))
    seen = []

    def press(function, theta):
        seen.append(theta)
        if len(seen) == evaluation:
            signal.raise_signal(signal.SIGINT)

    result = run(task, Observed(observe=press), [10])
    signal.signal(signal.SIGINT, before)
    assert result.status == "interrupted"
    assert result.history.step[-1] == evaluation - 1


class Own(kanml.Problem):
    def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
        return kanml.Evaluation(1.0, np.zeros(net.n_parameters))

    def fingerprint(self):
        return "own"


@pytest.mark.parametrize(
    ("task", "parts"),
    [
        (kanml.Regression(X, Y, loss=kanml.Quantile(0.9)), ("quantile",)),
        (kanml.Regression(X, Y, loss=lambda u, y: np.abs(u - y)), ("loss",)),
        (Own(), ("Own", "n_rows")),
    ],
    ids=["quantile", "written", "own"],
)
def test_a_loss_without_rows_is_refused_before_the_run(task, parts):
    begun = []
    optimizers = [kanml.LBFGS(), kanml.LevenbergMarquardt()]
    with pytest.raises(
        TypeError,
        match=naming("LevenbergMarquardt needs a loss that is a sum of squares", "LBFGS", *parts),
    ):
        run(task, optimizers, net=kan(), callbacks=[begun.append])
    assert not begun
    run(kanml.Regression(X, Y), optimizers, net=kan())


# Too few rows


def warned(task, optimizer, schedule=(1, 1, 1)):
    """Networks of 7, 11 and 19 parameters."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(task, optimizer, schedule, kan())
    return [str(warning.message) for warning in caught]


def samples(rows):
    x = np.linspace(-1, 1, rows)[:, None]
    return kanml.Regression(x, np.sin(x))


def test_least_squares_warn_of_too_few_rows():
    """Once, of the first level where they are fewer than twice the parameters."""
    method = kanml.LevenbergMarquardt()
    assert warned(samples(38), method) == []
    (message,) = warned(samples(37), method)
    for part in ("level 2", "19 parameters", "37 rows", "fewer than 38"):
        assert part in message
    (message,) = warned(samples(21), method)
    assert "level 1" in message
    (message,) = warned(samples(13), method)
    assert "level 0" in message


def test_what_else_counts():
    """The optimizer of the level, unknowns, rows of a batch and those of a penalty."""
    method, other = kanml.LevenbergMarquardt(), kanml.LBFGS()
    assert warned(samples(5), other) == []
    assert warned(samples(22), [method, method, other]) == []
    assert "level 2" in warned(samples(22), [other, other, method])[0]
    x = np.linspace(-1, 1, 15)[:, None]
    ode = kanml.PINN("x", [kanml.Term("ode", x, lambda u, a: u.x + a)], unknowns={"a": 1.0})
    assert "8 parameters, but the loss only 15 rows" in warned(ode, method, [1])[0]
    batches = kanml.Regression(X, Y, batch_size=13)
    assert "13 rows" in warned(batches, method, [1])[0]
    x = np.linspace(-1, 1, 13)[:, None]
    smooth = kanml.Regression(x, np.sin(x), penalty=kanml.Smoothness(1e-6))
    assert warned(smooth, method, [1]) == []


def test_the_warning_points_at_the_call():
    with pytest.warns(UserWarning, match="rows") as caught:
        kanml.train(kan(), samples(5), [1], kanml.LevenbergMarquardt(), progress=False)
    assert caught[0].filename == __file__


def test_rows_without_weight_do_not_count():
    x = np.linspace(-1, 1, 300)[:, None]
    problem = kanml.Regression(x, np.sin(x), sample_weight=(np.arange(300) < 9).astype(float))
    with pytest.warns(UserWarning, match="the loss only 9 rows"):
        run(problem, schedule=[1], net=kan())


@pytest.mark.parametrize("num_threads", [None, 1, 2])
@pytest.mark.parametrize(
    ("optimizer", "operation"),
    [(kanml.SSBroyden(), "symmetric_product"), (kanml.VariableProjection(), "fold_triangle")],
)
def test_optimizers_use_the_threads_of_the_run(optimizer, operation, num_threads, monkeypatch):
    counts, original = set(), getattr(_core, operation)

    def recorded(*arguments):
        counts.add(arguments[-1])
        return original(*arguments)

    monkeypatch.setattr(_core, operation, recorded)
    x = np.linspace(-1, 1, 80)[:, None]
    problem = kanml.Regression(x, np.sin(3 * x))
    options = {"progress": False, "restarts": 0, "num_threads": num_threads}
    kanml.train(kanml.KAN([1, 2, 1], seed=0), problem, [3], optimizer, **options)
    assert counts == {num_threads or 0}
    if operation == "fold_triangle":
        counts.clear()
        Triangle.of(np.eye(2), np.ones(2))
        assert counts == {0}  # the default again


@pytest.mark.parametrize(("rows", "level"), [(13, 0), (21, 1), (37, 2)])
def test_auto_warns_on_the_first_level_with_too_few_rows(rows, level):
    """Where validation decides, and not the number of rows, whether a finer level follows."""
    x = np.linspace(-1, 1, rows)[:, None]
    data, validation = (kanml.Regression(z, np.sin(6 * z)) for z in (x, X[:, :1]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = run(data, schedule="auto", net=kan(), validation=validation)
    assert result.history.level[-1] >= level
    (warning,) = caught
    assert f"level {level} of the schedule" in str(warning.message)
    assert warning.filename == __file__
    assert f"only {rows} rows" in str(warning.message)
