"""Pictures of training runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array, choice, mapping, vector
from kanml.canvas import add_legend, describe, given_or_new, in_legend
from kanml.training.history import History, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = ["plot_errors", "plot_history"]

LABELS = {
    "evaluations": "evaluations of loss and gradient",
    "step": "steps",
    "seconds": "seconds",
}


def plot_history(
    history: History | Mapping[str, History],
    against: Literal["evaluations", "step", "seconds"] = "evaluations",
    *,
    axes: Axes | None = None,
) -> Axes:
    """Plot the loss during training, with every refinement marked.

    Parameters
    ----------
    history : History or mapping of str to History
        The history of one run, with its terms and the validation loss if it has them; or histories
        by name, whose losses are compared.
    against : {"evaluations", "step", "seconds"}
        The horizontal axis.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default the axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If `history` is anything else, such as a `Result`.
    ValueError
        If there is no history, or an empty one, or `against` is not as described.

    Notes
    -----
    The vertical axis is logarithmic, without losses of zero, unless a loss is negative or none is
    positive: then it is linear.

    Examples
    --------
    >>> import kanml, numpy as np
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> net = kanml.KAN([1, 1], intervals=2)
    >>> result = kanml.train(net, kanml.Regression(x, np.sin(3 * x)), schedule=[5, 5])
    >>> axes = kanml.plotting.plot_history(result.history)
    >>> bool(axes.lines[0].get_ydata()[-1] == result.history.loss[-1])
    True
    """
    choice(against, "against", LABELS)
    given = {"loss": history} if isinstance(history, History) else history
    histories = mapping(given, "history", "names to histories, or a History")
    for name, one in histories.items():
        _require_rows(one, f"history[{name!r}]")
    axes = given_or_new(axes)
    for name, one in histories.items():
        when = getattr(one, against)
        line = _line(axes, when, one.loss, in_legend(name))
        rows = _refinements(one)
        _mark(axes, line, when[rows], one.loss[rows])
    if isinstance(history, History):
        _draw_parts(axes, history, getattr(history, against))
    return _finished(axes, against, "loss", "Convergence; circles mark refinements")


def _require_rows(history: object, name: str) -> None:
    """Raise an error unless this is a history, and not an empty one."""
    if not isinstance(history, History):
        raise TypeError(f"{name} must be a History, got {history!r}")
    if not len(history):
        raise ValueError(f"{name} must have a row, got {history!r}")


def _draw_parts(axes: Axes, history: History, when: npt.ArrayLike) -> None:
    """Draw the validation loss and the terms of a run, where it has them."""
    if history.validation.size:
        _line(axes, when, history.validation, "validation")
    terms = history.terms
    for name in terms if len(terms) > 1 else ():
        _line(axes, when, terms[name], f"term {name!r}", lw=0.8)


def plot_errors(
    errors: Mapping[str, tuple[History, npt.ArrayLike, npt.ArrayLike]],
    against: Literal["evaluations", "step", "seconds"],
    *,
    axes: Axes | None = None,
) -> Axes:
    """Plot relative errors of solutions during training, with every refinement marked.

    Parameters
    ----------
    errors : mapping of str to (History, array_like of int, array_like)
        For each run by name: its history, the steps after which errors were measured, the errors.
    against : {"evaluations", "step", "seconds"}
        The horizontal axis.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default the axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described.
    """
    choice(against, "against", LABELS)
    runs = mapping(errors, "errors", "names to (history, steps, errors)")
    measured = {name: _measured(run, f"errors[{name!r}]") for name, run in runs.items()}
    axes = given_or_new(axes)
    for name, (history, rows, values) in measured.items():
        when = getattr(history, against)
        line = _line(axes, when[rows], values, in_legend(name))
        refined = when[_refinements(history)]
        _mark(axes, line, refined, np.interp(refined, when[rows], values))
    title = "Error of the solution; circles mark refinements"
    return _finished(axes, against, "relative $L_2$ error", title)


def _measured(run: object, name: str) -> tuple[History, IntArray, Float64Array]:
    """Return a history, its rows after which errors were measured, and the errors."""
    if not isinstance(run, Sequence) or len(run) != 3:
        raise TypeError(f"{name} must be (history, steps, errors), got {run!r}")
    history, steps, errors = run
    _require_rows(history, f"the history of {name}")
    after = vector(steps, f"the steps of {name}")
    unknown = after[~np.isin(after, history.step)]
    if unknown.size:
        raise ValueError(
            f"the steps of {name} must be steps of the history, 0..{history.step[-1]}, "
            f"got {unknown[0]:g}"
        )
    values = vector(errors, f"the errors of {name}", len(after))
    return history, np.searchsorted(history.step, after), values


def _line(axes: Axes, x: npt.ArrayLike, y: npt.ArrayLike, label: str, **style: Any) -> Line2D:
    """Draw a line; of a single point, a dot."""
    across, up = np.asarray(x), np.asarray(y)
    (line,) = axes.plot(across, up, "." if len(across) == 1 else "-", label=label, **style)
    return line


def _finished(axes: Axes, against: str, up: str, title: str) -> Axes:
    """Choose the scale, name both directions, and add legend and grid.

    The scale is logarithmic, without zeros, unless values are negative or none is positive.
    """
    low, high = axes.dataLim.intervaly
    if low >= 0 and high > 0:
        axes.set_yscale("log", nonpositive="mask")
    else:
        axes.set_yscale("linear")
    describe(axes, LABELS[against], up, title)
    add_legend(axes)
    return axes


def _refinements(history: History) -> IntArray:
    """Return the rows of a history that follow a refinement."""
    return np.flatnonzero(np.diff(history.level) > 0) + 1


def _mark(axes: Axes, line: Line2D, x: Float64Array, y: Float64Array) -> None:
    """Draw a circle at points of a line, and a dotted vertical line through each."""
    axes.plot(x, y, "o", color=line.get_color(), markerfacecolor=axes.get_facecolor())
    for position in x:
        axes.axvline(position, color=line.get_color(), lw=0.6, ls=":")
