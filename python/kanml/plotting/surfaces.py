"""Pictures of functions of two inputs: a solution, its error, and values on a grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from kanml._validation import (
    Float64Array,
    FloatArray,
    finite,
    integer,
    names,
    real_array,
    require_function,
)
from kanml.canvas import given_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Function", "log10_size", "plot_error", "plot_solution", "plot_surface"]

Function: TypeAlias = Callable[[Float64Array], npt.ArrayLike]
"""From points (N, 2) to values (N,) or (N, 1), a network for instance."""


def plot_surface(
    values: FloatArray,
    box: Sequence[float],
    title: str,
    letters: str | Sequence[str] = "xy",
    limits: tuple[float, float] | None = None,
    colours: int = 256,
    *,
    axes: Axes | None = None,
) -> Axes:
    """Plot values on an equispaced grid, with a colour bar.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
    box : sequence of four floats
        The ends of the horizontal axis (columns), followed by those of the vertical one (rows).
    title : str
    letters : str or sequence of str
        The names of both axes.
    limits : tuple of two floats, optional
        The values at the ends of the colour bar; by default the least and the greatest one.
    colours : int
        How many colours there are between them. With few, level sets show and files are small.
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
    grid = real_array(values, "values")
    if grid.ndim != 2 or grid.size == 0:
        raise ValueError(f"values must have shape (rows, columns), got shape {grid.shape}")
    left, right, bottom, top = _box(box)
    across, up = names(letters, "letters", 2)
    ends = None if limits is None else _rising(limits, "limits", 2, "two numbers, low < high")
    integer(colours, "colours", 1)
    axes = given_or_new(axes)
    from matplotlib import colormaps

    image = axes.imshow(
        grid,
        origin="lower",
        extent=(left, right, bottom, top),
        aspect="auto",
        interpolation="nearest",
        cmap=colormaps["viridis"].resampled(colours),
    )
    if ends is not None:
        image.set_clim(*ends)
    axes.figure.colorbar(image, ax=axes, shrink=0.8)
    axes.set_title(title)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    return axes


def plot_solution(
    function: Function,
    box: Sequence[float],
    title: str = "",
    letters: str | Sequence[str] = "xy",
    *,
    like: Function | None = None,
    points: int = 200,
    colours: int = 256,
    axes: Axes | None = None,
) -> Axes:
    """Plot a function of two inputs, a solution for instance.

    Parameters
    ----------
    function : callable
        From points of shape (N, 2) to values of shape (N,) or (N, 1): a network, say.
    box : sequence of four floats
        The ends of the first input, on the horizontal axis, followed by those of the second one.
    title : str
    letters : str or sequence of str
        The names of both inputs.
    like : callable, optional
        A function of the same kind whose values share the colour scale. Two pictures of a solution
        and its fit, each drawn `like` the other, are comparable colour by colour.
    points : int
        The number of points in each direction.
    colours, axes
        As in `plot_surface`.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described, or a function returns values of another shape.

    Examples
    --------
    >>> import kanml, numpy as np
    >>> net = kanml.KAN([2, 3, 1], seed=0)
    >>> exact = lambda x: 2 * np.sin(x[:, 0] * x[:, 1])
    >>> left, right = kanml.plotting.figure(9, 4).subplots(1, 2)
    >>> box = (-1, 1, -1, 1)
    >>> axes = kanml.plotting.plot_solution(exact, box, "exact", like=net, axes=left)
    >>> axes = kanml.plotting.plot_solution(net, box, "network", like=exact, axes=right)
    >>> left.images[0].get_clim() == right.images[0].get_clim()
    True
    """
    values = _on_grid(function, "function", box, points)
    every = [values] if like is None else [values, _on_grid(like, "like", box, points)]
    return plot_surface(values, box, title, letters, _limits(every), colours, axes=axes)


def plot_error(
    function: Function,
    exact: Function,
    box: Sequence[float],
    title: str = "",
    letters: str | Sequence[str] = "xy",
    *,
    points: int = 200,
    colours: int = 256,
    axes: Axes | None = None,
) -> Axes:
    """Plot the decimal logarithm of the error of a function of two inputs.

    The colours cover the four decades below the largest error. Where the error changes its sign, or
    a condition holds exactly, it is smaller and has the colour of the lowest.

    Parameters
    ----------
    function, exact : callable
        From points of shape (N, 2) to values of shape (N,) or (N, 1).
    box, letters, points, colours, axes
        As in `plot_solution`.
    title : str
        By default it names the largest error.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError, TypeError
        As in `plot_solution`.

    Examples
    --------
    >>> import kanml
    >>> net = kanml.KAN([2, 3, 1], seed=0)
    >>> axes = kanml.plotting.plot_error(lambda x: net(x) + 0.01, net, (-1, 1, -1, 1))
    >>> axes.get_title()
    'log10 |error|, at most 1.0e-02'
    """
    error = _on_grid(function, "function", box, points) - _on_grid(exact, "exact", box, points)
    title = title or f"log10 |error|, {_largest(error)}"
    size = log10_size(error)
    return plot_surface(size, box, title, letters, _limits([size], 4), colours, axes=axes)


def _limits(every: Sequence[Float64Array], reach: float = np.inf) -> tuple[float, float] | None:
    """Return the least and the greatest finite value, `reach` apart at most, if they differ."""
    seen = np.concatenate([one[np.isfinite(one)] for one in every])
    if seen.size == 0 or seen.min() == seen.max():
        return None
    top = float(seen.max())
    return max(float(seen.min()), top - reach), top


def _largest(error: Float64Array) -> str:
    """Return the largest finite error in words."""
    finite_ones = np.abs(error[np.isfinite(error)])
    if finite_ones.size == 0:
        return "nowhere finite"
    where = "" if finite_ones.size == error.size else " where finite"
    return f"at most {finite_ones.max():.1e}{where}"


def log10_size(values: FloatArray) -> Float64Array:
    """Return the decimal logarithms of absolute values, at least -16."""
    size = np.abs(real_array(values, "values"))
    logarithm: Float64Array = np.log10(np.maximum(size, 1e-16))
    return logarithm


def _box(box: Sequence[float]) -> list[float]:
    """Return the ends of both axes, checked."""
    return _rising(box, "box", 4, "four numbers, left < right and bottom < top")


def _rising(value: Sequence[float], name: str, count: int, expected: str) -> list[float]:
    """Return finite numbers, which rise in each pair; `expected` says so in words."""
    ends = finite(real_array(value, name), name)
    if ends.shape != (count,) or not (ends[::2] < ends[1::2]).all():
        raise ValueError(f"{name} must be {expected}, got {value!r}")
    values: list[float] = ends.tolist()
    return values


def _on_grid(function: Function, name: str, box: Sequence[float], points: int) -> Float64Array:
    """Return values on a grid, with the first input along the columns."""
    require_function(function, name, "points")
    integer(points, "points", 2)
    left, right, bottom, top = _box(box)
    across, up = np.linspace(left, right, points), np.linspace(bottom, top, points)
    mesh = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    values = real_array(function(mesh), f"what {name} returns")
    if values.shape not in ((len(mesh),), (len(mesh), 1)):
        raise ValueError(
            f"{name} must return one value for each of {len(mesh)} points, shape "
            f"({len(mesh)},) or ({len(mesh)}, 1), got shape {values.shape}"
        )
    return values.reshape(points, points)
