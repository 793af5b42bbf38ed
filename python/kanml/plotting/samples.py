"""Pictures of where samples are, and of what a function makes of one of their inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from kanml._validation import (
    Float64Array,
    finite,
    indices,
    integer,
    mapping,
    names,
    real_array,
    require_function,
)
from kanml.canvas import add_legend, describe, given_or_new, in_legend, ink
from kanml.problems import PINN, Regression, Sampler

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_partial_dependence", "plot_points"]

Points: TypeAlias = "PINN | Regression | Sampler | Mapping[str, npt.ArrayLike] | npt.ArrayLike"


def plot_points(
    points: Points,
    columns: Sequence[int] = (0, 1),
    letters: str | Sequence[str] | None = None,
    *,
    axes: Axes | None = None,
) -> Axes:
    """Plot where samples or collocation points are.

    Parameters
    ----------
    points : array_like, shape (N, d), or mapping of str to such, Sampler, PINN or Regression
        The points; of a PINN those of each term, as they were given. Samplers, also those of terms,
        show their first draw.
    columns : sequence of two int
        The inputs on the horizontal and the vertical axis. With one input, d = 1, each set of
        points has a line of its own instead.
    letters : str or sequence of str, optional
        The names of all inputs; by default those of the PINN, or x0, x1 and so on.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default the axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described.

    Examples
    --------
    >>> import kanml
    >>> axes = kanml.plotting.plot_points(kanml.Sampler([0, -1], [1, 1], n=100), letters="tx")
    >>> axes.collections[0].get_offsets().shape, axes.get_xlabel()
    ((100, 2), 't')
    """
    sets = _sets(points)
    (width,) = {array.shape[1] for array in sets.values()}
    if letters is None:
        letters = points.inputs if isinstance(points, PINN) else [f"x{k}" for k in range(width)]
    letters = names(letters, "letters", width)
    across, up = _two(columns, width) if width > 1 else (0, 0)
    axes = given_or_new(axes)
    size = float(np.clip(4000 / sum(map(len, sets.values())), 2, 20))
    if width == 1:
        for height, array in enumerate(sets.values()):
            axes.scatter(array[:, 0], np.full(len(array), -height), size)
        axes.set_yticks(-np.arange(len(sets)), list(sets))
        axes.set_xlabel(letters[0])
        return axes
    for name, array in sets.items():
        axes.scatter(array[:, across], array[:, up], size, label=in_legend(name))
    axes.set_xlabel(letters[across])
    axes.set_ylabel(letters[up])
    if len(sets) > 1:
        add_legend(axes, beside=True, markerscale=2)  # points may be everywhere
    return axes


def _sets(points: Points) -> dict[str, Float64Array]:
    """Return sets of points (N, d) by name, all of the same d."""
    if isinstance(points, PINN):
        given: Mapping[str, object] = {term.name: term.points for term in points.terms}
    elif isinstance(points, Regression):
        given = {"x": points.x}
    elif isinstance(points, Mapping):
        given = mapping(points, "points", "names to points")
    else:
        given = {"points": points}
    sets = {}
    for name, value in given.items():
        array = real_array(value.points if isinstance(value, Sampler) else value, str(name))
        if array.ndim != 2 or 0 in array.shape:
            raise ValueError(f"{name} must have shape (N, d) with N, d >= 1, got {array.shape}")
        sets[name] = finite(array, str(name))
    widths = {name: array.shape[1] for name, array in sets.items()}
    if len(set(widths.values())) != 1:
        raise ValueError(f"points must be sets with the same number of columns, got {widths}")
    return sets


def _two(columns: Sequence[int], width: int) -> tuple[int, int]:
    """Return two different columns, checked."""
    found = indices(columns, "columns", width)
    if len(found) != 2 or found[0] == found[1]:
        raise ValueError(f"columns must be two different inputs, got {columns!r}")
    return found[0], found[1]


def plot_partial_dependence(
    function: Callable[[Float64Array], npt.ArrayLike],
    x: npt.ArrayLike,
    input: int,
    name: str | None = None,
    outputs: Sequence[str] | None = None,
    *,
    points: int = 50,
    axes: Axes | None = None,
) -> Axes:
    """Plot how outputs depend on one input on average, over samples of the others.

    At t, the curve is the mean over all samples of the outputs with `input` replaced by t. Ticks
    below mark the deciles of the input: where they are sparse, the curve rests on few samples. If
    inputs depend on each other, it includes combinations that do not occur. There is no legend of
    more than 32 outputs.

    Parameters
    ----------
    function : callable
        From samples of shape (N, n_in) to outputs of shape (N,) or (N, n_out): a network, say.
    x : array_like, shape (N, n_in), N >= 1
        Samples, each evaluated `points` times.
    input : int
        The input on the horizontal axis, from the least of its samples to the greatest.
    name : str, optional
        The name of that input.
    outputs : sequence of str, optional
        The names of all outputs.
    points : int
        The number of values of t.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default the axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described, or the input is the same in all samples.

    Notes
    -----
    J. H. Friedman, Greedy function approximation: a gradient boosting machine, Ann. Statist. 29,
    2001, section 8.2.

    Examples
    --------
    >>> import kanml, numpy as np
    >>> x = np.random.default_rng(0).uniform(-1, 1, (100, 2))
    >>> axes = kanml.plotting.plot_partial_dependence(lambda x: 3 * x[:, 0] - x[:, 1], x, 0)
    >>> t, mean = axes.lines[0].get_data()
    >>> float(((mean[-1] - mean[0]) / (t[-1] - t[0])).round(12))
    3.0
    """
    require_function(function, "function", "samples")
    samples = finite(real_array(x, "x"), "x")
    if samples.ndim != 2 or 0 in samples.shape:
        raise ValueError(f"x must have shape (N, n_in) with N >= 1, got shape {samples.shape}")
    at = integer(input, "input", 0, samples.shape[1] - 1)
    low, high = samples[:, at].min(), samples[:, at].max()
    if low == high:
        raise ValueError(f"x must vary in column {at}, got {low} in every sample")
    grid = np.linspace(low, high, integer(points, "points", 2))
    means = np.array([_mean(function, samples, at, t) for t in grid])
    count = means.shape[1]
    called = [f"output {j}" for j in range(count)] if outputs is None else outputs
    called = names(called, "outputs", count)
    axes = given_or_new(axes)
    for mean, output in zip(means.T, called, strict=True):
        axes.plot(grid, mean, label=in_legend(output))
    deciles = np.quantile(samples[:, at], np.linspace(0, 1, 11))
    below = axes.get_xaxis_transform()
    axes.plot(deciles, np.full(11, 0.03), "|", color=ink(0.65), ms=10, transform=below)
    across = f"x{at}" if name is None else name
    mean_of = "output" if outputs is None or count > 1 else called[0]
    describe(axes, across, f"mean {mean_of}", "Partial dependence; ticks: deciles of the data")
    if count > 1:
        add_legend(axes, beside=True)
    return axes


def _mean(
    function: Callable[[Float64Array], npt.ArrayLike], samples: Float64Array, at: int, t: float
) -> Float64Array:
    """Return the mean outputs (n_out,) with one input replaced."""
    changed = samples.copy()
    changed[:, at] = t
    outputs = real_array(function(changed), "what function returns")
    if outputs.ndim not in (1, 2) or len(outputs) != len(samples):
        raise ValueError(
            f"function must return outputs of shape ({len(samples)},) or ({len(samples)}, n_out), "
            f"got shape {outputs.shape}"
        )
    mean: Float64Array = outputs.reshape(len(samples), -1).mean(axis=0)
    return mean
