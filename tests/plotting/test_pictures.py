"""Pictures of runs, solutions, points and dependences: what they show, against plain loops."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.image import imread

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


def of_losses(losses, levels=None):
    made = History()
    for step, loss in enumerate(losses):
        level = 0 if levels is None else levels[step]
        made.append(Row(level, step, loss, float(step), step, 0))
    return made


def seen(line):
    """The points of a line that its axes draw; clipped ones would be joined by false lines."""
    path = line.get_transform().transform_path_non_affine(line.get_path())
    return [k for k, (_, y) in enumerate(path.vertices) if np.isfinite(y)]


@pytest.mark.parametrize(
    ("losses", "scale", "drawn"),
    [
        ([4.0, 2.0, 1.0], "log", [0, 1, 2]),
        ([4.0, 2.0, 0.0], "log", [0, 1]),
        ([4.0, 2.0, -1.0], "linear", [0, 1, 2]),
        ([-1.0, -2.0, -3.0], "linear", [0, 1, 2]),
        ([0.0, 0.0, 0.0], "linear", [0, 1, 2]),
    ],
)
def test_losses_that_are_not_positive(losses, scale, drawn):
    for runs in (of_losses(losses), {"run": of_losses(losses)}):
        axes = plotting.plot_history(runs)
        assert axes.get_yscale() == scale
        assert seen(axes.lines[0]) == drawn
        axes.figure.draw_without_rendering()
    errors = {"run": (of_losses([1.0] * 3), [0, 1, 2], losses)}
    assert seen(plotting.plot_errors(errors, "step").lines[0]) == drawn


def test_a_run_of_one_row_is_a_dot():
    line = plotting.plot_history(of_losses([0.5])).lines[0]
    assert (line.get_marker(), [*line.get_xdata()], [*line.get_ydata()]) == (".", [0], [0.5])
    assert plotting.plot_history(of_losses([0.5, 0.25])).lines[0].get_marker() == "None"


def test_eigenvalues_that_are_not_positive_are_left_out():
    (line,) = plotting.plot_spectra({"A": [4.0, 2.0, 0.0, -1.0, 1.0]}, "title").lines
    assert seen(line) == [0, 1, 4]
    (line,) = plotting.plot_decay([4.0, 0.0, 1.0], "k", "title").lines
    assert seen(line) == [0, 2]


def test_names_that_begin_with_an_underscore_are_in_legends():
    run = of_losses([1.0, 0.5])
    for axes in (
        plotting.plot_history({"_old": run, "new": run}),
        plotting.plot_errors({"_old": (run, [0], [1.0]), "new": (run, [0], [1.0])}, "step"),
        plotting.plot_points({"_old": np.eye(2), "new": np.eye(2)}),
        plotting.plot_spectra({"_old": np.ones(2), "new": np.ones(2)}, "title"),
        plotting.plot_sign_changes({"_old": np.ones(2), "new": np.ones(2)}),
    ):
        assert [t.get_text().strip() for t in axes.get_legend().get_texts()] == ["_old", "new"]


def test_sizes_of_many_markers():
    axes = plotting.plot_sign_changes({f"{i}": np.arange(9) for i in range(12)})
    sizes = [line.get_markersize() for line in axes.lines]
    assert sizes[:4] == [8, 7, 6, 5]
    assert min(sizes) == 3


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
    np.testing.assert_allclose(axes.images[0].get_clim(), (-7, -3), atol=1e-9)
    assert axes.get_title() == "log10 |error|, at most 1.0e-03"
    assert plotting.plot_error(fit, saddle, BOX, "mine", points=4).get_title() == "mine"


def test_an_error_of_few_decades_fills_the_colours():
    def fit(x):
        return saddle(x) + np.where(x[:, 0] > 1, 1e-1, 1e-3)

    image = plotting.plot_error(fit, saddle, BOX, points=4).images[0]
    np.testing.assert_allclose(image.get_clim(), (-3, -1), atol=1e-9)


@pytest.mark.parametrize(
    ("bad", "title"),
    [
        (1, "log10 |error|, at most 5.0e-01 where finite"),
        (4, "log10 |error|, nowhere finite"),
    ],
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_error_that_is_not_finite(bad, title, value):
    def fit(x):
        return saddle(x) + np.where(np.arange(4) < bad, value, 0.5)

    assert plotting.plot_error(fit, saddle, BOX, points=2).get_title() == title


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


def test_partial_dependence_names_outputs():
    x = np.eye(2)
    both = plotting.plot_partial_dependence(lambda z: z, x, 0, outputs=["_power", "heat"])
    assert [text.get_text() for text in both.get_legend().get_texts()] == [" _power", "heat"]
    assert both.get_ylabel() == "mean output"
    one = plotting.plot_partial_dependence(saddle, x, 0, outputs=["power, kW"])
    assert one.get_ylabel() == "mean power, kW"
    assert one.get_legend() is None
    assert plotting.plot_partial_dependence(saddle, x, 0).get_ylabel() == "mean output"


@pytest.mark.parametrize(("outputs", "entries"), [(1, 0), (2, 2), (10, 10), (30, 30), (33, 0)])
def test_a_legend_of_many_outputs_leaves_room_for_the_curves(outputs, entries):
    def function(x):
        return x[:, :1] * np.arange(outputs)

    axes = plotting.plot_partial_dependence(function, np.eye(2), 0)
    axes.figure.draw_without_rendering()
    assert axes.get_window_extent().width > axes.figure.bbox.width / 3
    assert axes.get_window_extent().height > axes.figure.bbox.height / 2
    legend = axes.get_legend()
    assert (len(legend.get_texts()) if legend else 0) == entries
    if legend:
        box = legend.get_window_extent()
        assert box.x0 >= axes.get_window_extent().x1
        assert axes.figure.bbox.x1 >= box.x1
        assert axes.figure.bbox.y0 <= box.y0


def test_a_history_of_many_runs_leaves_room_for_the_curves():
    axes = plotting.plot_history({f"run {i}": of_losses([1.0, 0.5]) for i in range(30)})
    axes.figure.draw_without_rendering()
    assert axes.get_window_extent().width > axes.figure.bbox.width / 3
    assert axes.get_window_extent().height > axes.figure.bbox.height / 2


@pytest.mark.parametrize("layout", [None, "constrained"])
def test_the_legend_of_points_is_within_the_figure(layout):
    axes = Figure(layout=layout).add_subplot()
    plotting.plot_points({"a long name of points": np.eye(2), "b": np.eye(2)}, axes=axes)
    axes.figure.draw_without_rendering()
    box, whole = axes.get_legend().get_window_extent(), axes.figure.bbox
    assert whole.x0 <= box.x0 < box.x1 <= whole.x1
    assert whole.y0 <= box.y0 < box.y1 <= whole.y1


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


def test_a_figure_is_shown_in_notebooks():
    """By a method of IPython, as the bytes of a PNG file; matplotlib reads them again."""
    axes = plotting.plot_surface(np.eye(3), BOX, "title")
    content = axes.figure._repr_png_()
    assert content.startswith(b"\x89PNG\r\n")
    picture = imread(io.BytesIO(content))
    assert picture.shape[:2] == (400, 550)  # 5.5 by 4 inches
    pixels = (255 * picture[..., :3]).round().astype(int).reshape(-1, 3)
    for end in ((68, 1, 84), (253, 231, 37)):  # of viridis
        assert np.abs(pixels - end).max(axis=1).min() <= 1
    again = pickle.loads(pickle.dumps(axes.figure))._repr_png_()
    assert imread(io.BytesIO(again)).shape == picture.shape


def test_circles_and_ticks_have_the_colours_of_the_style():
    with matplotlib.rc_context({"text.color": "#123456", "axes.facecolor": "#654321"}):
        circles = plotting.plot_history(history([0, 1])).lines[1]
        deciles = plotting.plot_partial_dependence(saddle, np.eye(2), 0).lines[-1]
    assert to_rgba(circles.get_markerfacecolor()) == to_rgba("#654321")
    assert to_rgba(deciles.get_color())[:3] == to_rgba("#123456")[:3]


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
