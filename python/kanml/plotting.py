"""Pictures of training runs and fits. Needs matplotlib: the extra ``plot``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from kanml._validation import Float64Array
from kanml.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figure", "plot_convergence", "plot_surface"]


def figure(width: float, height: float) -> Figure:
    """Return a figure of its own, in inches; matplotlib's global state is left alone.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed, saying how to get it.
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
        Runs by name.
    """
    for name, history in histories.items():
        (line,) = axes.semilogy(history.evaluations, history.loss, label=name)
        refinements = np.flatnonzero(np.diff(history.level) > 0) + 1
        axes.semilogy(
            history.evaluations[refinements],
            history.loss[refinements],
            "o",
            color=line.get_color(),
            markerfacecolor="white",
        )
        for i in refinements:
            axes.axvline(history.evaluations[i], color=line.get_color(), lw=0.6, ls=":")
    axes.set_xlabel("evaluations of loss and gradient")
    axes.set_ylabel("loss")
    axes.set_title("Convergence; circles mark refinements")
    axes.legend()
    axes.grid(alpha=0.3)


def plot_surface(axes: Axes, values: Float64Array, extent: float, title: str) -> None:
    """Plot values on a square grid over [0, extent]^2, with a colour bar."""
    image = axes.imshow(values, origin="lower", extent=(0, extent, 0, extent), cmap="viridis")
    axes.figure.colorbar(image, ax=axes, shrink=0.8)
    axes.set_title(title)
    axes.set_xlabel("x")
    axes.set_ylabel("y")
