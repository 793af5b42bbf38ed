"""Pictures of spectra: of changes of basis, of kernels, of residuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kanml._validation import Float64Array
from kanml.canvas import given_or_new
from kanml.training.history import IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "plot_conditions",
    "plot_decay",
    "plot_eigenvectors",
    "plot_sign_changes",
    "plot_spectra",
]


def plot_decay(values: Float64Array, label: str, title: str, *, axes: Axes | None = None) -> Axes:
    """Plot positive numbers, such as sizes of Fourier coefficients, against their index from 0.

    Parameters
    ----------
    values : ndarray, shape (n,)
    label, title : str
        The label of the horizontal axis, and the title.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default the axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
    """
    axes = given_or_new(axes)
    axes.semilogy(values)
    axes.set_xlabel(label)
    axes.set_title(title)
    axes.grid(alpha=0.3)
    return axes


def plot_spectra(
    spectra: Mapping[str, Float64Array], title: str, *, axes: Axes | None = None
) -> Axes:
    """Plot eigenvalues, of a change of basis or of kernels, against their rank from 1.

    Parameters
    ----------
    spectra : mapping of str to ndarray, shape (dim,)
        Eigenvalues by name, in the order of their ranks. Those that are not positive are left out.
    title : str
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default the axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
    """
    axes = given_or_new(axes)
    for name, values in spectra.items():
        axes.loglog(np.arange(1, len(values) + 1), values, ".-", ms=3, label=name)
    axes.set_xlabel("rank")
    axes.set_ylabel("eigenvalue")
    axes.set_title(title)
    axes.legend()
    axes.grid(alpha=0.3)
    return axes


def plot_conditions(
    intervals: Sequence[int],
    conditions: Mapping[int, Sequence[float]],
    *,
    axes: Axes | None = None,
) -> Axes:
    """Plot the condition of A^T A against the number of intervals, with its growth n^(2r).

    Parameters
    ----------
    intervals : sequence of int
    conditions : mapping of int to sequence of float
        For each order r, the condition for each number of intervals. A dotted line through the last
        one has the slope 2r.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default the axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
    """
    axes = given_or_new(axes)
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
    return axes


def plot_eigenvectors(
    vectors: Float64Array, columns: Sequence[int], title: str, *, axes: Axes | None = None
) -> Axes:
    """Plot selected columns of a matrix of eigenvectors, each on a line of its own.

    Parameters
    ----------
    vectors : ndarray, shape (dim, dim)
    columns : sequence of int
    title : str
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default the axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
    """
    axes = given_or_new(axes)
    for height, j in enumerate(columns):
        scale = 2.2 * np.abs(vectors[:, j]).max()
        axes.axhline(-height, color="0.8", lw=0.6)
        axes.plot(vectors[:, j] / scale - height, lw=1)
    axes.set_yticks(-np.arange(len(columns)), [f"j = {j}" for j in columns])
    axes.set_xlabel("entry")
    axes.set_title(title)
    return axes


def plot_sign_changes(sign_changes: Mapping[str, IntArray], *, axes: Axes | None = None) -> Axes:
    """Plot the number of sign changes of eigenvector j against j.

    Parameters
    ----------
    sign_changes : mapping of str to ndarray of int, shape (dim,)
        Counts by name.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default the axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
    """
    axes = given_or_new(axes)
    markers = "os^vDx+"
    for i, (name, counts) in enumerate(sign_changes.items()):
        marker = markers[i % len(markers)]
        axes.plot(counts, marker, ms=8 - i, markerfacecolor="none", markevery=5, label=name)
    axes.set_xlabel("j")
    axes.set_ylabel("sign changes")
    axes.set_title("Sign changes of eigenvector j")
    axes.legend()
    axes.grid(alpha=0.3)
    return axes
