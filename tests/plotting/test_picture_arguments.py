"""Arguments of pictures that are wrong: errors name them, what they were, and what was expected."""

from __future__ import annotations

import numpy as np
import pytest
from test_pictures import BOX, history, saddle

from helpers import naming
from kanml import plotting
from kanml.training.history import History


def surface(**options):
    return lambda: plotting.plot_surface(np.eye(3), BOX, "title", **options)


def errors(runs):
    return lambda: plotting.plot_errors(runs, "step")


BAD = {
    "a result": (lambda: plotting.plot_history("run"), TypeError, ["history", "'run'"]),
    "against": (lambda: plotting.plot_history(history([0]), "time"), ValueError, ["'time'"]),
    "a box": (
        lambda: plotting.plot_solution(saddle, (0, 1, 1, 0)),
        ValueError,
        ["box", "bottom < top", "(0, 1, 1, 0)"],
    ),
    "a box of one number": (lambda: plotting.plot_solution(saddle, 5), ValueError, ["box", "5"]),
    "a function": (lambda: plotting.plot_solution(5, BOX), TypeError, ["function must be a", "5"]),
    "like": (lambda: plotting.plot_solution(saddle, BOX, like=3), TypeError, ["like must be", "3"]),
    "exact": (lambda: plotting.plot_error(saddle, 4, BOX), TypeError, ["exact must be", "4"]),
    "letters of a box": (
        lambda: plotting.plot_solution(saddle, BOX, letters="xyz"),
        ValueError,
        ["letters must be 2 names", "'xyz'"],
    ),
    "one letter": (surface(letters="x"), ValueError, ["letters must be 2 names", "'x'"]),
    "a letter a number": (surface(letters=5), TypeError, ["letters must be 2 names", "5"]),
    "no colours": (surface(colours=0), ValueError, ["colours", ">= 1", "0"]),
    "negative colours": (surface(colours=-3), ValueError, ["colours", "-3"]),
    "half a colour": (surface(colours=2.5), TypeError, ["colours", "2.5"]),
    "a limit": (surface(limits=5), ValueError, ["limits must be two numbers, low < high", "5"]),
    "falling limits": (surface(limits=(1, 0)), ValueError, ["limits", "low < high", "(1, 0)"]),
    "limits NaN": (surface(limits=(np.nan, 1)), ValueError, ["limits[0]", "nan"]),
    "text": (lambda: plotting.log10_size("a"), TypeError, ["values", "<U1"]),
    "a size": (lambda: plotting.figure("a", 1), TypeError, ["width must be a number > 0", "'a'"]),
    "no size": (lambda: plotting.figure(1, 0), ValueError, ["height must be a number > 0", "0"]),
    "no histories": (lambda: plotting.plot_history({}), ValueError, ["history", "an empty one"]),
    "a history without rows": (
        lambda: plotting.plot_history({"a": History()}),
        ValueError,
        ["history['a'] must have a row", "<History, empty>"],
    ),
    "no history": (lambda: plotting.plot_history({"a": 3}), TypeError, ["history['a']", "3"]),
    "a bare history": (errors(history([0])), TypeError, ["errors must be a mapping", "<History"]),
    "errors alone": (errors({"a": history([0])}), TypeError, ["errors['a']", "(history, steps"]),
    "errors of unknown steps": (
        errors({"a": (history([0, 0]), [0, 7], [1.0, 0.5])}),
        ValueError,
        ["steps of errors['a']", "0..1", "7"],
    ),
    "two steps and one error": (
        errors({"a": (history([0, 0]), [0, 1], [1.0])}),
        ValueError,
        ["errors of errors['a']", "(2,)", "(1,)"],
    ),
    "spectra in a list": (
        lambda: plotting.plot_spectra([1, 2], "title"),
        TypeError,
        ["spectra must be a mapping of names to vectors", "[1, 2]"],
    ),
    "no spectra": (lambda: plotting.plot_spectra({}, "title"), ValueError, ["spectra", "empty"]),
    "a spectrum": (lambda: plotting.plot_spectra({"A": 3}, ""), ValueError, ["spectra['A']", "()"]),
    "an eigenvector": (
        lambda: plotting.plot_eigenvectors(np.eye(3), [0, 9], "title"),
        ValueError,
        ["columns[1]", "0..2", "9"],
    ),
    "columns a number": (
        lambda: plotting.plot_eigenvectors(np.eye(3), 1, "title"),
        TypeError,
        ["columns", "1"],
    ),
    "no conditions": (lambda: plotting.plot_conditions([], {}), ValueError, ["intervals", "(0,)"]),
    "too few conditions": (
        lambda: plotting.plot_conditions([2, 4], {1: [3.0]}),
        ValueError,
        ["conditions[1]", "(2,)", "(1,)"],
    ),
    "points that are not finite": (
        lambda: plotting.plot_points({"pde": [[0.0, np.nan]]}),
        ValueError,
        ["pde[0, 1]", "nan"],
    ),
    "no sets of points": (lambda: plotting.plot_points({}), ValueError, ["points", "empty"]),
    "a number of letters": (
        lambda: plotting.plot_points(np.eye(2), letters=5),
        TypeError,
        ["letters must be 2 names", "5"],
    ),
    "a number of columns": (
        lambda: plotting.plot_points(np.eye(2), columns=5),
        TypeError,
        ["columns", "5"],
    ),
    "a dependence of no function": (
        lambda: plotting.plot_partial_dependence(5, np.eye(2), 0),
        TypeError,
        ["function must be a function of samples", "5"],
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
    "names of outputs": (
        lambda: plotting.plot_partial_dependence(saddle, np.eye(2), 0, outputs=["a", "b"]),
        ValueError,
        ["outputs must be 1 names", "['a', 'b']"],
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
