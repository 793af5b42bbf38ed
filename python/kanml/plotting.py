"""Pictures of training runs, fits and spectra; they need matplotlib, from the extra ``plot``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array, FloatArray
from kanml.training.history import History, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = [
    "figure",
    "plot_conditions",
    "plot_convergence",
    "plot_decay",
    "plot_eigenvectors",
    "plot_errors",
    "plot_sign_changes",
    "plot_spectra",
    "plot_surface",
]


def figure(width: float, height: float) -> Figure:
    """Return a new figure of a size in inches, without changing matplotlib's global state.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed; the message says how to install it.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "pictures need matplotlib: python -m pip install 'kanml[plot]'", name=error.name
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def plot_convergence(axes: Axes, histories: Mapping[str, History]) -> None:
    """Plot loss against evaluations, with every refinement marked.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    histories : mapping of str to History
        The histories of runs by name.
    """
    for name, history in histories.items():
        (line,) = axes.semilogy(history.evaluations, history.loss, label=name)
        rows = _refinements(history)
        _mark(axes, line, history.evaluations[rows], history.loss[rows])
    axes.set_xlabel("evaluations of loss and gradient")
    axes.set_ylabel("loss")
    axes.set_title("Convergence; circles mark refinements")
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)


def plot_errors(
    axes: Axes,
    errors: Mapping[str, tuple[History, npt.ArrayLike, npt.ArrayLike]],
    against: Literal["step", "seconds"],
) -> None:
    """Plot relative errors of solutions during training, with every refinement marked.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    errors : mapping of str to (History, array_like of int, array_like)
        For each run by name: its history, the steps after which errors were measured, the errors.
    against : {"step", "seconds"}
        The horizontal axis.
    """
    for name, (history, steps, values) in errors.items():
        when = getattr(history, against)
        measured = when[np.searchsorted(history.step, steps)]
        (line,) = axes.semilogy(measured, np.asarray(values), label=name)
        refined = when[_refinements(history)]
        _mark(axes, line, refined, np.interp(refined, measured, np.asarray(values)))
    axes.set_xlabel({"step": "steps", "seconds": "seconds"}[against])
    axes.set_ylabel("relative $L_2$ error")
    axes.set_title("Error of the solution; circles mark refinements")
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)


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


def plot_surface(
    axes: Axes,
    values: FloatArray,
    box: Sequence[float],
    title: str,
    letters: str = "xy",
    limits: tuple[float, float] | None = None,
    colours: int = 256,
) -> None:
    """Plot values on an equispaced grid, with a colour bar.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    values : ndarray, shape (rows, columns)
    box : sequence of four floats
        The ends of the horizontal axis (columns), followed by those of the vertical one (rows).
    title : str
    letters : str
        The names of both axes.
    limits : tuple of two floats, optional
        The values at the ends of the colour bar; by default the least and the greatest one.
    colours : int
        How many colours there are between them. With few, level sets show and files are small.
    """
    from matplotlib import colormaps

    left, right, bottom, top = box
    image = axes.imshow(
        values,
        origin="lower",
        extent=(left, right, bottom, top),
        aspect="auto",
        interpolation="nearest",
        cmap=colormaps["viridis"].resampled(colours),
    )
    if limits is not None:
        image.set_clim(*limits)
    axes.figure.colorbar(image, ax=axes, shrink=0.8)
    axes.set_title(title)
    axes.set_xlabel(letters[0])
    axes.set_ylabel(letters[1])


def plot_decay(axes: Axes, values: Float64Array, label: str, title: str) -> None:
    """Plot positive numbers, such as sizes of Fourier coefficients, against their index from 0."""
    axes.semilogy(values)
    axes.set_xlabel(label)
    axes.set_title(title)
    axes.grid(alpha=0.3)


def plot_spectra(axes: Axes, spectra: Mapping[str, Float64Array], title: str) -> None:
    """Plot eigenvalues, of a change of basis or of kernels, against their rank from 1.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    spectra : mapping of str to ndarray, shape (dim,)
        Eigenvalues by name, in the order of their ranks. Those that are not positive are left out.
    title : str
    """
    for name, values in spectra.items():
        axes.loglog(np.arange(1, len(values) + 1), values, ".-", ms=3, label=name)
    axes.set_xlabel("rank")
    axes.set_ylabel("eigenvalue")
    axes.set_title(title)
    axes.legend()
    axes.grid(alpha=0.3)


def plot_conditions(
    axes: Axes, intervals: Sequence[int], conditions: Mapping[int, Sequence[float]]
) -> None:
    """Plot the condition of A^T A against the number of intervals, with its growth n^(2r).

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    intervals : sequence of int
    conditions : mapping of int to sequence of float
        For each order r, the condition for each number of intervals. A dotted line through the last
        one has the slope 2r.
    """
    n = np.asarray(intervals, dtype=np.float64)
    for order, values in conditions.items():
        (line,) = axes.loglog(n, values, "o-", ms=4, label=f"r = {order}")
        growth = values[-1] * (n / n[-1]) ** (2 * order)
        axes.loglog(n, growth, ":", color=line.get_color())
    axes.set_xticks([], minor=True)
    axes.set_xticks(n, [str(i) for i in intervals])
    axes.set_xlabel("intervals n")
    axes.set_ylabel("condition of $A^T A$")
    axes.set_title("Condition; dotted: $n^{2r}$")
    axes.legend()
    axes.grid(alpha=0.3)


def plot_eigenvectors(
    axes: Axes, vectors: Float64Array, columns: Sequence[int], title: str
) -> None:
    """Plot selected columns of a matrix of eigenvectors, each on a line of its own.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    vectors : ndarray, shape (dim, dim)
    columns : sequence of int
    title : str
    """
    for height, j in enumerate(columns):
        scale = 2.2 * np.abs(vectors[:, j]).max()
        axes.axhline(-height, color="0.8", lw=0.6)
        axes.plot(vectors[:, j] / scale - height, lw=1)
    axes.set_yticks(-np.arange(len(columns)), [f"j = {j}" for j in columns])
    axes.set_xlabel("entry")
    axes.set_title(title)


def plot_sign_changes(axes: Axes, sign_changes: Mapping[str, IntArray]) -> None:
    """Plot the number of sign changes of eigenvector j against j.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    sign_changes : mapping of str to ndarray of int, shape (dim,)
        Counts by name.
    """
    markers = "os^vDx+"
    for i, (name, counts) in enumerate(sign_changes.items()):
        marker = markers[i % len(markers)]
        axes.plot(counts, marker, ms=8 - i, markerfacecolor="none", markevery=5, label=name)
    axes.set_xlabel("j")
    axes.set_ylabel("sign changes")
    axes.set_title("Sign changes of eigenvector j")
    axes.legend()
    axes.grid(alpha=0.3)
