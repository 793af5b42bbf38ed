"""Pictures of training runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from kanml._validation import choice
from kanml.canvas import given_or_new
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
    histories = {"loss": history} if isinstance(history, History) else history
    if not isinstance(histories, Mapping) or not all(
        isinstance(one, History) for one in histories.values()
    ):
        raise TypeError(f"history must be a History or a mapping of names to them, got {history!r}")
    axes = given_or_new(axes)
    for name, one in histories.items():
        when = getattr(one, against)
        (line,) = axes.semilogy(when, one.loss, label=name)
        rows = _refinements(one)
        _mark(axes, line, when[rows], one.loss[rows])
    if isinstance(history, History):
        _draw_parts(axes, history, getattr(history, against))
    axes.set_title("Convergence; circles mark refinements")
    return _finished(axes, LABELS[against], "loss")


def _draw_parts(axes: Axes, history: History, when: npt.ArrayLike) -> None:
    """Draw the validation loss and the terms of a run, where it has them."""
    if history.validation.size:
        axes.semilogy(when, history.validation, label="validation")
    terms = history.terms
    for name in terms if len(terms) > 1 else ():
        axes.semilogy(when, terms[name], lw=0.8, label=f"term {name!r}")


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
    """
    choice(against, "against", LABELS)
    axes = given_or_new(axes)
    for name, (history, steps, values) in errors.items():
        when = getattr(history, against)
        measured = when[np.searchsorted(history.step, steps)]
        (line,) = axes.semilogy(measured, np.asarray(values), label=name)
        refined = when[_refinements(history)]
        _mark(axes, line, refined, np.interp(refined, measured, np.asarray(values)))
    axes.set_title("Error of the solution; circles mark refinements")
    return _finished(axes, LABELS[against], "relative $L_2$ error")


def _finished(axes: Axes, across: str, up: str) -> Axes:
    """Name both directions, and add legend and grid."""
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)
    return axes


def _refinements(history: History) -> IntArray:
    """Return the rows of a history that follow a refinement."""
    return np.flatnonzero(np.diff(history.level) > 0) + 1


def _mark(axes: Axes, line: Line2D, x: npt.ArrayLike, y: npt.ArrayLike) -> None:
    """Draw a circle at points of a line, and a dotted vertical line through each."""
    axes.semilogy(
        np.asarray(x), np.asarray(y), "o", color=line.get_color(), markerfacecolor="white"
    )
    for position in np.asarray(x):
        axes.axvline(position, color=line.get_color(), lw=0.6, ls=":")
