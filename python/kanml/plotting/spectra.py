"""Pictures of spectra: of changes of basis, of kernels, of residuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kanml._validation import Float64Array, indices, mapping, real_array, vector
from kanml.canvas import add_legend, describe, given_or_new, in_legend, ink
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
        Those that are not positive are left out.
    label, title : str
        The label of the horizontal axis, and the title.
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
    sizes = vector(values, "values")
    axes = given_or_new(axes)
    axes.semilogy(sizes, nonpositive="mask")
    describe(axes, label, "", title)
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

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described.
    """
    lines = _vectors(spectra, "spectra")
    axes = given_or_new(axes)
    for name, values in lines.items():
        ranks = np.arange(1, len(values) + 1)
        axes.loglog(ranks, values, ".-", ms=3, label=in_legend(name), nonpositive="mask")
    describe(axes, "rank", "eigenvalue", title)
    add_legend(axes)
    return axes


def _vectors(given: object, name: str) -> dict[str, Float64Array]:
    """Return vectors by name, checked."""
    of = "names to vectors"
    return {key: vector(one, f"{name}[{key!r}]") for key, one in mapping(given, name, of).items()}


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

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described.
    """
    n = vector(intervals, "intervals")
    given = mapping(conditions, "conditions", "orders to conditions")
    found = {r: vector(one, f"conditions[{r!r}]", len(n)) for r, one in given.items()}
    axes = given_or_new(axes)
    for order, values in found.items():
        (line,) = axes.loglog(n, values, "o-", ms=4, label=f"r = {order}")
        growth = values[-1] * (n / n[-1]) ** (2 * order)
        axes.loglog(n, growth, ":", color=line.get_color())
    axes.set_xticks([], minor=True)
    axes.set_xticks(n, [str(i) for i in intervals])
    describe(axes, "intervals n", "condition of $A^T A$", "Condition; dotted: $n^{2r}$")
    add_legend(axes)
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

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described.
    """
    matrix = real_array(vectors, "vectors")
    if matrix.ndim != 2 or matrix.size == 0:
        raise ValueError(f"vectors must have shape (dim, dim), got shape {matrix.shape}")
    chosen = indices(columns, "columns", matrix.shape[1])
    axes = given_or_new(axes)
    for height, j in enumerate(chosen):
        scale = 2.2 * np.abs(matrix[:, j]).max() or 1.0
        axes.axhline(-height, color=ink(0.2), lw=0.6)
        axes.plot(matrix[:, j] / scale - height, lw=1)
    axes.set_yticks(-np.arange(len(chosen)), [f"j = {j}" for j in chosen])
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

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described.
    """
    lines = _vectors(sign_changes, "sign_changes")
    axes = given_or_new(axes)
    markers = "os^vDx+"
    for i, (name, counts) in enumerate(lines.items()):
        style: dict[str, Any] = {
            "marker": markers[i % len(markers)],
            "ms": max(8 - i, 3),
            "markevery": 5,
        }
        axes.plot(counts, ls="", markerfacecolor="none", label=in_legend(name), **style)
    describe(axes, "j", "sign changes", "Sign changes of eigenvector j")
    add_legend(axes)
    return axes
