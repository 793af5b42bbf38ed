"""What pictures are drawn on: figures and axes of matplotlib, without its global state."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figure", "given_or_new"]


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


def given_or_new(axes: Axes | None, width: float = 5.5, height: float = 4.0) -> Axes:
    """Return the axes that were given, or those of a new figure.

    Raises
    ------
    TypeError
        If `axes` is anything else.
    ModuleNotFoundError
        As in `figure`.
    """
    if axes is None:
        return figure(width, height).add_subplot()
    from matplotlib.axes import Axes

    if not isinstance(axes, Axes):
        raise TypeError(f"axes must be an Axes of matplotlib or None, got {axes!r}")
    return axes
