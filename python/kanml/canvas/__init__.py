"""What pictures are drawn on and in: figures, axes, colours and legends.

Nothing here changes matplotlib's global state. Colours are those of the style in force when
something is drawn, so that pictures can be read on a dark ground too.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, TypeAlias

from kanml._validation import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Colour",
    "accent",
    "add_legend",
    "describe",
    "figure",
    "given_or_new",
    "in_legend",
    "ink",
]

Colour: TypeAlias = tuple[float, float, float, float]

FEW = 6  # entries of a legend, which then stands within the axes
COLUMN = 16  # entries of a legend in a column
MOST = 32  # entries of a legend


def figure(width: float, height: float) -> Figure:
    """Return a new figure of a size in inches, without changing matplotlib's global state.

    Raises
    ------
    ValueError, TypeError
        If a size is not a positive number.
    ModuleNotFoundError
        If matplotlib is not installed; the message says how to install it.
    """
    sizes = {"width": width, "height": height}
    inches = [number(size, name, "a number > 0", lambda x: x > 0) for name, size in sizes.items()]
    _matplotlib("figure")
    from kanml.canvas.shown import ShownFigure

    return ShownFigure(figsize=(inches[0], inches[1]), layout="constrained")


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
    kind: type[Axes] = _matplotlib("axes").Axes
    if not isinstance(axes, kind):
        raise TypeError(f"axes must be an Axes of matplotlib or None, got {axes!r}")
    return axes


def _matplotlib(module: str) -> Any:
    """Return a module of matplotlib."""
    try:
        return importlib.import_module(f"matplotlib.{module}")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "pictures need matplotlib: python -m pip install 'kanml[plot]'", name=error.name
        ) from None


def ink(opacity: float = 1.0) -> Colour:
    """Return the colour of text in the present style."""
    from matplotlib import colors, rcParams

    return colors.to_rgba(rcParams["text.color"], opacity)


def accent(opacity: float = 1.0) -> Colour:
    """Return the first of the colours that the present style draws with."""
    from matplotlib import colors

    return colors.to_rgba("C0", opacity)


def describe(axes: Axes, across: str, up: str, title: str) -> None:
    """Name both directions and the whole, and draw a light grid."""
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.set_title(title)
    axes.grid(alpha=0.3)


def in_legend(name: object) -> str:
    """Return a name as a label that is in the legend, where matplotlib has none with "_" first."""
    text = str(name)
    return f" {text}" if text.startswith("_") else text


def add_legend(axes: Axes, beside: bool = False, **options: Any) -> None:
    """Add a legend of everything that has a label.

    A long one, or any if `beside`, stands beside the axes if the figure has a layout, which makes
    room for it. Of more than `MOST` entries there is none: colours recur long before.
    """
    count = len(axes.get_legend_handles_labels()[1])
    if count > MOST:
        return
    place: dict[str, Any] = {"loc": "best"}
    if (beside or count > FEW) and axes.figure.get_layout_engine() is not None:
        place = {"loc": "upper left", "bbox_to_anchor": (1, 1)}
    columns = max(1, -(-count // COLUMN))
    axes.legend(**place, **options, ncols=columns, fontsize="small")
