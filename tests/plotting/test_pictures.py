"""Pictures of runs, solutions, points and dependences: what they show, against plain loops."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import kanml
from helpers import naming
from kanml import plotting
from kanml.training.history import History, Row

BOX = (0.0, 2.0, -1.0, 1.0)


def saddle(x):
    return x[:, 0] * x[:, 1]


def history(levels, terms=None, validation=None):
    """A row a level entry; every step costs two evaluations and a quarter of a second."""
    made = History()
    for step, level in enumerate(levels):
        numbers = {name: 2.0**-step for name in terms or ()}
        row = Row(level, step, 10.0**-step, 0.25 * step, 2 * step, 0, validation, numbers)
        made.append(row)
    return made


# Runs


@pytest.mark.parametrize(("against", "unit"), [("evaluations", 2), ("step", 1), ("seconds", 0.25)])
def test_a_run_with_its_refinements(against, unit):
    axes = plotting.plot_history(history([0, 0, 1, 1, 2]), against)
    line, circles, *marks = axes.lines
    np.testing.assert_array_equal(line.get_xdata(), unit * np.arange(5))
    np.testing.assert_allclose(line.get_ydata(), 10.0 ** -np.arange(5))
    np.testing.assert_array_equal(circles.get_xdata(), [2 * unit, 4 * unit])
    np.testing.assert_allclose(circles.get_ydata(), [1e-2, 1e-4])
    assert [mark.get_xdata()[0] for mark in marks] == [2 * unit, 4 * unit]


def test_a_run_with_terms_and_validation():
    axes = plotting.plot_history(history([0, 0], ["pde", "initial"], 0.5))
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    assert list(lines["validation"]) == [0.5, 0.5]
    assert list(lines["term 'pde'"]) == list(lines["term 'initial'"]) == [1.0, 0.5]


def test_runs_are_compared_by_their_losses():
    runs = {"one": history([0, 0], ["pde", "initial"], 0.5), "two": history([0, 1])}
    axes = plotting.plot_history(runs)
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["one", "two"]


def test_errors_of_solutions():
    """Measured after some steps; circles stand on the line where a level began."""
    run = history([0, 0, 1, 1])
    axes = plotting.plot_errors({"run": (run, [0, 3], [1.0, 0.25])}, "seconds")
    line, circle, _ = axes.lines
    assert [*line.get_xdata()] == [0, 0.75]
    assert [*line.get_ydata()] == [1.0, 0.25]
    assert [*circle.get_xdata()] == [0.5]
    np.testing.assert_allclose(circle.get_ydata(), [0.5])


# Solutions


def test_a_solution_stands_where_its_inputs_are():
    axes = plotting.plot_solution(saddle, BOX, points=5, letters="tx")
    (image,) = axes.images
    expected = [[x * y for x in np.linspace(0, 2, 5)] for y in np.linspace(-1, 1, 5)]
    np.testing.assert_allclose(image.get_array(), expected)
    assert tuple(image.get_extent()) == BOX
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("t", "x")


def test_function_and_fit_share_their_colours():
    def fit(x):
        return 0.5 * saddle(x)[:, None] + 3

    exact = plotting.plot_solution(saddle, BOX, like=fit).images[0].get_clim()
    fitted = plotting.plot_solution(fit, BOX, like=saddle).images[0].get_clim()
    assert exact == fitted == (-2.0, 4.0)
    assert plotting.plot_solution(saddle, BOX).images[0].get_clim() == (-2.0, 2.0)


def test_an_error_by_its_size():
    def fit(x):
        return saddle(x) + np.where(x[:, 0] > 1, 1e-3, 0)

    axes = plotting.plot_error(fit, saddle, BOX, points=4)
    expected = np.where(np.linspace(0, 2, 4) > 1, -3.0, -16.0)
    for row in axes.images[0].get_array():
        np.testing.assert_allclose(row, expected, atol=1e-9)
    assert axes.get_title() == "log10 |error|, at most 1.0e-03"
    assert plotting.plot_error(fit, saddle, BOX, "mine", points=4).get_title() == "mine"


# Partial dependence


def test_partial_dependence_against_a_loop():
    net = kanml.KAN([3, 4, 2], seed=3)
    x = np.random.default_rng(0).normal(0, 0.5, (40, 3))
    axes = plotting.plot_partial_dependence(net, x, 1, points=7)
    *curves, deciles = axes.lines
    assert len(curves) == 2
    for j, curve in enumerate(curves):
        for t, value in zip(*curve.get_data(), strict=True):
            outputs = [net([[a, t, c]])[0, j] for a, _, c in x]
            np.testing.assert_allclose(value, np.mean(outputs), rtol=0, atol=1e-14)
        assert curve.get_xdata()[0] == x[:, 1].min()
        assert curve.get_xdata()[-1] == x[:, 1].max()
    np.testing.assert_allclose(deciles.get_xdata(), np.percentile(x[:, 1], range(0, 101, 10)))


def test_partial_dependence_leaves_the_data_alone():
    x = np.random.default_rng(0).normal(size=(20, 2))
    before = x.copy()
    axes = plotting.plot_partial_dependence(lambda z: z.sum(axis=1), x, 0, "dose")
    np.testing.assert_array_equal(x, before)
    assert axes.get_xlabel() == "dose"


# Points


def test_points_of_a_problem_by_term():
    volume = np.random.default_rng(0).uniform(size=(30, 2))
    start = kanml.Sampler([0.0, -1.0], [1e-9, 1.0], n=8)
    problem = kanml.PINN(
        "tx",
        [
            kanml.Term("pde", volume, lambda u: u.t - u.xx),
            kanml.Term("start", start, lambda u, x: u - x),
        ],
    )
    axes = plotting.plot_points(problem)
    pde, initial = axes.collections
    np.testing.assert_array_equal(pde.get_offsets(), volume)
    np.testing.assert_array_equal(initial.get_offsets(), start.points)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["pde", "start"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("t", "x")


def test_points_of_data():
    x = np.random.default_rng(0).uniform(size=(30, 3))
    problem = kanml.Regression(x, x[:, :1])
    for points in (problem, x, {"all": x}):
        axes = plotting.plot_points(points, columns=(2, 0))
        np.testing.assert_array_equal(axes.collections[0].get_offsets(), x[:, [2, 0]])
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("x2", "x0")


def test_points_on_a_line():
    sets = {"inner": [[0.1], [0.2]], "ends": [[0.0], [1.0]]}
    axes = plotting.plot_points(sets, letters="t")
    inner, ends = (artist.get_offsets() for artist in axes.collections)
    np.testing.assert_array_equal(inner, [[0.1, 0], [0.2, 0]])
    np.testing.assert_array_equal(ends, [[0, -1], [1, -1]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["inner", "ends"]


# All of them


DRAW = {
    "history": lambda axes: plotting.plot_history(history([0, 1]), axes=axes),
    "errors": lambda axes: plotting.plot_errors(
        {"run": (history([0, 1]), [0, 1], [1, 2])}, "step", axes=axes
    ),
    "surface": lambda axes: plotting.plot_surface(np.eye(3), BOX, "title", axes=axes),
    "solution": lambda axes: plotting.plot_solution(saddle, BOX, axes=axes),
    "error": lambda axes: plotting.plot_error(saddle, saddle, BOX, axes=axes),
    "points": lambda axes: plotting.plot_points(np.eye(2), axes=axes),
    "dependence": lambda axes: plotting.plot_partial_dependence(saddle, np.eye(2), 0, axes=axes),
    "decay": lambda axes: plotting.plot_decay(np.ones(3), "k", "title", axes=axes),
    "spectra": lambda axes: plotting.plot_spectra({"A": np.ones(3)}, "title", axes=axes),
    "conditions": lambda axes: plotting.plot_conditions([2, 4], {1: [1.0, 2.0]}, axes=axes),
    "eigenvectors": lambda axes: plotting.plot_eigenvectors(np.eye(3), [0], "title", axes=axes),
    "sign changes": lambda axes: plotting.plot_sign_changes({"A": np.arange(3)}, axes=axes),
}
ELSEWHERE = {"plot_edge"}  # tests of pictures of networks


def test_every_picture_is_here():
    names = {name for name in plotting.__all__ if name.startswith("plot_")}
    assert len(DRAW) == len(names - ELSEWHERE)


@pytest.mark.parametrize("name", DRAW)
def test_axes_are_taken_and_returned(name):
    left, right = plotting.figure(8, 4).subplots(1, 2)
    assert DRAW[name](right) is right
    assert not left.has_data()
    assert right.has_data()
    new = DRAW[name](None)
    assert new.has_data()
    new.figure.draw_without_rendering()
    with pytest.raises(TypeError, match=naming("axes must be an Axes", "'right'")):
        DRAW[name]("right")


def test_nothing_global_changes():
    """Importing needs no matplotlib, and drawing neither pyplot nor a backend of one's own."""
    code = """
import io, sys
import kanml
assert "matplotlib" not in sys.modules and "scipy" not in sys.modules
import matplotlib
before = list(dict.items(matplotlib.rcParams))  # looking up the backend would import pyplot
net = kanml.KAN([2, 3, 1])
net.plot([[0.1, 0.2]]).figure.savefig(io.BytesIO())
kanml.plotting.plot_solution(net, (-1, 1, -1, 1)).figure.savefig(io.BytesIO())
assert "matplotlib.pyplot" not in sys.modules
assert list(dict.items(matplotlib.rcParams)) == before
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


BAD = {
    "a result": (lambda: plotting.plot_history("run"), TypeError, ["history", "'run'"]),
    "against": (lambda: plotting.plot_history(history([0]), "time"), ValueError, ["'time'"]),
    "a box": (
        lambda: plotting.plot_solution(saddle, (0, 1, 1, 0)),
        ValueError,
        ["box", "bottom < top", "[0, 1, 1, 0]"],
    ),
    "two values": (
        lambda: plotting.plot_solution(lambda x: x, BOX, points=3),
        ValueError,
        ["function", "(9,) or (9, 1)", "(9, 2)"],
    ),
    "two exact values": (
        lambda: plotting.plot_error(saddle, lambda x: x, BOX, points=3),
        ValueError,
        ["exact must return", "(9, 2)"],
    ),
    "values": (
        lambda: plotting.plot_surface(np.ones(3), BOX, ""),
        ValueError,
        ["values", "(rows, columns)", "(3,)"],
    ),
    "letters": (lambda: plotting.plot_points(np.eye(2), letters="txy"), ValueError, ["'txy'"]),
    "columns": (lambda: plotting.plot_points(np.eye(2), (0, 2)), ValueError, ["columns", "2"]),
    "one column": (lambda: plotting.plot_points(np.eye(2), (1, 1)), ValueError, ["(1, 1)"]),
    "no points": (
        lambda: plotting.plot_points({"pde": np.zeros((0, 2))}),
        ValueError,
        ["pde", "(0, 2)"],
    ),
    "points of two kinds": (
        lambda: plotting.plot_points({"a": np.eye(2), "b": np.eye(3)}),
        ValueError,
        ["'a': 2", "'b': 3"],
    ),
    "an input": (
        lambda: plotting.plot_partial_dependence(saddle, np.eye(2), 2),
        ValueError,
        ["input", "0..1", "2"],
    ),
    "a constant input": (
        lambda: plotting.plot_partial_dependence(saddle, np.ones((4, 2)), 1),
        ValueError,
        ["column 1", "1.0"],
    ),
    "outputs": (
        lambda: plotting.plot_partial_dependence(lambda x: x[:1], np.eye(2), 1),
        ValueError,
        ["function", "(2, n_out)", "(1, 2)"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments(case):
    draw, error, parts = BAD[case]
    with pytest.raises(error, match=naming(*parts)):
        draw()
