"""Refused: points by layers while training, and schedules before it."""

from __future__ import annotations

import re

import numpy as np
import pytest

import kanml
from helpers import naming, run_python, same_bits, unix

X = np.linspace(-1, 1, 30)[:, None]
Y = 5 * X  # far beyond the domain of the second layer, if that is reached


def strict(**options):
    """Of two layers, the second one on (-1, 1) alone."""
    spaces = [kanml.SplineSpace.uniform(-1, 1, 3, 3) for _ in range(2)]
    layers = [
        kanml.SplineLayer(1, 1, spaces[0]),
        kanml.SplineLayer(1, 1, spaces[1], extrapolation="error"),
    ]
    net = kanml.Network(layers, **options)
    # The first layer is 0.9 x, by the coefficients of the identity (Greville abscissae).
    knots = spaces[0].knots
    identity = [np.mean(knots[i + 1 : i + 4]) for i in range(spaces[0].dim)]
    theta = np.concatenate([0.9 * np.array(identity), np.linspace(-0.5, 0.5, spaces[1].dim)])
    return net.with_parameters(theta)


def refuses(net, theta):
    try:
        net.with_parameters(theta)(X)
    except kanml._core.OutsideDomain:
        return True
    return False


def watched():
    """A regression, and a list that grows: whether each point it is evaluated at is refused."""
    refused = []

    class Watched(kanml.Regression):
        def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
            refused.append(refuses(net, net.parameters))
            return super().evaluation(net, unknowns, want, num_threads=num_threads)

    return Watched(X, Y), refused


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_line_search_backs_off(dtype):
    """The least loss lies at the end of the domain: as near to it as the search can come."""
    task, refused = watched()
    result = kanml.train(strict(dtype=dtype), task, [40], progress=False)
    assert result.status == "completed"
    assert sum(refused) >= 3
    history = result.history
    assert len(refused) - 50 <= history.evaluations[-1] <= len(refused)
    assert (np.diff(history.loss) <= 1e-3).all()
    assert history.loss[-1] < history.loss[0] - 1
    first = kanml.Network(result.network.layers[:1], dtype=dtype)
    hidden = first.with_parameters(result.network.parameters[:6])(X)
    assert 0.999 < abs(hidden).max() <= 1
    result.network(X)


def test_a_refinement_that_is_refused_ends_the_run():
    """By rounding: a value on the end of the domain may lie beyond it in the next grid."""

    class Fine(kanml.Regression):
        def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
            if net.layers[0].spaces[0].intervals > 3:
                net([[7.0]])
            return super().evaluation(net, unknowns, want, num_threads=num_threads)

    net = kanml.KAN([1, 1], intervals=3, extrapolation="error")
    result = kanml.train(net, Fine(X, Y), [4, 4], progress=False)
    assert result.status == "diverged"
    assert "after the refinement to level 1" in result.message
    assert result.history.level.tolist() == [0] * len(result.history)
    assert result.network.layers[0].spaces[0].intervals == 3


@pytest.mark.parametrize("geometry", ["relu", "spline-relu"])
def test_line_searches_of_other_geometries(geometry):
    task, refused = watched()
    result = kanml.train(strict(), task, [30], kanml.LBFGS(geometry=geometry), progress=False)
    assert result.status == "completed"
    assert any(refused)
    result.network(X)


@pytest.mark.parametrize("optimizer", [kanml.Adam(0.05), kanml.GradientDescent(0.02)], ids=repr)
def test_a_step_that_is_refused_ends_the_run(optimizer):
    task, refused = watched()
    accepted = []
    result = kanml.train(
        strict(),
        task,
        [500],
        optimizer,
        callbacks=[lambda s: accepted.append(s.network)],
        progress=False,
    )
    assert result.status == "diverged"
    assert refused == [False] * len(result.history) + [True]
    assert "layer 1 refuses the value" in result.message
    assert f"after step {len(result.history)}" in result.message
    assert same_bits(result.network.parameters, accepted[-1].parameters)
    result.network(X)


def test_a_new_minibatch_that_is_refused_ends_the_run():
    """The step was good for its own batch; the next one holds a point further out."""
    x = np.array([[0.1], [0.2], [0.3], [5.0]])
    task = kanml.Regression(x, 0 * x, batch_size=1, seed=0)
    place = task.state()["order"].index(3)
    assert place > 0
    net = kanml.KAN([1, 1], extrapolation="error", domain=(0, 1))
    for optimizer in (kanml.LBFGS(), kanml.Adam(1e-3)):
        task = kanml.Regression(x, 0 * x, batch_size=1, seed=0)
        result = kanml.train(net, task, [9], optimizer, progress=False)
        assert result.status == "diverged"
        assert len(result.history) == place
        assert "refuses the value 5.0" in result.message


def test_new_points_that_are_refused_end_the_run():
    """Drawing by the residual evaluates it at candidates, which may lie anywhere in the box."""

    class Drawing(kanml.Regression):
        def advance(self, net, unknowns=None, evaluation=None):
            net([[7.0]])
            return True

    net = kanml.KAN([1, 1], extrapolation="error")
    result = kanml.train(net, Drawing(X, Y), [9], progress=False)
    assert result.status == "diverged"
    assert "refuses the value 7.0" in result.message
    assert len(result.history) == 1
    assert same_bits(result.network.parameters, net.parameters)


def test_data_that_are_refused_from_the_start_are_an_error():
    net = kanml.KAN([1, 1], extrapolation="error")
    for optimizer in (kanml.LBFGS(), kanml.Adam(1e-3)):
        with pytest.raises(ValueError, match="layer 0 refuses the value"):
            kanml.train(net, kanml.Regression(2 * X, Y), [9], optimizer, progress=False)


def test_a_callback_that_is_refused_is_an_error():
    net = kanml.KAN([1, 1], extrapolation="error")
    with pytest.raises(ValueError, match=r"refuses the value 2\.0"):
        kanml.train(
            net,
            kanml.Regression(X, Y),
            [9],
            callbacks=[lambda s: s.network([[2.0]])],
            progress=False,
        )


# Schedules


def never(state):
    raise AssertionError


SCHEDULES = {
    "knots that coincide": (
        {"dtype": "float32", "domain": (1e6, 1e6 + 1), "intervals": 4}, 5, None, "coincide"
    ),
    "weights of a layer": ({"dtype": "float32", "basis": "relu"}, 12, None, "ReLU weights"),
    "weights of a geometry": ({"dtype": "float32"}, 12, kanml.LBFGS(geometry="relu"), "ReLU"),
    "weights of a mixed geometry": (
        {"dtype": "float32"}, 12, kanml.LBFGS(geometry="spline-relu"), "ReLU"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SCHEDULES)
@pytest.mark.filterwarnings("ignore:.*can hardly hold:RuntimeWarning")
def test_what_the_finest_level_refuses_is_refused_at_the_start(case):
    options, levels, optimizer, part = SCHEDULES[case]
    net = kanml.KAN([1, 1], **options)
    a, b = options.get("domain", (-1, 1))
    task = kanml.Regression(np.linspace(a, b, 40)[:, None], np.ones((40, 1)))
    with pytest.raises(ValueError, match=naming(f"level {levels - 1} of the schedule", part)):
        kanml.train(net, task, [1] * levels, optimizer, callbacks=[never], progress=False)
    # One level, which is there, is not refused.
    assert kanml.train(net, task, [1], optimizer, progress=False).status == "completed"


@pytest.mark.parametrize("levels", [30, 10**4])
def test_more_levels_than_there_can_be(levels):
    """4 intervals double 18 times at most."""
    task = kanml.Regression(X, Y)
    net = kanml.KAN([1, 1], intervals=4)
    parts = f"level {levels - 1} of the schedule", 2**20
    with pytest.raises(ValueError, match=naming(*parts)):
        kanml.train(net, task, [1] * levels, callbacks=[never], progress=False)


@unix
def test_more_memory_than_there_is(monkeypatch):
    """A machine of a megabyte: the network fits on all levels, but not the memory of L-BFGS."""
    monkeypatch.setattr("os.sysconf", lambda name: 2**10)
    net = kanml.KAN([1, 1], intervals=4)  # on level 10 it has 4099 parameters, of 8 bytes
    task = kanml.Regression(X, Y)

    def train(optimizer):
        return kanml.train(net, task, [2] * 11, optimizer, progress=False)

    with pytest.raises(ValueError, match=naming("level 10 of", "LBFGS(memory=20", "0.00141 GB")):
        train(kanml.LBFGS())
    assert train(kanml.Adam(1e-3)).status == "completed"


@unix
def test_more_memory_than_the_process_may_have():
    """The limit of the process counts where the machine has more."""
    code = """
import resource
import kanml
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
try:
    kanml.KAN([2**15, 2**14], degree=1, intervals=1)
except ValueError as error:
    print(error)
"""
    parts = 2**30, "parameters", "8.59 GB", "this process can have 2.15 GB"
    assert re.search(naming(*parts), run_python(code))


@pytest.mark.parametrize("memory", [2, 20])
@pytest.mark.parametrize("seed", range(4))
def test_a_fit_pressed_against_the_end_of_a_domain_is_refined(seed, memory):
    """The refined spline rounds otherwise; that is no reason to refuse what it was before."""
    x = np.linspace(-1, 1, 40)[:, None]
    net = kanml.KAN([1, 3, 1], intervals=3, extrapolation="error", data=x, seed=seed)
    problem, optimizer = kanml.Regression(x, np.sin(4 * x)), kanml.LBFGS(memory)
    result = kanml.train(net, problem, [15, 10, 10], optimizer, progress=False)
    assert result.status == "completed"
    assert result.history.level[-1] == 2
